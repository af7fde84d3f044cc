"""Person fit of the students of each day, in history."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY, ensure_month, replace_day

TABLE = "person_fit_history"
_OF_DAY = f"SELECT student_id, lz_star, n_answers FROM {TABLE} WHERE partition_date = $1 ORDER BY student_id"
_SHARES = f"""
SELECT partition_date, count(lz_star) AS n_judged,
       count(*) FILTER (WHERE lz_star < $3::float8)::float8 / nullif(count(lz_star), 0) AS share
FROM {TABLE} WHERE partition_date <= $1 GROUP BY partition_date ORDER BY partition_date DESC LIMIT $2
"""


def write_person_fit(database: Database, day: date, rows: pd.DataFrame, computed_at: datetime) -> None:
    """Replace a day. rows: student_id, lz_star, n_answers; none on a day without answers."""
    schema = HISTORY[TABLE].remove(0)
    if len(rows):
        ensure_month(database, day)
        rows = rows.assign(computed_at=computed_at)[schema.names]
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
    else:
        table = schema.empty_table()
    with database.bulk_transaction() as cursor:
        replace_day(cursor, TABLE, day, table)


def person_fit_of_day(database: Database, day: date) -> pd.DataFrame:
    """Read student_id, lz_star, n_answers of a day; empty when it has none."""
    return _frame(database, _OF_DAY, [day])


def aberrant_shares(database: Database, day: date, n_days: int, limit: float) -> pd.DataFrame:
    """Read partition_date, n_judged and the share of the judged students below a limit, of the newest days, oldest first."""
    return _frame(database, _SHARES, [day, n_days, limit]).iloc[::-1].reset_index(drop=True)


def _frame(database: Database, statement: str, parameters: Sequence[Any]) -> pd.DataFrame:
    with database.bulk_transaction() as cursor:
        cursor.execute(statement, parameters=list(parameters))
        return cursor.fetch_arrow_table().to_pandas()
