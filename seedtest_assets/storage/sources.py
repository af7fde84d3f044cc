"""Where the answers come from: a table or view of the platform, or a file; each gives the answers of one day."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from seedtest_assets.days import day_bounds
from seedtest_assets.errors import InputError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import AnswerFile, is_answer_file, read_answer_file
from seedtest_assets.storage.answers import OBSERVATION_SCHEMA, Answers, usable_answers
from seedtest_assets.storage.database import Database, prepared_database, sql

TABLES = ("attempt", "responses", "exam_results")
"""In the order in which `auto` looks for them."""

_BOOLEAN, _NUMBER = ("boolean",), ("smallint", "integer", "bigint")
_TIME = ("timestamp with time zone", "timestamp without time zone")
_NEEDED: dict[str, dict[str, tuple[str, ...]]] = {
    "attempt": {"student_id": (), "item_id": (), "correct": _BOOLEAN, "completed_at": _TIME},
    "responses": {"user_id": (), "item_id": (), "is_correct": _BOOLEAN, "responded_at": _TIME},
    "exam_results": {
        "user_id": (),
        "session_id": (),
        "created_at": _TIME,
        "updated_at": _TIME,
        "result_json": ("jsonb",),
    },
}
_OPTIONAL_OF_ATTEMPT = {"topic_id": (), "response_time_ms": _NUMBER, "hint_used": _BOOLEAN, "session_id": ()}

# What usable_answers keeps, counted where the answers are.
_COUNT = """
SELECT count(*) FROM (
    SELECT DISTINCT student_id, item_id, completed_at FROM ({answers}) AS answers
    WHERE student_id IS NOT NULL AND item_id IS NOT NULL AND correct IS NOT NULL AND completed_at IS NOT NULL
) AS usable
"""


class Source(Protocol):
    """A place that has answers."""

    @property
    def name(self) -> str: ...

    def answers_of(self, day: date) -> Answers:
        """The answers completed on a UTC day."""
        ...

    def count(self, day: date) -> int:
        """The number of answers that `answers_of` would give for the day now."""
        ...


def find_source(settings: Settings) -> Source:
    """The source that SEEDTEST_ATTEMPT_SOURCE names, checked for its columns.

    Raises InputError when there is none, or a column is missing or of the wrong type.
    """
    wanted = settings.seedtest_attempt_source
    if is_answer_file(wanted):
        return FileSource(wanted)
    database = prepared_database(settings)
    names = TABLES if wanted == "auto" else (wanted,)
    with database.transaction() as connection:
        for name in names:
            columns = columns_of(connection, name)
            if columns:
                return DatabaseSource(name, database, _query(name, columns, connection))
    raise InputError(
        f"{database.address} has no table or view {' or '.join(names)}; set SEEDTEST_ATTEMPT_SOURCE or DATABASE_URL"
    )


@dataclass(frozen=True)
class DatabaseSource:
    """A table or view of the platform's database; read in batches over COPY, never row by row."""

    name: str
    database: Database
    query: str

    def answers_of(self, day: date) -> Answers:
        with self.database.bulk_transaction() as cursor:
            cursor.execute(self.query, parameters=list(day_bounds(day)))
            return usable_answers(cursor.fetch_arrow_table())

    def count(self, day: date) -> int:
        with self.database.bulk_transaction() as cursor:
            cursor.execute(_COUNT.format(answers=self.query), parameters=list(day_bounds(day)))
            return cursor.fetchone()[0]


@dataclass
class FileSource:
    """A Parquet or CSV log, or a glob of them; read once, then cut into days."""

    name: str

    def answers_of(self, day: date) -> Answers:
        completed = self._file.answers["completed_at"]
        start, end = (pa.scalar(instant, completed.type) for instant in day_bounds(day))
        of_day = pc.and_(pc.greater_equal(completed, start), pc.less(completed, end))
        counts = {f"{reason} (whole file)": int(n) for reason, n in self._file.bad["reason"].value_counts().items()}
        return Answers(self._file.answers.filter(of_day), counts)

    def count(self, day: date) -> int:
        return len(self.answers_of(day).table)

    @cached_property
    def _file(self) -> AnswerFile:
        return read_answer_file(self.name)


def columns_of(connection: sa.Connection, table: str) -> dict[str, str]:
    """Column name to type of a table or view; empty when there is none."""
    rows = connection.execute(
        sa.text(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
        ),
        {"table": table},
    )
    return {row.attname: row.format_type for row in rows}


def _query(table: str, columns: dict[str, str], connection: sa.Connection) -> str:
    expected = _NEEDED[table] | (
        {name: kind for name, kind in _OPTIONAL_OF_ATTEMPT.items() if name in columns} if table == "attempt" else {}
    )
    for name, allowed in expected.items():
        if name not in columns:
            raise InputError(f"{table} has no column {name}; it has {', '.join(columns)}")
        if allowed and columns[name] not in allowed:
            raise InputError(
                f"{table}.{name} is {columns[name]}, but {' or '.join(allowed)} is needed; cast it in a view"
            )
    if table == "responses" and not {"id", "topic_id"} <= set(columns_of(connection, "question")):
        raise InputError(
            "the source responses takes its topics from question (id, topic_id), and there is none; make a view"
        )
    return _attempt_query(columns) if table == "attempt" else sql(f"source_{table}.sql")


def _attempt_query(columns: dict[str, str]) -> str:
    types: dict[str, str] = {
        "string": "text",
        "bool": "boolean",
        "int32": "integer",
        "timestamp[us, tz=UTC]": "timestamptz",
    }
    selected = [
        f"{field.name if field.name in columns else 'NULL'}::{types[str(field.type)]} AS {field.name}"
        for field in OBSERVATION_SCHEMA
    ]
    return f"SELECT {', '.join(selected)} FROM attempt WHERE completed_at >= $1 AND completed_at < $2"
