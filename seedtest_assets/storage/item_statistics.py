"""The statistics of items by day, in history."""

from datetime import date, datetime

import pandas as pd
import pyarrow as pa

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY, ensure_month, replace_day

TABLE = "item_statistics_history"
_OF_DAY = f"SELECT * FROM {TABLE} WHERE partition_date = $1 ORDER BY item_id"
_NEWEST = f"SELECT max(partition_date) AS day FROM {TABLE} WHERE partition_date <= coalesce($1, 'infinity'::date)"
_FLAGGED_BEFORE = f"""
SELECT DISTINCT item_id, unnest(flags) AS flag FROM {TABLE} WHERE partition_date < $1 AND cardinality(flags) > 0
"""
_ITEMS_FLAGGED = f"""
SELECT count(*) FILTER (WHERE flags && string_to_array($3, ',')) AS n FROM {TABLE}
WHERE partition_date < $1 GROUP BY partition_date ORDER BY partition_date DESC LIMIT $2
"""


def write_item_statistics(database: Database, day: date, statistics: pd.DataFrame, computed_at: datetime) -> None:
    """Replace a day. statistics: the columns of the table but partition_date and computed_at; none on a day without answers."""
    schema = HISTORY[TABLE].remove(0)
    if len(statistics):
        ensure_month(database, day)
        rows = pa.Table.from_pandas(
            statistics.assign(computed_at=computed_at)[schema.names], schema=schema, preserve_index=False
        )
    else:
        rows = schema.empty_table()
    with database.bulk_transaction() as cursor:
        replace_day(cursor, TABLE, day, rows)


def read_item_statistics(database: Database, day: date) -> pd.DataFrame:
    """Read the statistics of a day, a row an item; empty when it has none."""
    statistics = _frame(database, _OF_DAY, [day])
    return statistics.assign(flags=[list(flags) for flags in statistics["flags"]])


def newest_day_of_statistics(database: Database, day: date | None = None) -> date | None:
    """Give the newest day that has statistics, up to one where it is given; None where there is none."""
    newest = _frame(database, _NEWEST, [day])["day"][0]
    return None if pd.isna(newest) else newest


def flagged_before(database: Database, day: date) -> set[tuple[str, str]]:
    """Read (item_id, flag) of every flag that an item had on an earlier day."""
    rows = _frame(database, _FLAGGED_BEFORE, [day])
    return set(zip(rows["item_id"], rows["flag"], strict=True))


def items_flagged_before(database: Database, day: date, flags: list[str], n_days: int) -> list[int]:
    """Count the items that had one of some flags, on each of the newest days before one, oldest first."""
    return _frame(database, _ITEMS_FLAGGED, [day, n_days, ",".join(flags)])["n"].tolist()[::-1]


def _frame(database: Database, statement: str, parameters: list[object]) -> pd.DataFrame:
    with database.bulk_transaction() as cursor:
        cursor.execute(statement, parameters=parameters)
        return cursor.fetch_arrow_table().to_pandas()
