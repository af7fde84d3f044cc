"""The abilities that a day's features rest on: of the students active on it, the newest in each window."""

from datetime import date, timedelta

import pyarrow as pa

from seedtest_assets.days import feature_windows
from seedtest_assets.storage.database import Database

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

# An index look-up a window for each active one: reading all days and sorting them would grow with the whole platform.
_NEWEST = """
SELECT newest.partition_date, {names}, newest.theta, newest.se
FROM (SELECT DISTINCT {names} FROM active) AS wanted
CROSS JOIN (VALUES ($1::date, $2::date), ($2::date, $3::date)) AS ability_window (first_day, next_window)
CROSS JOIN LATERAL (
    SELECT partition_date, theta, se
    FROM {table}
    WHERE {same} AND partition_date >= first_day AND partition_date < next_window
    ORDER BY partition_date DESC
    LIMIT 1
) AS newest
"""


def newest_abilities(database: Database, day: date, active: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Tables of TOPIC_THETA_SCHEMA and OVERALL_THETA_SCHEMA, at most a row for each window of `features_for_day`.

    active: user_id, topic_id of the pairs wanted; pairs without an ability have no row.
    """
    previous, recent = feature_windows(day)
    windows = [previous, recent, day + timedelta(days=1)]
    with database.bulk_transaction() as cursor:
        cursor.adbc_ingest("active", active.select(["user_id", "topic_id"]), mode="create", temporary=True)
        tables = []
        for table, keys, schema in (
            ("student_topic_theta", ("user_id", "topic_id"), TOPIC_THETA_SCHEMA),
            ("mirt_ability", ("user_id",), OVERALL_THETA_SCHEMA),
        ):
            same = " AND ".join(f"{table}.{key} = wanted.{key}" for key in keys)
            cursor.execute(_NEWEST.format(names=", ".join(keys), table=table, same=same), parameters=windows)
            tables.append(cursor.fetch_arrow_table().select(schema.names).cast(schema))
        cursor.execute("DROP TABLE active")
    return tables[0], tables[1]
