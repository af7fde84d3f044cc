"""Counts of a day of student_topic_theta or features_topic_daily, for its checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.statements import literal

HISTORY_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """Which rows of a history table are wrong."""

    table: str
    theta: str
    nulls: str
    outside: str


# In PostgreSQL NaN is above every number, so that it is out of every range.
_RULES = {
    "student_topic_theta": _Rules(
        table="topic_theta_history",
        theta="theta",
        nulls="student_id IS NULL OR topic_id IS NULL OR theta IS NULL OR se IS NULL OR n_responses IS NULL",
        outside="abs(theta) > $2::float8 OR se <= 0 OR se > $2::float8 OR n_responses < 0",
    ),
    "features_topic_daily": _Rules(
        table="feature_history",
        theta="theta_estimate",
        nulls=(
            "student_id IS NULL OR topic_id IS NULL OR attempts IS NULL OR correct IS NULL OR hints IS NULL "
            "OR last_seen_at IS NULL OR (theta_estimate IS NULL) <> (theta_sd IS NULL) "
            "OR (improvement IS NULL) <> (improvement_basis IS NULL)"
        ),
        outside=(
            "abs(theta_estimate) > $2::float8 OR theta_sd <= 0 OR theta_sd > $2::float8 OR abs(improvement) > 1 "
            "OR attempts < 1 OR correct NOT BETWEEN 0 AND attempts OR hints NOT BETWEEN 0 AND attempts "
            "OR avg_time_ms < 0 OR rt_median < 0 OR (last_seen_at AT TIME ZONE 'UTC')::date <> partition_date"
        ),
    ),
}
_COUNTS = """
SELECT count(*) AS n_rows,
       (SELECT count(*) FROM (SELECT FROM {table} WHERE partition_date = $1 GROUP BY student_id, topic_id) AS keys) AS n_keys,
       count(*) FILTER (WHERE {nulls}) AS nulls, count(*) FILTER (WHERE {outside}) AS outside
FROM {table} WHERE partition_date = $1
"""
_WITH_ABILITY = """
SELECT student_id AS user_id, topic_id FROM {table} WHERE partition_date = {day} AND {theta} IS NOT NULL
"""
_BEFORE = """
SELECT count(*) AS n_rows FROM {table} WHERE partition_date >= $1::date - {days} AND partition_date < $1::date
GROUP BY partition_date ORDER BY partition_date
"""


@dataclass(frozen=True)
class TableFacts:
    """Counts of a day: rows, their distinct keys, rows with a NULL or with a value out of its range; the (student, topic)
    pairs active on the day, and how many of these have an ability; rows of the earlier days."""

    rows: int
    keys: int
    nulls: int
    outside: int
    active: int
    covered: int
    rows_before: Sequence[int] = ()


def table_facts(database: Database, table: str, day: date, active: pa.Table, theta_limit: float) -> TableFacts:
    """Count the rows of a day. active: user_id, topic_id of the pairs active on the day; theta_limit: the largest ability that can be."""
    rules = _RULES[table]
    with database.bulk_transaction() as cursor:
        cursor.execute(
            _COUNTS.format(table=rules.table, nulls=rules.nulls, outside=rules.outside), parameters=[day, theta_limit]
        )
        rows, keys, nulls, outside = cursor.fetchone()
        # The day is written out, because ADBC reads a result as a stream only where it binds no parameters.
        cursor.execute(_WITH_ABILITY.format(table=rules.table, theta=rules.theta, day=literal(day)))
        with_ability = cursor.fetch_arrow_table()
        cursor.execute(_BEFORE.format(table=rules.table, days=HISTORY_DAYS), parameters=[day])
        before = [row[0] for row in cursor.fetchall()]
    pairs = ["user_id", "topic_id"]
    covered = active.select(pairs).cast(with_ability.schema).join(with_ability, pairs, join_type="left semi")
    return TableFacts(rows, keys, nulls, outside, len(active), len(covered), before)
