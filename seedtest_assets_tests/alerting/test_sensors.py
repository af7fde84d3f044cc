"""What Dagster runs and the UI shows: the two sensors, the check alerts_sent, and `seedtest alert …`."""

import dagster as dg
import pytest
from typer.testing import CliRunner

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.incidents import Outbox, record_events
from seedtest_assets.alerting.sensors import alert_delivery_sensor, alerts_sent, incident_sensor
from seedtest_assets.cli.app import app
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.alerting.conftest import UI
from seedtest_assets_tests.alerting.night import DAY, run_night
from seedtest_assets_tests.alerting.test_outbox import DROP, OPENED, make_due
from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.deployment import free_port


@pytest.fixture
def webhook(webhook, platform, monkeypatch):
    """A webhook that SEEDTEST_ALERT_URLS names."""
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", webhook.url)
    return webhook


@pytest.fixture
def drop(platform, webhook) -> None:
    """An open incident whose message waits for the webhook."""
    record_events(Outbox(database=platform, channels=read_channels(webhook.url), ui_url=UI), [DROP])


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """Evaluate a sensor as the daemon does, with the deployment's resources."""
    resources = resources_from(load_settings())
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        return sensor(context)


def delivery_check() -> dg.AssetCheckResult:
    resources = resources_from(load_settings())
    return alerts_sent(platform=resources["platform"], channels=resources["channels"])


def test_alerting_is_on_without_a_click():
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}
    assert sensors["incident_sensor"].default_status == dg.DefaultSensorStatus.RUNNING
    assert sensors["alert_delivery_sensor"].default_status == dg.DefaultSensorStatus.RUNNING
    assert sensors["lost_run_sensor"].default_status == dg.DefaultSensorStatus.RUNNING


@pytest.mark.usefixtures("drop")
def test_the_ui_shows_what_could_not_be_sent_until_it_was(kept_instance, platform, webhook):
    webhook.status = 503
    result = tick(alert_delivery_sensor, kept_instance)
    assert "0 messages sent; 1 not sent to json #1 for" in result.skip_reason.skip_message
    assert "503" in result.skip_reason.skip_message
    (shown,) = result.asset_events
    assert (shown.asset_key.to_user_string(), shown.check_name) == ("mirt_fit_meta", "alerts_sent")
    assert not shown.passed
    assert shown.severity == dg.AssetCheckSeverity.WARN
    assert shown.metadata["not_sent"].value == 1
    assert "item_count_drop 2025-11-01" in shown.metadata["open"].value
    assert not delivery_check().passed

    make_due(platform)
    again = tick(alert_delivery_sensor, kept_instance, result.cursor)
    assert again.asset_events == [], "the check is written when it changes, not with every tick"

    webhook.status = 200
    make_due(platform)
    works_again = tick(alert_delivery_sensor, kept_instance, again.cursor)
    assert works_again.skip_reason.skip_message == "1 messages sent"
    assert [event.passed for event in works_again.asset_events] == [True]
    assert delivery_check().passed


def test_the_incident_sensor_hands_on_its_state_and_says_that_nobody_is_alerted(kept_instance, platform, monkeypatch):
    monkeypatch.delenv("SEEDTEST_ALERT_URLS", raising=False)
    record_events(Outbox(database=platform, ui_url=UI), [DROP])
    first = tick(incident_sensor, kept_instance)
    assert first.skip_reason.skip_message == (
        "0 new messages, 1 open incidents. Nobody is alerted, because SEEDTEST_ALERT_URLS is not set"
    )
    second = tick(incident_sensor, kept_instance, first.cursor)
    assert second.cursor != first.cursor


def test_what_happens_while_the_database_is_out_of_reach_is_alerted_when_it_is_back(
    kept_instance, platform, webhook, world, monkeypatch
):
    first = tick(incident_sensor, kept_instance)
    world.error = InputError("the disk is full")
    run_night(kept_instance)
    with monkeypatch.context() as out_of_reach:
        out_of_reach.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/gone")
        with pytest.raises(TransientError, match="out of reach"):
            tick(incident_sensor, kept_instance, first.cursor)  # the tick fails in the UI, and its cursor stays
    assert tick(incident_sensor, kept_instance, first.cursor).skip_reason.skip_message.startswith("1 new messages")
    tick(alert_delivery_sensor, kept_instance)
    assert webhook.titles == [f"ERROR run failed {DAY}"]


@pytest.mark.usefixtures("drop")
def test_the_list_of_incidents_shows_what_could_not_be_sent(kept_instance, webhook, monkeypatch):
    webhook.status = 403
    tick(alert_delivery_sensor, kept_instance)
    monkeypatch.chdir(ROOT)
    listed = CliRunner().invoke(app, ["alert", "list"]).output
    assert "1 not sent to json #1" in listed
    assert "403" in listed


def test_a_night_leaves_the_check_of_the_alerts_to_the_sensor():
    nightly = defs.resolve_job_def("nightly").asset_layer.asset_graph
    assert "alerts_sent" not in {key.name for key in nightly.asset_check_keys}
    assert "freshness" in {key.name for key in nightly.asset_check_keys}


@pytest.mark.usefixtures("drop")
def test_incidents_are_listed_and_closed_from_the_command_line(monkeypatch):
    monkeypatch.chdir(ROOT)
    listed = CliRunner().invoke(app, ["alert", "list"])
    assert listed.output.startswith(f"1: {OPENED}, mirt_item_params")
    closed = CliRunner().invoke(app, ["alert", "close", "1"])
    assert closed.output == "incident 1 closed\n"
    assert CliRunner().invoke(app, ["alert", "list"]).output == "nothing is open\n"
    again = CliRunner().invoke(app, ["alert", "close", "1"])
    assert again.exit_code == 1
    assert "incident 1 is not open" in again.output


def test_a_dead_daemon_and_a_missed_calibration_are_found_from_outside(webhook, empty_database, monkeypatch, tmp_path):
    """`seedtest alert check`, on a Dagster whose daemon never ran."""
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", empty_database.url)
    result = CliRunner().invoke(app, ["alert", "check"])
    assert result.exit_code == 0, result.output
    stopped, missed = webhook.titles
    assert stopped == "ERROR the Dagster daemon stopped"
    assert missed.startswith("ERROR no calibration of 20"), (
        "one fell due in the last 24 hours, at whatever hour this runs"
    )
    assert "scheduler" in webhook.messages[0]["message"]
    CliRunner().invoke(app, ["alert", "check"])
    assert len(webhook.messages) == 2
    monkeypatch.delenv("SEEDTEST_ALERT_URLS")
    alone = CliRunner().invoke(app, ["alert", "check"])
    assert alone.exit_code == 1, "a cron job without the daemon's variables must not look healthy"
    assert "SEEDTEST_ALERT_URLS is not set here" in alone.output
