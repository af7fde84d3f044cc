"""The graph as Dagster sees it: what hangs on what, when it runs, what is retried."""

import itertools
import json
import subprocess
import sys
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster_dg_cli.cli import create_dg_cli

from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.resources import AnswerLake
from seedtest_assets.schedules import nightly_schedule, requests_for
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.load_time import RETRIES
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.published_tables import PUBLISHED
from seedtest_assets_tests.conftest import ROOT, new_database, rows_of

CHAIN = ["observations", "mirt_item_params", "mirt_fit_meta", "student_topic_theta", "features_topic_daily"]


@pytest.fixture(scope="module")
def graph():
    return defs.resolve_asset_graph()


def parents(graph, key: str) -> set[str]:
    return {parent.to_user_string() for parent in graph.get(dg.AssetKey(key)).parent_keys}


def test_the_chain_is_what_the_ui_shows(graph):
    for upstream, downstream in itertools.pairwise(CHAIN):
        assert upstream in parents(graph, downstream)
    assert parents(graph, "mirt_ability") == {"mirt_item_params"}


def test_every_asset_is_daily_or_weekly_described_owned_and_in_one_group(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        weekly = key == dg.AssetKey("item_dif")
        assert isinstance(
            node.partitions_def, dg.WeeklyPartitionsDefinition if weekly else dg.DailyPartitionsDefinition
        ), key
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.group_name == "psychometrics", key
        assert node.code_version, key
        (reference,) = node.metadata["dagster/code_references"].code_references
        assert reference.file_path.startswith(str(ROOT / "seedtest_assets" / "assets")), key
        policy = node.freshness_policy_or_from_metadata
        if weekly:
            assert policy is None
            continue
        assert (policy.deadline_cron, policy.lower_bound_delta) == ("0 6 * * *", timedelta(hours=6)), key


@pytest.mark.parametrize("table", PUBLISHED)
def test_the_columns_that_the_ui_shows_are_those_of_the_table(graph, database, table):
    shown = graph.get(dg.AssetKey(table)).metadata
    columns = rows_of(
        database,
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(:table) AND attnum > 0 ORDER BY attnum",
        table=table,
    )
    assert [(column.name, column.type) for column in shown["dagster/column_schema"].columns] == columns
    assert shown["dagster/table_name"] == f"public.{table}"


def test_the_critical_path_of_a_night_begins_before_what_else_could():
    urgent = {
        node.name
        for node in defs.resolve_job_def("nightly").nodes
        if node.definition.tags.get("dagster/priority") == "1"
    }
    assert urgent == {"calibrate", "student_topic_theta", "features_topic_daily"}


def test_calibrate_is_one_step_of_three_tables():
    (step,) = [asset for asset in defs.assets if isinstance(asset, dg.AssetsDefinition) and len(asset.keys) > 1]
    assert {key.to_user_string() for key in step.keys} == {"mirt_item_params", "mirt_ability", "mirt_fit_meta"}
    assert not step.can_subset


def test_a_backfill_of_the_whole_graph_can_be_asked_for(graph):
    """The check that the UI makes: with two parents inside the step it refused every backfill."""
    days = ["2025-03-01", "2025-03-02", "2025-03-03"]
    with dg.DagsterInstance.ephemeral() as instance:
        data = AssetBackfillData.from_asset_partitions(
            graph, days, list(graph.get_all_asset_keys()), instance, time.time(), False
        )
    weeks = ["2025-02-24", "2025-03-03"]
    for key in graph.get_all_asset_keys():
        expected = weeks if key == dg.AssetKey("item_dif") else days
        assert sorted(data.target_subset.get_partitions_subset(key).get_partition_keys()) == expected


def test_observations_fill_in_one_run_and_calibrations_one_by_one(graph):
    assert graph.get(dg.AssetKey("observations")).backfill_policy.max_partitions_per_run is None
    assert graph.get(dg.AssetKey("mirt_item_params")).backfill_policy.max_partitions_per_run == 1


def test_waits_grow_linearly_from_the_delay_that_is_set():
    step = RETRIES.delay
    assert [RETRIES.calculate_delay(attempt) for attempt in (1, 2, 3)] == pytest.approx([step, 2 * step, 3 * step])
    assert RETRIES.max_retries == 3


def test_only_what_may_pass_by_itself_is_retried():
    for error, retried in (
        (TransientError("out of reach"), True),
        (InputError("bad"), False),
        (ValueError("ours"), False),
    ):
        with pytest.raises(dg.Failure) as failure, failures_in_one_line():
            raise error
        assert failure.value.allow_retries is retried
        assert "\n" not in failure.value.description


def evaluate_nightly_schedule(instance) -> list[dg.RunRequest]:
    """Evaluate the tick of 2025-03-10, as the daemon does."""
    tick = datetime(2025, 3, 10, 3, tzinfo=timezone.utc)
    with dg.build_schedule_context(instance, scheduled_execution_time=tick) as context:
        return nightly_schedule(context, lake=AnswerLake())


def test_the_schedule_asks_at_three_for_yesterday_after_filling_the_window(settings):
    assert nightly_schedule.cron_schedule == "0 3 * * *"
    assert nightly_schedule.execution_timezone == "UTC"
    with dg.instance_for_test() as instance:
        fill, of_day = evaluate_nightly_schedule(instance)
    assert of_day.partition_key == "2025-03-09"
    assert fill.asset_selection == [dg.AssetKey("observations")]
    assert fill.asset_check_keys == [], "days long past are not judged by what is usual now"
    assert fill.tags["dagster/asset_partition_range_start"] == "2025-01-09"
    assert fill.tags["dagster/asset_partition_range_end"] == "2025-03-08"


def test_the_first_night_of_a_fresh_instance_is_limited_before_its_runs_are_queued(settings):
    """The queue lets every run out at once that waits when it first meets a pool."""
    concurrency = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))["concurrency"]
    with dg.instance_for_test({"concurrency": concurrency}) as instance:
        evaluate_nightly_schedule(instance)
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert limits == {"seedtest": 1}
    assert {asset.op.pool for asset in defs.assets if isinstance(asset, dg.AssetsDefinition)} == set(limits)


def test_nothing_is_filled_that_the_lake_has(settings):
    lake, empty = Lake(settings.seedtest_lake), OBSERVATION_SCHEMA.empty_table()
    for number in range(1, 10):
        lake.write_observations(date(2025, 1, number), empty)
    (of_day,) = requests_for(date(2025, 1, 9), AnswerLake())
    assert of_day.partition_key == "2025-01-09"
    first, second = requests_for(date(2025, 1, 12), AnswerLake())
    assert first.run_key == "2025-01-12 fills 2025-01-10 to 2025-01-11"
    assert second.partition_key == "2025-01-12"


def test_only_one_run_at_a_time_leaves_the_queue(graph):
    """Every step is in one pool; dagster.yaml gives a pool one slot, taken by a whole run."""
    pools = {step.op.pool for step in defs.assets if isinstance(step, dg.AssetsDefinition)}
    assert pools == {"seedtest"}


@pytest.fixture
def dg_environment(template, monkeypatch) -> None:
    """The environment of Dagster's own tool in this project."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", new_database(template, like="template0").url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


@pytest.mark.usefixtures("dg_environment")
def test_dagsters_own_tool_checks_the_definitions():
    done = CliRunner().invoke(create_dg_cli(), ["check", "defs"])
    assert done.exit_code == 0, done.output
    assert "All definitions loaded successfully" in done.output


@pytest.mark.usefixtures("dg_environment")
def test_dagsters_own_tool_lists_the_definitions():
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), "list", "defs", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {asset["asset_key"] for asset in json.loads(done.stdout)["assets"]} >= set(CHAIN)
