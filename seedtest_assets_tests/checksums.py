"""Checksums of what nights wrote, without what tells when and by which run."""

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY_TABLES
from seedtest_assets.storage.published_tables import PUBLISHED
from seedtest_assets_tests.conftest import rows_of

VOLATILE = ("run_id", "computed_at", "fitted_at")
"""Columns that tell when and by which run a row was made."""
OF_THE_RUN = (
    "seconds",
    "dagster_run_id",
    "retries",
    "service_run_id",
    "call_seconds",
    "bytes_received",
    "service",
    "attempt",
)
"""The same, of a fit's metrics."""


def checksums(database: Database) -> dict[tuple, str]:
    """{(table, day): checksum} of history."""
    sums = {}
    for table in HISTORY_TABLES:
        row = f"to_jsonb(t) - '{{{','.join(VOLATILE)}}}'::text[]"
        if table == "fit_history":
            row = f"jsonb_set({row}, '{{metrics}}', t.metrics - '{{{','.join(OF_THE_RUN)}}}'::text[])"
        for key, checksum in rows_of(
            database,
            f"SELECT partition_date, md5(string_agg(r::text, ',' ORDER BY r::text)) FROM (SELECT partition_date, {row} AS r FROM {table} t) rows GROUP BY 1",
        ):
            sums[table, key] = checksum
    return sums


def published(database: Database) -> list[tuple]:
    """Items and abilities that readers of the platform's tables see."""
    columns = {"mirt_item_params": "item_id, params::text", "mirt_ability": "user_id, theta::text, se::text"}
    assert columns.keys() <= PUBLISHED.keys()
    return [
        row for table, names in columns.items() for row in rows_of(database, f"SELECT {names} FROM {table} ORDER BY 1")
    ]
