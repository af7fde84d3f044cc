"""Runs whose process is gone, however it ended and wherever it ran; and runs that are alive."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import psutil
import pytest

from seedtest_assets.alerting.sensors import lost_run_sensor
from seedtest_assets.cli import run_days
from seedtest_assets.dagster_log import sign_of_life as module
from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.dagster_log.sign_of_life import GRACE, PROCESS_TAG, lost_runs, report_lost, sign_of_life
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError
from seedtest_assets.step.executor import in_process_executor
from seedtest_assets_tests.conftest import ROOT, execute, new_database, rows_of
from seedtest_assets_tests.deployment import wait_for
from seedtest_assets_tests.school import LAST, run_night

CONTAINER = ("unshare", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", 'hostname other && exec "$@"', "sh")
"""As in a container: its process is number 1 there, on a host of another name."""
DEAD, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def storage(template):
    return new_database(template, like="template0")


@pytest.fixture(scope="module")
def home(storage, tmp_path_factory) -> Path:
    """A DAGSTER_HOME whose storage is PostgreSQL."""
    folder = tmp_path_factory.mktemp("home")
    configuration = f"storage: {{postgres: {{postgres_url: '{storage.url}'}}}}\ntelemetry: {{enabled: false}}\n"
    (folder / "dagster.yaml").write_text(configuration)
    return folder


@pytest.fixture(scope="module")
def instance(home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance, kept_connections(instance):
        yield instance


def started_run(instance: dg.DagsterInstance) -> str:
    return instance.create_run_for_job(defs.resolve_job_def("nightly"), status=STARTED).run_id


@contextmanager
def process_of(run_id: str, home: Path, *before: str) -> Iterator[subprocess.Popen]:
    """A process that holds the lock of a run; killed at the latest at the end."""
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "seedtest_assets_tests.dagster_log.sign_of_life_holder", run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def lost(instance: dg.DagsterInstance) -> list[str]:
    return [run.run_id for run in lost_runs(instance)]


def test_a_run_is_lost_when_its_process_is_killed_though_it_is_still_a_zombie(instance, home):
    run_id = started_run(instance)
    with process_of(run_id, home) as process:
        assert lost(instance) == []
        process.send_signal(signal.SIGKILL)
        wait_for("its end", lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        wait_for("the lock", lambda: lost(instance) == [run_id])
        report_lost(instance, run_id)
    assert lost(instance) == []
    assert instance.get_run_by_id(run_id).status == DEAD
    (event,) = [event.dagster_event for event in instance.all_logs(run_id) if event.dagster_event.is_run_failure]
    assert f"the process that ran it is gone: process {process.pid} on " in event.message


def test_a_run_in_a_container_is_lost_when_its_process_1_is_killed(instance, home):
    if subprocess.run([*CONTAINER, "true"], capture_output=True).returncode:
        pytest.skip("this user may not make namespaces")
    run_id = started_run(instance)
    with process_of(run_id, home, *CONTAINER) as process:
        assert instance.get_run_by_id(run_id).tags[PROCESS_TAG].startswith("process 1 on other, started ")
        assert lost(instance) == []  # though this machine's process 1 is another
        (inside,) = psutil.Process(process.pid).children()
        inside.kill()
        wait_for("the lock", lambda: lost(instance) == [run_id])
    report_lost(instance, run_id)


def test_a_living_run_takes_its_lock_again_after_its_connection_was_lost(instance, storage, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 600)  # not at the next beat: at once
    run_id = started_run(instance)
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
    holders += " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with sign_of_life(instance, run_id) as tags:
        instance.add_run_tags(run_id, tags)
        ((before,),) = rows_of(storage, holders)
        execute(storage, "SELECT pg_terminate_backend(:pid)", pid=before)
        wait_for("another session", lambda: [pid for (pid,) in rows_of(storage, holders) if pid != before])
        assert lost(instance) == []
    assert lost(instance) == [run_id]
    report_lost(instance, run_id)


def test_runs_of_others_and_runs_that_ended_are_left_alone(instance):
    others = started_run(instance)
    ended = started_run(instance)
    instance.add_run_tags(ended, {PROCESS_TAG: "process 1"})
    instance.report_run_canceled(instance.get_run_by_id(ended))
    assert lost(instance) == []
    report_lost(instance, ended)
    assert instance.get_run_by_id(ended).status == dg.DagsterRunStatus.CANCELED
    instance.report_run_canceled(instance.get_run_by_id(others))


def test_the_sensor_ends_a_run_that_is_lost_at_two_passes_and_no_other(instance):
    alive, gone = started_run(instance), started_run(instance)
    with sign_of_life(instance, alive) as tags:
        for run_id in (alive, gone):
            instance.add_run_tags(run_id, tags)
        first = tick(instance, None)
        assert instance.get_run_by_id(gone).status == STARTED  # it may only have lost its connection
        assert list(json.loads(first.cursor)) == [gone]
        assert tick(instance, first.cursor).cursor == first.cursor  # too soon
        second = tick(instance, json.dumps({gone: str(datetime.now(timezone.utc) - GRACE)}))
        assert (second.cursor, second.skip_reason.skip_message) == ("{}", f"reported as failed: {gone}")
        assert [instance.get_run_by_id(run_id).status for run_id in (alive, gone)] == [STARTED, DEAD]
        instance.report_run_canceled(instance.get_run_by_id(alive))


def tick(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        return lost_run_sensor(context)


def test_the_next_command_ends_a_run_whose_process_is_gone_and_goes_on(instance, platform, monkeypatch):
    monkeypatch.setenv("SEEDTEST_START_DATE", str(LAST))  # no window to fill
    monkeypatch.setattr(run_days, "GRACE", timedelta(0))
    gone = started_run(instance)
    instance.add_run_tags(gone, {PROCESS_TAG: "process 12"})
    done = run_night(instance, LAST)
    assert done.failure is None
    assert instance.get_run_by_id(gone).status == DEAD
    assert f"process {os.getpid()} on " in instance.get_run_by_id(done.run_id).tags[PROCESS_TAG]


def test_the_next_command_waits_for_a_run_that_is_alive(instance, platform):
    alive = started_run(instance)
    with sign_of_life(instance, alive) as tags:
        instance.add_run_tags(alive, tags)
        with pytest.raises(InputError, match=f"run {alive} .* is active"):
            run_night(instance, LAST)
        instance.report_run_canceled(instance.get_run_by_id(alive))


@dg.op
def find_lost(context: dg.OpExecutionContext) -> None:
    run = context.instance.get_run_by_id(context.run_id)
    context.log.info(f"{PROCESS_TAG in run.tags} {lost(context.instance)}")


@dg.job(executor_def=in_process_executor)
def finding() -> None:
    find_lost()


def test_the_executor_holds_the_lock_while_the_steps_run(instance):
    done = dg.execute_job(dg.reconstructable(finding), instance)
    assert done.success
    assert "True []" in [record.user_message for record in instance.all_logs(done.run_id)]


def test_every_job_has_that_executor():
    jobs = defs.get_repository_def().get_all_jobs()
    assert {job.executor_def for job in jobs} == {in_process_executor}


def test_a_run_that_gets_no_lock_is_not_taken_for_lost(instance, monkeypatch):
    """Nor by the tag of the run that it repeats: Dagster copies the tags when it starts a run again."""
    monkeypatch.setattr(module, "FIRST_SECONDS", 0)
    monkeypatch.setattr(module, "_keep", lambda *_: None)
    run_id = started_run(instance)
    instance.add_run_tags(run_id, {PROCESS_TAG: "process 1"})
    with sign_of_life(instance, run_id) as tags, dg.DagsterInstance.ephemeral() as without_locks:
        instance.add_run_tags(run_id, tags)
        assert lost(instance) == []
        with sign_of_life(without_locks, run_id) as others:
            assert others == tags
    instance.report_run_canceled(instance.get_run_by_id(run_id))
