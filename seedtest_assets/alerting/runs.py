"""What a finished run has to say: read from Dagster's event log, judged into troubles and reliefs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
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

from seedtest_assets.alerting.news import Level, Relief, Trouble
from seedtest_assets.checks.specs import FRESHNESS

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
CALIBRATION = FRESHNESS.asset_key.to_user_string()
"""The asset whose partition says that a day was calibrated."""
IRT_SERVICE = "irt-service"
OWN_CHECK = "alerts_sent"
"""The check that shows what could not be sent; an alert about it could not be sent either."""
_IRT_CALL = "/irt/calibrate"
"""Every error of the IRT service's client names the address that it called."""
_NUMBERS_SHOWN = 8


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


def news_of(run: RunEnd, service_keeps_failing: str | None) -> list[Trouble | Relief]:
    """What a run's end means. service_keeps_failing: since when, where the IRT service is now known to do so."""
    news: list[Trouble | Relief] = [_relief(run)]
    failing = [check for check in run.checks if not check.evaluation.passed]
    rejected = {step.key for step in run.steps} if run.failed else set()
    causes: dict[str, Check] = {}
    for check in failing:
        if check.step in rejected and check.evaluation.severity == dg.AssetCheckSeverity.ERROR:
            causes.setdefault(str(check.step), check)
    for check in failing:
        cause = causes.get(str(check.step))
        if cause is None:
            news.append(_of_check(check, run))
        elif cause is check:
            # What it kept from being written is not worth a message of its own for its other checks.
            others = [other for other in failing if other.step == check.step and other is not check]
            news.append(_of_rejection(check, others, run))
    if run.failed:
        news += _of_failure(run, [step for step in run.steps if step.key not in causes], causes, service_keeps_failing)
    return news


def missed(day: str, at: datetime, where: str, how_much: tuple[str, ...], link: str, days: frozenset[str]) -> Trouble:
    """No calibration of a day, whoever notices it; not told where an open incident is the reason."""
    owed = asset_token(CALIBRATION, day)
    owes = frozenset(asset_token(CALIBRATION, one) for one in days)
    return Trouble(f"missed {day}", "error", at, f"no calibration of {day}", where, how_much, link, owes, owed)


def check_token(asset: str, check: str, partition: str) -> str:
    """How an incident owes that a check passes."""
    return f"check {asset} {check} {partition}".strip()


def asset_token(asset: str, partition: str | None) -> str:
    """How an incident owes that an asset is materialised."""
    return f"{asset}@{partition}" if partition else asset


def _of_failure(
    run: RunEnd, steps: Sequence[Step], causes: Collection[str], service_keeps_failing: str | None
) -> list[Trouble]:
    if not steps and causes:
        return []  # told with the check that failed it
    owes = (run.planned - run.made) or frozenset({_job_token(run)})
    retried = (f"the run was retried {run.retries} times",) if run.retries else ()
    lines = tuple(f"{step.key}: {step.reason}{_tried(step)}" for step in steps) or (run.reason,)
    how_much = (*lines, *retried, *_not_made(run))
    if service_keeps_failing and any(_IRT_CALL in step.reason for step in steps):
        return [
            Trouble(
                IRT_SERVICE,
                "error",
                run.at,
                "the IRT service keeps failing",
                _where(run),
                (f"every call since {service_keeps_failing}, and the run failed with it", *how_much),
                run.link,
                owes | {IRT_SERVICE},
            )
        ]
    where = _where(run)
    if not steps:
        key = f"run {run.job} {run.partition}".strip()
        return [Trouble(key, "error", run.at, _run_failed(run), where, how_much, run.link, owes)]
    key = f"run {run.partition or run.job} at {', '.join(sorted(step.key for step in steps))}"
    return [Trouble(key, "error", run.at, _run_failed(run), where, how_much, run.link, owes)]


def _of_check(check: Check, run: RunEnd) -> Trouble:
    evaluation = check.evaluation
    asset, partition = evaluation.asset_key.to_user_string(), evaluation.partition or run.partition
    said = evaluation.description or "the check failed"
    if evaluation.check_name == FRESHNESS.name:
        return missed(partition, check.at, asset, (said,), run.link, frozenset({partition}))
    level: Level = "error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warn"
    token = check_token(asset, evaluation.check_name, partition)
    where = f"{asset}, partition {partition}" if partition else asset
    what = f"{evaluation.check_name} {partition}".strip()
    how_much = (said, *_numbers(evaluation))
    return Trouble(token, level, check.at, what, where, how_much, run.link, frozenset({token}))


def _of_rejection(check: Check, others: Sequence[Check], run: RunEnd) -> Trouble:
    """A failed check that failed its step, and so the run: one trouble, until it passes and everything is made."""
    trouble = _of_check(check, run)
    (reason,) = [step.reason for step in run.steps if step.key == check.step]
    said, *numbers = trouble.how_much
    # Mostly the step's reason repeats what the check says: then it is enough.
    lines = [reason, *numbers] if said in reason else [said, *numbers, f"{check.step}: {reason}"]
    if others:
        names = [f"{other.evaluation.check_name} ({other.evaluation.severity.value})" for other in others]
        lines.append(f"also failed: {', '.join(names)}")
    how_much = (*lines, "the run failed", *_not_made(run))
    return replace(trouble, how_much=how_much, owes=trouble.owes | (run.planned - run.made))


def _relief(run: RunEnd) -> Relief:
    paid = dict.fromkeys(run.made, "")
    for check in run.checks:
        evaluation = check.evaluation
        if evaluation.passed:
            partition = evaluation.partition or run.partition
            token = check_token(evaluation.asset_key.to_user_string(), evaluation.check_name, partition)
            paid[token] = evaluation.description or "the check passes"
    if run.succeeded:
        paid[_job_token(run)] = "the run succeeded"
    if any(token.startswith("mirt_item_params") for token in run.made):
        paid[IRT_SERVICE] = "a calibration went through"
    return Relief(run.at, paid, run.link)


def _job_token(run: RunEnd) -> str:
    return asset_token(f"job {run.job}", run.partition)


def _run_failed(run: RunEnd) -> str:
    return f"run failed {run.partition}".strip()


def _where(run: RunEnd) -> str:
    job = "materialisation from the UI" if run.job.startswith("__") else f"job {run.job}"
    return f"{job}, partition {run.partition}" if run.partition else job


def _tried(step: Step) -> str:
    return f" (tried {step.retries + 1} times)" if step.retries else ""


def _not_made(run: RunEnd) -> tuple[str, ...]:
    names = sorted({token.partition("@")[0] for token in run.planned - run.made})
    return (f"not made: {', '.join(names)}",) if names else ()


def _numbers(evaluation: dg.AssetCheckEvaluation) -> tuple[str, ...]:
    shown = [
        f"{name} {value.value:g}"
        for name, value in evaluation.metadata.items()
        if isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue) and value.value is not None
    ]
    return (", ".join(shown[:_NUMBERS_SHOWN]),) if shown else ()


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
            if _IRT_CALL in reason:
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
