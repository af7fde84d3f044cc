"""The runs that calibrate, for the report: how they went, their retries, their checks."""

from datetime import datetime, timezone

import dagster as dg

from seedtest_assets.dagster_log.logged_run import LoggedRun
from seedtest_assets.dagster_log.run_reader import read_run
from seedtest_assets.report.data import CalibrationRun, CheckOutcome

# The step whose retries are counted.
CALIBRATE = "calibrate"
# The asset that a run materializes when it calibrates.
FIT = "mirt_fit_meta"
# Runs that are read at a time.
PAGE = 100


def calibration_runs(instance: dg.DagsterInstance, n_runs: int) -> list[CalibrationRun]:
    """Read the newest runs that calibrate, the newest last."""
    runs: list[CalibrationRun] = []
    cursor = None
    while len(runs) < n_runs:
        records = instance.get_run_records(limit=PAGE, cursor=cursor)
        logged = (read_run(instance, record) for record in records)
        runs += [_summary(run) for run in logged if calibrates(run)]
        if len(records) < PAGE:
            break
        cursor = records[-1].dagster_run.run_id
    return runs[:n_runs][::-1]


def checks_of_run(instance: dg.DagsterInstance, run_id: str) -> list[CheckOutcome]:
    """Read the asset checks that a run evaluated so far, those that failed first."""
    record = instance.get_run_record_by_id(run_id)
    checks = read_run(instance, record).checks if record else ()
    outcomes = [CheckOutcome(check.name, check.asset, check.passed, check.severity, check.finding) for check in checks]
    return sorted(outcomes, key=lambda outcome: (outcome.passed, outcome.asset, outcome.name))


def calibrates(run: LoggedRun) -> bool:
    """Tell whether a run calibrates a day, and does not only fill the lake or rebuild one table."""
    return any(name.partition("@")[0] == FIT for name in run.planned)


def _summary(run: LoggedRun) -> CalibrationRun:
    started = run.started_at or run.created_at
    ended = run.ended_at or (datetime.now(timezone.utc) if run.started_at else started)
    return CalibrationRun(
        run_id=run.run_id,
        partition=run.partition,
        status=run.status,
        started_at=started,
        seconds=max(0.0, (ended - started).total_seconds()),
        retries=run.step_retries.get(CALIBRATE, 0),
        service_errors=len(run.service_failures),
        service_timeouts=sum(failure.timed_out for failure in run.service_failures),
    )
