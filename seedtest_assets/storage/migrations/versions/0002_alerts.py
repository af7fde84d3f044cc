"""Alerts: incidents, the messages about them, and what became of each message at each channel."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE incident (
        incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL,
        level text NOT NULL CHECK (level IN ('warn', 'error')),
        title text NOT NULL,
        location text NOT NULL,
        pending text[] NOT NULL,
        occurrences integer NOT NULL DEFAULT 1,
        opened_at timestamptz NOT NULL,
        last_event_at timestamptz NOT NULL,
        resolved_at timestamptz
    )""",
    "CREATE UNIQUE INDEX incident_open ON incident (key) WHERE resolved_at IS NULL",
    "CREATE INDEX incident_key ON incident (key, incident_id)",
    "COMMENT ON COLUMN incident.pending IS 'keys of the events that must still happen before it is resolved'",
    "COMMENT ON COLUMN incident.last_event_at IS 'time of its newest event; older events are ignored'",
    """
    CREATE TABLE alert_message (
        message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        incident_id bigint NOT NULL REFERENCES incident,
        kind text NOT NULL CHECK (kind IN ('opened', 'escalated', 'resolved')),
        level text NOT NULL CHECK (level IN ('warn', 'error')),
        title text NOT NULL,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    """
    CREATE TABLE alert_delivery (
        message_id bigint NOT NULL REFERENCES alert_message,
        channel text NOT NULL,
        channel_name text NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        last_error text,
        sent_at timestamptz,
        PRIMARY KEY (message_id, channel)
    )""",
    "CREATE INDEX alert_delivery_waiting ON alert_delivery (channel, next_attempt_at) WHERE sent_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("alert_delivery", "alert_message", "incident"):
        op.execute(f"DROP TABLE {table}")
