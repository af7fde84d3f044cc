"""The times, numbers and hints of an answer file, from text or from the types of Parquet."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import first_few

_TRUE, _FALSE = "('true', 't', '1', '1.0', 'yes', 'y')", "('false', 'f', '0', '0.0', 'no', 'n')"
# SQL. The largest offset on Earth is +14:00; DuckDB reads any, and shifts the time by it. Seconds, milliseconds or
# microseconds are since 1970; 9 digits are of before September 2001.
_TIME = r"""CASE
    WHEN regexp_matches(completed_at, ':[0-9]{2}(\.[0-9]+)?\s*[+-](1[5-9]|[2-9][0-9])') THEN NULL
    ELSE coalesce(try_cast(completed_at AS TIMESTAMPTZ), CASE
        WHEN regexp_full_match(completed_at, '[0-9]{9,10}([.][0-9]+)?') THEN to_timestamp(try_cast(completed_at AS DOUBLE))
        WHEN regexp_full_match(completed_at, '[0-9]{12,13}([.][0-9]+)?') THEN to_timestamp(try_cast(completed_at AS DOUBLE) / 1e3)
        WHEN regexp_full_match(completed_at, '[0-9]{15,16}') THEN to_timestamp(try_cast(completed_at AS DOUBLE) / 1e6)
        ELSE try_cast(regexp_replace(completed_at, '^([0-9]{4})[.] ?([0-9]{1,2})[.] ?([0-9]{1,2})[.]?', '\1-\2-\3') AS TIMESTAMPTZ)
    END) END"""
# SQL of each column, and the reason of a value that cannot be read.
_READ = {
    "completed_at": (_TIME, "completed_at is no time"),
    "response_time_ms": (
        "try_cast(try_cast(response_time_ms AS DOUBLE) AS INTEGER)",
        "response_time_ms is no number of milliseconds",
    ),
    "hint_used": (
        f"CASE WHEN lower(hint_used) IN {_TRUE} THEN true WHEN lower(hint_used) IN {_FALSE} THEN false END",
        "hint_used is neither true/false nor 1/0",
    ),
    "score": ("try_cast(score AS DOUBLE)", "score is no number"),
    "max_score": ("try_cast(max_score AS DOUBLE)", "max_score is no number"),
}
VALUE_COLUMNS = tuple(_READ)


class Reasons:
    """Why rows cannot be read, string [n], null where they can; the first reason of a row counts."""

    def __init__(self, of_rows: pa.ChunkedArray) -> None:
        self.of_rows = of_rows

    def add(self, reason: str, rows: pa.Array | pa.ChunkedArray) -> None:
        """Give a reason to those of some rows, bool [n], that have none."""
        self.of_rows = pc.coalesce(self.of_rows, pc.if_else(rows, reason, pa.scalar(None, pa.string())))


def read_values(columns: pa.Table, reasons: Reasons) -> dict[str, pa.ChunkedArray]:
    """Read columns of VALUE_COLUMNS in the types of OBSERVATION_SCHEMA.

    A value that cannot be read is null, and quoted in the reason of its row; blanks are null without one.
    """
    names = columns.column_names
    if not names:
        return {}
    given = ", ".join(f"{_given(name, columns[name].type)} AS {name}" for name in names)
    read = ", ".join(
        f"{_read(name, columns[name].type)} AS {name}, given.{name} IS NULL AS no_{name}" for name in names
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("file", columns.append_column("place", pa.array(np.arange(len(columns)))))
        values = connection.sql(
            f"SELECT {read} FROM (SELECT place, {given} FROM file) AS given ORDER BY place"
        ).to_arrow_table()
    for name in names:
        unread = pc.and_not(pc.is_null(values[name]), values[f"no_{name}"])
        if pc.any(unread).as_py():
            without_reason = pc.and_(unread, pc.is_null(reasons.of_rows))
            quoted = columns[name].filter(without_reason).cast(pa.string()).unique().to_pylist()
            reasons.add(f"{_READ[name][1]}: {first_few(quoted)}", unread)
    return {name: values[name] for name in names}


def _given(name: str, kind: pa.DataType) -> str:
    """Write the SQL of a value as it is given, null where it is blank."""
    return name if _is_time(kind) else f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def _read(name: str, kind: pa.DataType) -> str:
    return f"try_cast({name} AS TIMESTAMPTZ)" if _is_time(kind) else _READ[name][0]


def _is_time(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)
