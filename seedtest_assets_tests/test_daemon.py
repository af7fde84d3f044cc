"""What Dagster's daemon does with this project and its dagster.yaml, with the daemon's own functions and a real code server."""

import logging
import os
import signal
from datetime import datetime, timedelta, timezone

import dagster as dg
import psutil
import pytest
import yaml
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution
from dagster._scheduler.scheduler import launch_scheduled_runs

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets_tests.conftest import ROOT, deploy, new_database
from seedtest_assets_tests.deployment import wait_for

SWITCHED_ON = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)
BACK = SWITCHED_ON + timedelta(days=8)
LOGGER = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def database(template):
    return new_database(template)


@pytest.fixture(scope="module")
def workspace(database, tmp_path_factory):
    """The daemon's view of the code location; its instance is set up as dagster.yaml says, but for the storage."""
    lake = tmp_path_factory.mktemp("lake")
    for n in range(60):  # nothing is missing, so that a night is one run
        Lake(str(lake)).write_observations(BACK.date() - timedelta(days=n), OBSERVATION_SCHEMA.empty_table())
    configuration = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    chosen = {name: configuration[name] for name in ("concurrency", "run_monitoring", "run_retries")}
    chosen["run_coordinator"] = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
    code = ModuleTarget("seedtest_assets.definitions", attribute=None, working_directory=None, location_name="code")
    with pytest.MonkeyPatch.context() as environment, dg.instance_for_test(chosen) as instance:
        deploy(environment, database, lake)
        with create_test_daemon_workspace_context(code, instance) as workspace:
            yield workspace


def nights(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs of the nightly job, the first that was asked for first."""
    return instance.get_runs(dg.RunsFilter(job_name="nightly"))[::-1]


def tick(workspace: WorkspaceProcessContext, now: datetime) -> None:
    """Let the scheduler work, as it would at a time."""
    with freeze_time(now):
        list(launch_scheduled_runs(workspace, LOGGER, now, iteration_times={}))


def test_after_an_outage_of_the_daemon_the_newest_missed_night_runs_and_older_ones_are_left_to_an_operator(workspace):
    repository = next(iter(workspace.create_request_context().get_code_location("code").get_repositories().values()))
    with freeze_time(SWITCHED_ON):
        workspace.instance.start_schedule(repository.get_schedule("nightly_schedule"))
    tick(workspace, SWITCHED_ON + timedelta(days=1))
    tick(workspace, BACK)
    days = [run.tags["dagster/partition"] for run in nights(workspace.instance)]
    assert days == ["2025-03-01", "2025-03-08"]


def test_a_run_whose_process_dies_is_started_once_more(workspace, database):
    instance = workspace.instance
    run = nights(instance)[0]
    with database.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE attempt")  # the run waits for its answers, and is there to be killed
        before = set(psutil.Process().children(recursive=True))
        instance.launch_run(run.run_id, workspace.create_request_context())
        wait_for("the run", lambda: instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED)
        for process in set(psutil.Process().children(recursive=True)) - before:
            os.kill(process.pid, signal.SIGKILL)
    wait_for("the report", lambda: instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE)
    for _ in range(2):  # once more, not twice
        records = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        list(consume_new_runs_for_automatic_reexecution(workspace, records, LOGGER))
    (again,) = instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run.run_id}))
    assert (again.tags["dagster/partition"], again.tags["dagster/retry_number"]) == ("2025-03-01", "1")
