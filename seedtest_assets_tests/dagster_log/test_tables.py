"""Dagster's tables say what Dagster itself says: an upgrade that changes them fails here."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.tags import ROOT_RUN_ID_TAG

from seedtest_assets.dagster_log import tables
from seedtest_assets.dagster_log.daemon import is_on, last_heartbeats
from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.dagster_log.private import ASSET_PARTITION_RANGE_END_TAG, PARTITION_NAME_TAG, WILL_RETRY_TAG
from seedtest_assets.dagster_log.process_lock import PROCESS_TAG
from seedtest_assets.dagster_log.reasons import FAILURE
from seedtest_assets.dagster_log.run_reader import read_run
from seedtest_assets.dagster_log.tables import DagsterState, Watched, read_dagster
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.schedules import nightly_schedule
from seedtest_assets_tests.alerting.night import World, cancel_night, run_night
from seedtest_assets_tests.conftest import new_database
from seedtest_assets_tests.dagster_log.heartbeats import beat
from seedtest_assets_tests.dagster_log.schedules import turn_on

FIRST = date(2025, 11, 1)
SINCE = datetime(2025, 11, 1, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def storage(template):
    return new_database(template, like="template0")


@pytest.fixture(scope="module")
def instance(storage, tmp_path_factory) -> Iterator[dg.DagsterInstance]:
    """An instance on PostgreSQL, with a day for each way in which a night may end."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{storage.url}'}}}}\nrun_retries: {{enabled: true, max_retries: 1}}\n"
    )
    world = World.current
    with dg.DagsterInstance.from_config(str(folder)) as instance, kept_connections(instance):
        for number, change in enumerate(
            (
                {},
                {"error": InputError("the disk is full\nand more")},
                {"error": TransientError("the service is away")},
                {"error": ValueError("a fault of ours")},
                {"topics_fail": True},
                {"share_of_items": 0.3},
                {"share_of_items": 0.3, "blocking": False},
                {"items_drift": True},
            )
        ):
            world.reset()
            for name, value in change.items():
                setattr(world, name, value)
            run_night(instance, str(FIRST + timedelta(days=number)))
        world.reset()
        cancel_night(instance, "2025-11-20")
        yield instance


@pytest.fixture
def read(storage):
    def read(since: date = FIRST, schedule: str = nightly_schedule.name) -> DagsterState:
        checked = {"mirt_item_params", "mirt_fit_meta"}
        watched = Watched(
            since=since, schedule=schedule, calibration="mirt_fit_meta", source="observations", checked=checked
        )
        with storage.transaction() as connection:
            return read_dagster(connection, watched)

    return read


def test_runs_are_those_of_dagsters_log_with_reason_and_advice(instance, read):
    runs = read().runs
    logged = {run.partition: run for run in (read_run(instance, record) for record in instance.get_run_records())}
    assert {str(day) for day in runs} == logged.keys()
    for day, run in runs.items():
        expected = logged[str(day)]
        assert (run.run_id, run.status) == (expected.run_id, expected.status)
        assert (run.started_at, run.ended_at) == (expected.started_at, expected.ended_at)
        assert run.will_retry is bool(expected.will_retry)
        failed = [(step.key, step.reason, step.advice or "") for step in expected.failed_steps]
        assert ([(run.failure.step, run.failure.reason, run.failure.advice)] if run.failure else []) == failed
    assert sum(run.failure is not None for run in runs.values()) == 5
    assert read(since=date(2025, 11, 20)).runs.keys() == {date(2025, 11, 20)}


def test_a_run_that_was_reported_as_failed_has_the_reason_of_the_report(instance, read):
    run = instance.get_runs(dg.RunsFilter(tags={PARTITION_NAME_TAG: "2025-11-20"}))[0]
    instance.report_run_failed(run, "the process that ran it is gone")
    assert read().runs[date(2025, 11, 20)].failure.reason == "the process that ran it is gone"


def test_failed_checks_are_the_newest_evaluations_with_error(instance, read):
    def logged() -> set[tuple[str, str, str, str]]:
        checks: dict[tuple[str, str, str], tuple[str, bool, str]] = {}
        for record in reversed(instance.get_run_records()):
            for check in read_run(instance, record).checks:
                failed = not check.passed and check.severity == "ERROR"
                checks[check.asset, check.name, check.partition] = (check.finding, failed, check.advice or "")
        return {(*key, finding, advice) for key, (finding, failed, advice) in checks.items() if failed}

    def found() -> set[tuple[str, str, str, str]]:
        return {
            (check.asset, check.name, str(check.partition), check.finding, check.advice)
            for check in read().failed_checks
        }

    assert found() == logged()
    assert {check.partition.day for check in read().failed_checks} == {6, 7}
    run_night(instance, "2025-11-06")
    assert found() == logged()
    assert {check.partition.day for check in read().failed_checks} == {7}
    at = read().failed_checks[0].at
    assert timedelta(0) <= datetime.now(timezone.utc) - at < timedelta(hours=1)


def test_heartbeats_and_schedules_are_those_of_the_instance(instance, read):
    at = datetime.now(timezone.utc) - timedelta(minutes=3)
    beat(instance, "SENSOR", at)
    assert read().heartbeats == last_heartbeats(instance) == {"SENSOR": at}
    assert (read().schedule_on, read().schedule_since) == (False, None)
    for status in (InstigatorStatus.RUNNING, InstigatorStatus.STOPPED, InstigatorStatus.DECLARED_IN_CODE):
        turn_on(instance, nightly_schedule.name, SINCE, status)
        on = status == InstigatorStatus.RUNNING
        assert (read().schedule_on, read().schedule_since) == (on, SINCE if on else None)
        assert is_on(instance, nightly_schedule) is on
    turn_on(instance, "another", SINCE)
    assert not read().schedule_on


def test_the_names_in_the_statements_are_dagsters():
    statements = "".join(
        value for name, value in vars(tables).items() if name.startswith("_") and isinstance(value, str)
    )
    names = (
        PARTITION_NAME_TAG,
        WILL_RETRY_TAG,
        ASSET_PARTITION_RANGE_END_TAG,
        ROOT_RUN_ID_TAG,
        PROCESS_TAG,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
        dg.DagsterEventType.RUN_FAILURE.value,
        dg.DagsterRunStatus.FAILURE.value,
    )
    assert [name for name in names if f"'{name}'" not in statements] == []
    assert dg.Failure.__name__ == FAILURE


def test_before_dagster_made_its_tables_there_is_nothing(template):
    watched = Watched(since=FIRST, schedule="x", calibration="x", source="x", checked=())
    with new_database(template, like="template0").transaction() as connection:
        assert read_dagster(connection, watched) == tables.NOTHING_YET
