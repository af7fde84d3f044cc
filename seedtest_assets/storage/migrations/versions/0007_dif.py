"""Differential item functioning by week."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    """
    CREATE TABLE dif_history (
        partition_date date NOT NULL,
        item_id text NOT NULL,
        group_id text NOT NULL,
        reference_group text NOT NULL,
        n_reference bigint NOT NULL,
        n_focal bigint NOT NULL,
        mh_delta double precision,
        mh_class text,
        lr_x2 double precision,
        df bigint,
        p double precision,
        p_adjusted double precision,
        signed_area double precision,
        unsigned_area double precision,
        flag text NOT NULL CHECK (flag IN ('A', 'B', 'C')),
        a_reference double precision,
        b_reference double precision,
        c_reference double precision,
        a_focal double precision,
        b_focal double precision,
        c_focal double precision,
        computed_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, item_id, group_id)
    ) PARTITION BY RANGE (partition_date)""",
    "COMMENT ON COLUMN dif_history.partition_date IS 'the first day of the week'",
    "COMMENT ON COLUMN dif_history.mh_delta IS 'Mantel-Haenszel on the delta scale; negative is harder for the group'",
    "COMMENT ON COLUMN dif_history.b_reference IS 'on the scale of the reference group, N(0, 1)'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE dif_history")
