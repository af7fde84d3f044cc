"""What Dagster runs and the UI shows: the two sensors, the check alerts_sent, `seedtest status` and `seedtest alert list`."""

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat
from typer.testing import CliRunner

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.events import Trouble
from seedtest_assets.alerting.incidents import take_into_account
from seedtest_assets.alerting.sensors import alert_delivery_sensor, alerts_sent, incident_sensor
from seedtest_assets.cli.app import app
from seedtest_assets.cli.status import status_lines
from seedtest_assets.definitions import defs
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import ROOT, execute

DROP = Trouble(
    "check drop",
    "error",
    datetime(2025, 11, 2, 3, 5, tzinfo=timezone.utc),
    "item_count_drop 2025-11-01",
    "mirt_item_params, partition 2025-11-01",
    ("90 items fitted, 30% of the 300 usual",),
    "/runs/abc",
    frozenset({"check drop"}),
)


@pytest.fixture
def webhook(webhook, platform, monkeypatch):
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", webhook.url)
    return webhook


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def deliver(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    return alert_delivery_sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_alerting_is_on_without_a_click():
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}
    assert sensors["incident_sensor"].default_status == dg.DefaultSensorStatus.RUNNING
    assert sensors["alert_delivery_sensor"].default_status == dg.DefaultSensorStatus.RUNNING


def test_the_ui_shows_what_could_not_be_sent_until_it_was(instance, platform, webhook):
    take_into_account(platform, [DROP], read_channels(webhook.url), "http://ui.example")
    webhook.status = 503
    result = deliver(instance)
    assert "0 messages sent; 1 not sent to json #1 for" in result.skip_reason.skip_message
    assert "503" in result.skip_reason.skip_message
    (shown,) = result.asset_events
    assert (shown.asset_key.to_user_string(), shown.check_name) == ("mirt_fit_meta", "alerts_sent")
    assert not shown.passed
    assert shown.severity == dg.AssetCheckSeverity.WARN
    assert shown.metadata["not_sent"].value == 1
    assert "item_count_drop 2025-11-01" in shown.metadata["open"].value
    assert not alerts_sent().passed

    execute(platform, "UPDATE seedtest_alert_delivery SET next_try_at = now()")
    again = deliver(instance, result.cursor)
    assert again.asset_events == [], "the check is written when it turns, not with every look"

    webhook.status = 200
    execute(platform, "UPDATE seedtest_alert_delivery SET next_try_at = now()")
    back = deliver(instance, again.cursor)
    assert back.skip_reason.skip_message == "1 messages sent"
    assert [event.passed for event in back.asset_events] == [True]
    assert alerts_sent().passed


def test_the_incident_sensor_hands_on_its_memory_and_says_that_nobody_is_told(instance, platform, monkeypatch):
    monkeypatch.delenv("SEEDTEST_ALERT_URLS", raising=False)
    take_into_account(platform, [DROP], (), "http://ui.example")
    first = incident_sensor(dg.build_sensor_context(instance=instance))
    assert first.skip_reason.skip_message == (
        "0 new messages, 1 open incidents; nobody is told, SEEDTEST_ALERT_URLS is not set"
    )
    second = incident_sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert second.cursor != first.cursor


def test_status_shows_channels_incidents_and_what_could_not_be_sent(instance, platform, webhook):
    webhook.status = 403
    take_into_account(platform, [DROP], read_channels(webhook.url), "http://ui.example")
    deliver(instance)
    lines = dict(status_lines(instance, load_settings()))
    assert lines["alerts"] == "to json #1 from warn"
    assert lines["open incidents"].startswith("1, newest: ERROR item_count_drop 2025-11-01")
    assert "403" in lines["alerts not sent"]


def test_status_knows_whether_the_daemon_lives(instance, platform):
    def daemon() -> str:
        return dict(status_lines(instance, load_settings()))["daemon"]

    assert daemon().startswith("never ran")
    for minutes_ago, says in ((11, "DOWN, last seen "), (1, "running")):
        seen = (datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)).timestamp()
        instance.add_daemon_heartbeat(DaemonHeartbeat(seen, "SENSOR", "one", []))
        assert daemon().startswith(says)


def test_a_night_leaves_the_check_of_the_alerts_to_the_sensor():
    nightly = defs.resolve_job_def("nightly").asset_layer.asset_graph
    assert "alerts_sent" not in {key.name for key in nightly.asset_check_keys}
    assert "freshness" in {key.name for key in nightly.asset_check_keys}


def test_incidents_are_listed_and_closed_from_the_command_line(platform, webhook, monkeypatch):
    monkeypatch.chdir(ROOT)
    take_into_account(platform, [DROP], read_channels(webhook.url), "http://ui.example")
    listed = CliRunner().invoke(app, ["alert", "list"])
    assert listed.output.startswith("1: ERROR item_count_drop 2025-11-01, mirt_item_params")
    closed = CliRunner().invoke(app, ["alert", "close", "1"])
    assert closed.output == "incident 1 closed\n"
    assert CliRunner().invoke(app, ["alert", "list"]).output == "nothing is open\n"
    again = CliRunner().invoke(app, ["alert", "close", "1"])
    assert again.exit_code == 1
    assert "incident 1 is not open" in again.output


def test_a_dead_daemon_and_a_missed_calibration_are_found_from_outside(
    platform, webhook, empty_database, monkeypatch, tmp_path
):
    """`seedtest alert check`, on a Dagster whose daemon never ran."""
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", empty_database)
    result = CliRunner().invoke(app, ["alert", "check"])
    assert result.exit_code == 0, result.output
    assert "ERROR the Dagster daemon stopped" in webhook.titles
    (message,) = [one["message"] for one in webhook.messages if one["title"] == "ERROR the Dagster daemon stopped"]
    assert "scheduler" in message
    told = len(webhook.messages)
    CliRunner().invoke(app, ["alert", "check"])
    assert len(webhook.messages) == told
    monkeypatch.delenv("SEEDTEST_ALERT_URLS")
    alone = CliRunner().invoke(app, ["alert", "check"])
    assert alone.exit_code == 1, "a cron job without the daemon's variables must not look healthy"
    assert "SEEDTEST_ALERT_URLS is not set here" in alone.output
