"""Each private part of Dagster, used for real: an upgrade that changes one fails here."""

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._daemon.auto_run_reexecution import auto_run_reexecution

from seedtest_assets.dagster_log import private
from seedtest_assets.dagster_log.daemon import is_on, last_heartbeats, last_tick_error, parts_needed
from seedtest_assets.dagster_log.materializations import check_evaluation, is_materialized
from seedtest_assets.dagster_log.run_queue import limit_pool
from seedtest_assets.dagster_log.run_reader import newest_run, read_run
from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.dagster_log.heartbeats import beat

DAY = "2025-11-01"
RETRYING = {"run_retries": {"enabled": True, "max_retries": 1}}
daily = dg.DailyPartitionsDefinition("2025-10-01")


@dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run(), check_specs=[])
def numbers() -> None:
    pass


@dg.asset_check(asset=numbers)
def numbers_are_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(partitions_def=daily)
def broken() -> None:
    raise RuntimeError("broken")


@dg.schedule(target=numbers, cron_schedule="0 3 * * *")
def nightly(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
    return dg.SkipReason("never in a test")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def logged(instance: dg.DagsterInstance, run_id: str):
    return read_run(instance, instance.get_run_record_by_id(run_id))


def test_every_part_is_used():
    used = (ROOT / "seedtest_assets").rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in used if path.name != "private.py")
    assert [name for name in private.__all__ if name not in text and name != "DaemonHeartbeat"] == []


def test_the_tag_of_a_partition_is_the_one_that_dagster_sets(instance):
    run = dg.materialize([numbers], partition_key=DAY, instance=instance)
    assert instance.get_run_by_id(run.run_id).tags[private.PARTITION_NAME_TAG] == DAY
    assert newest_run(instance, DAY, but="weekly").run_id == run.run_id
    assert newest_run(instance, DAY, but=run.dagster_run.job_name) is None
    assert logged(instance, run.run_id).partition == DAY


def test_the_tags_of_a_range_are_those_that_dagster_reads(instance):
    tags = {private.ASSET_PARTITION_RANGE_START_TAG: "2025-10-02", private.ASSET_PARTITION_RANGE_END_TAG: "2025-10-03"}
    run = logged(instance, dg.materialize([numbers], tags=tags, instance=instance).run_id)
    assert run.partition == "2025-10-02 to 2025-10-03"
    assert run.planned == run.materialized == {"numbers@2025-10-02", "numbers@2025-10-03"}


def test_the_tag_of_a_run_that_is_retried_is_the_one_that_dagster_sets():
    with dg.DagsterInstance.ephemeral(settings=RETRYING) as instance:
        failed = dg.materialize([broken], partition_key=DAY, instance=instance, raise_on_error=False)
        assert logged(instance, failed.run_id).will_retry is True
        tags = {private.RETRY_NUMBER_TAG: "1", "dagster/max_retries": "0"}
        last = dg.materialize([broken], partition_key=DAY, instance=instance, raise_on_error=False, tags=tags)
        run = logged(instance, last.run_id)
    assert (run.run_retries, run.will_retry) == (1, False)
    # Who starts a run again is the daemon, which numbers it by this tag.
    assert auto_run_reexecution.RETRY_NUMBER_TAG == private.RETRY_NUMBER_TAG


def test_an_evaluation_names_the_materialization_that_it_is_about(instance):
    result = dg.AssetCheckResult(
        passed=True, asset_key=numbers.key, check_name="numbers_are_there", severity=dg.AssetCheckSeverity.WARN
    )
    assert check_evaluation(result, instance, DAY).target_materialization_data is None
    run = dg.materialize([numbers], partition_key=DAY, instance=instance)
    assert is_materialized(instance, "numbers", DAY)
    assert not is_materialized(instance, "numbers", "2025-11-02")
    evaluation = check_evaluation(result, instance, DAY)
    assert evaluation.target_materialization_data.run_id == run.run_id
    # What Dagster stores is what it gives back: the record of an evaluation that a sensor reports.
    instance.report_runless_asset_event(evaluation)
    key = dg.AssetCheckKey(numbers.key, "numbers_are_there")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event.dagster_event.asset_check_evaluation_data == evaluation


def test_a_pool_has_its_default_limit_before_the_queue_runs():
    one_at_a_time = {"concurrency": {"pools": {"granularity": "run", "default_limit": 1}}}
    with dg.DagsterInstance.ephemeral(settings=one_at_a_time) as instance:
        for _ in range(2):
            limit_pool(instance, "seedtest")
        assert [(limit.name, limit.limit) for limit in instance.event_log_storage.get_pool_limits()] == [
            ("seedtest", 1)
        ]


def test_the_daemon_and_the_schedules_are_read(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert last_heartbeats(instance) == {}
        assert "SCHEDULER" in parts_needed(instance)
        at = datetime.now(timezone.utc) - timedelta(minutes=3)
        beat(instance, "SCHEDULER", at)
        assert last_heartbeats(instance) == {"SCHEDULER": at}
        assert not is_on(instance, nightly)
        assert last_tick_error(instance, nightly) is None
