"""Differential item functioning by week, in history."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY, ensure_month, replace_day

TABLE = "dif_history"
_FLAGGED = f"""
SELECT * FROM {TABLE} WHERE partition_date = $1 AND flag <> 'A'
ORDER BY flag DESC, unsigned_area DESC, item_id, group_id
"""
_WORST_BEFORE = f"SELECT item_id, group_id, max(flag) AS flag FROM {TABLE} WHERE partition_date < $1 GROUP BY 1, 2"
_COUNTS = f"""
SELECT count(*) FILTER (WHERE flag <> 'A') AS n FROM {TABLE}
WHERE partition_date < $1 GROUP BY partition_date ORDER BY partition_date DESC LIMIT $2
"""
_REFERENCE_BEFORE = f"""
SELECT reference_group FROM {TABLE} WHERE partition_date < $1 ORDER BY partition_date DESC LIMIT 1
"""
_NEWEST = f"SELECT max(partition_date) AS week FROM {TABLE} WHERE partition_date <= $1"


def write_dif(database: Database, week: date, rows: pd.DataFrame, computed_at: datetime) -> None:
    """Replace a week, named by its first day. rows: the columns of the table but partition_date and computed_at."""
    schema = HISTORY[TABLE].remove(0)
    if len(rows):
        ensure_month(database, week)
        table = pa.Table.from_pandas(
            rows.assign(computed_at=computed_at)[schema.names], schema=schema, preserve_index=False
        )
    else:
        table = schema.empty_table()
    with database.bulk_transaction() as cursor:
        replace_day(cursor, TABLE, week, table)


def flagged_dif(database: Database, week: date) -> pd.DataFrame:
    """Read the rows of a week with flag B or C, the worst first."""
    return _frame(database, _FLAGGED, [week])


def newest_week(database: Database, day: date) -> date | None:
    """Give the newest week that began on a day or before it; None where there is none."""
    week = _frame(database, _NEWEST, [day])["week"][0]
    return None if pd.isna(week) else week


def reference_group_before(database: Database, week: date) -> str | None:
    """Give the reference group of the newest earlier week that compared groups; None where there is none."""
    groups = _frame(database, _REFERENCE_BEFORE, [week])["reference_group"].tolist()
    return groups[0] if groups else None


def worst_flags_before(database: Database, week: date) -> dict[tuple[str, str], str]:
    """Read the worst flag that each (item, group) had in an earlier week."""
    rows = _frame(database, _WORST_BEFORE, [week])
    return dict(zip(zip(rows["item_id"], rows["group_id"], strict=True), rows["flag"], strict=True))


def counts_before(database: Database, week: date, n_weeks: int) -> list[int]:
    """Count the flagged rows of the newest weeks before one, oldest first."""
    return _frame(database, _COUNTS, [week, n_weeks])["n"].tolist()[::-1]


def _frame(database: Database, statement: str, parameters: Sequence[Any]) -> pd.DataFrame:
    with database.bulk_transaction() as cursor:
        cursor.execute(statement, parameters=list(parameters))
        return cursor.fetch_arrow_table().to_pandas()
