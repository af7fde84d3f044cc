"""The runs that ended, read from Dagster's event log."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any, Literal

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    RETRY_NUMBER_TAG,
    WILL_RETRY_TAG,
)

ENDS: tuple[
    Literal[dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED],
    ...,
] = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
MOST = 100
"""Runs in one look."""
OVERLAP = 50
"""Event ids that are read again, since PostgreSQL may show a lower id after a higher one."""
FIRST_LOOK = timedelta(days=1)
"""How far back the first look of all goes."""
UNDECIDED = timedelta(minutes=1)
"""A run that failed this recently may not yet say whether Dagster will retry it."""
OWN_CHECK = "alerts_sent"
"""The check that shows what could not be sent; an alert about it could not be sent either."""
IRT_CALL = "/irt/calibrate"
"""Every error of the IRT service's client names the address that it called."""


@dataclass(frozen=True)
class Step:
    """A step that failed: why, and how often it had been tried before."""

    key: str
    reason: str
    retries: int


@dataclass(frozen=True)
class Check:
    """The last evaluation of a check in a run."""

    step: str | None
    at: datetime
    evaluation: dg.AssetCheckEvaluation


@dataclass(frozen=True)
class RunEnd:
    """A finished run. planned and made are `asset@partition`, as incidents owe them."""

    event_id: int
    run_id: str
    job: str
    partition: str
    at: datetime
    succeeded: bool
    failed: bool
    reason: str
    retries: int
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    planned: frozenset[str]
    made: frozenset[str]
    irt_failures: tuple[datetime, ...]

    @property
    def link(self) -> str:
        return f"/runs/{self.run_id}"


def ended_runs(instance: dg.DagsterInstance, after: int | None, seen: Collection[int], now: datetime) -> list[RunEnd]:
    """The runs that ended after an event id (None: within FIRST_LOOK), oldest first, MOST of them at most.

    seen: event ids within OVERLAP that were given before. Ends before a run of which it is not known yet whether it will
    be retried.
    """
    since = (now - FIRST_LOOK).timestamp() if after is None else None
    from_id = None if after is None else max(0, after - OVERLAP)
    filters = [dg.RunStatusChangeRecordsFilter(end, after_timestamp=since, after_storage_id=from_id) for end in ENDS]
    records = chain.from_iterable(
        instance.fetch_run_status_changes(one, limit=MOST, ascending=True).records for one in filters
    )
    runs: list[RunEnd] = []
    for record in sorted(records, key=lambda record: record.storage_id)[:MOST]:
        run = None if record.storage_id in seen else instance.get_run_by_id(record.run_id)
        if run is None:  # seen before, or deleted in the UI
            continue
        will_retry = run.tags.get(WILL_RETRY_TAG)
        recent = now - _time(record.timestamp) < UNDECIDED
        if run.is_failure and will_retry is None and instance.run_retries_enabled and recent:
            break
        runs.append(_read(instance, run, record, will_retry == "true"))
    return runs


def asset_token(asset: str, partition: str | None) -> str:
    """How an incident owes that an asset is materialised."""
    return f"{asset}@{partition}" if partition else asset


def _read(instance: dg.DagsterInstance, run: dg.DagsterRun, record: dg.EventLogRecord, will_retry: bool) -> RunEnd:
    wanted = {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
    }
    planned, made = set[str](), set[str]()
    checks: dict[tuple[str, str, str | None], Check] = {}
    retries: dict[str, int] = {}
    steps: dict[str, Step] = {}
    irt_failures: list[datetime] = []
    for found in instance.get_records_for_run(run.run_id, of_type=wanted).records:
        entry = found.event_log_entry
        event = entry.dagster_event
        assert event is not None
        at, step = _time(entry.timestamp), event.step_key or ""
        if event.is_asset_materialization_planned:
            planned |= _planned(event.asset_materialization_planned_data)
        elif event.is_step_materialization:
            made.add(
                asset_token(event.step_materialization_data.materialization.asset_key.to_user_string(), event.partition)
            )
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if evaluation.check_name == OWN_CHECK:
                continue
            key = (evaluation.asset_key.to_user_string(), evaluation.check_name, evaluation.partition)
            checks[key] = Check(event.step_key, at, evaluation)
        else:
            error: Any = event.event_specific_data
            reason = _reason(error)
            if IRT_CALL in reason:
                irt_failures.append(at)
            if event.is_step_up_for_retry:
                retries[step] = retries.get(step, 0) + 1
            else:
                steps[step] = Step(step, reason, retries.get(step, 0))
    end = record.event_log_entry.dagster_event
    return RunEnd(
        event_id=record.storage_id,
        run_id=run.run_id,
        job=run.job_name,
        partition=_partition(run),
        at=_time(record.timestamp),
        succeeded=run.is_success,
        failed=run.is_failure and not will_retry,
        reason=(end.message if end else None) or "the run failed before its first step",
        retries=int(run.tags.get(RETRY_NUMBER_TAG, 0)),
        steps=tuple(steps.values()),
        checks=tuple(checks.values()),
        planned=frozenset(planned),
        made=frozenset(made),
        irt_failures=tuple(irt_failures),
    )


def _planned(planned: Any) -> set[str]:
    asset = planned.asset_key.to_user_string()
    if planned.partitions_subset is not None:
        return {asset_token(asset, key) for key in planned.partitions_subset.get_partition_keys()}
    return {asset_token(asset, planned.partition)}


def _reason(data: Any) -> str:
    """The line that the step itself gave, where it gave one; else the first line of the innermost error that says something."""
    described = getattr(data, "user_failure_data", None)
    if described and described.description:
        return " ".join(described.description.split())
    error = data.error
    while error and error.cause and (error.cls_name or "").startswith(("Dagster", "RetryRequested")):
        error = error.cause  # what Dagster puts around the step's own error
    if error is None:
        return "failed"
    return next(iter(error.message.strip().splitlines()), error.cls_name or "failed")


def _partition(run: dg.DagsterRun) -> str:
    if PARTITION_NAME_TAG in run.tags:
        return run.tags[PARTITION_NAME_TAG]
    ends = [run.tags.get(tag) for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)]
    if not all(ends):
        return ""
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"  # type: ignore[return-value]


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
