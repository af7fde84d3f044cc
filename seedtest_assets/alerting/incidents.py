"""Incidents and the messages about them: one message when an incident opens, worsens or is resolved, however often it is seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seedtest_assets.alerting.channels import Channel
from seedtest_assets.alerting.events import LEVELS, Alert, Event, Kind, Level, Recovery
from seedtest_assets.alerting.message_layout import advice_in, finding_in, opened_message, resolved_message, title_of
from seedtest_assets.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Where incidents and messages are kept, the channels that messages are for, and how their links begin."""

    database: Database
    channels: Sequence[Channel] = ()
    ui_url: str


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An open incident, as it is listed.

    pending: keys that resolve it. message: the body of the newest one about it.
    """

    incident_id: int
    level: Level
    title: str
    location: str
    opened_at: datetime
    occurrences: int
    pending: Sequence[str]
    message: str

    @property
    def finding(self) -> str:
        """What happened."""
        return finding_in(self.message)

    @property
    def advice(self) -> list[str]:
        """What an operator does about it, as far as that is known."""
        return advice_in(self.message)

    def __str__(self) -> str:
        return f"{title_of(self.level, self.title)}, {self.location}, since {self.opened_at:%Y-%m-%d %H:%M} UTC"


def record_events(outbox: Outbox, events: Iterable[Event]) -> int:
    """Open, worsen and resolve incidents and queue the messages about them, in one transaction; gives the number of messages.

    Events in the order in which they happened. Idempotent: an event that is not newer than the last one of its incident is
    ignored.
    """
    with outbox.database.transaction() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('seedtest incidents'))")
        return sum(
            _record_alert(connection, event, outbox)
            if isinstance(event, Alert)
            else _record_recovery(connection, event, outbox)
            for event in events
        )


def open_incidents(database: Database) -> list[Incident]:
    """List what is not resolved, newest first."""
    with database.transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT incident_id, incident.level, incident.title, location, opened_at, occurrences, pending, "
            "coalesce(newest.body, '') AS message FROM incident LEFT JOIN LATERAL (SELECT body FROM alert_message AS message "
            "WHERE message.incident_id = incident.incident_id ORDER BY message_id DESC LIMIT 1) AS newest ON true "
            "WHERE resolved_at IS NULL ORDER BY incident_id DESC"
        ).mappings()
        return [Incident(**row) for row in rows]


def resolved_incidents(database: Database, keys: Iterable[str]) -> dict[str, datetime]:
    """Give when the newest incident of each of some keys was resolved, by an event or by hand."""
    statement = (
        "SELECT key, max(resolved_at) FROM incident WHERE key = ANY(:keys) AND resolved_at IS NOT NULL GROUP BY key"
    )
    with database.transaction() as connection:
        return dict(connection.execute(sa.text(statement), {"keys": list(keys)}).tuples().all())


def is_pending(database: Database, key: str) -> bool:
    """Tell whether an open incident is pending on this key."""
    with database.transaction() as connection:
        return _is_pending(connection, key)


def close_incident(database: Database, incident_id: int) -> bool:
    """Resolve an incident by hand, without a message; False when it is not open."""
    with database.transaction() as connection:
        statement = "UPDATE incident SET resolved_at = now() WHERE incident_id = :id AND resolved_at IS NULL"
        return connection.execute(sa.text(statement), {"id": incident_id}).rowcount == 1


def queue_messages(
    connection: sa.Connection, messages: Iterable[tuple[int, Level] | sa.Row[Any]], channels: Sequence[Channel]
) -> None:
    """Queue messages for the channels that take their level. messages: message_id and level of each."""
    rows: list[dict[str, Any]] = [
        {"id": message_id, "channel": channel.fingerprint, "name": channel.name}
        for message_id, level in messages
        for channel in channels
        if channel.takes(level)
    ]
    if rows:
        connection.execute(
            sa.text(
                "INSERT INTO alert_delivery (message_id, channel, channel_name) VALUES (:id, :channel, :name) "
                "ON CONFLICT DO NOTHING"  # the same address twice in the list is one channel
            ),
            rows,
        )


def _record_alert(connection: sa.Connection, alert: Alert, outbox: Outbox) -> int:
    newest = connection.execute(
        sa.text("SELECT * FROM incident WHERE key = :key ORDER BY incident_id DESC LIMIT 1"),
        {"key": alert.key},
    ).first()
    if newest is not None and alert.at <= newest.last_event_at:
        return 0
    if alert.suppressed_by and _is_pending(connection, alert.suppressed_by):
        return 0
    kind: Kind = "opened"
    if newest is None or newest.resolved_at is not None:
        incident_id, since = _open(connection, alert), alert.at
    elif _update(connection, newest, alert):
        incident_id, since, kind = newest.incident_id, newest.opened_at, "escalated"
    else:
        return 0
    _put(connection, outbox, incident_id, kind, alert.level, opened_message(alert, kind, since, outbox.ui_url))
    return 1


def _open(connection: sa.Connection, alert: Alert) -> int:
    """Insert the incident of an alert; gives its id."""
    return connection.execute(
        sa.text(
            "INSERT INTO incident (key, level, title, location, pending, opened_at, last_event_at, resolved_at) "
            "VALUES (:key, :level, :title, :location, :pending, :at, :at, :resolved_at) RETURNING incident_id"
        ),
        {
            "key": alert.key,
            "level": alert.level,
            "title": alert.title,
            "location": alert.location,
            "pending": sorted(alert.pending),
            "at": alert.at,
            "resolved_at": None if alert.pending else alert.at,
        },
    ).scalar_one()


def _update(connection: sa.Connection, incident: Any, alert: Alert) -> bool:
    """Count an alert in the incident that is open for it; gives whether its level rose."""
    level = max(alert.level, incident.level, key=LEVELS.index)
    connection.execute(
        sa.text(
            "UPDATE incident SET level = :level, pending = :pending, occurrences = occurrences + 1, last_event_at = :at "
            "WHERE incident_id = :id"
        ),
        {
            "id": incident.incident_id,
            "level": level,
            "pending": sorted({*incident.pending, *alert.pending}),
            "at": alert.at,
        },
    )
    return level != incident.level


def _record_recovery(connection: sa.Connection, recovery: Recovery, outbox: Outbox) -> int:
    incidents = connection.execute(
        sa.text(
            "SELECT * FROM incident WHERE resolved_at IS NULL AND last_event_at < :at AND pending && :resolves "
            "ORDER BY incident_id"
        ),
        {"at": recovery.at, "resolves": list(recovery.resolves)},
    ).all()
    n_resolved = 0
    for incident in incidents:
        pending = [key for key in incident.pending if key not in recovery.resolves]
        connection.execute(
            sa.text(
                "UPDATE incident SET pending = :pending, last_event_at = :at, resolved_at = :resolved_at WHERE incident_id = :id"
            ),
            {
                "pending": pending,
                "at": recovery.at,
                "resolved_at": None if pending else recovery.at,
                "id": incident.incident_id,
            },
        )
        if not pending:
            lines = tuple(line for key in incident.pending if (line := recovery.resolves[key]))
            text = resolved_message(incident, lines, recovery, outbox.ui_url)
            _put(connection, outbox, incident.incident_id, "resolved", incident.level, text)
            n_resolved += 1
    return n_resolved


def _is_pending(connection: sa.Connection, key: str) -> bool:
    statement = "SELECT EXISTS (SELECT FROM incident WHERE resolved_at IS NULL AND :key = ANY(pending))"
    return bool(connection.execute(sa.text(statement), {"key": key}).scalar_one())


def _put(
    connection: sa.Connection, outbox: Outbox, incident_id: int, kind: Kind, level: Level, text: tuple[str, str]
) -> None:
    title, body = text
    message_id = connection.execute(
        sa.text(
            "INSERT INTO alert_message (incident_id, kind, level, title, body) "
            "VALUES (:incident_id, :kind, :level, :title, :body) RETURNING message_id"
        ),
        {"incident_id": incident_id, "kind": kind, "level": level, "title": title, "body": body},
    ).scalar_one()
    queue_messages(connection, [(message_id, level)], outbox.channels)
