"""The times, numbers and hints of an answer file, from text or from the types of Parquet."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import first_few

_TRUE, _FALSE = "('true', 't', '1', '1.0', 'yes', 'y')", "('false', 'f', '0', '0.0', 'no', 'n')"
# SQL. The largest offset on Earth is +14:00; DuckDB reads any, and shifts the time by it. Seconds, milliseconds or
# microseconds are since 1970; 9 digits are of before September 2001. Most texts need no trimming, which takes longer than all else.
_TIME = r"""CASE
    WHEN regexp_matches(completed_at, ':[0-9]{2}(\.[0-9]+)?\s*[+-](1[5-9]|[2-9][0-9])') THEN NULL
    ELSE coalesce(try_cast(completed_at AS TIMESTAMPTZ), CASE
        WHEN regexp_full_match(trim(completed_at), '[0-9]{9,10}([.][0-9]+)?') THEN to_timestamp(try_cast(completed_at AS DOUBLE))
        WHEN regexp_full_match(trim(completed_at), '[0-9]{12,13}([.][0-9]+)?') THEN to_timestamp(try_cast(completed_at AS DOUBLE) / 1e3)
        WHEN regexp_full_match(trim(completed_at), '[0-9]{15,16}([.]0)?') THEN to_timestamp(try_cast(completed_at AS DOUBLE) / 1e6)
        ELSE try_cast(regexp_replace(trim(completed_at), '^([0-9]{4})[.] ?([0-9]{1,2})[.] ?([0-9]{1,2})[.]?', '\1-\2-\3') AS TIMESTAMPTZ)
    END) END"""
# SQL of each column, and the reason of a value that cannot be read.
_READ = {
    "completed_at": (_TIME, "completed_at is no time"),
    "response_time_ms": (
        "try_cast(try_cast(response_time_ms AS DOUBLE) AS INTEGER)",
        "response_time_ms is no number of milliseconds",
    ),
    "hint_used": (
        f"CASE WHEN trim(lower(hint_used)) IN {_TRUE} THEN true WHEN trim(lower(hint_used)) IN {_FALSE} THEN false END",
        "hint_used is neither true/false nor 1/0",
    ),
    "score": ("try_cast(score AS DOUBLE)", "score is no number"),
    "max_score": ("try_cast(max_score AS DOUBLE)", "max_score is no number"),
}
VALUE_COLUMNS = tuple(_READ)
UNREADABLE = tuple(reason for _, reason in _READ.values())
"""Beginnings of the reasons of values that cannot be read; the value is behind a colon."""


class Reasons:
    """Why rows cannot be read, string [n], null where they can; the first reason of a row counts."""

    def __init__(self, n_rows: int) -> None:
        self.of_rows: pa.Array = pa.nulls(n_rows, pa.string())

    def add(self, rows: pa.Array, reason: str | pa.Array) -> None:
        """Give a reason to those of some rows, bool [n], that have none."""
        self.of_rows = pc.coalesce(self.of_rows, pc.if_else(rows, reason, pa.scalar(None, pa.string())))


class ValueReader:
    """Reads columns of VALUE_COLUMNS in the types of OBSERVATION_SCHEMA."""

    def __init__(self) -> None:
        # Here: a file of ids and marks alone has no use for it.
        import duckdb

        self._connection = duckdb.connect()

    def read(self, columns: pa.Table, reasons: Reasons) -> dict[str, pa.Array]:
        """Read some rows. A value that cannot be read is null, and quoted in the reason of its row; blanks are null without one."""
        names = columns.column_names
        given = ", ".join(f"{_given(name, columns[name].type)} AS {name}" for name in names)
        read = ", ".join(f"{_read(name, columns[name].type)} AS {name}" for name in names)
        rows = columns.append_column("place", pa.array(np.arange(len(columns), dtype=np.int32)))
        with self._connection.cursor() as connection:  # of this call: several threads may read
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("file", rows)
            values = connection.sql(
                f"SELECT {read} FROM (SELECT place, {given} FROM file) ORDER BY place"
            ).to_arrow_table()
        for name in names:
            if values[name].null_count > columns[name].null_count:
                text = columns[name].cast(pa.string()).combine_chunks()
                given_text = pc.not_equal(pc.utf8_trim(text, characters=" "), "")
                unread = pc.and_(values[name].is_null().combine_chunks(), pc.fill_null(given_text, False))
                reasons.add(unread, pc.binary_join_element_wise(_READ[name][1], text, ": "))
        return {name: values[name].combine_chunks() for name in names}


def with_quotes_together(reasons: pd.Series) -> pd.Series:
    """Give the rows with unreadable values of the same column one reason, which quotes the first few values."""
    for unreadable in UNREADABLE:
        rows = reasons.str.startswith(f"{unreadable}: ")
        quoted = reasons[rows].str.slice(len(unreadable) + 2).unique().tolist()
        reasons = reasons.mask(rows, f"{unreadable}: {first_few(quoted)}")
    return reasons


def _given(name: str, kind: pa.DataType) -> str:
    """Write the SQL of a value as it is given."""
    return name if _is_time(kind) else f"CAST({name} AS VARCHAR)"


def _read(name: str, kind: pa.DataType) -> str:
    return f"try_cast({name} AS TIMESTAMPTZ)" if _is_time(kind) else _READ[name][0]


def _is_time(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)
