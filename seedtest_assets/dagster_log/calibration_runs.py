"""What Dagster remembers of the runs that calibrate: how they went, their retries, their checks."""

import time
from collections.abc import Iterable
from datetime import datetime, timezone

import dagster as dg

from seedtest_assets.report.data import CalibrationRun, CheckOutcome
from seedtest_assets.schedules import nightly_job

FIT = dg.AssetKey("mirt_fit_meta")
OF_THE_SERVICE = "the IRT service at "
TIMED_OUT = ("did not answer in full within", "took no connection in time")
"""The words of engines.irt_http for a service that is too slow."""


def calibration_runs(instance: dg.DagsterInstance, n_runs: int) -> list[CalibrationRun]:
    """The newest runs that calibrate, the newest last."""
    found: list[CalibrationRun] = []
    cursor = None
    while len(found) < n_runs:
        records = instance.get_run_records(limit=100, cursor=cursor)
        found += [_described(instance, record) for record in records if _calibrates(record.dagster_run)]
        if len(records) < 100:
            break
        cursor = records[-1].dagster_run.run_id
    return found[:n_runs][::-1]


def checks_of_run(instance: dg.DagsterInstance, run_id: str) -> list[CheckOutcome]:
    """The asset checks that a run evaluated so far, those that failed first."""
    outcomes = []
    for event in _events(instance, run_id, {dg.DagsterEventType.ASSET_CHECK_EVALUATION}):
        check = event.asset_check_evaluation_data
        outcomes.append(
            CheckOutcome(
                check.check_name,
                check.asset_key.to_user_string(),
                check.passed,
                check.severity.value,
                check.description or "",
            )
        )
    return sorted(outcomes, key=lambda outcome: (outcome.passed, outcome.asset, outcome.name))


def _calibrates(run: dg.DagsterRun) -> bool:
    return FIT in run.asset_selection if run.asset_selection else run.job_name == nightly_job.name


def _described(instance: dg.DagsterInstance, record: dg.RunRecord) -> CalibrationRun:
    run = record.dagster_run
    started = record.start_time or record.create_timestamp.timestamp()
    ended = record.end_time or (started if run.is_finished else time.time())
    tried_again, failed = dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_FAILURE
    events = [event for event in _events(instance, run.run_id, {tried_again, failed}) if event.step_key == "calibrate"]
    of_service = [text for text in map(_reasons, events) if OF_THE_SERVICE in text or "/irt/calibrate" in text]
    return CalibrationRun(
        run_id=run.run_id,
        partition=run.tags.get("dagster/partition", ""),
        status=run.status.value,
        started_at=datetime.fromtimestamp(started, timezone.utc),
        seconds=max(0.0, ended - started),
        retries=sum(event.event_type == tried_again for event in events),
        service_errors=len(of_service),
        service_timeouts=sum(any(words in text for words in TIMED_OUT) for text in of_service),
    )


def _events(instance: dg.DagsterInstance, run_id: str, types: set[dg.DagsterEventType]) -> Iterable[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run_id, of_type=types).records:
        if record.event_log_entry.dagster_event is not None:
            yield record.event_log_entry.dagster_event


def _reasons(event: dg.DagsterEvent) -> str:
    """What the error and its causes say."""
    data = event.event_specific_data
    error, words = getattr(data, "error", None), []
    while error is not None:
        words.append(error.message)
        error = error.cause
    return " ".join(words)
