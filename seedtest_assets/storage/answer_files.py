"""Answer logs in files: Parquet or CSV, long (one row an answer) or wide (one row a person, 0/1/blank)."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from seedtest_assets.errors import InputError, first_few, first_line
from seedtest_assets.storage.answers import OBSERVATION_SCHEMA
from seedtest_assets.usable_answers import EARLIEST, split_usable

ALIASES = {
    "student_id": ("student_id", "user_id"),
    "item_id": ("item_id",),
    "topic_id": ("topic_id",),
    "correct": ("correct", "is_correct"),
    "completed_at": ("completed_at", "responded_at"),
    "response_time_ms": ("response_time_ms",),
    "hint_used": ("hint_used",),
    "session_id": ("session_id",),
}
ROW = '"#row"'
"""Column with the row's number in its file; 1 is the first row below the header."""
_TRUE, _FALSE = "('true', 't', '1', '1.0', 'yes', 'y')", "('false', 'f', '0', '0.0', 'no', 'n')"
# The largest offset on Earth is +14:00; DuckDB reads any, and shifts the time by it.
_OFFSET_TOO_LARGE = r"regexp_matches(completed_at, ':[0-9]{2}(\.[0-9]+)?\s*[+-](1[5-9]|[2-9][0-9])')"


@dataclass(frozen=True)
class AnswerFile:
    """The answers of a file.

    answers: rows of OBSERVATION_SCHEMA.
    bad: columns row (1 is the first row below the header) and reason, one row for each row left out of `answers`.
    """

    answers: pa.Table
    bad: pd.DataFrame

    def describe_bad(self) -> str:
        """List the reasons with their counts and first rows, in one line."""
        parts = []
        for reason, rows in self.bad.groupby("reason", sort=False)["row"]:
            parts.append(f"{reason} ({len(rows):,} rows: {first_few(rows.tolist())})")
        return "; ".join(parts)


def is_answer_file(name: str) -> bool:
    """Tell whether a setting names a file or a glob of files, not a table."""
    return name.endswith((".parquet", ".csv", ".csv.gz"))


def read_answer_file(path: str | Path, *, needs_time: bool = True, needs_topic: bool = False) -> AnswerFile:
    """Read a log, check each row, and separate the bad rows with their reasons.

    needs_time: without it, a file may have no completed_at, and the order of its rows stands in for the time.
    Raises InputError for a file that is not there, cannot be read, or lacks a needed column.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = _open(connection, str(path))
        if _is_wide(columns) and not needs_time:
            if len(columns) == 1:
                raise InputError(f"{path} has no column of an item. It has only {columns[0]}")
            columns = _unpivot(connection, columns)
        chosen = {name: next((a for a in aliases if a in columns), None) for name, aliases in ALIASES.items()}
        needed = ["student_id", "item_id", "correct", *["completed_at"] * needs_time, *["topic_id"] * needs_topic]
        for name in needed:
            if chosen[name] is None:
                raise InputError(f"{path} has no column {' or '.join(ALIASES[name])}. It has {', '.join(columns)}")
        _type_rows(connection, chosen)
        rows = connection.sql(f"SELECT row, unreadable, {', '.join(OBSERVATION_SCHEMA.names)} FROM typed")
        usable, left_out = split_usable(rows.to_arrow_table())
    bad = left_out.select(["row", "reason"]).to_pandas().sort_values("row", ignore_index=True)
    return AnswerFile(usable.select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA), bad)


def _open(connection: duckdb.DuckDBPyConnection, path: str) -> list[str]:
    reader = "read_parquet(?)" if path.endswith(".parquet") else "read_csv(?, all_varchar = true, header = true)"
    try:
        connection.execute(f"CREATE TEMP TABLE file AS SELECT row_number() OVER () AS {ROW}, * FROM {reader}", [path])
    except duckdb.Error as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    return [row[0] for row in connection.execute("DESCRIBE file").fetchall()][1:]


def _is_wide(columns: list[str]) -> bool:
    """Tell whether a table is wide: of the columns of a long file it has only the person's."""
    known = {alias for aliases in ALIASES.values() for alias in aliases} & set(columns)
    return len(known) == 1 and known <= set(ALIASES["student_id"])


def _unpivot(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> list[str]:
    person = next(c for c in columns if c in ("user_id", "student_id"))
    connection.execute("ALTER TABLE file RENAME TO wide")
    connection.execute(
        f"CREATE TEMP TABLE file AS SELECT {ROW}, {person} AS user_id, item_id, is_correct "
        f"FROM (UNPIVOT (SELECT {ROW}, {person}, COLUMNS(* EXCLUDE ({ROW}, {person}))::VARCHAR FROM wide) "
        f"ON COLUMNS(* EXCLUDE ({ROW}, {person})) INTO NAME item_id VALUE is_correct) WHERE trim(is_correct) <> ''"
    )
    return ["user_id", "item_id", "is_correct"]


def _type_rows(connection: duckdb.DuckDBPyConnection, chosen: dict[str, str | None]) -> None:
    raw = ", ".join(
        f"nullif(trim(CAST({_quoted(column)} AS VARCHAR)), '') AS {name}" if column else f"NULL::VARCHAR AS {name}"
        for name, column in chosen.items()
    )
    # Where the file has no time, its order tells which of two answers came first: microseconds after EARLIEST.
    in_order = f"TIMESTAMPTZ '{EARLIEST}' + to_microseconds(row)"
    time = f"CASE WHEN NOT {_OFFSET_TOO_LARGE} THEN try_cast(completed_at AS TIMESTAMPTZ) END"
    connection.execute(f"CREATE TEMP TABLE raw AS SELECT {ROW} AS row, {raw} FROM file")
    connection.execute(
        f"""
        CREATE TEMP TABLE typed AS SELECT *, CASE
            WHEN correct IS NULL AND correct_text IS NOT NULL THEN 'correct is neither true/false nor 1/0'
            WHEN completed_at IS NULL AND completed_text IS NOT NULL THEN 'completed_at is no time'
            WHEN response_time_ms IS NULL AND response_time_text IS NOT NULL
                THEN 'response_time_ms is no number of milliseconds'
            WHEN hint_used IS NULL AND hint_text IS NOT NULL THEN 'hint_used is neither true/false nor 1/0'
            END AS unreadable
        FROM (SELECT
            row, student_id, item_id, topic_id, session_id,
            CASE WHEN lower(correct) IN {_TRUE} THEN true WHEN lower(correct) IN {_FALSE} THEN false END AS correct,
            CASE WHEN lower(hint_used) IN {_TRUE} THEN true WHEN lower(hint_used) IN {_FALSE} THEN false END AS hint_used,
            try_cast(try_cast(response_time_ms AS DOUBLE) AS INTEGER) AS response_time_ms,
            {time if chosen["completed_at"] else in_order} AS completed_at,
            correct AS correct_text, completed_at AS completed_text,
            response_time_ms AS response_time_text, hint_used AS hint_text
        FROM raw)
        """
    )


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
