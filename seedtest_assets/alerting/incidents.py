"""Incidents: opened once, told once, resolved once, whatever is read again after a restart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seedtest_assets.alerting.channels import Channel
from seedtest_assets.alerting.events import LEVELS, Kind, Level, Relief, Trouble
from seedtest_assets.alerting.text import opened_text, resolved_text, title_of
from seedtest_assets.storage.database import Database


@dataclass(frozen=True)
class Incident:
    """An open incident, as it is listed."""

    incident_id: int
    level: Level
    what: str
    where: str
    opened_at: datetime
    times: int

    def __str__(self) -> str:
        return f"{title_of(self.level, self.what)}, {self.where}, since {self.opened_at:%Y-%m-%d %H:%M} UTC"


def take_into_account(
    database: Database, news: Iterable[Trouble | Relief], channels: Sequence[Channel], ui_url: str
) -> tuple[int, int]:
    """Open, worsen and resolve incidents, and put the messages about them into the outbox, in one transaction.

    News in the order in which it happened; what is older than what an incident has seen changes nothing, so that the
    same news twice says nothing twice. Gives the number of messages, and of incidents now open.
    """
    with database.transaction() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('seedtest incidents'))")
        n_messages = 0
        for one in news:
            if isinstance(one, Trouble):
                n_messages += _trouble(connection, one, channels, ui_url)
            else:
                n_messages += _relief(connection, one, channels, ui_url)
        n_open = connection.exec_driver_sql(
            "SELECT count(*) FROM seedtest_incident WHERE resolved_at IS NULL"
        ).scalar_one()
    return n_messages, n_open


def open_incidents(database: Database) -> list[Incident]:
    """What is not resolved, newest first."""
    with database.transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT incident_id, level, what, at_what, opened_at, times FROM seedtest_incident "
            "WHERE resolved_at IS NULL ORDER BY incident_id DESC"
        ).all()
    return [Incident(*row) for row in rows]


def is_owed(database: Database, token: str) -> bool:
    """Whether an open incident waits for this already."""
    with database.transaction() as connection:
        return _is_owed(connection, token)


def close_incident(database: Database, incident_id: int) -> bool:
    """Resolve an incident that nobody will repair, without a message; False when it is not open."""
    with database.transaction() as connection:
        statement = "UPDATE seedtest_incident SET resolved_at = now() WHERE incident_id = :id AND resolved_at IS NULL"
        return connection.execute(sa.text(statement), {"id": incident_id}).rowcount == 1


def _trouble(connection: sa.Connection, trouble: Trouble, channels: Sequence[Channel], ui_url: str) -> int:
    newest = connection.execute(
        sa.text("SELECT * FROM seedtest_incident WHERE key = :key ORDER BY incident_id DESC LIMIT 1"),
        {"key": trouble.key},
    ).first()
    if newest is not None and trouble.at <= newest.seen_at:
        return 0
    if trouble.unless_owed and _is_owed(connection, trouble.unless_owed):
        return 0
    kind: Kind = "opened"
    if newest is None or newest.resolved_at is not None:
        incident_id = connection.execute(
            sa.text(
                "INSERT INTO seedtest_incident (key, level, what, at_what, owes, opened_at, seen_at, resolved_at) "
                "VALUES (:key, :level, :what, :where, :owes, :at, :at, :resolved_at) RETURNING incident_id"
            ),
            {
                "key": trouble.key,
                "level": trouble.level,
                "what": trouble.what,
                "where": trouble.where,
                "owes": sorted(trouble.owes),
                "at": trouble.at,
                "resolved_at": None if trouble.owes else trouble.at,
            },
        ).scalar_one()
        since = trouble.at
    else:
        incident_id, since = newest.incident_id, newest.opened_at
        level = max(trouble.level, newest.level, key=LEVELS.index)
        connection.execute(
            sa.text(
                "UPDATE seedtest_incident SET level = :level, owes = :owes, times = times + 1, seen_at = :at "
                "WHERE incident_id = :id"
            ),
            {"id": incident_id, "level": level, "owes": sorted({*newest.owes, *trouble.owes}), "at": trouble.at},
        )
        if level == newest.level:
            return 0
        kind = "worse"
    title, body = opened_text(trouble, kind, since, ui_url)
    _put(connection, incident_id, kind, trouble.level, title, body, channels)
    return 1


def _relief(connection: sa.Connection, relief: Relief, channels: Sequence[Channel], ui_url: str) -> int:
    waiting = connection.execute(
        sa.text(
            "SELECT * FROM seedtest_incident WHERE resolved_at IS NULL AND seen_at < :at AND owes && :paid "
            "ORDER BY incident_id"
        ),
        {"at": relief.at, "paid": list(relief.paid)},
    ).all()
    n_resolved = 0
    for incident in waiting:
        owes = [token for token in incident.owes if token not in relief.paid]
        connection.execute(
            sa.text(
                "UPDATE seedtest_incident SET owes = :owes, seen_at = :at, resolved_at = :resolved_at WHERE incident_id = :id"
            ),
            {
                "owes": owes,
                "at": relief.at,
                "resolved_at": None if owes else relief.at,
                "id": incident.incident_id,
            },
        )
        if not owes:
            lines = tuple(line for token in incident.owes if (line := relief.paid[token]))
            title, body = resolved_text(incident, lines, relief, ui_url)
            _put(connection, incident.incident_id, "resolved", incident.level, title, body, channels)
            n_resolved += 1
    return n_resolved


def _is_owed(connection: sa.Connection, token: str) -> bool:
    statement = "SELECT EXISTS (SELECT FROM seedtest_incident WHERE resolved_at IS NULL AND :token = ANY(owes))"
    return bool(connection.execute(sa.text(statement), {"token": token}).scalar_one())


def _put(
    connection: sa.Connection,
    incident_id: int,
    kind: Kind,
    level: Level,
    title: str,
    body: str,
    channels: Sequence[Channel],
) -> None:
    message_id = connection.execute(
        sa.text(
            "INSERT INTO seedtest_alert_message (incident_id, kind, level, title, body) "
            "VALUES (:incident_id, :kind, :level, :title, :body) RETURNING message_id"
        ),
        {"incident_id": incident_id, "kind": kind, "level": level, "title": title, "body": body},
    ).scalar_one()
    address(connection, [(message_id, level)], channels)


def address(
    connection: sa.Connection, messages: Iterable[tuple[int, Level] | sa.Row[Any]], channels: Sequence[Channel]
) -> None:
    """Make messages due for the channels that take their level. messages: message_id and level of each."""
    rows: list[dict[str, Any]] = [
        {"id": message_id, "channel": channel.fingerprint, "name": channel.name}
        for message_id, level in messages
        for channel in channels
        if channel.takes(level)
    ]
    if rows:
        connection.execute(
            sa.text(
                "INSERT INTO seedtest_alert_delivery (message_id, channel, channel_name) VALUES (:id, :channel, :name) "
                "ON CONFLICT DO NOTHING"  # the same address twice in the list is one channel
            ),
            rows,
        )
