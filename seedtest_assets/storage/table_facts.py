"""Counts of a partition of student_topic_theta or features_topic_daily, for its checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from seedtest_assets.storage.database import Database

HISTORY_DAYS = 14

# In PostgreSQL NaN is above every number, so that it is out of every range.
_WHAT = {
    "student_topic_theta": {
        "day": "partition_date",
        "theta": "theta",
        "nulls": "user_id IS NULL OR topic_id IS NULL OR theta IS NULL OR se IS NULL OR n_responses IS NULL",
        "outside": "abs(theta) > $2::float8 OR se <= 0 OR se > $2::float8 OR n_responses < 0",
    },
    "features_topic_daily": {
        "day": "date",
        "theta": "theta_estimate",
        "nulls": (
            "user_id IS NULL OR topic_id IS NULL OR attempts IS NULL OR correct IS NULL OR hints IS NULL OR last_seen_at IS NULL "
            "OR (theta_estimate IS NULL) <> (theta_sd IS NULL) OR (improvement IS NULL) <> (improvement_basis IS NULL)"
        ),
        "outside": (
            "abs(theta_estimate) > $2::float8 OR theta_sd <= 0 OR theta_sd > $2::float8 OR abs(improvement) > 1 OR attempts < 1 "
            "OR correct NOT BETWEEN 0 AND attempts OR hints NOT BETWEEN 0 AND attempts OR avg_time_ms < 0 OR rt_median < 0 "
            "OR (last_seen_at AT TIME ZONE 'UTC')::date <> date"
        ),
    },
}
_COUNTS = """
SELECT count(*) AS n_rows, count(DISTINCT (user_id, topic_id)) AS n_keys,
       count(*) FILTER (WHERE {nulls}) AS nulls, count(*) FILTER (WHERE {outside}) AS outside
FROM {table} WHERE {day} = $1
"""
_COVERED = """
SELECT count(*) AS n_covered FROM active
WHERE EXISTS (
    SELECT FROM {table} AS t
    WHERE t.{day} = $1 AND t.user_id = active.user_id AND t.topic_id = active.topic_id AND t.{theta} IS NOT NULL
)
"""
_BEFORE = """
SELECT count(*) AS n_rows FROM {table} WHERE {day} >= $1::date - {days} AND {day} < $1::date GROUP BY {day} ORDER BY {day}
"""


@dataclass(frozen=True)
class TableFacts:
    """Counts of a partition: rows, their distinct keys, rows with a NULL or with a value out of its range; the
    (student, topic) pairs active on the day, and how many of these have an ability; rows of the earlier partitions."""

    rows: int
    keys: int
    nulls: int
    outside: int
    active: int
    covered: int
    rows_before: Sequence[int] = ()


def table_facts(database: Database, table: str, day: date, active: pa.Table, theta_limit: float) -> TableFacts:
    """The counts. active: user_id, topic_id of the pairs active on the day; theta_limit: the largest ability that can be."""
    what = _WHAT[table] | {"table": table, "days": HISTORY_DAYS}
    with database.bulk_transaction() as cursor:
        cursor.execute(_COUNTS.format(**what), parameters=[day, theta_limit])
        rows, keys, nulls, outside = cursor.fetchone()
        cursor.adbc_ingest("active", active.select(["user_id", "topic_id"]), mode="create", temporary=True)
        cursor.execute(_COVERED.format(**what), parameters=[day])
        (covered,) = cursor.fetchone()
        cursor.execute("DROP TABLE active")
        cursor.execute(_BEFORE.format(**what), parameters=[day])
        before = [row[0] for row in cursor.fetchall()]
    return TableFacts(rows, keys, nulls, outside, len(active), covered, before)
