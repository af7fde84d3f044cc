"""The result tables."""

import sqlalchemy as sa
from alembic import op

from seedtest_assets.errors import InputError

revision = "0001"
down_revision = None

TABLES = {
    "mirt_item_params": """
        partition_date date NOT NULL,
        item_id text NOT NULL,
        model text NOT NULL,
        params jsonb NOT NULL,
        se_a double precision,
        se_b double precision,
        se_c double precision,
        n_responses bigint NOT NULL,
        is_anchor boolean NOT NULL,
        version text NOT NULL,
        run_id text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, item_id)""",
    "mirt_ability": """
        partition_date date NOT NULL,
        user_id text NOT NULL,
        theta double precision NOT NULL,
        se double precision NOT NULL,
        n_responses bigint NOT NULL,
        model text NOT NULL,
        version text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, user_id)""",
    "mirt_fit_meta": """
        run_id text PRIMARY KEY,
        partition_date date NOT NULL UNIQUE,
        model_spec jsonb NOT NULL,
        metrics jsonb NOT NULL,
        fitted_at timestamptz NOT NULL""",
    "student_topic_theta": """
        partition_date date NOT NULL,
        user_id text NOT NULL,
        topic_id text NOT NULL,
        theta double precision NOT NULL,
        se double precision NOT NULL,
        n_responses bigint NOT NULL,
        model text NOT NULL,
        version text NOT NULL,
        fitted_at timestamptz NOT NULL,
        PRIMARY KEY (partition_date, user_id, topic_id)""",
    "features_topic_daily": """
        user_id text NOT NULL,
        topic_id text NOT NULL,
        date date NOT NULL,
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
        PRIMARY KEY (date, user_id, topic_id)""",
}
INDEXES = {
    "mirt_item_params_fitted_at": "mirt_item_params (fitted_at)",
    "mirt_fit_meta_fitted_at": "mirt_fit_meta (fitted_at)",
    "mirt_ability_user": "mirt_ability (user_id, partition_date)",
    "student_topic_theta_user": "student_topic_theta (user_id, topic_id, partition_date)",
}


def upgrade() -> None:
    present = set(sa.inspect(op.get_bind()).get_table_names())
    for table, columns in TABLES.items():
        if table in present:
            raise InputError(
                f"a table {table} that seedtest did not make is in the way; "
                f"ALTER TABLE {table} RENAME TO {table}_before_seedtest, then start again"
            )
        op.execute(f"CREATE TABLE {table} ({columns})")
    for index, target in INDEXES.items():
        op.execute(f"CREATE INDEX {index} ON {target}")
