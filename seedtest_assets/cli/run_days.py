"""Run a day as the 03:00 schedule does, from the command line, through Dagster's own instance."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any
from uuid import uuid4

import dagster as dg

from seedtest_assets.cli.terminal import ShowStep
from seedtest_assets.dagster_log.failures import advice_of, reason_of, was_interrupted
from seedtest_assets.dagster_log.reasons import ADVICE
from seedtest_assets.dagster_log.run_queue import NOT_STARTED_AGAIN
from seedtest_assets.dagster_log.sign_of_life import GRACE, lost_runs, report_lost
from seedtest_assets.days import days_up_to, last_full_day
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError, sentences
from seedtest_assets.resources import resources_from
from seedtest_assets.schedules import extract_job, nightly_job, requests_for
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.step.executor import execute
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import last_days_counted
from seedtest_assets.storage.locks import one_command_at_a_time
from seedtest_assets.storage.sources import find_source

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's console log is off: the UI has all of it, and the terminal shows one line."""


_ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
INTERRUPTED = "it was interrupted"
"""The failure of a run whose process was told to end."""


@dataclass(frozen=True)
class DayRun:
    """A finished run.

    failure: the step that failed, and its reason, or INTERRUPTED. advice: what to do about it, where the failure says so. failed_checks: a line
    for each of the n_checks that did not pass. metadata: of each asset that was materialized, by name.
    """

    run_id: str
    failure: str | None
    advice: str = ""
    failed_checks: tuple[str, ...] = ()
    n_checks: int = 0
    seconds: float = 0.0
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def run_day(
    instance: dg.DagsterInstance,
    day: date,
    show: ShowStep,
    *,
    accept_failed_checks: bool = False,
    resources: Mapping[str, Any] | None = None,
) -> DayRun:
    """Fill the days that the look-back window lacks in one run, then run everything of `day` in another.

    resources: take the place of the deployment's. Raises InputError for a day outside the partitions, or while another run
    or command works on them.
    """
    settings = load_settings()
    available: dict[str, Any] = {**resources_from(settings), **(resources or {})}
    _require_partition(day, settings)
    with no_run_meanwhile(instance, available["platform"].database, show):
        available["source"].find(available["platform"])  # a missing source fails here, not after the step's retries
        return _execute_all(instance, day, show, available, accept_failed_checks)


@contextmanager
def no_run_meanwhile(instance: dg.DagsterInstance, database: Database, show: ShowStep) -> Iterator[None]:
    """Keep other commands from writing what a night writes.

    Raises InputError while a run or another command does.
    """
    with one_command_at_a_time(database):
        _end_lost_runs(instance, show)
        active = _active_run(instance)
        if active:
            raise InputError(
                f"run {active.run_id} ({active.job_name}) is active. Wait for its end, or cancel it in the UI"
            )
        yield


def _execute_all(
    instance: dg.DagsterInstance,
    day: date,
    show: ShowStep,
    available: Mapping[str, Any],
    accept_failed_checks: bool,
) -> DayRun:
    """Execute the runs that a day needs, one after the other, up to one that fails; gives the last one."""
    for request in requests_for(day, available["lake"]):
        if request.asset_selection:
            show(f"filling the look-back window: {request.run_key}")
        elif accept_failed_checks:
            request = request._replace(run_config={"ops": {"calibrate": {"config": {"accept_failed_checks": True}}}})
        result = _execute(instance, request, show, available)
        if result.failure:
            break
    return result


def steps_of_a_day() -> int:
    """Count the steps that a day's run shows."""
    return len(defs.resolve_job_def(nightly_job.name).graph.nodes)


def days_to_refresh(last: date) -> list[date]:
    """List the days from the first that answers came late for up to `last`, oldest first; empty without any."""
    settings = load_settings()
    source = find_source(settings, prepared_database(settings))
    changed = [count.day for count in last_days_counted(source, Lake(settings.seedtest_lake), last) if count.late]
    return days_up_to(last, (last - changed[0]).days + 1) if changed else []


def _require_partition(day: date, settings: Settings) -> None:
    last = last_full_day()
    if not settings.seedtest_start_date <= day <= last:
        raise InputError(
            f"{day} is outside the partitions, which go from {settings.seedtest_start_date} (SEEDTEST_START_DATE) to {last}, the last full day"
        )


def _end_lost_runs(instance: dg.DagsterInstance, show: ShowStep) -> None:
    """Report runs as failed whose process is gone: the daemon does, too, where it runs."""
    lost = {run.run_id for run in lost_runs(instance)}
    if lost:
        show(f"run {', '.join(lost)} has no sign of life")
        time.sleep(GRACE.total_seconds())
        for run_id in lost & {run.run_id for run in lost_runs(instance)}:
            report_lost(instance, run_id)


def _active_run(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """Find a run that writes what a night writes."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    names = (nightly_job.name, extract_job.name)
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return next((run for run in runs if run.job_name in names or run.job_name.startswith("__ASSET_JOB")), None)


def _execute(
    instance: dg.DagsterInstance, request: dg.RunRequest, show: ShowStep, resources: Mapping[str, Any]
) -> DayRun:
    run_id, began = str(uuid4()), time.monotonic()
    instance.add_event_listener(run_id, partial(_show_event, show))
    job = extract_job if request.asset_selection else nightly_job
    result = execute(
        defs.resolve_job_def(job.name),
        instance,
        run_id,
        run_config={**request.run_config, **_QUIET},
        partition_key=request.partition_key,
        resources=resources,
        tags={**request.tags, **NOT_STARTED_AGAIN},
    )
    checks = result.get_asset_check_evaluations()
    failure, advice = (None, "") if result.success else _failure(result)
    return DayRun(
        run_id=run_id,
        failure=failure,
        advice=advice,
        failed_checks=tuple(
            f"{check.severity.value} {check.check_name}: {_with_advice(check.description or 'failed', check.metadata)}"
            for check in checks
            if not check.passed
        ),
        n_checks=len(checks),
        seconds=time.monotonic() - began,
        metadata={} if request.asset_selection else _materialized(result),
    )


def _with_advice(finding: str, metadata: Mapping[str, dg.MetadataValue]) -> str:
    advice = metadata.get(ADVICE)
    return sentences(finding, *str(advice.value).splitlines()) if advice else finding


def _show_event(show: ShowStep, event: dg.EventLogEntry) -> None:
    if event.dagster_event is None and int(event.level) >= logging.INFO:
        show(event.user_message, detail=True)
    elif event.dagster_event and event.dagster_event.is_step_start:
        show(str(event.step_key))
    elif event.dagster_event and event.dagster_event.is_step_up_for_retry:
        show(f"{event.step_key} is tried again: {reason_of(event.dagster_event)}")


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """Give the step that failed with its reason, and what to do about it."""
    for event in result.all_events:
        if event.is_step_failure and not was_interrupted(event):
            return f"{event.step_key}: {reason_of(event)}", sentences(*(advice_of(event) or "").splitlines())
    ends = [event for event in result.all_events if event.event_type in _ENDS]
    if any(map(was_interrupted, ends)):
        return INTERRUPTED, "What its steps had written stays, and running the day again replaces it"
    return "its first step, or before it", "See the run in the UI"


def _materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Collect the metadata of the assets that a run materialized."""
    events = [event for event in result.all_events if event.is_step_materialization]
    materializations = [event.step_materialization_data.materialization for event in events]
    return {
        each.asset_key.to_user_string(): {name: value.value for name, value in each.metadata.items()}
        for each in materializations
    }
