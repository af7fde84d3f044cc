"""Person fit of the students of each day."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    CREATE TABLE person_fit_history (
        partition_date date NOT NULL,
        student_id text NOT NULL,
        lz_star double precision,
        n_answers bigint NOT NULL,
        computed_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, student_id)
    ) PARTITION BY RANGE (partition_date)""",
    "COMMENT ON COLUMN person_fit_history.lz_star IS 'about N(0, 1) where the model fits; NULL for too few answers'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE person_fit_history")
