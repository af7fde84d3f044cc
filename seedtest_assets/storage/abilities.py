"""Read the newest abilities in each feature window of the students active on a day."""

from datetime import date, timedelta

import pyarrow as pa

from seedtest_assets.days import feature_windows
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import staged

TOPIC_THETA_SCHEMA = pa.schema(
    [
        ("partition_date", pa.date32()),
        ("user_id", pa.string()),
        ("topic_id", pa.string()),
        ("theta", pa.float64()),
        ("se", pa.float64()),
    ]
)
OVERALL_THETA_SCHEMA = TOPIC_THETA_SCHEMA.remove(TOPIC_THETA_SCHEMA.get_field_index("topic_id"))

# One index look-up per window and active pair: reading all days and sorting them would grow with the whole platform.
_NEWEST = """
SELECT newest.partition_date, {names}, newest.theta, newest.se
FROM (SELECT DISTINCT {names} FROM {active}) AS wanted
CROSS JOIN (VALUES ($1::date, $2::date), ($2::date, $3::date)) AS ability_window (first_day, next_window)
CROSS JOIN LATERAL (
    SELECT partition_date, theta, se
    FROM {table}
    WHERE {same} AND partition_date >= first_day AND partition_date < next_window
    ORDER BY partition_date DESC
    LIMIT 1
) AS newest
"""
_TOPIC = {
    "table": "topic_theta_history",
    "names": "user_id, topic_id",
    "same": "student_id = wanted.user_id AND topic_theta_history.topic_id = wanted.topic_id",
}
_OVERALL = {"table": "ability_history", "names": "user_id", "same": "student_id = wanted.user_id"}


def newest_abilities(database: Database, day: date, active: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Read the newest abilities of both windows of a day's features: TOPIC_THETA_SCHEMA and OVERALL_THETA_SCHEMA.

    active: user_id, topic_id of the pairs wanted; pairs without an ability have no row.
    """
    previous, recent = feature_windows(day)
    windows = [previous, recent, day + timedelta(days=1)]
    with (
        database.bulk_transaction() as cursor,
        staged(cursor, active.select(["user_id", "topic_id"])) as wanted,
    ):
        tables = []
        for query, schema in ((_TOPIC, TOPIC_THETA_SCHEMA), (_OVERALL, OVERALL_THETA_SCHEMA)):
            cursor.execute(_NEWEST.format(**query, active=wanted), parameters=windows)
            tables.append(cursor.fetch_arrow_table().select(schema.names).cast(schema))
    return tables[0], tables[1]
