"""Days that should be calibrated by now: alerted once, with the reason that Dagster knows, by whoever notices first."""

from dataclasses import replace
from datetime import datetime, time, timedelta, timezone

import dagster as dg
import pytest

from seedtest_assets.alerting.missed_calibrations import missed_calibrations
from seedtest_assets.checks.catalogue import FRESHNESS
from seedtest_assets.checks.dagster_checks import specs_of
from seedtest_assets.dagster_log.private import PARTITION_NAME_TAG
from seedtest_assets.errors import InputError
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.alerting.night import DAY, Sensor, cancel_night, run_night

MORNING = datetime(2025, 11, 10, 6, 0, tzinfo=timezone.utc)


@pytest.fixture
def yesterday():
    """The last full day as the test begins; the suite may run past midnight."""
    return datetime.now(timezone.utc).date() - timedelta(days=1)


@pytest.fixture
def missed(kept_instance, database, world):
    """The alerts at a moment, for a sensor that has been running since another."""

    def missed(now=MORNING, since=MORNING - timedelta(hours=1), **settings):
        changed = load_settings().model_copy(update=settings)
        return missed_calibrations(kept_instance, database, changed, now, since)

    return missed


@pytest.fixture
def sensor(kept_instance, outbox, world, yesterday) -> Sensor:
    """A sensor that has been running since yesterday's calibration was due, which is at midnight here."""
    sensor = Sensor(kept_instance, outbox)
    sensor.settings = sensor.settings.model_copy(update={"fresh_by_hour": 0})
    midnight = datetime.combine(yesterday + timedelta(days=1), time(), timezone.utc)
    sensor.state = replace(sensor.state, monitoring_since=midnight)
    return sensor


def check_freshness(instance: dg.DagsterInstance, day: str) -> None:
    """The check as the project's own morning job runs it, failing."""

    @dg.multi_asset_check(specs=specs_of([FRESHNESS]))
    def freshness() -> dg.AssetCheckResult:
        finding = "no calibration of the day; the newest is of 2025-10-30"
        return dg.AssetCheckResult(passed=False, asset_key="mirt_fit_meta", check_name="freshness", description=finding)

    alone = dg.define_asset_job("freshness", selection=dg.AssetSelection.checks(freshness))
    defs = dg.Definitions(asset_checks=[freshness], jobs=[alone], executor=dg.in_process_executor)
    defs.resolve_job_def("freshness").execute_in_process(instance=instance, tags={PARTITION_NAME_TAG: day})


def test_a_calibration_that_is_not_there_by_six_is_alerted(missed):
    assert missed(MORNING - timedelta(minutes=1)) == []
    (alert,) = missed()
    assert alert.title == "no calibration of 2025-11-09"
    assert alert.finding == "mirt_fit_meta of 2025-11-09 was due at 2025-11-10 06:00 UTC: nightly_schedule is off"
    assert alert.advice == ("turn it on in the UI, and run the day: seedtest run --date 2025-11-09",)


def test_the_hour_can_be_set(missed):
    assert missed(fresh_by_hour=9) == []
    assert len(missed(MORNING.replace(hour=9), fresh_by_hour=9)) == 1


def test_a_calibration_that_is_there_is_not_missed(kept_instance, missed):
    run_night(kept_instance, "2025-11-09")
    assert missed() == []


def test_days_that_went_by_unnoticed_are_alerted_together(kept_instance, missed):
    run_night(kept_instance, "2025-11-07")
    (alert,) = missed(since=MORNING - timedelta(days=3))
    assert alert.title == "no calibration of 2025-11-09"
    assert alert.details == ("also missing: 2025-11-06, 2025-11-08",)


def test_days_before_the_first_partition_are_not_missed(missed):
    assert missed(seedtest_start_date=MORNING.date()) == []


def test_a_day_whose_run_was_cancelled_is_alerted_at_the_hour(kept_instance, missed):
    run = cancel_night(kept_instance, "2025-11-09")
    (alert,) = missed()
    assert alert.finding.endswith(f"its run {run.run_id[:8]} is CANCELED")
    assert alert.advice == ("see the run in the UI, then run the day: seedtest run --date 2025-11-09",)


def test_a_missed_calibration_is_alerted_once_and_resolved_by_the_run(kept_instance, sensor, yesterday):
    assert sensor.titles == [f"ERROR no calibration of {yesterday}"]
    assert len(sensor.titles) == 1
    run_night(kept_instance, str(yesterday))
    assert sensor.titles[1:] == [f"RESOLVED no calibration of {yesterday}"]


def test_the_freshness_check_and_the_missed_calibration_are_one_incident(kept_instance, sensor, yesterday):
    midnight = sensor.state.monitoring_since
    sensor.state = replace(sensor.state, monitoring_since=datetime.now(timezone.utc))
    check_freshness(kept_instance, str(yesterday))
    assert sensor.titles == [f"ERROR no calibration of {yesterday}"]
    sensor.state = replace(sensor.state, monitoring_since=midnight)
    assert len(sensor.titles) == 1
    run_night(kept_instance, str(yesterday))
    assert sensor.titles[1:] == [f"RESOLVED no calibration of {yesterday}"]


def test_a_failed_run_is_not_alerted_again_by_the_freshness_check(instance, outbox, world):
    sensor = Sensor(instance, outbox)
    world.error = InputError("the disk is full")
    run_night(instance)
    check_freshness(instance, DAY)
    assert sensor.titles == [f"ERROR run failed {DAY}"]


def test_a_failed_run_is_not_alerted_again_as_a_missed_calibration(kept_instance, sensor, world, yesterday):
    world.error = InputError("the disk is full")
    run_night(kept_instance, str(yesterday))
    assert sensor.titles == [f"ERROR run failed {yesterday}"]
