"""Checksums of what nights wrote, without what tells when and by which run."""

import json
from collections import defaultdict
from decimal import Decimal
from hashlib import md5
from typing import Any

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
    "cluster",
)
"""The same, of a fit's metrics."""


def checksums(database: Database) -> dict[tuple, str]:
    """{(table, day): checksum} of history."""
    sums = {}
    for table in HISTORY_TABLES:
        row = f"to_jsonb(t) - '{{{','.join(VOLATILE)}}}'::text[]"
        if table == "fit_history":
            row = f"jsonb_set({row}, '{{metrics}}', t.metrics - '{{{','.join(OF_THE_RUN)}}}'::text[])"
        of_day = defaultdict(list)
        for day, content in rows_of(database, f"SELECT partition_date, {row} FROM {table} t"):
            of_day[day].append(json.dumps(rounded(content), sort_keys=True))
        sums |= {(table, day): md5("".join(sorted(rows)).encode()).hexdigest() for day, rows in of_day.items()}
    return sums


def rounded(value: Any) -> Any:
    """Round numbers to 9 digits: the last bit of a sum depends on how its addends lie in memory."""
    if isinstance(value, float | Decimal):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return type(value)(map(rounded, value)) if isinstance(value, list | tuple) else value


def published(database: Database) -> list[tuple]:
    """Items and abilities that readers of the platform's tables see."""
    columns = {"mirt_item_params": "item_id, params", "mirt_ability": "user_id, theta::float8, se::float8"}
    assert columns.keys() <= PUBLISHED.keys()
    return [
        row for table, names in columns.items() for row in rows_of(database, f"SELECT {names} FROM {table} ORDER BY 1")
    ]
