"""Drop old history by month, resolved incidents and outcomes of runs."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from seedtest_assets.days import day_bounds
from seedtest_assets.errors import SeedtestError
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY_TABLES, month_bounds
from seedtest_assets.storage.publications import newest_accepted_day, pinned_day
from seedtest_assets.storage.statements import Run, literal, on_connection

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
    """The removed partitions of history, and the number of removed incidents.

    postponed: partitions that are being read, or that a view rests on; the next night tries again.
    """

    partitions: tuple[str, ...] = ()
    postponed: tuple[str, ...] = ()
    incidents: int = 0

    @property
    def summary(self) -> str | None:
        """One line for the log; None when nothing was to do."""
        facts = [
            f"{len(self.partitions)} partitions dropped: {', '.join(self.partitions)}" if self.partitions else "",
            f"{len(self.postponed)} in use, tried again next night: {', '.join(self.postponed)}"
            if self.postponed
            else "",
            f"{self.incidents} resolved incidents removed" if self.incidents else "",
        ]
        return "; ".join(fact for fact in facts if fact) or None


def drop_old_history(database: Database, keep_days: int, day: date, *, lock_timeout: str = "5s") -> Dropped:
    """Drop the months of history that are wholly older than keep_days before a day, and what ended before: incidents, runs.

    Nothing is dropped for a day with newer ones in history: a backfill of old days builds on the days before them.
    lock_timeout: how long to wait for readers of a partition.
    """
    oldest_kept = day - timedelta(days=keep_days)
    with database.transaction() as connection:
        run = on_connection(connection)
        newest = newest_accepted_day(run)
        if newest is not None and day < newest:
            return Dropped()
        oldest_kept = min(oldest_kept, pinned_day(run) or oldest_kept)
        partitions = _old_partitions(run, oldest_kept)
    postponed = [name for name in partitions if not _drop(database, name, lock_timeout)]
    before = literal(day_bounds(oldest_kept)[0])
    with database.transaction() as connection:
        run = on_connection(connection)
        run(_OLD_DELIVERIES.format(before=before))
        run(_OLD_MESSAGES.format(before=before))
        incidents = run(_OLD_INCIDENTS.format(before=before))
        run(_OLD_OUTCOMES.format(before=before))
    return Dropped(
        partitions=tuple(name for name in partitions if name not in postponed),
        postponed=tuple(postponed),
        incidents=len(incidents),
    )


def _drop(database: Database, partition: str, lock_timeout: str) -> bool:
    try:
        with database.transaction() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{lock_timeout}'")
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition}")
    except SeedtestError:
        return False
    return True


def _old_partitions(run: Run, oldest_kept: date) -> list[str]:
    partitions = []
    for table in HISTORY_TABLES:
        for (name,) in run(_PARTITIONS.format(table=literal(table))):
            month = re.fullmatch(rf"{table}_(\d{{4}})_(\d{{2}})", name)  # others are not ours
            if month and month_bounds(date(int(month[1]), int(month[2]), 1))[1] <= oldest_kept:
                partitions.append(name)
    return partitions
