"""Read calibrated days from history. Our code reads history, never the published tables."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from seedtest_assets.calibration import ABILITY_COLUMNS, ITEM_COLUMNS, PARAMETER_COLUMNS, no_parameters
from seedtest_assets.storage.database import Database, sql

_ITEMS = """
SELECT item_id, model, a, b, c, steps, se_a, se_b, se_c, se_steps, n_responses, is_anchor,
       array_to_string(ARRAY(SELECT flag FROM unnest(flags) AS flag WHERE flag NOT LIKE 'provisional:%'), '. ') AS flag
FROM item_history WHERE partition_date = $1 ORDER BY item_id
"""
_ABILITIES = """
SELECT student_id, theta, se, n_responses
FROM ability_history WHERE partition_date = $1 ORDER BY student_id
"""
_ITEMS_OF_DAYS = """
SELECT partition_date, item_id, model, a, b, c, steps, se_a, se_b, n_responses
FROM item_history WHERE partition_date = ANY (string_to_array($1, ',')::date[]) ORDER BY partition_date, item_id
"""
# The first calibration defines the scale; a later one that could not be linked is on a scale of its own.
_NEWEST_ON_SCALE = """
SELECT max(partition_date) FROM fit_history AS fit
WHERE partition_date < :day AND (
    model_spec->>'linked_to' <> 'none'
    OR NOT EXISTS (SELECT FROM fit_history AS before WHERE before.partition_date < fit.partition_date)
)
"""


def item_parameters(database: Database, day: date) -> pd.DataFrame:
    """Read PARAMETER_COLUMNS of a day; empty when it has none."""
    return fitted_items(database, day)[PARAMETER_COLUMNS]


def fitted_items(database: Database, day: date) -> pd.DataFrame:
    """Read ITEM_COLUMNS of a day; empty when it has none."""
    return _frame(database, _ITEMS, [day])[ITEM_COLUMNS]


def abilities(database: Database, day: date) -> pd.DataFrame:
    """Read ABILITY_COLUMNS of a day; empty when it has none."""
    return _frame(database, _ABILITIES, [day]).set_axis(ABILITY_COLUMNS, axis="columns")


def fit_history(database: Database, day: date, n_partitions: int) -> pd.DataFrame:
    """Read how the newest days up to one were fitted and linked, oldest first; NULL for what is not known.

    Columns: partition_date, n_items, n_persons, n_observations, linked_to, A and B (lists: of each block of items),
    n_anchors_used, reliability, seconds.
    """
    return _frame(database, sql("fit_history.sql"), [day, n_partitions])


def previous_item_parameters(database: Database, day: date) -> tuple[date | None, pd.DataFrame]:
    """Read the newest day before one that is on the bank's scale, and its PARAMETER_COLUMNS; None and empty without one."""
    ((newest,),) = _rows(database, _NEWEST_ON_SCALE, day=day)
    return newest, item_parameters(database, newest) if newest else no_parameters()


def parameters_of_days(database: Database, days: Sequence[date]) -> pd.DataFrame:
    """Read partition_date, item_id, model, a, b, c, steps, se_a, se_b, n_responses of some days."""
    if not days:
        names = ["partition_date", "item_id", "model", "a", "b", "c", "steps", "se_a", "se_b", "n_responses"]
        return pd.DataFrame(columns=names)
    return _frame(database, _ITEMS_OF_DAYS, [",".join(day.isoformat() for day in days)])


def fits_before(database: Database, day: date, n_partitions: int) -> list[tuple[date, dict[str, Any], dict[str, Any]]]:
    """Read partition_date, model_spec and metrics of the newest days before one, oldest first."""
    rows = _rows(
        database,
        "SELECT partition_date, model_spec, metrics FROM fit_history WHERE partition_date < :day "
        "ORDER BY partition_date DESC LIMIT :n",
        day=day,
        n=n_partitions,
    )
    return [tuple(row) for row in reversed(rows)]


def fitted_at(database: Database, day: date, n_partitions: int) -> dict[date, datetime]:
    """Read when the newest days up to one were fitted, oldest first."""
    rows = _rows(
        database,
        "SELECT partition_date, fitted_at FROM fit_history WHERE partition_date <= :day "
        "ORDER BY partition_date DESC LIMIT :n",
        day=day,
        n=n_partitions,
    )
    return {row[0]: row[1] for row in reversed(rows)}


def fit_meta(database: Database, day: date) -> dict[str, Any] | None:
    """Read the row of fit_history of a day, or None."""
    rows = _rows(database, "SELECT * FROM fit_history WHERE partition_date = :day", day=day)
    return dict(rows[0]._mapping) if rows else None


def _frame(database: Database, statement: str, parameters: list[Any]) -> pd.DataFrame:
    with database.bulk_transaction() as cursor:
        cursor.execute(statement, parameters=parameters)
        return cursor.fetch_arrow_table().to_pandas()


def _rows(database: Database, statement: str, **parameters: Any) -> list[sa.Row[Any]]:
    with database.transaction() as connection:
        return list(connection.execute(sa.text(statement), parameters).all())
