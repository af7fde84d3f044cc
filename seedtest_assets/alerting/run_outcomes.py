"""The table run_outcome: how each run ended, for dashboards."""

from collections.abc import Sequence

import sqlalchemy as sa

from seedtest_assets.dagster_log.calibration_runs import calibrates
from seedtest_assets.dagster_log.ended_runs import EndedRun
from seedtest_assets.storage.database import Database

_COLUMNS = (
    "run_id",
    "job",
    "partition",
    "calibrates",
    "status",
    "will_retry",
    "started_at",
    "ended_at",
    "step_retries",
    "service_errors",
    "service_timeouts",
    "failed_steps",
    "failed_checks",
)
_UPSERT = (
    f"INSERT INTO run_outcome ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    f"ON CONFLICT (run_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


def record_outcomes(database: Database, ended_runs: Sequence[EndedRun]) -> None:
    """Record how runs ended. Idempotent: a run that is read again replaces its own row."""
    if ended_runs:
        with database.transaction() as connection:
            connection.execute(sa.text(_UPSERT), [_row(ended) for ended in ended_runs])


def _row(ended: EndedRun) -> dict[str, object]:
    run = ended.run
    return {
        "run_id": run.run_id,
        "job": run.job,
        "partition": run.partition,
        "calibrates": calibrates(run),
        "status": run.status,
        "will_retry": run.will_retry is True,
        "started_at": run.started_at or run.created_at,
        "ended_at": ended.at,
        "step_retries": sum(run.step_retries.values()),
        "service_errors": len(run.service_failures),
        "service_timeouts": sum(failure.timed_out for failure in run.service_failures),
        "failed_steps": [step.key for step in run.failed_steps],
        "failed_checks": sorted({check.name for check in run.checks if not check.passed}),
    }
