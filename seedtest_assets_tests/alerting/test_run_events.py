"""Real runs on a real instance, into incidents in a real PostgreSQL: what is alerted, once, and what resolves it."""

from dataclasses import replace

import dagster as dg
import pytest
import sqlalchemy as sa

from seedtest_assets.alerting.incidents import open_incidents
from seedtest_assets.dagster_log.private import RETRY_NUMBER_TAG, WILL_RETRY_TAG
from seedtest_assets.errors import InputError, IrtServiceError, IrtServiceRefusal, TransientError
from seedtest_assets_tests.alerting.night import ASSETS, DAY, Sensor, calibrate, cancel_night, observations, run_night
from seedtest_assets_tests.alerting.night import student_topic_theta as topic_theta

RETRYING = {"run_retries": {"enabled": True, "max_retries": 1}}
LAST_TRY = {"dagster/max_retries": "0"}


@pytest.fixture
def sensor(instance, outbox, world) -> Sensor:
    return Sensor(instance, outbox)


def test_runs_that_succeed_open_nothing(instance, sensor):
    run_night(instance)
    run_night(instance, "2025-11-02")
    assert sensor.titles == []


def test_a_failed_check_that_fails_the_run_is_one_incident_until_everything_is_materialized(instance, sensor, world):
    world.share_of_items = 0.3
    failed = run_night(instance)
    assert sensor.titles == [f"ERROR item_count_drop {DAY}"]
    lines = sensor.newest_body.splitlines()
    assert lines[:7] == [
        f"mirt_item_params, partition {DAY}",
        f"calibration of {DAY} rejected, nothing written: 90 items fitted, 30% of the 300 usual",
        "What to do: look at the answers of the last days",
        "What to do: to accept it: seedtest run --accept-failed-checks",
        "items 90, share 0.3",
        "the run failed",
        "not materialized: mirt_fit_meta, mirt_item_params, student_topic_theta",
    ]
    assert lines[7].startswith("since 20")
    assert lines[8] == f"http://ui.example:3000/runs/{failed.run_id}"

    world.share_of_items, world.topics_fail = 1.0, True
    run_night(instance)
    assert sensor.titles[1:] == [f"ERROR run failed {DAY}"], "the check passes, but the day is not complete yet"
    world.topics_fail = False
    run_night(instance)
    assert sorted(sensor.titles[2:]) == [f"RESOLVED item_count_drop {DAY}", f"RESOLVED run failed {DAY}"]
    assert open_incidents(sensor.outbox.database) == []


def test_what_else_fails_in_a_rejected_calibration_is_listed_in_its_alert(instance, sensor, world):
    world.share_of_items, world.items_drift = 0.3, True
    run_night(instance)
    assert sensor.titles == [f"ERROR item_count_drop {DAY}"]
    assert "also failed: item_drift (WARN)" in sensor.newest_body
    world.share_of_items = 1.0
    run_night(instance)
    assert sorted(sensor.titles[1:]) == [f"RESOLVED item_count_drop {DAY}", f"WARN item_drift {DAY}"]


def test_a_warning_of_a_run_that_succeeds_is_alerted_and_resolved(instance, sensor, world):
    world.share_of_items, world.severity, world.blocking = 0.85, dg.AssetCheckSeverity.WARN, False
    run_night(instance)
    assert sensor.titles == [f"WARN item_count_drop {DAY}"]
    assert "255 items fitted, 85% of the 300 usual" in sensor.newest_body
    assert "the run failed" not in sensor.newest_body
    run_night(instance)
    run_night(instance, "2025-11-02")
    assert sensor.titles[1:] == ["WARN item_count_drop 2025-11-02"]
    world.share_of_items = 1.0
    run_night(instance)
    assert sensor.titles[2:] == [f"RESOLVED item_count_drop {DAY}"]
    assert "300 items fitted, 100% of the 300 usual" in sensor.newest_body


def test_publishing_that_is_pinned_is_one_incident_over_all_nights(instance, sensor, world):
    world.pinned = True
    run_night(instance, "2025-11-01")
    run_night(instance, "2025-11-02")
    assert sensor.titles == ["WARN published 2025-11-01"]
    assert "What to do: seedtest publish --newest" in sensor.newest_body
    world.pinned = False
    run_night(instance, "2025-11-03")
    assert sensor.titles[1:] == ["RESOLVED published 2025-11-01"]
    assert "readers see the newest day" in sensor.newest_body


def test_events_that_are_read_again_send_nothing_again(instance, sensor, world):
    world.share_of_items = 0.3
    run_night(instance)
    world.share_of_items = 1.0
    run_night(instance)
    titles = sensor.titles
    assert titles == [f"ERROR item_count_drop {DAY}", f"RESOLVED item_count_drop {DAY}"]
    sensor.state = replace(sensor.state, last_event_id=None)  # a cursor that was lost
    assert sensor.titles == titles


def test_runs_that_ended_while_the_sensor_did_not_run_are_alerted(instance, sensor, world):
    sensor.tick()
    world.share_of_items = 0.3
    run_night(instance, "2025-11-01")
    run_night(instance, "2025-11-02")
    assert sensor.titles == ["ERROR item_count_drop 2025-11-01", "ERROR item_count_drop 2025-11-02"]


def test_a_failed_run_is_alerted_once_with_its_reason_after_its_retries(instance, sensor, world):
    world.error = TransientError("the database is out of reach: refused; check DATABASE_URL")
    run_night(instance)
    assert sensor.titles == [f"ERROR run failed {DAY}"]
    assert sensor.newest_body.splitlines()[:3] == [
        f"job nightly, partition {DAY}",
        "calibrate: the database is out of reach: refused; check DATABASE_URL (tried 4 times)",
        "not materialized: mirt_fit_meta, mirt_item_params, student_topic_theta",
    ]
    run_night(instance)
    assert len(sensor.titles) == 1
    world.error = None
    run_night(instance)
    assert sensor.titles[1:] == [f"RESOLVED run failed {DAY}"]


def test_an_unforeseen_error_is_alerted_by_its_first_line(instance, sensor, world):
    world.topics_fail = True
    run_night(instance)
    assert sensor.titles == [f"ERROR run failed {DAY}"]
    assert "student_topic_theta: RuntimeError: no such grid\n" in sensor.newest_body
    assert "not materialized: student_topic_theta\n" in sensor.newest_body


def test_a_cancelled_run_is_not_a_failed_one(instance, sensor):
    cancel_night(instance)
    assert sensor.titles == []
    assert sensor.state.last_event_id, "its end was read"


def test_a_run_that_dagster_starts_again_is_not_alerted_before_the_last_try_has_failed(outbox, world):
    with dg.DagsterInstance.ephemeral(settings=RETRYING) as instance:
        sensor = Sensor(instance, outbox)
        world.error = InputError("the disk is full")
        first = run_night(instance)
        assert sensor.titles == []
        assert instance.get_run_by_id(first.run_id).tags[WILL_RETRY_TAG] == "true"
        # The daemon's part: the same again, as the last try.
        run_night(instance, tags={RETRY_NUMBER_TAG: "1", **LAST_TRY})
        assert sensor.titles == [f"ERROR run failed {DAY}"]
        assert "Dagster had started the run 2 times" in sensor.newest_body


def test_a_run_of_which_it_is_not_known_yet_whether_it_is_retried_waits(outbox, world):
    with dg.DagsterInstance.ephemeral(settings=RETRYING) as instance:
        sensor = Sensor(instance, outbox)
        world.error = InputError("the disk is full")
        failed = run_night(instance, tags=LAST_TRY)
        with instance.run_storage.connect() as connection:  # the moment between the event and its tag
            connection.execute(sa.text(f"DELETE FROM run_tags WHERE key = '{WILL_RETRY_TAG}'"))
            connection.execute(sa.text(f"UPDATE runs SET run_body = replace(run_body, '{WILL_RETRY_TAG}', 'not_yet')"))
        assert sensor.titles == []
        instance.add_run_tags(failed.run_id, {WILL_RETRY_TAG: "false"})
        assert sensor.titles == [f"ERROR run failed {DAY}"]


def test_a_day_materialized_from_the_ui_resolves_what_the_nightly_job_left_open(instance, sensor, world):
    world.error = InputError("the disk is full")
    run_night(instance)
    assert sensor.titles == [f"ERROR run failed {DAY}"]
    world.error = None
    dg.materialize([calibrate], partition_key=DAY, instance=instance)
    assert len(sensor.titles) == 1, "the abilities are still missing"
    dg.materialize(ASSETS, selection=[topic_theta], partition_key=DAY, instance=instance)
    assert sensor.titles[1:] == [f"RESOLVED run failed {DAY}"]


def test_a_failed_fill_of_many_days_is_one_incident_until_the_last_day_is_there(instance, sensor, world):
    def fill(first: str, last: str) -> None:
        days = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        dg.materialize([observations], tags=days, instance=instance, raise_on_error=False)

    world.error = InputError("the source is gone")
    fill("2025-10-02", "2025-10-04")
    assert sensor.titles == ["ERROR run failed 2025-10-02 to 2025-10-04"]
    world.error = None
    dg.materialize([observations], partition_key="2025-10-02", instance=instance)
    assert len(sensor.titles) == 1
    fill("2025-10-03", "2025-10-05")  # the next night's fill goes a day further
    assert sensor.titles[1:] == ["RESOLVED run failed 2025-10-02 to 2025-10-04"]


def test_an_irt_service_that_keeps_failing_is_one_incident_with_the_run(instance, sensor, world):
    world.error = IrtServiceError("nobody listens at irt.example")
    run_night(instance)
    assert sensor.titles == ["ERROR the IRT service keeps failing"]
    lines = sensor.newest_body.splitlines()
    assert lines[1].startswith("every call since 20")
    assert lines[1].endswith("(4 in a row) failed, and the run with it")
    assert lines[2] == "calibrate: nobody listens at irt.example (tried 4 times)"
    run_night(instance, "2025-11-02")
    assert sensor.titles[1:] == ["ERROR run failed 2025-11-02"], "the next day is alerted too, the service is not"
    world.error = None
    run_night(instance, "2025-11-02")
    assert sensor.titles[2:] == ["RESOLVED run failed 2025-11-02"]
    run_night(instance)
    assert sensor.titles[3:] == ["RESOLVED the IRT service keeps failing"]


def test_an_error_that_only_speaks_of_the_service_is_none_of_the_service(instance, sensor, world):
    world.error = TransientError("the IRT service at http://irt.example/irt/calibrate is not what failed")
    run_night(instance)
    assert sensor.titles == [f"ERROR run failed {DAY}"]


def test_failed_calls_are_counted_over_the_runs_and_forgotten_after_a_success(instance, sensor, world):
    sensor.settings = sensor.settings.model_copy(update={"seedtest_irt_failures": 3})
    world.error = IrtServiceRefusal("anchors are missing")
    for day in ("2025-11-01", "2025-11-02"):
        run_night(instance, day)
    sensor.tick()
    assert sensor.state.service_failures == 2
    world.error = None
    run_night(instance, "2025-11-03")
    sensor.tick()
    assert sensor.state.service_failures == 0
    world.error = IrtServiceRefusal("anchors are missing")
    for day in ("2025-11-04", "2025-11-05", "2025-11-06"):
        run_night(instance, day)
    assert sensor.titles[-1] == "ERROR the IRT service keeps failing"
    assert sensor.titles.count("ERROR the IRT service keeps failing") == 1
