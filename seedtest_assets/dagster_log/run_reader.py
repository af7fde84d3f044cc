"""Read one run from Dagster's event log."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.failures import (
    advice_of,
    is_service_failure,
    is_service_timeout,
    reason_of,
    text_of,
)
from seedtest_assets.dagster_log.logged_run import (
    EvaluatedCheck,
    FailedStep,
    LoggedRun,
    ServiceFailure,
    asset_partition,
)
from seedtest_assets.dagster_log.private import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    RETRY_NUMBER_TAG,
    WILL_RETRY_TAG,
)
from seedtest_assets.dagster_log.reasons import ADVICE, LIMITS

_READ = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.RUN_FAILURE,
}


def read_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> LoggedRun:
    """Read what the log has of a run."""
    run, log = record.dagster_run, _Log()
    for entry in instance.get_records_for_run(run.run_id, of_type=_READ).records:
        event = entry.event_log_entry.dagster_event
        assert event is not None
        log.add(event, utc(entry.event_log_entry.timestamp))
    will_retry = run.tags.get(WILL_RETRY_TAG)
    return LoggedRun(
        run_id=run.run_id,
        job=run.job_name,
        partition=_partition_of(run.tags),
        status=run.status.value,
        created_at=record.create_timestamp,
        started_at=None if record.start_time is None else utc(record.start_time),
        ended_at=None if record.end_time is None else utc(record.end_time),
        run_retries=int(run.tags.get(RETRY_NUMBER_TAG, 0)),
        will_retry=None if will_retry is None else will_retry == "true",
        failure=log.failure,
        failed_steps=tuple(log.failed_steps.values()),
        step_retries=dict(log.step_retries),
        service_failures=tuple(log.service_failures),
        checks=tuple(log.checks.values()),
        planned=frozenset(log.planned),
        materialized=frozenset(log.materialized),
    )


def newest_run(instance: dg.DagsterInstance, partition: str, *, but: str) -> dg.DagsterRun | None:
    """Find the newest run of a partition, of any job but one. but: a job whose partitions of the same name are others."""
    runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_NAME_TAG: partition}))
    return next((run for run in runs if run.job_name != but), None)


def utc(timestamp: float) -> datetime:
    """Give a time of the log with its zone."""
    return datetime.fromtimestamp(timestamp, timezone.utc)


class _Log:
    """Collects a run's events in the order in which they happened."""

    def __init__(self) -> None:
        self.failure = "the run failed before its first step"
        self.failed_steps: dict[str, FailedStep] = {}
        self.step_retries: Counter[str] = Counter()
        self.service_failures: list[ServiceFailure] = []
        self.checks: dict[tuple[str, str, str | None], EvaluatedCheck] = {}
        self.planned: set[str] = set()
        self.materialized: set[str] = set()

    def add(self, event: dg.DagsterEvent, at: datetime) -> None:
        if event.is_asset_materialization_planned:
            self.planned |= _planned(event.asset_materialization_planned_data)
        elif event.is_step_materialization:
            asset = event.step_materialization_data.materialization.asset_key.to_user_string()
            self.materialized.add(asset_partition(asset, event.partition))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            key = (evaluation.asset_key.to_user_string(), evaluation.check_name, evaluation.partition)
            self.checks[key] = _check(evaluation, event.step_key, at)
        elif event.is_run_failure:
            self.failure = event.message or self.failure
        else:
            self._add_failure(event, at)

    def _add_failure(self, event: dg.DagsterEvent, at: datetime) -> None:
        step, by_service = event.step_key or "", is_service_failure(event)
        if by_service:
            self.service_failures.append(ServiceFailure(at=at, timed_out=is_service_timeout(event)))
        if event.is_step_up_for_retry:
            self.step_retries[step] += 1
        else:
            self.failed_steps[step] = FailedStep(
                key=step,
                reason=reason_of(event),
                advice=advice_of(event),
                retries=self.step_retries[step],
                by_service=by_service,
            )


def _check(evaluation: dg.AssetCheckEvaluation, step: str | None, at: datetime) -> EvaluatedCheck:
    return EvaluatedCheck(
        asset=evaluation.asset_key.to_user_string(),
        name=evaluation.check_name,
        partition=evaluation.partition or "",
        step=step,
        at=at,
        passed=evaluation.passed,
        severity="ERROR" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "WARN",
        finding=evaluation.description or "",
        advice=text_of(evaluation.metadata, ADVICE),
        numbers={
            name: value.value
            for name, value in evaluation.metadata.items()
            if isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue) and value.value is not None
        },
        limits=text_of(evaluation.metadata, LIMITS),
    )


def _planned(planned: Any) -> set[str]:
    asset = planned.asset_key.to_user_string()
    if planned.partitions_subset is not None:
        return {asset_partition(asset, key) for key in planned.partitions_subset.get_partition_keys()}
    return {asset_partition(asset, planned.partition)}


def _partition_of(tags: Mapping[str, str]) -> str:
    """Give the partition, or `first to last` of a range, or nothing."""
    if PARTITION_NAME_TAG in tags:
        return tags[PARTITION_NAME_TAG]
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if not first or not last:
        return ""
    return first if first == last else f"{first} to {last}"
