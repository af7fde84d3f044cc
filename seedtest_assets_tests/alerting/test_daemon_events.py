"""The daemon: a part of it that stops, one that has just started, one that was down."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from seedtest_assets.alerting.daemon_events import heartbeat_events
from seedtest_assets.alerting.events import Alert
from seedtest_assets.alerting.incidents import open_incidents
from seedtest_assets_tests.alerting.night import Sensor
from seedtest_assets_tests.dagster_log.heartbeats import beat


@pytest.fixture
def sensor(kept_instance, outbox) -> Sensor:
    return Sensor(kept_instance, outbox)


def test_a_part_of_the_daemon_without_a_heartbeat_is_alerted_and_resolved(kept_instance, sensor):
    now = datetime.now(timezone.utc)
    for part in kept_instance.get_required_daemon_types():
        beat(kept_instance, part, now - timedelta(hours=1 if part == "SCHEDULER" else 0))
    sensor.state = replace(sensor.state, daemon_up_since=now - timedelta(hours=2))
    assert sensor.titles == ["ERROR a part of the Dagster daemon stopped"]
    assert sensor.newest_body.splitlines()[1].startswith("no heartbeat of scheduler since 20")
    assert "What to do: restart dagster-daemon" in sensor.newest_body
    beat(kept_instance, "SCHEDULER", datetime.now(timezone.utc))
    assert sensor.titles[1:] == ["RESOLVED a part of the Dagster daemon stopped"]


def test_a_daemon_that_has_just_started_is_given_time(kept_instance):
    now = datetime.now(timezone.utc)
    events = heartbeat_events(kept_instance, now, up_since=now - timedelta(minutes=5))
    assert events
    assert not [event for event in events if isinstance(event, Alert)]


def test_a_daemon_that_was_down_is_reported_once(sensor):
    sensor.state = replace(sensor.state, last_pass=datetime.now(timezone.utc) - timedelta(hours=6, minutes=50))
    assert sensor.titles == ["WARN the Dagster daemon was down"]
    assert "(6 h 50 min)" in sensor.newest_body
    assert len(sensor.titles) == 1
    assert open_incidents(sensor.outbox.database) == []
