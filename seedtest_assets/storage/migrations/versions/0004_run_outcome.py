"""How each run of Dagster ended: for dashboards, which then need not know Dagster's own tables."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    CREATE TABLE run_outcome (
        run_id text PRIMARY KEY,
        job text NOT NULL,
        partition text NOT NULL,
        calibrates boolean NOT NULL,
        status text NOT NULL,
        will_retry boolean NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL,
        step_retries integer NOT NULL,
        service_errors integer NOT NULL,
        service_timeouts integer NOT NULL,
        failed_steps text[] NOT NULL,
        failed_checks text[] NOT NULL
    )""",
    "CREATE INDEX run_outcome_started_at ON run_outcome (started_at)",
    "COMMENT ON COLUMN run_outcome.partition IS 'the day, or first to last of a range, or nothing'",
    "COMMENT ON COLUMN run_outcome.calibrates IS 'whether it is there to calibrate a day, not to fill the lake or make one table again'",
    "COMMENT ON COLUMN run_outcome.will_retry IS 'it failed, and Dagster starts it again'",
    "COMMENT ON COLUMN run_outcome.service_errors IS 'failed calls to the IRT service, time-outs among them'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE run_outcome")
