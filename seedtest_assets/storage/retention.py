"""Drop what is older than it has to be kept: history by month, incidents that are over, outcomes of runs."""

from dataclasses import dataclass
from datetime import date, timedelta

from seedtest_assets.days import day_bounds
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY_TABLES, month_bounds
from seedtest_assets.storage.publications import newest_accepted_day
from seedtest_assets.storage.statements import Run, literal, on_connection

LOCK_TIMEOUT = "10s"
# Longer than a query of the report takes; then the next night tries again.

_PARTITIONS = """
SELECT child.relname::text FROM pg_inherits AS i JOIN pg_class AS child ON child.oid = i.inhrelid
WHERE i.inhparent = to_regclass({table}) ORDER BY child.relname
"""
_OLD_DELIVERIES = """
DELETE FROM alert_delivery AS delivery USING alert_message AS message, incident
WHERE delivery.message_id = message.message_id AND message.incident_id = incident.incident_id
  AND incident.resolved_at < {before}
  AND NOT EXISTS (
      SELECT FROM alert_delivery AS waiting JOIN alert_message AS of_incident USING (message_id)
      WHERE of_incident.incident_id = incident.incident_id AND (waiting.sent_at IS NULL OR waiting.sent_at >= {before})
  )
"""
_OLD_MESSAGES = """
DELETE FROM alert_message AS message USING incident
WHERE message.incident_id = incident.incident_id AND incident.resolved_at < {before}
  AND NOT EXISTS (
      SELECT FROM alert_delivery AS kept JOIN alert_message AS of_incident USING (message_id)
      WHERE of_incident.incident_id = incident.incident_id
  )
"""
_OLD_INCIDENTS = """
DELETE FROM incident WHERE resolved_at < {before}
  AND NOT EXISTS (SELECT FROM alert_message AS message WHERE message.incident_id = incident.incident_id)
RETURNING incident_id
"""
_OLD_OUTCOMES = "DELETE FROM run_outcome WHERE ended_at < {before}"


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What retention removed: the partitions of history by name, and how many incidents."""

    partitions: tuple[str, ...] = ()
    incidents: int = 0


def drop_old_history(database: Database, keep_days: int, today: date) -> Dropped:
    """Drop the months of history that are wholly older than keep_days, and what ended before: incidents with their messages, runs.

    The month of the newest accepted day stays, whatever its age: it holds the bank's scale. Raises TransientError when a
    reader holds a partition for too long.
    """
    oldest_kept = today - timedelta(days=keep_days)
    with database.transaction() as connection:
        run = on_connection(connection)
        newest = newest_accepted_day(run)
        partitions = _old_partitions(run, min(oldest_kept, newest or oldest_kept))
    for partition in partitions:
        with database.transaction() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition}")
    before = literal(day_bounds(oldest_kept)[0])
    with database.transaction() as connection:
        run = on_connection(connection)
        run(_OLD_DELIVERIES.format(before=before))
        run(_OLD_MESSAGES.format(before=before))
        incidents = run(_OLD_INCIDENTS.format(before=before))
        run(_OLD_OUTCOMES.format(before=before))
    return Dropped(partitions=tuple(partitions), incidents=len(incidents))


def _old_partitions(run: Run, oldest_kept: date) -> list[str]:
    partitions = []
    for table in HISTORY_TABLES:
        for (name,) in run(_PARTITIONS.format(table=literal(table))):
            year, month = map(int, name.removeprefix(f"{table}_").split("_"))
            if month_bounds(date(year, month, 1))[1] <= oldest_kept:
                partitions.append(name)
    return partitions
