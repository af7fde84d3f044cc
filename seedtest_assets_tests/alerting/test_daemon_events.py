"""The daemon: a part of it that stops, one that has just started, one that was down."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from seedtest_assets.alerting.daemon_events import heartbeat_events, tick_events
from seedtest_assets.alerting.events import Alert
from seedtest_assets.alerting.incidents import open_incidents
from seedtest_assets.errors import TransientError
from seedtest_assets_tests.alerting.night import Sensor
from seedtest_assets_tests.dagster_log.heartbeats import beat
from seedtest_assets_tests.dagster_log.schedules import tick, turn_on


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


def test_a_schedule_or_sensor_whose_tick_fails_is_alerted_once_and_resolved_by_one_that_does_not(kept_instance, sensor):
    now = datetime.now(timezone.utc)
    # Not one of ours: other tests have this instance, too, and ask whether those are on.
    schedule = turn_on(kept_instance, "some_schedule", now - timedelta(days=3))
    assert sensor.titles == []
    tick(kept_instance, schedule, now - timedelta(minutes=3), TransientError("the lake is out of reach"))
    assert sensor.titles == ["ERROR some_schedule fails"]
    assert "its last tick failed: the lake is out of reach" in sensor.newest_body
    tick(kept_instance, schedule, now - timedelta(minutes=2), TransientError("the lake is out of reach"))
    assert sensor.titles[1:] == []
    tick(kept_instance, schedule, now - timedelta(minutes=1))
    assert sensor.titles[1:] == ["RESOLVED some_schedule fails"]


def test_a_failed_tick_of_long_ago_opens_nothing(kept_instance):
    now = datetime.now(timezone.utc)
    schedule = turn_on(kept_instance, "gone_schedule", now - timedelta(days=3))
    tick(kept_instance, schedule, now - timedelta(days=2), ValueError("x"))
    assert not [event for event in tick_events(kept_instance, now) if isinstance(event, Alert)]


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
