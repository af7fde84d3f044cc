"""Empty the outbox: send each message to each of its channels, and retry until the channel accepts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import Any

import sqlalchemy as sa

from seedtest_assets.alerting.channels import Channel
from seedtest_assets.alerting.events import LEVELS, Kind, Level
from seedtest_assets.alerting.incidents import queue_messages
from seedtest_assets.alerting.message_layout import digest_message, duration
from seedtest_assets.storage.database import Database

# Between two attempts; doubled each time up to the longest.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=10)
# More messages than this at once for a channel go out as one: the backfill of a bad month is one thing to read.
MOST_SINGLE_MESSAGES = 5
# After this many failures in a row a channel is not tried again in this round.
MOST_FAILURES = 2
# How old a message may be that is sent to a channel which was set up after it.
LATE_CHANNEL_AGE = timedelta(days=1)
# A round ends after these, below the minute that Dagster gives a sensor.
ROUND_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """Messages for a channel that took none at the last attempt, or that is no longer in the settings."""

    channel_name: str
    n_messages: int
    oldest: datetime
    last_error: str

    def __str__(self) -> str:
        age = duration(datetime.now(timezone.utc) - self.oldest)
        return f"{self.n_messages} not sent to {self.channel_name} for {age}: {self.last_error}"


def deliver(database: Database, channels: Sequence[Channel]) -> int:
    """Send what is due; gives the number of messages sent, or 0 while another process does it.

    At least once: a process that is killed between sending and recording it sends that one message again.
    """
    began = monotonic()
    with database.session() as connection:
        if not connection.exec_driver_sql("SELECT pg_try_advisory_lock(hashtext('seedtest alerts'))").scalar_one():
            return 0
        _queue_messages_without_channel(connection, channels)
        _move_from_removed_channels(connection, channels)
        by_fingerprint = {channel.fingerprint: channel for channel in reversed(channels)}
        return sum(_deliver_to(connection, channel, began) for channel in reversed(by_fingerprint.values()))


def undelivered(database: Database, channels: Sequence[Channel]) -> list[Undelivered]:
    """List what could not be sent, by channel."""
    with database.transaction() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT channel_name, count(*), min(created_at), max(last_error), bool_and(channel = ANY(:known)) "
                "FROM alert_delivery JOIN alert_message USING (message_id) "
                "WHERE sent_at IS NULL GROUP BY channel, channel_name "
                "HAVING max(attempts) > 0 OR NOT bool_and(channel = ANY(:known))"
            ),
            {"known": [channel.fingerprint for channel in channels]},
        ).all()
    removed = "no longer in SEEDTEST_ALERT_URLS, and no other channel takes them"
    return [
        Undelivered(channel_name=name, n_messages=n, oldest=oldest, last_error=error if known else removed)
        for name, n, oldest, error, known in rows
    ]


def _deliver_to(connection: sa.Connection, channel: Channel, began: float) -> int:
    n_sent, n_failures, held = 0, 0, set[int]()
    due = _due(connection, channel)
    batches = [due] if len(due) > MOST_SINGLE_MESSAGES else [[message] for message in due]
    for batch in batches:
        if batch[0].incident_id in held:
            continue  # a "resolved" never overtakes what it resolves
        if n_failures == MOST_FAILURES or monotonic() - began > ROUND_SECONDS:
            break
        reason = _send(channel, batch)
        ids = [message.message_id for message in batch]
        if reason is None:
            works_again = n_failures > 0 or any(message.attempts for message in batch)
            _record_sent(connection, channel, ids, works_again)
            n_sent, n_failures = n_sent + len(batch), 0
        else:
            _record_failure(connection, channel, ids, max(message.attempts for message in batch), reason)
            held |= {message.incident_id for message in batch}
            n_failures += 1
    return n_sent


def _send(channel: Channel, batch: list[Any]) -> str | None:
    """Send a message, or many as one; gives the reason when the channel does not accept it."""
    level: Level = max((message.level for message in batch), key=LEVELS.index)
    if len(batch) > 1:
        title, body = digest_message(batch)
        return channel.send(title, body, level, "opened")
    (message,) = batch
    kind: Kind = message.kind
    body = message.body + f"\nmessage {message.message_id}, incident {message.incident_id}"
    return channel.send(message.title, body, level, kind)


def _due(connection: sa.Connection, channel: Channel) -> list[Any]:
    statement = sa.text(
        """
        SELECT message_id, incident_id, kind, level, title, body, attempts
        FROM alert_delivery AS due JOIN alert_message AS message USING (message_id)
        WHERE channel = :channel AND sent_at IS NULL AND next_attempt_at <= clock_timestamp()
          AND NOT EXISTS (  -- an earlier message of the incident that waits for its next attempt
              SELECT FROM alert_delivery JOIN alert_message AS earlier USING (message_id)
              WHERE channel = :channel AND sent_at IS NULL AND next_attempt_at > clock_timestamp()
                AND earlier.incident_id = message.incident_id AND earlier.message_id < message.message_id)
        ORDER BY message_id
        """
    )
    return list(connection.execute(statement, {"channel": channel.fingerprint}).all())


def _record_sent(connection: sa.Connection, channel: Channel, ids: list[int], works_again: bool) -> None:
    connection.execute(
        sa.text(
            "UPDATE alert_delivery SET sent_at = clock_timestamp(), attempts = attempts + 1, last_error = NULL "
            "WHERE channel = :channel AND message_id = ANY(:ids)"
        ),
        {"channel": channel.fingerprint, "ids": ids},
    )
    if works_again:  # nothing waits for its next attempt any longer
        connection.execute(
            sa.text(
                "UPDATE alert_delivery SET next_attempt_at = clock_timestamp() WHERE channel = :channel AND sent_at IS NULL"
            ),
            {"channel": channel.fingerprint},
        )


def _record_failure(connection: sa.Connection, channel: Channel, ids: list[int], attempts: int, reason: str) -> None:
    connection.execute(
        sa.text(
            "UPDATE alert_delivery SET attempts = attempts + 1, last_error = :reason, channel_name = :name, "
            "next_attempt_at = clock_timestamp() + :wait WHERE channel = :channel AND message_id = ANY(:ids)"
        ),
        {
            "channel": channel.fingerprint,
            "name": channel.name,
            "ids": ids,
            "reason": reason,
            "wait": min(FIRST_WAIT * 2 ** min(attempts, 10), LONGEST_WAIT),
        },
    )


def _queue_messages_without_channel(connection: sa.Connection, channels: Sequence[Channel]) -> None:
    """Queue what a process without any channel, a cron job for instance, put into the outbox."""
    rows = connection.execute(
        sa.text(
            "SELECT message_id, level FROM alert_message AS message WHERE created_at > clock_timestamp() - :age "
            "AND NOT EXISTS (SELECT FROM alert_delivery AS due WHERE due.message_id = message.message_id)"
        ),
        {"age": LATE_CHANNEL_AGE},
    ).all()
    queue_messages(connection, rows, channels)


def _move_from_removed_channels(connection: sa.Connection, channels: Sequence[Channel]) -> None:
    """Queue what waits for an address that is gone to those that there are: a corrected address is another channel."""
    known = [channel.fingerprint for channel in channels]
    for channel in channels:
        connection.execute(
            sa.text(
                "INSERT INTO alert_delivery (message_id, channel, channel_name) "
                "SELECT DISTINCT message_id, :channel, :name "
                "FROM alert_delivery JOIN alert_message USING (message_id) "
                "WHERE sent_at IS NULL AND NOT channel = ANY(:known) AND level = ANY(:levels) ON CONFLICT DO NOTHING"
            ),
            {
                "channel": channel.fingerprint,
                "name": channel.name,
                "known": known,
                "levels": [level for level in LEVELS if channel.takes(level)],
            },
        )
    connection.execute(
        sa.text(
            "DELETE FROM alert_delivery AS removed WHERE sent_at IS NULL AND NOT channel = ANY(:known) AND EXISTS "
            "(SELECT FROM alert_delivery AS other "
            "WHERE other.message_id = removed.message_id AND channel = ANY(:known))"
        ),
        {"known": known},
    )
