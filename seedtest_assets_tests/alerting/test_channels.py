"""SEEDTEST_ALERT_URLS: how it is read, what is refused, and messages over real sockets."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.cli.app import app
from seedtest_assets.errors import SettingsError
from seedtest_assets_tests.alerting.receivers import MailServer
from seedtest_assets_tests.conftest import ROOT


@pytest.fixture
def mail():
    server = MailServer()
    yield server
    server.close()


@pytest.mark.parametrize("nothing", [None, "", "  ", " , "])
def test_unset_means_no_channel(nothing):
    assert read_channels(nothing) == ()


def test_a_plain_list_of_apprise_urls_gets_every_level():
    channels = read_channels("json://a.example/x, jsons://b.example/y?to=1,2 json://c.example")
    assert [channel.address for channel in channels] == [
        "json://a.example/x",
        "jsons://b.example/y?to=1,2",
        "json://c.example",
    ]
    assert [channel.level for channel in channels] == ["warn"] * 3


def test_a_comma_before_another_url_is_written_with_its_code():
    (split, _), (whole,) = (read_channels(f"json://a.example/{comma}json://b.example") for comma in (",", "%2C"))
    assert split.address == "json://a.example/"
    assert whole.address == "json://a.example/%2Cjson://b.example"


def test_a_level_stands_before_its_url():
    channels = read_channels("error:json://a.example, WARN:json://b.example\njson://c.example")
    assert [(channel.address, channel.level) for channel in channels] == [
        ("json://a.example", "error"),
        ("json://b.example", "warn"),
        ("json://c.example", "warn"),
    ]
    assert [channel.takes("warn") for channel in channels] == [False, True, True]
    assert all(channel.takes("error") for channel in channels)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("json://a.example, info:json://secret-host/secret-path", "entry 2 of 2 has the level 'info'"),
        ("secret-token", "entry 1 of 1 is not a URL"),
        ("nosuchservice://secret-token", "entry 1 of 1 (nosuchservice://…) is not an address"),
        ("slack://secret-token", "entry 1 of 1 (slack://…) is not an address"),
        ("json://secret-host/?redirect=yes", "entry 1 of 1 (json://…) follows redirects, which lose messages"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_secret(text, says, capfd):
    with pytest.raises(SettingsError) as raised:
        read_channels(text)
    line = str(raised.value)
    assert line.startswith("SEEDTEST_ALERT_URLS: ")
    assert says in line
    assert "\n" not in line
    shown = line + repr(raised.value) + "".join(capfd.readouterr())
    assert "secret" not in shown


def test_secrets_are_in_no_text_of_a_channel():
    (channel,) = read_channels("error:json://user:secret-password@hook.example/secret-path")
    assert "secret" not in f"{channel} {channel!r} {channel.name} {channel.fingerprint}"


@pytest.mark.slow
def test_the_code_location_refuses_a_bad_url_when_it_loads(tmp_path):
    loaded = subprocess.run(
        [sys.executable, "-c", "import seedtest_assets.definitions"],
        env={"SEEDTEST_ALERT_URLS": "warn:slack://secret-token", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode != 0
    assert "SEEDTEST_ALERT_URLS: entry 1 of 1 (slack://…)" in loaded.stderr.splitlines()[-1]
    assert "secret" not in loaded.stdout + loaded.stderr


def test_a_webhook_takes_a_message(webhook):
    (channel,) = read_channels(webhook.url)
    assert channel.send("ERROR here", "how much\nhttp://ui.example/runs/1", "error", "opened") is None
    assert webhook.messages[0]["title"] == "ERROR here"
    assert webhook.messages[0]["message"] == "how much\nhttp://ui.example/runs/1"
    assert webhook.messages[0]["type"] == "failure"


def test_a_mail_server_takes_a_message(mail):
    (channel,) = read_channels(mail.url)
    assert (
        channel.send("WARN here, 30% gone", "how much <b>\n90 of 300\nhttp://ui.example/runs/1", "warn", "opened")
        is None
    )
    (message,) = mail.messages
    assert message["Subject"] == "WARN here, 30% gone"
    assert message["To"] == "on-call@school.example"
    text = message.get_body(("plain",)).get_content()
    assert text.splitlines()[:3] == ["how much <b>", "90 of 300", "http://ui.example/runs/1"]


@pytest.mark.parametrize("status", [503, 403])
def test_a_refusal_is_told_with_its_status(webhook, status):
    webhook.status = status
    (channel,) = read_channels(webhook.url)
    assert str(status) in channel.send("x", "y", "warn", "opened")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_message_is_not_sent(webhook, status):
    webhook.status = status
    (channel,) = read_channels(webhook.url)
    assert str(status) in channel.send("x", "y", "warn", "opened")
    assert (webhook.n_refused, webhook.n_followed) == (1, 0)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_of_the_post_is_sent(webhook, status):
    webhook.status = status
    (channel,) = read_channels(webhook.url)
    assert channel.send("x", "y", "warn", "opened") is None


def test_a_reason_has_no_secret():
    (channel,) = read_channels("json://user-secret:pass-secret@127.0.0.1:9/path-secret?token=query-secret")
    reason = channel.send("x", "y", "warn", "opened")
    assert reason
    assert "secret" not in reason


def test_alert_test_sends_to_every_channel(webhook, mail, monkeypatch):
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", f"error:{webhook.url}, {mail.url}")
    result = CliRunner().invoke(app, ["alert", "test"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["json #1, from level error: sent", "mailto #2, from level warn: sent"]
    assert webhook.titles == ["TEST seedtest alerts, level error"]
    assert len(mail.messages) == 1


def test_alert_test_says_which_channel_fails(webhook, mail, monkeypatch):
    webhook.status = 500
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", f"{webhook.url} {mail.url}")
    result = CliRunner().invoke(app, ["alert", "test"])
    assert result.exit_code == 1
    assert "json #1" in result.output
    assert "500" in result.output
    assert "1 of 2 channels" in result.output
    assert len(mail.messages) == 1, "the other channel was tried too"


def test_alert_test_without_a_channel_names_the_variable(monkeypatch):
    monkeypatch.delenv("SEEDTEST_ALERT_URLS", raising=False)
    result = CliRunner().invoke(app, ["alert", "test"])
    assert result.exit_code == 1
    assert "SEEDTEST_ALERT_URLS is not set" in result.output


def test_the_documented_urls_are_understood():
    """Every address in docs/alerts.md is one that Apprise takes."""
    text = Path(ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    lines = [
        line.split("=", 1)[1].strip("'\"")
        for line in text.splitlines()
        if line.startswith("export SEEDTEST_ALERT_URLS=")
    ]
    assert lines
    for line in lines:
        assert read_channels(line)
