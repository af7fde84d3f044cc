"""A night of a small school, through Dagster, from the platform's tables to the features."""

from contextlib import ExitStack
from datetime import date, timedelta

import dagster as dg
import pytest

from seedtest_assets.cli.demo import BANK_A, BANK_B, load_school, simulate_school
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.result_tables import TABLES
from seedtest_assets.storage.results import one_calibration_at_a_time
from seedtest_assets_tests.conftest import execute, rows_of

LAST = date(2025, 3, 20)
RESULTS_WITHOUT_RUN = {
    "mirt_item_params": "partition_date, item_id, model, params, se_a, se_b, se_c, n_responses, is_anchor, version",
    "mirt_ability": "partition_date, user_id, theta, se, n_responses, model, version",
    "mirt_fit_meta": "partition_date, model_spec, metrics->'loglik', metrics->'iterations'",
    "student_topic_theta": "partition_date, user_id, topic_id, theta, se, n_responses, model, version",
    "features_topic_daily": "date, user_id, topic_id, attempts, correct, avg_time_ms, rt_median, hints, theta_estimate, "
    "theta_sd, improvement, improvement_basis, last_seen_at",
}


@pytest.fixture
def instance(monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "20")
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def school(platform):
    load_school(platform, simulate_school(LAST, n_days=20, n_students=400, n_items=40, n_topics=4, n_anchors=12))
    return platform


def run(instance, day, tell=lambda line: None, **how):
    return run_day(instance, day, tell, **how)


def the_lake() -> Lake:
    return Lake(load_settings().seedtest_lake)


def contents(database) -> dict[str, list[tuple]]:
    """What the tables say, without run ids and the times of the runs."""
    return {
        table: sorted(rows_of(database, f"SELECT {columns} FROM {table}"), key=str)
        for table, columns in RESULTS_WITHOUT_RUN.items()
    }


def checks_of(instance, run_id) -> list[dg.AssetCheckEvaluation]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    return [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]


def item_count_check(instance, run_id):
    (check,) = [check for check in checks_of(instance, run_id) if check.check_name == "item_count_drop"]
    return check


def test_a_night_fills_the_window_and_every_table(instance, school):
    done = run(instance, LAST)
    assert done.failure is None
    fill, nightly = sorted(instance.get_runs(), key=lambda one: "dagster/partition" in one.tags)
    # The look-back is 20 days here, and the features look at 28.
    assert fill.tags["dagster/asset_partition_range_start"] == "2025-02-21"
    assert fill.tags["dagster/asset_partition_range_end"] == "2025-03-19"
    assert nightly.tags["dagster/partition"] == "2025-03-20"

    ((answers, students, items),) = rows_of(
        school, "SELECT count(*), count(DISTINCT student_id), count(DISTINCT item_id) FROM attempt"
    )
    lake = the_lake()
    assert sum(lake.observations_count(day) for day in lake.all_days()) == answers
    ((spec, metrics),) = rows_of(school, "SELECT model_spec, metrics FROM mirt_fit_meta")
    assert (spec["n_items"], spec["n_persons"]) == (items, students)
    assert spec["n_observations"] + metrics["n_set_aside"] == answers
    assert metrics["converged"] is True
    assert metrics["retries"] == 0
    assert spec["linked_to"] == "anchors"
    assert spec["linking_constants"]["A"] == pytest.approx(BANK_A, abs=0.15)
    assert spec["linking_constants"]["B"] == pytest.approx(BANK_B, abs=0.15)
    assert rows_of(school, "SELECT count(*), count(*) FILTER (WHERE is_anchor) FROM mirt_item_params") == [(40, 12)]
    active = "SELECT DISTINCT student_id, topic_id FROM attempt WHERE completed_at >= '2025-03-20'"
    assert rows_of(school, "SELECT user_id, topic_id FROM features_topic_daily EXCEPT " + active) == []
    assert rows_of(school, active + " EXCEPT SELECT user_id, topic_id FROM student_topic_theta") == []
    assert rows_of(school, active + " EXCEPT SELECT user_id, topic_id FROM features_topic_daily") == []


def test_running_a_day_again_changes_nothing_else_and_nothing_in_it(instance, school):
    for day in (LAST - timedelta(days=2), LAST - timedelta(days=1), LAST):
        assert run(instance, day).failure is None
    before = contents(school)
    assert all(before[table] for table in TABLES)
    assert run(instance, LAST - timedelta(days=1)).failure is None
    assert contents(school) == before


def test_without_anchors_the_scale_is_that_of_the_partition_before(instance, school):
    execute(school, "UPDATE question SET meta = '{}'")
    assert run(instance, LAST - timedelta(days=1)).failure is None
    assert run(instance, LAST).failure is None
    (first, second) = rows_of(
        school,
        "SELECT model_spec->>'linked_to', model_spec->>'linked_to_partition' FROM mirt_fit_meta ORDER BY partition_date",
    )
    assert first == ("none", None)
    assert second == ("previous", "2025-03-19")


def test_a_day_without_answers_says_nothing_to_do_and_does_not_fail(instance, school):
    done = run(instance, LAST + timedelta(days=1))
    assert done.failure is None
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params") == [(40,)]
    assert rows_of(
        school, "SELECT (SELECT count(*) FROM student_topic_theta), (SELECT count(*) FROM features_topic_daily)"
    ) == [(0, 0)]
    (event,) = instance.fetch_materializations(dg.AssetKey("student_topic_theta"), limit=1).records
    assert event.asset_materialization.metadata["nothing_to_do"].value == "no answers on this day"


def test_a_window_without_answers_and_no_history_says_nothing_to_do(instance, platform):
    done = run(instance, LAST)
    assert done.failure is None
    (event,) = instance.fetch_materializations(dg.AssetKey("mirt_fit_meta"), limit=1).records
    assert event.asset_materialization.metadata["nothing_to_do"].value == "no answers in the window"
    assert "nothing to do" in item_count_check(instance, done.run_id).description


def test_item_count_drop_keeps_yesterdays_parameters(instance, school, monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "5")
    assert run(instance, LAST - timedelta(days=6)).failure is None
    before = contents(school)
    execute(school, "DELETE FROM attempt WHERE item_id::int > 12 AND completed_at >= '2025-03-16'")
    done = run(instance, LAST)
    assert "calibration of 2025-03-20 rejected, nothing written: 12 items fitted, 30% of the 40 usual" in done.failure
    assert contents(school) == before
    check = item_count_check(instance, done.run_id)
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert check.partition == "2025-03-20"
    lake = the_lake()
    assert len(lake.filesystem.glob(f"{lake.root}/rejected/date=2025-03-20/*/items.parquet")) == 1

    accepted = run(instance, LAST, accept_failed_checks=True)
    assert accepted.failure is None
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params WHERE partition_date = '2025-03-20'") == [(12,)]


def test_a_small_item_count_drop_warns_and_is_written(instance, school, monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "5")
    assert run(instance, LAST - timedelta(days=6)).failure is None
    execute(school, "DELETE FROM attempt WHERE item_id::int > 34 AND completed_at >= '2025-03-16'")
    done = run(instance, LAST)
    assert done.failure is None
    check = item_count_check(instance, done.run_id)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params WHERE partition_date = '2025-03-20'") == [(34,)]


def test_the_first_calibration_passes_and_says_that_there_is_no_history(instance, school):
    check = item_count_check(instance, run(instance, LAST).run_id)
    assert check.passed
    assert "no earlier partition to compare with" in check.description


def test_a_window_that_empties_is_a_drop_and_not_nothing_to_do(instance, school, monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "3")
    assert run(instance, LAST).failure is None
    done = run(instance, LAST + timedelta(days=5))
    assert "no answers" in done.failure
    assert rows_of(school, "SELECT DISTINCT partition_date FROM mirt_item_params") == [(LAST,)]


def test_what_may_pass_is_tried_again_and_counted(instance, school):
    with ExitStack() as lock:
        lock.enter_context(one_calibration_at_a_time(school))
        told = []

        def free_the_lock(line):
            told.append(line)
            if line.startswith("calibrate is tried again"):
                lock.close()

        done = run(instance, LAST, free_the_lock)
    assert done.failure is None
    assert any("another calibration is running" in line for line in told)
    assert rows_of(school, "SELECT metrics->'retries' FROM mirt_fit_meta") == [(1,)]


def test_what_does_not_pass_fails_after_the_retries_with_its_reason(instance, school):
    told = []
    with one_calibration_at_a_time(school):
        done = run(instance, LAST, told.append)
    assert "another calibration is running on this database" in done.failure
    assert len([line for line in told if "is tried again" in line]) == 3
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params") == [(0,)]


def test_bad_data_fails_at_once(instance, school):
    execute(school, "UPDATE attempt SET correct = true")
    told = []
    done = run(instance, LAST, told.append)
    assert "calibrate: no item can be calibrated" in done.failure
    assert not any("is tried again" in line for line in told)


def test_a_source_that_loses_a_column_fails_the_run_before_anything_is_written(instance, school):
    execute(school, "ALTER TABLE attempt RENAME correct TO right_or_wrong")
    with pytest.raises(InputError, match="attempt has no column correct"):
        run(instance, LAST)
    assert the_lake().all_days() == []


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2999, 1, 1)])
def test_a_day_outside_the_partitions_names_them(instance, platform, day):
    with pytest.raises(
        InputError, match=r"is outside the partitions, which go from 2025-01-01 \(SEEDTEST_START_DATE\) to"
    ):
        run(instance, day)


@pytest.mark.parametrize("job", ["nightly", "extract"])
def test_a_run_that_is_active_is_waited_for(instance, platform, job):
    with_run = instance.create_run_for_job(defs.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(InputError, match=f"run {with_run.run_id} .* is active"):
        run(instance, LAST)
