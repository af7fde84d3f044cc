"""What `seedtest status` shows of Dagster, read from its PostgreSQL tables: loading Dagster takes longer than all the rest.

Dagster promises neither tables nor columns nor the JSON in them. A test beside this package compares each fact with what
Dagster itself says, so that an upgrade which changes them fails there.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from seedtest_assets.dagster_log.process_lock import LOCK_IS_FREE, NO_LOCK
from seedtest_assets.dagster_log.reasons import ADVICE, reason_in

# A part of the daemon without a heartbeat for this long is stuck; they give one every 30 s.
STALE = timedelta(minutes=10)

_HAS_TABLES = "SELECT to_regclass('instigators') IS NOT NULL AND to_regclass('runs') IS NOT NULL"
# Tables of Dagster have UTC without saying so.
_HEARTBEATS = "SELECT daemon_type, timestamp AT TIME ZONE 'UTC' FROM daemon_heartbeats"
_SCHEDULES = """
SELECT to_timestamp((instigator_body::jsonb #>> '{job_specific_data,start_timestamp}')::float8)
FROM instigators
WHERE instigator_type = 'SCHEDULE' AND status = 'RUNNING' AND instigator_body::jsonb #>> '{origin,job_name}' = :schedule
"""
# A run that continues another from its failed steps does not plan all of the assets, but its first run did.
_RUNS = """
SELECT DISTINCT ON (day.value)
       day.value::date AS partition, run.run_id, run.status, to_timestamp(run.start_time) AS started_at,
       to_timestamp(run.end_time) AS ended_at, coalesce(retried.value = 'true', false) AS will_retry, process.value AS process
FROM run_tags AS day
JOIN runs AS run USING (run_id)
LEFT JOIN run_tags AS root ON root.run_id = run.run_id AND root.key = 'dagster/root_run_id'
LEFT JOIN run_tags AS retried ON retried.run_id = run.run_id AND retried.key = 'dagster/will_retry'
LEFT JOIN run_tags AS process ON process.run_id = run.run_id AND process.key = 'seedtest/process'
WHERE day.key = 'dagster/partition' AND day.value ~ '^\\d{4}-\\d\\d-\\d\\d$' AND day.value >= :since
  AND EXISTS (SELECT FROM event_logs AS planned
              WHERE planned.run_id IN (run.run_id, root.value)
                AND planned.dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' AND planned.asset_key = :asset)
ORDER BY day.value, run.id DESC
"""
# The run that fills the lake before a day's own. Once a later run has begun, that one says how it went.
_FAILED_FILL = """
SELECT run.run_id FROM runs AS run
JOIN run_tags AS last_day ON last_day.run_id = run.run_id AND last_day.key = 'dagster/asset_partition_range_end'
WHERE run.status = 'FAILURE' AND last_day.value >= :since
  AND EXISTS (SELECT FROM event_logs AS planned
              WHERE planned.run_id = run.run_id
                AND planned.dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' AND planned.asset_key = :source)
  AND NOT EXISTS (SELECT FROM run_tags AS retried
                  WHERE retried.run_id = run.run_id AND retried.key = 'dagster/will_retry' AND retried.value = 'true')
  AND NOT EXISTS (SELECT FROM runs AS later
                  JOIN run_tags AS tag ON tag.run_id = later.run_id
                   AND tag.key IN ('dagster/partition', 'dagster/asset_partition_range_end')
                  WHERE later.id > run.id AND later.pipeline_name NOT IN ('freshness', 'weekly_dif'))
"""
_FAILURE = """
SELECT event::jsonb -> 'dagster_event' AS event FROM event_logs
WHERE run_id = :run_id AND dagster_event_type = 'PIPELINE_FAILURE' ORDER BY id DESC LIMIT 1
"""
# Evaluations hold pictures: only those that failed are opened.
_CHECKS = """
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (asset_key, check_name, partition) id, execution_status
    FROM asset_check_executions
    WHERE asset_key = ANY(:assets) AND execution_status IN ('SUCCEEDED', 'FAILED')
      AND partition ~ '^\\d{4}-\\d\\d-\\d\\d$' AND partition >= :since
    ORDER BY asset_key, check_name, partition, id DESC
), failed AS MATERIALIZED (
    SELECT asset_key, check_name, partition::date AS partition, run_id, evaluation_event_timestamp AT TIME ZONE 'UTC' AS at,
           evaluation_event::jsonb #> '{dagster_event,event_specific_data}' AS evaluation
    FROM asset_check_executions WHERE id IN (SELECT id FROM newest WHERE execution_status = 'FAILED')
)
SELECT * FROM failed WHERE evaluation #>> '{severity,__enum__}' = 'AssetCheckSeverity.ERROR'
ORDER BY partition DESC, asset_key, check_name
"""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is read: from which day on, the schedule, the asset that says that a day was calibrated, all assets with checks."""

    since: date
    schedule: str
    calibration: str
    source: str
    checked: Collection[str]


@dataclass(frozen=True, kw_only=True)
class RunFailure:
    """Why a run failed, and what its failure says is to be done about it."""

    step: str
    reason: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class DayOfRuns:
    """The newest run that calibrates a day. status: Dagster's. is_gone: it has begun, and its process is no more."""

    run_id: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    will_retry: bool
    is_gone: bool
    failure: RunFailure | None


@dataclass(frozen=True, kw_only=True)
class FailedCheck:
    """A check whose newest evaluation of a partition failed with ERROR."""

    asset: str
    name: str
    partition: date
    run_id: str
    at: datetime
    finding: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class DagsterState:
    """What Dagster's tables say.

    heartbeats: the newest of each part of the daemon. schedule_on: whether the schedule was turned on; schedule_since: when.
    runs: of each day. failed_fill: of the newest run, where it was to fill the lake and failed.
    """

    heartbeats: Mapping[str, datetime]
    schedule_on: bool
    schedule_since: datetime | None
    runs: Mapping[date, DayOfRuns]
    failed_fill: RunFailure | None
    failed_checks: list[FailedCheck]


NOTHING_YET = DagsterState(
    heartbeats={}, schedule_on=False, schedule_since=None, runs={}, failed_fill=None, failed_checks=[]
)
"""Before Dagster made its tables."""


def read_dagster(connection: sa.Connection, watched: Watched) -> DagsterState:
    """Read the tables of Dagster's database."""
    if not connection.execute(sa.text(_HAS_TABLES)).scalar_one():
        return NOTHING_YET
    started = connection.execute(sa.text(_SCHEDULES), {"schedule": watched.schedule}).scalars().all()
    return DagsterState(
        heartbeats=dict(connection.execute(sa.text(_HEARTBEATS)).tuples().all()),
        schedule_on=bool(started),
        schedule_since=max(filter(None, started), default=None),
        runs=_runs(connection, watched),
        failed_fill=_failed_fill(connection, watched),
        failed_checks=_failed_checks(connection, watched),
    )


def _runs(connection: sa.Connection, watched: Watched) -> dict[date, DayOfRuns]:
    parameters = {"since": watched.since.isoformat(), "asset": _key(watched.calibration)}
    return {
        row.partition: DayOfRuns(
            run_id=row.run_id,
            status=row.status,
            started_at=row.started_at,
            ended_at=row.ended_at,
            will_retry=row.will_retry,
            is_gone=row.status == "STARTED" and _is_gone(connection, row.run_id, row.process),
            failure=_failure(connection, row.run_id) if row.status == "FAILURE" else None,
        )
        for row in connection.execute(sa.text(_RUNS), parameters).all()
    }


def _is_gone(connection: sa.Connection, run_id: str, process: str | None) -> bool:
    if process in (None, NO_LOCK):
        return False
    return bool(connection.execute(sa.text(LOCK_IS_FREE), {"run_id": run_id}).scalar_one())


def _failed_fill(connection: sa.Connection, watched: Watched) -> RunFailure | None:
    parameters = {"since": watched.since.isoformat(), "source": _key(watched.source)}
    run_id = connection.execute(sa.text(_FAILED_FILL), parameters).scalars().first()
    return _failure(connection, run_id) if run_id else None


def _failure(connection: sa.Connection, run_id: str) -> RunFailure:
    event = connection.execute(sa.text(_FAILURE), {"run_id": run_id}).scalar()
    if event is None:
        return RunFailure(step="", reason="Dagster's log has no reason", advice="")
    first = (event["event_specific_data"] or {}).get("first_step_failure_event")
    if not first:
        return RunFailure(step="", reason=event["message"] or "failed before its first step", advice="")
    data = first["event_specific_data"]
    user_failure = data["user_failure_data"] or {}
    advice = [
        entry["entry_data"]["text"] for entry in user_failure.get("metadata_entries", []) if entry["label"] == ADVICE
    ]
    return RunFailure(
        step=first["step_key"],
        reason=reason_in(user_failure.get("description"), _as_object(data["error"])),
        advice="".join(advice),
    )


def _failed_checks(connection: sa.Connection, watched: Watched) -> list[FailedCheck]:
    parameters = {"since": watched.since.isoformat(), "assets": [_key(asset) for asset in watched.checked]}
    return [
        FailedCheck(
            asset=json.loads(row.asset_key)[-1],
            name=row.check_name,
            partition=row.partition,
            run_id=row.run_id,
            at=row.at,
            finding=row.evaluation["description"] or "the check failed",
            advice=row.evaluation["metadata"].get(ADVICE, {}).get("text", ""),
        )
        for row in connection.execute(sa.text(_CHECKS), parameters).all()
    ]


def _key(asset: str) -> str:
    """Write the name of an asset as Dagster's tables have it."""
    return json.dumps([asset])


def _as_object(error: Any) -> Any:
    """Give an error of the log as an object, its causes too."""
    return json.loads(json.dumps(error), object_hook=lambda fields: SimpleNamespace(**fields))
