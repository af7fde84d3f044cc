"""History by day, a partition per month; and what was published when."""

from alembic import op

revision = "0001"
down_revision = None

HISTORY = {
    "item_history": """
        partition_date date NOT NULL,
        item_id text NOT NULL,
        model text NOT NULL,
        a double precision NOT NULL,
        b double precision NOT NULL,
        c double precision NOT NULL,
        se_a double precision,
        se_b double precision,
        se_c double precision,
        n_responses bigint NOT NULL,
        is_anchor boolean NOT NULL,
        flags text[],
        run_id text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, item_id)""",
    "ability_history": """
        partition_date date NOT NULL,
        student_id text NOT NULL,
        theta double precision NOT NULL,
        se double precision NOT NULL,
        n_responses bigint NOT NULL,
        model text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, student_id)""",
    "fit_history": """
        partition_date date PRIMARY KEY,
        run_id text NOT NULL,
        model_spec jsonb NOT NULL,
        metrics jsonb NOT NULL,
        fitted_at timestamptz NOT NULL""",
    "topic_theta_history": """
        partition_date date NOT NULL,
        student_id text NOT NULL,
        topic_id text NOT NULL,
        theta double precision NOT NULL,
        se double precision NOT NULL,
        n_responses bigint NOT NULL,
        model text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, student_id, topic_id)""",
    "feature_history": """
        partition_date date NOT NULL,
        student_id text NOT NULL,
        topic_id text NOT NULL,
        attempts bigint NOT NULL,
        correct bigint NOT NULL,
        avg_time_ms double precision,
        rt_median double precision,
        hints bigint NOT NULL,
        theta_estimate double precision,
        theta_sd double precision,
        improvement double precision,
        improvement_basis text CHECK (improvement_basis IN ('theta', 'accuracy')),
        last_seen_at timestamptz NOT NULL,
        computed_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, student_id, topic_id)""",
}
# The newest row of an item, a student, or a student and topic is looked up by these, not by day.
INDEXES = {
    "item_history_item": "item_history (item_id, partition_date)",
    "ability_history_student": "ability_history (student_id, partition_date)",
    "topic_theta_history_student": "topic_theta_history (student_id, topic_id, partition_date)",
}
PUBLICATION = """
CREATE TABLE publication (
    publication_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL CHECK (subject IN ('calibration', 'topic_theta', 'features')),
    day date,
    run_id text,
    fitted_at timestamptz,
    action text NOT NULL CHECK (action IN ('night', 'pin', 'unpin')),
    published_by text NOT NULL,
    reason text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


def upgrade() -> None:
    for table, columns in HISTORY.items():
        op.execute(f"CREATE TABLE {table} ({columns}) PARTITION BY RANGE (partition_date)")
    for index, target in INDEXES.items():
        op.execute(f"CREATE INDEX {index} ON {target}")
    op.execute("COMMENT ON COLUMN item_history.flags IS 'what reviewers noted about the item on this day'")
    op.execute(PUBLICATION)
    op.execute(
        "COMMENT ON COLUMN publication.day IS 'NULL when nothing was published: unpinned while a newer day is there'"
    )


def downgrade() -> None:
    for table in (*HISTORY, "publication"):
        op.execute(f"DROP TABLE {table}")
