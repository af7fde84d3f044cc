"""The history tables, in monthly partitions, and how a day of them is replaced."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.statements import Run, literal, on_connection

_TIME = pa.timestamp("us", tz="UTC")
HISTORY: dict[str, pa.Schema] = {
    "item_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("item_id", pa.string()),
            ("model", pa.string()),
            ("a", pa.float64()),
            ("b", pa.float64()),
            ("c", pa.float64()),
            ("se_a", pa.float64()),
            ("se_b", pa.float64()),
            ("se_c", pa.float64()),
            ("steps", pa.list_(pa.float64())),
            ("se_steps", pa.list_(pa.float64())),
            ("n_responses", pa.int64()),
            ("is_anchor", pa.bool_()),
            ("flags", pa.list_(pa.string())),
            ("run_id", pa.string()),
            ("fitted_at", _TIME),
        ]
    ),
    "ability_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("student_id", pa.string()),
            ("theta", pa.float64()),
            ("se", pa.float64()),
            ("n_responses", pa.int64()),
            ("model", pa.string()),
            ("fitted_at", _TIME),
        ]
    ),
    "topic_theta_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("student_id", pa.string()),
            ("topic_id", pa.string()),
            ("theta", pa.float64()),
            ("se", pa.float64()),
            ("n_responses", pa.int64()),
            ("model", pa.string()),
            ("fitted_at", _TIME),
        ]
    ),
    "feature_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("student_id", pa.string()),
            ("topic_id", pa.string()),
            ("attempts", pa.int64()),
            ("correct", pa.int64()),
            ("avg_time_ms", pa.float64()),
            ("rt_median", pa.float64()),
            ("hints", pa.int64()),
            ("theta_estimate", pa.float64()),
            ("theta_sd", pa.float64()),
            ("improvement", pa.float64()),
            ("improvement_basis", pa.string()),
            ("last_seen_at", _TIME),
            ("computed_at", _TIME),
        ]
    ),
    "item_statistics_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("item_id", pa.string()),
            ("n_answers", pa.int64()),
            ("share_correct", pa.float64()),
            ("point_biserial", pa.float64()),
            ("a", pa.float64()),
            ("b", pa.float64()),
            ("se_b", pa.float64()),
            ("infit", pa.float64()),
            ("outfit", pa.float64()),
            ("rmsd", pa.float64()),
            ("exposure_7_days", pa.float64()),
            ("exposure_60_days", pa.float64()),
            ("median_time_ms", pa.float64()),
            ("omission_share", pa.float64()),
            ("anchor_drift", pa.float64()),
            ("flags", pa.list_(pa.string())),
            ("computed_at", _TIME),
        ]
    ),
    "person_fit_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("student_id", pa.string()),
            ("lz_star", pa.float64()),
            ("n_answers", pa.int64()),
            ("computed_at", _TIME),
        ]
    ),
    "dif_history": pa.schema(
        [
            ("partition_date", pa.date32()),
            ("item_id", pa.string()),
            ("group_id", pa.string()),
            ("reference_group", pa.string()),
            ("n_reference", pa.int64()),
            ("n_focal", pa.int64()),
            ("mh_delta", pa.float64()),
            ("mh_class", pa.string()),
            ("lr_x2", pa.float64()),
            ("df", pa.int64()),
            ("p", pa.float64()),
            ("p_adjusted", pa.float64()),
            ("signed_area", pa.float64()),
            ("unsigned_area", pa.float64()),
            ("flag", pa.string()),
            *((f"{name}_{group}", pa.float64()) for group in ("reference", "focal") for name in "abc"),
            ("computed_at", _TIME),
        ]
    ),
}
"""Columns of the tables that are written as Arrow; fit_history has one row a day, with jsonb."""
HISTORY_TABLES = (*HISTORY, "fit_history")


def month_bounds(day: date) -> tuple[date, date]:
    """Give the first day of a day's month, and of the next month."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def partition_name(table: str, day: date) -> str:
    """Name the monthly partition that holds a day."""
    return f"{table}_{day:%Y_%m}"


def ensure_month(database: Database, day: date) -> None:
    """Make the partitions of a day's month where they are missing, in a short transaction of their own."""
    with database.transaction() as connection:
        make_month(on_connection(connection), day)


def make_month(run: Run, day: date) -> None:
    """Make the partitions of a day's month where they are missing; safe beside others who do the same.

    A partition is made apart and then attached: that waits for no reader or writer of the other months.
    """
    missing = _missing_partitions(run, day)
    if not missing:
        return
    run("SELECT pg_advisory_xact_lock(hashtext('seedtest history partitions'))")
    first, next_first = month_bounds(day)
    for table in _missing_partitions(run, day):
        partition = partition_name(table, day)
        run(f"CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)")
        run(
            f"ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({literal(first)}) TO ({literal(next_first)})"
        )


def replace_day(cursor: Any, table: str, day: date, rows: pa.Table) -> None:
    """Replace a day of a history table. cursor: ADBC, in the caller's transaction; rows: its columns but partition_date."""
    cursor.execute(f"DELETE FROM {table} WHERE partition_date = $1", parameters=[day])
    if len(rows):
        days = pa.repeat(day, len(rows))
        schema = HISTORY[table]
        rows, gaps = _with_nan_in_lists(rows.append_column("partition_date", days).select(schema.names).cast(schema))
        cursor.adbc_ingest(table, rows, mode="append")
        for name in gaps:
            cursor.execute(
                f"UPDATE {table} SET {name} = array_replace({name}, 'NaN', NULL) WHERE partition_date = $1 AND 'NaN' = ANY ({name})",
                parameters=[day],
            )


def _with_nan_in_lists(rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Write NaN for null within lists of numbers, and name the columns: the driver's last version for Python 3.10 writes 0 for null."""
    gaps = []
    for field in rows.schema:
        if field.type == pa.list_(pa.float64()):
            lists = rows[field.name].combine_chunks()
            if lists.values.null_count:
                filled = pc.fill_null(lists.values, float("nan"))
                lists = pa.ListArray.from_arrays(lists.offsets, filled, mask=lists.is_null())
                rows = rows.set_column(rows.column_names.index(field.name), field, lists)
                gaps.append(field.name)
    return rows, gaps


@contextmanager
def staged(cursor: Any, rows: pa.Table) -> Iterator[str]:
    """Give rows a table of our schema for the time of the block, within the caller's transaction, so that nobody else sees it.

    Not a temporary table: that needs a right on the database that our role may lack.
    """
    table = f"staged_{uuid.uuid4().hex}"
    cursor.adbc_ingest(table, rows, mode="create")
    yield table
    cursor.execute(f"DROP TABLE {table}")


def _missing_partitions(run: Run, day: date) -> list[str]:
    """List the tables without a partition for a day; of those that are there, since a migration may make others later."""
    return [
        table
        for table in HISTORY_TABLES
        if run(
            f"SELECT to_regclass({literal(table)}) IS NOT NULL AND to_regclass({literal(partition_name(table, day))}) IS NULL"
        )[0][0]
    ]
