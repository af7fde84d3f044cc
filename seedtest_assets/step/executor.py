"""The executor of every run: steps that do not wait for each other run side by side, as threads of the run's process.

Much of a step waits for the database or runs on one core. A second process for it would first import for three seconds.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread, current_thread, main_thread
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.dagster_log.private import (
    DagsterExecutionInterruptedError,
    EngineEventData,
    ErrorSource,
    ExecuteRunWithPlanIterable,
    InMemoryJob,
    InstanceConcurrencyContext,
    PlanExecutionContextManager,
    RetryMode,
    StepDependencyConfig,
    _handle_compute_log_setup_error,
    _handle_compute_log_teardown_error,
    _trigger_hook,
    core_execute_in_process,
    create_compute_log_file_key,
    dagster_event_sequence_for_step,
    merge_run_tags,
    raise_execution_interrupts,
    step_failure_event_from_exc_info,
    wrap_resources_for_execution,
)
from seedtest_assets.dagster_log.sign_of_life import sign_of_life
from seedtest_assets.memory import give_back_memory
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.kept_columns import columns_are_kept

# The step that a thread executes; None in the threads of a pool, which steps share.
_STEP: ContextVar[str | None] = ContextVar("step", default=None)
# Between two looks at what may begin, where no step has anything new.
SHORTEST_WAIT, LONGEST_WAIT = 0.05, 0.5


class SideBySideExecutor(dg.Executor):
    """Executes a run's steps in this process, several at a time, and holds the run's lock meanwhile."""

    def __init__(self, retries: RetryMode, dependencies: StepDependencyConfig, steps_at_a_time: int) -> None:
        self._retries, self._dependencies, self._steps_at_a_time = retries, dependencies, steps_at_a_time

    @property
    def retries(self) -> RetryMode:
        return self._retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._dependencies

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Yield the run's events as the steps make them."""
        instance, run_id = plan_context.instance, plan_context.run_id
        in_this_process = EngineEventData.in_process(os.getpid(), execution_plan.step_keys_to_execute)
        with kept_connections(instance), columns_are_kept(), sign_of_life(instance, run_id) as tags:
            instance.add_run_tags(run_id, tags)
            yield dg.DagsterEvent.engine_event(plan_context, "Executing steps in this process", in_this_process)
            yield from ExecuteRunWithPlanIterable(
                execution_plan=execution_plan,
                iterator=self._events,
                execution_context_manager=PlanExecutionContextManager(
                    job=plan_context.job,
                    retry_mode=plan_context.retry_mode,
                    execution_plan=execution_plan,
                    run_config=plan_context.run_config,
                    dagster_run=plan_context.dagster_run,
                    instance=instance,
                    raise_on_error=plan_context.raise_on_error,
                    output_capture=plan_context.output_capture,
                    step_dependency_config=self.step_dependency_config,
                ),
            )
            yield dg.DagsterEvent.engine_event(plan_context, "Finished steps in this process", in_this_process)

    def _events(self, job_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        with (
            InstanceConcurrencyContext(job_context.instance, job_context.dagster_run) as claims,
            execution_plan.start(
                retry_mode=job_context.retry_mode,
                max_concurrent=self._steps_at_a_time,
                instance_concurrency_context=claims,
                step_dependency_config=job_context.step_dependency_config,
            ) as active,
            ExitStack() as capture,
        ):
            keys = [step.key for step in execution_plan.get_steps_to_execute_in_topo_order()]
            yield from _captured_output(job_context, keys, capture)
            yield from _Steps(job_context, active).execute()
            try:
                capture.close()
            except Exception:
                yield from _handle_compute_log_teardown_error(job_context, sys.exc_info())


def _captured_output(job_context: Any, keys: Sequence[str], capture: ExitStack) -> Iterator[dg.DagsterEvent]:
    """Keep what the process prints from now on; a run goes on where that cannot be kept."""
    logs = job_context.instance.compute_log_manager
    log_key = logs.build_log_key_for_run(job_context.run_id, create_compute_log_file_key())
    try:
        with _children_that_ignore_interrupts():
            log_context = capture.enter_context(logs.capture_logs(log_key))
        yield dg.DagsterEvent.capture_logs(job_context, keys, log_key, log_context)
    except Exception:
        yield from _handle_compute_log_setup_error(job_context, sys.exc_info())


@contextmanager
def _children_that_ignore_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C in the terminal does not reach: those that keep the output would end with a stack trace each."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class _Running:
    """A step at work in a thread. events: those it yielded so far, for hooks."""

    context: Any
    thread: Thread
    events: list[dg.DagsterEvent] = field(default_factory=list)


@dataclass
class _Steps:
    """The steps of a run. active: which may begin; running: those at work, by key; events: what they yield, as it comes."""

    job_context: Any
    active: Any
    running: dict[str, _Running] = field(default_factory=dict)
    events: SimpleQueue[tuple[str, dg.DagsterEvent | BaseException | None]] = field(default_factory=SimpleQueue)

    def execute(self) -> Iterator[dg.DagsterEvent]:
        """Begin steps as they may, and yield the events of all."""
        try:
            while self.running or not self.active.is_complete:
                for step in self.active.get_steps_to_execute():
                    self._begin(step)
                yield from self.active.concurrency_event_iterator(self.job_context)
                yield from self._next()
        except (Exception, KeyboardInterrupt, DagsterExecutionInterruptedError):
            yield from self._interrupted()
            raise

    def _begin(self, step: Any) -> None:
        context = self.job_context.for_step(step, self.active.get_known_state())
        # Dagster keeps the run's partitions in a context variable.
        work = partial(copy_context().run, _execute, context, self.events)
        self.running[step.key] = _Running(context, Thread(target=work, name=step.key, daemon=True))
        self.running[step.key].thread.start()

    def _next(self) -> Iterator[dg.DagsterEvent]:
        """Wait for the next event of a step, until a retry is due, and not for long, since another run may free a pool."""
        until_due = self.active.sleep_interval()  # 0 where no step waits, and below 0 where one is due already
        # A step that finds its pool or all places taken is due all the time.
        least = SHORTEST_WAIT if self.running else 0.0
        wait = min(max(until_due, least), LONGEST_WAIT) if until_due else LONGEST_WAIT
        with raise_execution_interrupts():
            try:
                key, event = self.events.get(timeout=wait)
            except Empty:
                return
        if isinstance(event, BaseException):
            raise event
        if event is not None:
            self.running[key].events.append(event)
            yield event
            self.active.handle_event(event)
            return
        ended = self.running.pop(key)
        self.active.verify_complete(self.job_context, key)
        for skipped in self.active.plan_events_iterator(self.job_context):
            yield skipped
            ended.events.append(skipped)
        yield from _trigger_hook(ended.context, ended.events)

    def _interrupted(self) -> Iterator[dg.DagsterEvent]:
        """Report the steps at work as failed: their threads, and what they have not committed, end with the process.

        Nothing is raised in the threads: one that holds a lock at that moment, such as that of a log, would never give it back.
        """
        self.active.mark_interrupted()
        for running in self.running.values():
            if not any(
                event.is_step_success or event.is_step_failure or event.is_step_up_for_retry for event in running.events
            ):
                failure = step_failure_event_from_exc_info(
                    running.context, sys.exc_info(), error_source=ErrorSource.INTERRUPT
                )
                yield failure
                self.active.handle_event(failure)


def _execute(context: Any, events: SimpleQueue[tuple[str, Any]]) -> None:
    """Execute a step, and pass on its events, what it raised if anything, and None at its end."""
    key = context.step.key
    _STEP.set(key)
    # Each step hears the project's loggers, which are the process's: only what it logged itself is shown with it.
    handler = context.log._dagster_handler
    takes = handler.filter
    handler.filter = lambda record: _STEP.get() in (key, None) and takes(record)
    try:
        for event in dagster_event_sequence_for_step(context):
            events.put((key, event))
    except BaseException as error:
        events.put((key, error))
    finally:
        try:
            give_back_memory()
        finally:
            events.put((key, None))


@dg.executor(name=dg.in_process_executor.name, config_schema=dg.in_process_executor.config_schema.as_field())
def in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Execute steps in the run's process, SEEDTEST_STEPS_AT_A_TIME side by side, under the run's lock."""
    config: Any = context.executor_config
    return SideBySideExecutor(
        RetryMode.from_config(config.get("retries", {})) or RetryMode.ENABLED,
        StepDependencyConfig.from_config(config.get("step_dependency_config")),
        load_settings().seedtest_steps_at_a_time,
    )


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_id: str,
    *,
    partition_key: str | None,
    run_config: Mapping[str, Any],
    resources: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.ExecuteInProcessResult:
    """Execute a job in this process as its `execute_in_process` does, but with this executor instead of Dagster's serial one.

    resources: take the place of the job's. A step that fails raises nothing: the result says so.
    """
    with_resources = job.as_ephemeral_job(wrap_resources_for_execution(resources), input_values={})
    return core_execute_in_process(
        job=InMemoryJob(with_resources.with_executor_def(in_process_executor)),
        run_config=run_config,
        instance=instance,
        output_capturing_enabled=True,
        raise_on_error=False,
        run_tags=merge_run_tags(job, partition_key, tags, None, instance, run_config),
        run_id=run_id,
    )
