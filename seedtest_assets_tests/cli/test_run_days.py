"""A night of the small school, through Dagster, from the platform's tables to the features."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from threading import Event

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedtest_assets.cli.how_to_run import how_to_run
from seedtest_assets.cli.run import run_and_report
from seedtest_assets.cli.simulated_school import BANK_A, BANK_B
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError, SeedtestError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.history_tables import ensure_month
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.locks import one_calibration_at_a_time
from seedtest_assets_tests.checksums import rounded
from seedtest_assets_tests.conftest import execute, rows_of, rows_of_each
from seedtest_assets_tests.school import DAY_BEFORE, LAST, checks_of, run_night, silent

pytestmark = pytest.mark.usefixtures("without_pictures")

RESULTS_WITHOUT_RUN = {
    "item_history": "partition_date, item_id, model, a, b, c, se_a, se_b, se_c, n_responses, is_anchor",
    "ability_history": "partition_date, student_id, theta, se, n_responses, model",
    "fit_history": "partition_date, model_spec, metrics->'loglik', metrics->'iterations'",
    "topic_theta_history": "partition_date, student_id, topic_id, theta, se, n_responses, model",
    "feature_history": "partition_date, student_id, topic_id, attempts, correct, avg_time_ms, rt_median, hints, "
    "theta_estimate, theta_sd, improvement, improvement_basis, last_seen_at",
    "mirt_item_params": "item_id, model, params, version",
    "mirt_ability": "user_id, theta, se, model, version",
    "mirt_fit_meta": "model_spec",
    "student_topic_theta": "user_id, topic_id, theta, se, model, version",
    "features_topic_daily": "user_id, topic_id, date, attempts, correct, avg_time_ms, theta_estimate, improvement",
}


def the_lake() -> Lake:
    return Lake(load_settings().seedtest_lake)


def contents(database) -> dict[str, list[tuple]]:
    """What history says and what is published, without run ids and the times of the runs."""
    queries = {table: f"SELECT {columns} FROM {table}" for table, columns in RESULTS_WITHOUT_RUN.items()}
    return {table: sorted(map(rounded, rows), key=str) for table, rows in rows_of_each(database, queries).items()}


def item_count_check(instance, run_id) -> dg.AssetCheckEvaluation:
    return checks_of(instance, run_id)["mirt_item_params", "item_count_drop"]


def run_of_a_day(instance) -> dg.DagsterRun:
    """The run of the instance that is none of those that fill windows."""
    (run,) = [run for run in instance.get_runs() if run.tags.get("dagster/partition")]
    return run


def items_of_last(database) -> int:
    ((count,),) = rows_of(database, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=LAST)
    return count


def drop_items_above(database, last_item: int) -> None:
    """Take the items above a number out of the answers, also of those that the lake has."""
    execute(database, "DELETE FROM attempt WHERE item_id::int > :last_item", last_item=last_item)
    lake = the_lake()
    lake.filesystem.rm(f"{lake.root}/observations", recursive=True)


def test_a_night_fills_the_window_and_every_table(instance, school):
    done = run_night(instance, LAST)
    assert done.failure is None
    check = item_count_check(instance, done.run_id)
    assert check.passed
    assert "no earlier partition to compare with" in check.description
    fill, nightly = sorted(instance.get_runs(), key=lambda run: "dagster/partition" in run.tags)
    # The look-back is 10 days here, and the features look at 28.
    assert fill.tags["dagster/asset_partition_range_start"] == "2025-02-21"
    assert fill.tags["dagster/asset_partition_range_end"] == "2025-03-19"
    assert nightly.tags["dagster/partition"] == "2025-03-20"

    ((all_answers, answers, students, items),) = rows_of(
        school,
        "SELECT count(*), count(*) FILTER (WHERE recent), count(DISTINCT student_id) FILTER (WHERE recent),"
        " count(DISTINCT item_id) FILTER (WHERE recent) FROM attempt, LATERAL (SELECT completed_at >= '2025-03-11') AS at(recent)",
    )
    lake = the_lake()
    assert sum(lake.observations_count(day) for day in lake.all_days()) == all_answers
    ((spec, metrics),) = rows_of(school, "SELECT model_spec, metrics FROM fit_history")
    assert (spec["n_items"], spec["n_persons"]) == (items, students)
    assert spec["n_observations"] + metrics["n_set_aside"] == answers
    assert metrics["converged"] is True
    assert metrics["retries"] == 0
    assert spec["linked_to"] == "anchors"
    assert spec["linking_constants"]["A"] == pytest.approx(BANK_A, abs=0.15)
    assert spec["linking_constants"]["B"] == pytest.approx(BANK_B, abs=0.15)
    assert rows_of(school, "SELECT count(*), count(*) FILTER (WHERE is_anchor) FROM item_history") == [(40, 12)]
    active = "SELECT DISTINCT student_id, topic_id FROM attempt WHERE completed_at >= '2025-03-20'"
    assert rows_of(school, "SELECT student_id, topic_id FROM feature_history EXCEPT " + active) == []
    assert rows_of(school, active + " EXCEPT SELECT student_id, topic_id FROM topic_theta_history") == []
    assert rows_of(school, active + " EXCEPT SELECT student_id, topic_id FROM feature_history") == []


def test_running_a_day_again_changes_nothing_else_and_nothing_in_it(instance, night):
    assert run_night(instance, LAST).failure is None
    before = contents(night)
    assert all(before.values())
    assert run_night(instance, DAY_BEFORE).failure is None
    assert contents(night) == before


def test_a_day_without_answers_says_nothing_to_do_and_does_not_fail(instance, night):
    before = contents(night)
    day = LAST + timedelta(days=1)
    assert run_night(instance, day).failure is None
    after = contents(night)
    assert len(after["item_history"]) == 2 * len(before["item_history"])
    unchanged = ("topic_theta_history", "feature_history", "student_topic_theta", "features_topic_daily")
    assert all(after[table] == before[table] for table in unchanged)
    (event,) = instance.fetch_materializations(dg.AssetKey("student_topic_theta"), limit=1).records
    assert event.asset_materialization.metadata["nothing_to_do"].value == "no answers on this day"


def test_a_small_item_count_drop_warns_and_is_written(instance, night):
    drop_items_above(night, 34)
    done = run_night(instance, LAST)
    assert done.failure is None
    check = item_count_check(instance, done.run_id)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert items_of_last(night) == 34


def test_a_window_that_empties_is_a_drop_and_not_nothing_to_do(instance, night, monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "3")
    done = run_night(instance, LAST + timedelta(days=5))
    assert "no answers" in done.failure
    assert rows_of(night, "SELECT DISTINCT partition_date FROM item_history") == [(DAY_BEFORE,)]


def test_what_may_pass_is_tried_again_and_counted(instance, night):
    with ExitStack() as lock:
        lock.enter_context(one_calibration_at_a_time(night))
        lines = []

        def free_the_lock(line):
            lines.append(line)
            if line.startswith("calibrate is tried again"):
                lock.close()

        done = run_night(instance, LAST, free_the_lock)
    assert done.failure is None
    assert any("another calibration is running" in line for line in lines)
    assert rows_of(night, "SELECT metrics->'retries' FROM fit_history WHERE partition_date = :day", day=LAST) == [(1,)]


def test_what_does_not_pass_fails_after_the_retries_with_its_reason(instance, night):
    lines = []
    with one_calibration_at_a_time(night):
        done = run_night(instance, LAST, lines.append)
    assert "another calibration is running on this database" in done.failure
    assert len([line for line in lines if "is tried again" in line]) == 3
    assert items_of_last(night) == 0


def test_bad_data_fails_at_once(instance, school):
    execute(school, "UPDATE attempt SET correct = true")
    lines = []
    done = run_night(instance, LAST, lines.append)
    assert "calibrate: no item can be calibrated" in done.failure
    assert not any("is tried again" in line for line in lines)


def test_a_source_that_loses_a_column_fails_the_run_before_anything_is_written(instance, school):
    execute(school, "ALTER TABLE attempt RENAME correct TO right_or_wrong")
    with pytest.raises(InputError, match="attempt has no column correct"):
        run_night(instance, LAST)
    assert the_lake().all_days() == []


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2999, 1, 1)])
def test_a_day_outside_the_partitions_names_them(instance, platform, day):
    with pytest.raises(
        InputError, match=r"is outside the partitions, which go from 2025-01-01 \(SEEDTEST_START_DATE\) to"
    ):
        run_night(instance, day)


@pytest.mark.parametrize("job", ["nightly", "extract"])
def test_a_run_that_is_active_is_waited_for(instance, platform, job):
    with_run = instance.create_run_for_job(defs.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(InputError, match=f"run {with_run.run_id} .* is active"):
        run_night(instance, LAST)


def test_no_check_breaks_in_a_bank_without_anchors(instance, school):
    execute(school, "UPDATE question SET meta = '{}'")
    done = run_night(instance)
    assert done.failure is None
    assert not any("broke" in line for line in done.failed_checks)


def test_an_interrupted_day_says_so_and_what_became_of_it(instance, school):
    lines, process_ends = [], Event()

    def show(line: str, *, detail: bool = False) -> None:
        lines.append(line)
        if line == f"{LAST}: calibrate":
            os.kill(os.getpid(), signal.SIGINT)
            process_ends.wait(20)
            raise SystemExit

    with pytest.raises(SeedtestError) as failed:
        run_and_report(instance, [LAST], show)
    process_ends.set()
    assert re.fullmatch(
        rf"run \S+ of {LAST} was interrupted\. What its steps had written stays, and running the day again replaces it\. To run it again: .*",
        str(failed.value),
    )
    assert not any("is tried again" in line for line in lines)
    assert items_of_last(school) == 0
    assert the_lake().observations_count(LAST)


def outcome(printed: str) -> dict[str, str]:
    """What `seedtest run` says of a day, by the first word of each line."""
    lines = [line.split(maxsplit=1) for line in printed.splitlines()]
    return dict(lines)


def test_a_day_ends_with_one_screen_that_says_what_it_came_to(instance, night, capsys):
    execute(night, "UPDATE attempt SET student_id = '' WHERE id = (SELECT max(id) FROM attempt)")
    execute(night, "UPDATE attempt SET correct = true WHERE item_id = '40'")
    lake = the_lake()
    lake.filesystem.rm(f"{lake.root}/observations", recursive=True)
    run_and_report(instance, [LAST], silent, in_short=False)
    shown = outcome(capsys.readouterr().out)
    run = run_of_a_day(instance)
    ((spec, metrics),) = rows_of(
        night, "SELECT model_spec, metrics FROM fit_history WHERE partition_date = :day", day=LAST
    )
    counts = [
        rows_of(night, f"SELECT count(*) FROM {table} WHERE partition_date = :day", day=LAST)[0][0]
        for table in ("item_history", "ability_history", "topic_theta_history", "feature_history")
    ]
    assert shown["day"] == str(LAST)
    assert shown["run"].startswith(f"{run.run_id[:8]}, done after ")
    answers = lake.observations_count(LAST)
    assert shown["answers"] == f"{answers:,} of the day, from attempt; 1 row left out: no student_id (1)"
    used, read = spec["n_observations"], spec["n_observations"] + metrics["n_set_aside"]
    assert shown["window"].startswith(f"2025-03-11 to 2025-03-20: {used:,} of {read:,} answers")
    assert re.fullmatch(r"39 fitted, 1 left out(, \d+ to review)?: all answers right \(1\)", shown["items"])
    constants = spec["linking_constants"]
    assert shown["linked"].startswith(
        f"to {constants['n_anchors_used']} anchors, theta_bank = {constants['A']:.3f} theta + {constants['B']:.3f}"
    )
    assert shown["written"] == (
        f"39 items, {counts[1]} students, {counts[2]:,} abilities by topic, {counts[3]:,} rows of features"
    )
    assert shown["published"] == "yes"
    assert shown["report"] == lake.report_path(LAST)
    assert lake.filesystem.exists(shown["report"])


def test_item_count_drop_keeps_yesterdays_parameters_and_says_why_and_what_to_do_in_one_line(instance, night, capsys):
    before = contents(night)
    drop_items_above(night, 12)
    with pytest.raises(SeedtestError) as error:
        run_and_report(instance, [LAST], silent, in_short=False)
    line = str(error.value)
    rejected = f"calibration of {LAST} rejected, nothing written: 12 items fitted, 30% of the 40 usual"
    assert f"of {LAST} failed at calibrate: {rejected}" in line
    assert f"To accept it: seedtest run --date {LAST} --accept-failed-checks" in line
    assert line.endswith(f". To run it again: seedtest run --date {LAST}")
    assert "\n" not in line
    shown = outcome(capsys.readouterr().out)
    assert shown["ERROR"].startswith("item_count_drop: 12 items fitted, 30% of the 40 usual")
    assert (shown["written"], shown["published"]) == ("nothing", "nothing")
    assert "report" not in shown
    assert contents(night) == before
    check = item_count_check(instance, run_of_a_day(instance).run_id)
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert check.partition == "2025-03-20"
    lake = the_lake()
    assert len(lake.filesystem.glob(f"{lake.root}/rejected/date=2025-03-20/*/items.parquet")) == 1

    accepted = run_night(instance, LAST, accept_failed_checks=True)
    assert accepted.failure is None
    assert items_of_last(night) == 12


def test_several_days_have_a_line_each(instance, night, capsys):
    run_and_report(instance, [DAY_BEFORE, LAST], silent)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " WARN " not in line] == [str(DAY_BEFORE), str(LAST)]
    days = [line for line in lines if " WARN " not in line]
    assert all(
        re.search(r" answers; items: 40 fitted.*; linked to 1\d anchors; .*; published: ", line) for line in days
    )


def test_a_window_without_answers_and_no_history_says_nothing_to_do(instance, platform, capsys):
    run_and_report(instance, [LAST], silent, in_short=False)
    shown = outcome(capsys.readouterr().out)
    assert shown["answers"] == "0 of the day, from attempt"
    assert shown["items"] == "nothing to do: no answers in the window"
    assert (shown["written"], shown["published"]) == ("nothing", "features no, history only: the day has no rows")
    (event,) = instance.fetch_materializations(dg.AssetKey("mirt_fit_meta"), limit=1).records
    assert event.asset_materialization.metadata["nothing_to_do"].value == "no answers in the window"
    assert "nothing to do" in item_count_check(instance, run_of_a_day(instance).run_id).description


def test_a_day_that_fails_after_its_calibration_says_what_was_published(instance, night, monkeypatch, capsys):
    execute(night, "DROP TABLE student_topic_theta")
    execute(night, "CREATE TABLE student_topic_theta (user_id text)")
    with pytest.raises(SeedtestError, match=r"failed at student_topic_theta: the table .* cannot be published to"):
        run_and_report(instance, [LAST], silent, in_short=False)
    shown = outcome(capsys.readouterr().out)
    assert re.fullmatch("40 items, [0-9]+ students", shown["written"])
    assert shown["published"] == "calibration yes"


@pytest.mark.parametrize(
    ("days", "command"),
    [
        ([1], "seedtest run --date 2025-03-01"),
        ([1, 2, 3], "seedtest run --date 2025-03-03 --days 3"),
        ([1, 2, 5], "seedtest run --date 2025-03-02 --days 2, then seedtest run --date 2025-03-05"),
    ],
)
def test_the_command_that_runs_days_again(days, command):
    assert how_to_run([date(2025, 3, day) for day in days]) == command


def test_days_are_run_oldest_first_and_stop_at_the_first_that_fails(instance, night, capsys):
    (path,) = the_lake().observation_files([LAST - timedelta(days=5)])
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(
        SeedtestError,
        match=f"of {DAY_BEFORE} failed at calibrate: .* is not a readable Parquet file.* --date {LAST} --days 2$",
    ):
        run_and_report(instance, [DAY_BEFORE, LAST], silent)
    line = capsys.readouterr().out
    assert line.startswith(f"{DAY_BEFORE} ")
    assert "; failed; " in line
    assert [run.tags["dagster/partition"] for run in instance.get_runs()] == [str(DAY_BEFORE)]


def test_of_two_commands_at_once_one_runs_and_the_other_is_told(night, instance):
    waiting, going = Event(), Event()

    def show(line: str, *, detail: bool = False) -> None:
        going.set()
        waiting.wait(60)

    with ThreadPoolExecutor() as pool, dg.DagsterInstance.ephemeral() as other:
        first = pool.submit(run_night, instance, LAST, show)
        assert going.wait(60)
        with pytest.raises(InputError, match="another `seedtest run` is at work on this database"):
            run_night(other, LAST)
        waiting.set()
        assert first.result().failure is None
        assert other.get_runs_count() == 0


def test_a_night_drops_history_that_is_too_old_and_says_so(instance, night):
    ensure_month(night, date(2024, 1, 15))
    assert run_night(instance, LAST).failure is None
    (event,) = instance.fetch_materializations(dg.AssetKey("features_topic_daily"), limit=1).records
    assert "item_history_2024_01" in event.asset_materialization.metadata["history_dropped"].value
    assert rows_of(night, "SELECT to_regclass('item_history_2024_01')") == [(None,)]
