"""Statistics of each item by day."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLE = """
CREATE TABLE item_statistics_history (
    partition_date date NOT NULL,
    item_id text NOT NULL,
    n_answers bigint NOT NULL,
    share_correct double precision,
    point_biserial double precision,
    a double precision,
    b double precision,
    se_b double precision,
    infit double precision,
    outfit double precision,
    rmsd double precision,
    exposure_7_days double precision,
    exposure_60_days double precision,
    median_time_ms double precision,
    omission_share double precision,
    anchor_drift double precision,
    flags text[] NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (partition_date, item_id)
) PARTITION BY RANGE (partition_date)"""
STATEMENTS = (
    TABLE,
    "CREATE INDEX item_statistics_history_item ON item_statistics_history (item_id, partition_date)",
    "COMMENT ON COLUMN item_statistics_history.point_biserial IS 'correlation of the mark with the share correct of the student''s other answers'",
    "COMMENT ON COLUMN item_statistics_history.exposure_7_days IS 'share of the sessions of the last 7 days in which the item came'",
    "COMMENT ON COLUMN item_statistics_history.omission_share IS 'share of its answers without a mark; NULL where that was not counted'",
    "COMMENT ON COLUMN item_statistics_history.anchor_drift IS 'b less the value that the bank has for the anchor; NULL for other items'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE item_statistics_history")
