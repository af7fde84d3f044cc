"""The outbox emptied: each message to each of its channels, tried until the channel takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import Any

import sqlalchemy as sa

from seedtest_assets.alerting.channels import Channel
from seedtest_assets.alerting.events import LEVELS, Kind, Level
from seedtest_assets.alerting.incidents import address
from seedtest_assets.alerting.text import digest_text, duration
from seedtest_assets.storage.database import Database

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=10)
"""Between two tries of a message; doubled each time up to the longest."""
MANY = 5
"""More messages than this at once for a channel go out as one: a backfill of a bad month is one thing to read."""
FAILURES_IN_A_ROW = 2
"""After these a channel is left alone until the next round."""
STILL_NEWS = timedelta(days=1)
"""How old a message may be that is sent to a channel which was set up after it."""
SECONDS = 30.0
"""A round ends after these, below the minute that Dagster gives a sensor."""


@dataclass(frozen=True)
class Waiting:
    """Messages for a channel that took none at the last try, or that is gone from the settings."""

    channel_name: str
    n_messages: int
    oldest: datetime
    last_error: str

    def __str__(self) -> str:
        age = duration(datetime.now(timezone.utc) - self.oldest)
        return f"{self.n_messages} not sent to {self.channel_name} for {age}: {self.last_error}"


def deliver(database: Database, channels: Sequence[Channel]) -> int:
    """Send what is due; gives the number of messages sent, or 0 while another process is at it.

    At least once: a process that dies between sending and noting it sends that one message again.
    """
    began = monotonic()
    with database.session() as connection:
        if not connection.exec_driver_sql("SELECT pg_try_advisory_lock(hashtext('seedtest alerts'))").scalar_one():
            return 0
        _address_what_had_no_channel(connection, channels)
        _move_from_channels_that_are_gone(connection, channels)
        return sum(_deliver_to(connection, channel, began) for channel in _different(channels))


def waiting(database: Database, channels: Sequence[Channel]) -> list[Waiting]:
    """What could not be sent, by channel."""
    with database.transaction() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT channel_name, count(*), min(created_at), max(last_error), bool_and(channel = ANY(:known)) "
                "FROM seedtest_alert_delivery JOIN seedtest_alert_message USING (message_id) "
                "WHERE sent_at IS NULL GROUP BY channel, channel_name "
                "HAVING max(attempts) > 0 OR NOT bool_and(channel = ANY(:known))"
            ),
            {"known": [channel.fingerprint for channel in channels]},
        ).all()
    gone = "no longer in SEEDTEST_ALERT_URLS, and no other channel takes them"
    return [Waiting(name, n, oldest, error if known else gone) for name, n, oldest, error, known in rows]


def _deliver_to(connection: sa.Connection, channel: Channel, began: float) -> int:
    n_sent, in_a_row, held = 0, 0, set[int]()
    due = _due(connection, channel)
    batches = [due] if len(due) > MANY else [[message] for message in due]
    for batch in batches:
        if batch[0].incident_id in held:
            continue  # a "resolved" never overtakes what it resolves
        if in_a_row == FAILURES_IN_A_ROW or monotonic() - began > SECONDS:
            break
        first = batch[0]
        title, body = (
            digest_text(batch)
            if len(batch) > 1
            else (first.title, first.body + f"\nmessage {first.message_id}, incident {first.incident_id}")
        )
        level: Level = max((message.level for message in batch), key=LEVELS.index)
        kind: Kind = first.kind if len(batch) == 1 else "opened"
        reason = channel.send(title, body, level, kind)
        ids = [message.message_id for message in batch]
        if reason is None:
            _sent(connection, channel, ids, back=in_a_row > 0 or any(message.attempts for message in batch))
            n_sent, in_a_row = n_sent + len(batch), 0
        else:
            _not_sent(connection, channel, ids, max(message.attempts for message in batch), reason)
            held |= {message.incident_id for message in batch}
            in_a_row += 1
    return n_sent


def _due(connection: sa.Connection, channel: Channel) -> list[Any]:
    statement = sa.text(
        """
        SELECT message_id, incident_id, kind, level, title, body, attempts
        FROM seedtest_alert_delivery AS due JOIN seedtest_alert_message AS message USING (message_id)
        WHERE channel = :channel AND sent_at IS NULL AND next_try_at <= clock_timestamp()
          AND NOT EXISTS (  -- an earlier message of the incident that waits for its next try
              SELECT FROM seedtest_alert_delivery JOIN seedtest_alert_message AS earlier USING (message_id)
              WHERE channel = :channel AND sent_at IS NULL AND next_try_at > clock_timestamp()
                AND earlier.incident_id = message.incident_id AND earlier.message_id < message.message_id)
        ORDER BY message_id
        """
    )
    return list(connection.execute(statement, {"channel": channel.fingerprint}).all())


def _sent(connection: sa.Connection, channel: Channel, ids: list[int], back: bool) -> None:
    which = {"channel": channel.fingerprint, "ids": ids}
    connection.execute(
        sa.text(
            "UPDATE seedtest_alert_delivery SET sent_at = clock_timestamp(), attempts = attempts + 1, last_error = NULL "
            "WHERE channel = :channel AND message_id = ANY(:ids)"
        ),
        which,
    )
    if back:  # the channel works again: nothing waits any longer
        connection.execute(
            sa.text(
                "UPDATE seedtest_alert_delivery SET next_try_at = clock_timestamp() WHERE channel = :channel AND sent_at IS NULL"
            ),
            which,
        )


def _not_sent(connection: sa.Connection, channel: Channel, ids: list[int], attempts: int, reason: str) -> None:
    connection.execute(
        sa.text(
            "UPDATE seedtest_alert_delivery SET attempts = attempts + 1, last_error = :reason, channel_name = :name, "
            "next_try_at = clock_timestamp() + :wait WHERE channel = :channel AND message_id = ANY(:ids)"
        ),
        {
            "channel": channel.fingerprint,
            "name": channel.name,
            "ids": ids,
            "reason": reason,
            "wait": min(FIRST_WAIT * 2 ** min(attempts, 10), LONGEST_WAIT),
        },
    )


def _address_what_had_no_channel(connection: sa.Connection, channels: Sequence[Channel]) -> None:
    """What was put in by a process without any channel, a cron job for instance, goes to those that there are now."""
    rows = connection.execute(
        sa.text(
            "SELECT message_id, level FROM seedtest_alert_message AS message WHERE created_at > clock_timestamp() - :age "
            "AND NOT EXISTS (SELECT FROM seedtest_alert_delivery AS due WHERE due.message_id = message.message_id)"
        ),
        {"age": STILL_NEWS},
    ).all()
    address(connection, rows, channels)


def _move_from_channels_that_are_gone(connection: sa.Connection, channels: Sequence[Channel]) -> None:
    """A mended address is another channel: what waited for the old one goes to those that there are now."""
    for channel in channels:
        connection.execute(
            sa.text(
                "INSERT INTO seedtest_alert_delivery (message_id, channel, channel_name) "
                "SELECT DISTINCT message_id, :channel, :name "
                "FROM seedtest_alert_delivery JOIN seedtest_alert_message USING (message_id) "
                "WHERE sent_at IS NULL AND NOT channel = ANY(:known) AND level = ANY(:levels) ON CONFLICT DO NOTHING"
            ),
            {
                "channel": channel.fingerprint,
                "name": channel.name,
                "known": [one.fingerprint for one in channels],
                "levels": [level for level in LEVELS if channel.takes(level)],
            },
        )
    connection.execute(
        sa.text(
            "DELETE FROM seedtest_alert_delivery AS gone WHERE sent_at IS NULL AND NOT channel = ANY(:known) AND EXISTS "
            "(SELECT FROM seedtest_alert_delivery AS other WHERE other.message_id = gone.message_id AND channel = ANY(:known))"
        ),
        {"known": [channel.fingerprint for channel in channels]},
    )


def _different(channels: Sequence[Channel]) -> list[Channel]:
    return list({channel.fingerprint: channel for channel in reversed(channels)}.values())[::-1]
