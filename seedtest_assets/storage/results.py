"""The result tables: each partition is replaced in one transaction, everything else stays."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from seedtest_assets.calibration import (
    ABILITY_COLUMNS,
    ITEM_COLUMNS,
    PARAMETER_COLUMNS,
    CalibrationResult,
    no_parameters,
)
from seedtest_assets.errors import TransientError
from seedtest_assets.storage.database import Database, sql
from seedtest_assets.storage.questions import write_question_meta
from seedtest_assets.storage.result_tables import TABLES


@contextmanager
def one_calibration_at_a_time(database: Database) -> Iterator[None]:
    """Hold the database's calibration lock, whoever runs: the daemon, the UI or the command line.

    Raises TransientError when another calibration holds it. PostgreSQL frees the lock of a process that died.
    """
    with database.session() as connection:
        free = connection.execute(sa.text("SELECT pg_try_advisory_lock(hashtext('seedtest calibration'))")).scalar()
        if not free:
            raise TransientError(
                "another calibration is running on this database; wait for its end, then run this again"
            )
        try:
            yield
        finally:  # a pooled connection would keep it
            connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext('seedtest calibration'))"))


def write_calibration(
    database: Database,
    day: date,
    result: CalibrationResult,
    run_id: str,
    fitted_at: datetime,
    *,
    update_questions: bool = False,
) -> None:
    """Replace a partition of mirt_item_params, mirt_ability and mirt_fit_meta, all three or none.

    update_questions: also write the parameters to the platform's `question` table, in the same transaction.
    """
    version = day.isoformat()
    model = result.model_spec["model"]
    items = result.items.assign(
        params=[
            json.dumps(dict(zip("abc", values, strict=True)))
            for values in result.items[["a", "b", "c"]].itertuples(index=False, name=None)
        ]
    ).drop(columns=["a", "b", "c"])
    common = {"partition_date": day, "model": model, "version": version, "fitted_at": fitted_at}
    fit = pd.DataFrame(
        [
            {
                "run_id": run_id,
                "partition_date": day,
                "model_spec": json.dumps(result.model_spec, default=str),
                "metrics": json.dumps(result.metrics, default=str),
                "fitted_at": fitted_at,
            }
        ]
    )
    with database.bulk_transaction() as cursor:
        _replace(cursor, "mirt_item_params", day, items.assign(**common, run_id=run_id), json_columns=("params",))
        _replace(cursor, "mirt_ability", day, result.abilities.assign(**common))
        _replace(cursor, "mirt_fit_meta", day, fit, json_columns=("model_spec", "metrics"))
        if update_questions:
            write_question_meta(cursor, day)


def clear_calibration(database: Database, day: date) -> None:
    """Remove a partition's calibration: its window has no answers any more."""
    with database.bulk_transaction() as cursor:
        for table in ("mirt_item_params", "mirt_ability", "mirt_fit_meta"):
            cursor.execute(f"DELETE FROM {table} WHERE partition_date = $1", parameters=[day])


def write_topic_theta(database: Database, day: date, rows: pd.DataFrame) -> None:
    """Replace a partition of student_topic_theta. rows: its columns but partition_date."""
    with database.bulk_transaction() as cursor:
        _replace(cursor, "student_topic_theta", day, rows.assign(partition_date=day))


def write_features(database: Database, day: date, rows: pa.Table) -> None:
    """Replace a day of features_topic_daily. rows: its columns but date."""
    with database.bulk_transaction() as cursor:
        _replace(
            cursor, "features_topic_daily", day, rows.append_column("date", pa.array([day] * len(rows), pa.date32()))
        )


def item_parameters(database: Database, day: date) -> pd.DataFrame:
    """PARAMETER_COLUMNS of a partition; empty when it has none."""
    return fitted_items(database, day)[PARAMETER_COLUMNS]


def fitted_items(database: Database, day: date) -> pd.DataFrame:
    """ITEM_COLUMNS of a partition; empty when it has none."""
    with database.bulk_transaction() as cursor:
        cursor.execute(
            "SELECT item_id, (params->>'a')::float8 AS a, (params->>'b')::float8 AS b, (params->>'c')::float8 AS c, "
            "se_a, se_b, se_c, n_responses, is_anchor FROM mirt_item_params WHERE partition_date = $1 ORDER BY item_id",
            parameters=[day],
        )
        return cursor.fetch_arrow_table().to_pandas()[ITEM_COLUMNS]


def abilities(database: Database, day: date) -> pd.DataFrame:
    """ABILITY_COLUMNS of a partition; empty when it has none."""
    with database.bulk_transaction() as cursor:
        cursor.execute(
            "SELECT user_id, theta, se, n_responses FROM mirt_ability WHERE partition_date = $1 ORDER BY user_id",
            parameters=[day],
        )
        return cursor.fetch_arrow_table().to_pandas()[ABILITY_COLUMNS]


def fit_history(database: Database, day: date, n_partitions: int) -> pd.DataFrame:
    """How the newest partitions up to a day were fitted and linked, oldest first; NULL for what was not told.

    Columns: partition_date, n_items, n_persons, n_observations, linked_to, A, B, n_anchors_used, reliability, seconds.
    """
    with database.bulk_transaction() as cursor:
        cursor.execute(sql("fit_history.sql"), parameters=[day, n_partitions])
        return cursor.fetch_arrow_table().to_pandas()


def previous_item_parameters(database: Database, day: date) -> tuple[date | None, pd.DataFrame]:
    """The newest partition before a day that is on the bank's scale, and its PARAMETER_COLUMNS; None and empty without one.

    The first calibration defines the scale; a later one that could not be linked is on a scale of its own.
    """
    ((newest,),) = _rows(
        database,
        """
        SELECT max(partition_date) FROM mirt_fit_meta AS fit
        WHERE partition_date < :day AND (
            model_spec->>'linked_to' <> 'none'
            OR NOT EXISTS (SELECT FROM mirt_fit_meta AS before WHERE before.partition_date < fit.partition_date)
        )
        """,
        day=day,
    )
    return newest, item_parameters(database, newest) if newest else no_parameters()


def published_parameters(database: Database, days: Sequence[date]) -> pd.DataFrame:
    """partition_date, item_id, a, b, c, se_a, se_b, n_responses of some partitions."""
    names = ["partition_date", "item_id", "a", "b", "c", "se_a", "se_b", "n_responses"]
    if not days:
        return pd.DataFrame(columns=names)
    with database.bulk_transaction() as cursor:
        cursor.execute(
            "SELECT partition_date, item_id, (params->>'a')::float8 AS a, (params->>'b')::float8 AS b, "
            "(params->>'c')::float8 AS c, se_a, se_b, n_responses "
            "FROM mirt_item_params WHERE partition_date = ANY (string_to_array($1, ',')::date[]) ORDER BY partition_date, item_id",
            parameters=[",".join(day.isoformat() for day in days)],
        )
        return cursor.fetch_arrow_table().to_pandas()[names]


def fits_before(database: Database, day: date, n_partitions: int) -> list[tuple[date, dict[str, Any], dict[str, Any]]]:
    """partition_date, model_spec and metrics of the newest partitions before a day, oldest first."""
    rows = _rows(
        database,
        "SELECT partition_date, model_spec, metrics FROM mirt_fit_meta WHERE partition_date < :day "
        "ORDER BY partition_date DESC LIMIT :n",
        day=day,
        n=n_partitions,
    )
    return [tuple(row) for row in reversed(rows)]


def fitted_at(database: Database, day: date, n_partitions: int) -> dict[date, datetime]:
    """When the newest partitions up to a day were fitted, oldest first."""
    rows = _rows(
        database,
        "SELECT partition_date, fitted_at FROM mirt_fit_meta WHERE partition_date <= :day ORDER BY partition_date DESC LIMIT :n",
        day=day,
        n=n_partitions,
    )
    return {row[0]: row[1] for row in reversed(rows)}


def fit_meta(database: Database, day: date) -> dict[str, Any] | None:
    """The row of mirt_fit_meta of a partition, or None."""
    rows = _rows(database, "SELECT * FROM mirt_fit_meta WHERE partition_date = :day", day=day)
    return dict(rows[0]._mapping) if rows else None


def newest_fit(database: Database) -> dict[str, Any] | None:
    """The row of mirt_fit_meta that was fitted last, or None."""
    rows = _rows(database, "SELECT * FROM mirt_fit_meta ORDER BY fitted_at DESC LIMIT 1")
    return dict(rows[0]._mapping) if rows else None


def table_summary(database: Database) -> list[tuple[str, int, date | None]]:
    """Rows and newest partition of every result table."""
    summary = []
    for table in TABLES:
        day_column = "date" if table == "features_topic_daily" else "partition_date"
        count, newest = _rows(database, f"SELECT count(*), max({day_column}) FROM {table}")[0]
        summary.append((table, count, newest))
    return summary


def _rows(database: Database, statement: str, **parameters: Any) -> list[sa.Row[Any]]:
    with database.transaction() as connection:
        return list(connection.execute(sa.text(statement), parameters).all())


def _replace(
    cursor: Any, table: str, day: date, rows: pd.DataFrame | pa.Table, json_columns: tuple[str, ...] = ()
) -> None:
    day_column = "date" if table == "features_topic_daily" else "partition_date"
    arrow = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    cursor.execute(f"DELETE FROM {table} WHERE {day_column} = $1", parameters=[day])
    if not len(arrow):
        return
    cursor.adbc_ingest(f"incoming_{table}", arrow, mode="create", temporary=True)
    columns = ", ".join(arrow.column_names)
    values = ", ".join(f"{name}::jsonb" if name in json_columns else name for name in arrow.column_names)
    cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM incoming_{table}")
    cursor.execute(f"DROP TABLE incoming_{table}")
