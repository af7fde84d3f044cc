"""The executor of a run: steps side by side, in their order, tried again, interrupted."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Barrier, Event, Lock
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pytest

from seedtest_assets.step import executor
from seedtest_assets.step.executor import execute
from seedtest_assets.storage.kept_columns import kept_or_read

PATIENCE = 20.0
"""Seconds after which what waits for another step gives up."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, resources=None) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("job", selection="*")
    given = {"value": dg.ResourceDefinition.hardcoded_resource("of the deployment")}
    return run_job(instance, dg.Definitions(assets=assets, jobs=[job], resources=given), resources)


def run_job(instance: dg.DagsterInstance, defs: dg.Definitions, resources=None) -> dg.ExecuteInProcessResult:
    return execute(
        defs.resolve_job_def("job"),
        instance,
        str(uuid4()),
        partition_key=None,
        run_config={},
        resources=resources or {},
        tags={"asked_by": "a test"},
    )


def ends(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Whether each step that has ended succeeded."""
    return {
        event.step_key: event.is_step_success
        for event in result.all_events
        if event.is_step_success or event.is_step_failure
    }


def step(name: str, work: Callable[[], object], **options) -> dg.AssetsDefinition:
    @dg.asset(name=name, **options)
    def of_that_name() -> None:
        work()

    return of_that_name


def end(process: Event, *steps: str) -> None:
    """Let the threads of steps, which end with the process, end now."""
    process.set()
    for thread in threading.enumerate():
        if thread.name in steps:
            thread.join(PATIENCE)


def test_steps_that_do_not_wait_for_each_other_run_side_by_side(instance):
    meeting = Barrier(2)
    steps = [step(name, partial(meeting.wait, PATIENCE)) for name in ("one", "other")]
    assert ends(run(instance, *steps)) == {"one": True, "other": True}


@pytest.mark.parametrize(("setting", "most"), [("1", 1), (None, 2), ("3", 3)])
def test_as_many_steps_at_a_time_as_the_setting_says(instance, monkeypatch, setting, most):
    if setting:
        monkeypatch.setenv("SEEDTEST_STEPS_AT_A_TIME", setting)
    lock, at_work, meeting = Lock(), [], Barrier(most)
    seen: list[int] = []

    def work() -> None:
        with lock:
            at_work.append(1)
            seen.append(len(at_work))
        meeting.wait(PATIENCE)
        with lock:
            at_work.pop()

    assert all(ends(run(instance, *(step(f"step_{n}", work) for n in range(6)))).values())
    assert max(seen) == most


def test_a_step_begins_after_what_it_depends_on_and_not_after_a_failure(instance):
    done: list[str] = []
    meeting = Barrier(2)

    @dg.asset
    def good() -> None:
        meeting.wait(PATIENCE)
        done.append("good")

    @dg.asset(deps=[good])
    def after_good() -> None:
        done.append("after_good")

    @dg.asset
    def bad() -> None:
        meeting.wait(PATIENCE)
        raise dg.Failure("out of answers")

    @dg.asset(deps=[bad])
    def after_bad() -> None:
        done.append("after_bad")

    result = run(instance, good, after_good, bad, after_bad)
    assert not result.success
    assert done == ["good", "after_good"]
    assert ends(result) == {"good": True, "after_good": True, "bad": False}
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.FAILURE
    assert result.failure_data_for_node("bad").user_failure_data.description == "out of answers"


def test_a_step_is_tried_again_while_another_works(instance):
    again = Event()

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1, delay=0.01))
    def flaky(context: dg.AssetExecutionContext) -> None:
        if context.retry_number == 0:
            raise RuntimeError("the server is away")
        again.set()

    @dg.asset
    def long() -> None:
        assert again.wait(PATIENCE)

    result = run(instance, flaky, long)
    assert ends(result) == {"flaky": True, "long": True}
    assert [event.step_key for event in result.all_events if event.is_step_up_for_retry] == ["flaky"]


def test_what_is_more_urgent_begins_first(instance, monkeypatch):
    monkeypatch.setenv("SEEDTEST_STEPS_AT_A_TIME", "1")
    begun: list[str] = []
    usual = [step(name, partial(begun.append, name)) for name in ("a", "c")]
    urgent = step("b", partial(begun.append, "b"), op_tags={"dagster/priority": "1"})
    run(instance, *usual, urgent)
    assert begun == ["b", "a", "c"]


def test_a_retry_that_is_due_already_is_begun(instance, monkeypatch):
    """The waiting ends while others are begun."""
    from dagster._core.execution.plan.active import ActiveExecution

    monkeypatch.setattr(ActiveExecution, "sleep_interval", lambda self: -0.001)
    assert run(instance, step("one", lambda: None)).success


def test_a_step_waits_for_the_pool_that_another_run_has(monkeypatch, tmp_path):
    """Where the instance limits steps, not runs. Dagster asks again after a second."""
    monkeypatch.setattr("dagster._core.execution.plan.instance_concurrency_context.INITIAL_INTERVAL_VALUE", 0.01)
    one_step_at_a_time = {"concurrency": {"pools": {"granularity": "op", "default_limit": 1}}}
    done: list[str] = []
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=one_step_at_a_time) as instance:
        pools = instance.event_log_storage
        pools.set_concurrency_slots("scarce", 1)
        assert pools.claim_concurrency_slot("scarce", "another run", "its step").is_claimed

        def free() -> None:
            done.append("freed")
            pools.free_concurrency_slots_for_run("another run")

        in_pool = step("a", partial(done.append, "in the pool"), pool="scarce")
        assert run(instance, in_pool, step("b", free)).success
    assert done == ["freed", "in the pool"]


def test_the_steps_of_an_interrupted_run_have_failed(instance):
    meeting, process_ends = Barrier(2), Event()

    def work() -> None:
        if meeting.wait(PATIENCE) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        process_ends.wait(PATIENCE)

    result = run(instance, *(step(name, work) for name in ("one", "other")))
    end(process_ends, "one", "other")
    assert ends(result) == {"one": False, "other": False}
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.FAILURE


def test_a_run_that_the_ui_cancels_is_cancelled_not_failed(instance):
    process_ends = Event()

    @dg.asset
    def long(context: dg.AssetExecutionContext) -> None:
        context.instance.report_run_canceling(context.run)
        os.kill(os.getpid(), signal.SIGINT)
        process_ends.wait(PATIENCE)

    result = run(instance, long)
    end(process_ends, "long")
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.CANCELED


def test_hooks_of_a_job_are_called(instance):
    seen: list[str] = []

    @dg.success_hook
    def remember(context) -> None:
        seen.append(context.step_key)

    job = dg.define_asset_job("job", selection="*", hooks={remember})
    steps = [step(name, lambda: None) for name in ("one", "other")]
    run_job(instance, dg.Definitions(assets=steps, jobs=[job]))
    assert sorted(seen) == ["one", "other"]


def test_resources_and_tags_are_those_that_were_given(instance):
    seen: list[str] = []

    @dg.asset(required_resource_keys={"value"})
    def reader(context: dg.AssetExecutionContext) -> None:
        seen.append(context.resources.value)

    given = {"value": dg.ResourceDefinition.hardcoded_resource("of this run")}
    result = run(instance, reader, resources=given)
    run(instance, reader)
    assert seen == ["of this run", "of the deployment"]
    assert instance.get_run_by_id(result.run_id).tags["asked_by"] == "a test"


@pytest.mark.parametrize("fails_at", ["begin", "end"])
def test_a_run_goes_on_where_what_it_prints_cannot_be_kept(instance, monkeypatch, fails_at):
    @contextmanager
    def full(log_key):
        if fails_at == "end":
            yield None
        raise OSError("no space left on device")

    monkeypatch.setattr(instance.compute_log_manager, "capture_logs", full)
    result = run(instance, step("one", lambda: None))
    assert result.success
    assert any("no space left" in str(event.event_specific_data) for event in result.all_events)


def test_a_log_line_is_shown_with_the_step_that_wrote_it(monkeypatch):
    both, logger = Barrier(2), logging.getLogger("seedtest_assets.engines")
    logs = {"python_logs": {"managed_python_loggers": ["seedtest_assets"], "python_log_level": "INFO"}}

    def write(name: str) -> None:
        both.wait(PATIENCE)  # both steps hear the loggers by now
        logger.info("line of %s", name)
        both.wait(PATIENCE)

    with dg.DagsterInstance.ephemeral(settings=logs) as instance:
        result = run(instance, *(step(name, partial(write, name)) for name in ("one", "other")))
        lines = [(entry.step_key, entry.user_message) for entry in instance.all_logs(result.run_id)]
    shown = [line for line in lines if line[1].startswith("line of")]
    assert sorted(shown) == [("one", "line of one"), ("other", "line of other")]


def test_what_keeps_the_output_does_not_hear_the_interrupt(instance, monkeypatch):
    handlers = []

    @contextmanager
    def kept(log_key):
        handlers.append(signal.getsignal(signal.SIGINT))
        yield None

    monkeypatch.setattr(instance.compute_log_manager, "capture_logs", kept)
    before = signal.getsignal(signal.SIGINT)
    run(instance, step("one", lambda: None))
    assert handlers == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) is before


def test_steps_read_the_columns_of_a_file_once_and_the_run_keeps_them_no_longer(instance):
    asked: list[list[str]] = []

    def read(columns: list[str]) -> pa.Table:
        asked.append(list(columns))
        return pa.table({name: [1] for name in columns})

    work = partial(kept_or_read, "file", ["item_id"], read)
    assert run(instance, step("first", work), step("second", work, deps=["first"])).success
    work()
    assert asked == [["item_id"]] * 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_gives_memory_back_before_it_ends_and_ends_where_that_is_not_possible(instance, monkeypatch, fails):
    given_back = []

    def give_back():
        given_back.append(threading.current_thread().name)
        raise OSError("no C library")

    monkeypatch.setattr(executor, "give_back_memory", give_back)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def work():
        assert not fails

    assert run(instance, step("a_step", work)).success is not fails
    assert given_back == ["a_step"]
