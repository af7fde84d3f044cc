"""A small platform in a database: its tables, its answers, and the statements of its programs."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from seedtest_assets.cli.simulated_school import School, SimulatedBank, simulate_school
from seedtest_assets.days import last_full_day
from seedtest_assets.storage.database import Database

FOLDER = Path(__file__).parent
DAY = last_full_day()
"""The first night after the platform's own job, which ran for the day before."""
N_DAYS = 12
PUBLISHED = {
    "mirt_item_params": ("item_id",),
    "mirt_ability": ("user_id", "version"),
    "mirt_fit_meta": ("run_id",),
    "student_topic_theta": ("user_id", "topic_id"),
    "features_topic_daily": ("user_id", "topic_id", "date"),
}
"""The tables that a night publishes to, with their keys."""
WITH_TEXT_ID = 2
"""Students up to this number have a text id, the others a UUID."""

Contents = dict[str, dict[tuple, dict[str, Any]]]
"""{table: {key: row}}."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    name: str
    kind: str
    needs: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a statement: the number of its rows and the types of their columns, or the error."""

    rows: int = 0
    types: Mapping[str, frozenset[str]] | None = None
    error: str | None = None


@cache
def small_platform() -> School:
    """The answers and questions of every platform here."""
    return simulate_school(DAY, SimulatedBank(n_items=24, n_topics=3, n_anchors=8), n_days=N_DAYS, n_students=90)


def make_platform(database: Database, variant: str, source: str) -> None:
    """Make the platform's tables and fill them as on the day before.

    variant: A or B, of student_topic_theta. source: attempt (the view over exam_results), exam_results or responses.
    """
    scripts = ["platform", f"topic_theta_{variant}"]
    scripts += ["source_exam_results", "source_attempt"] if source == "attempt" else [f"source_{source}"]
    school = small_platform()
    # An exam asks a question once.
    answers = school.answers.to_pandas().drop_duplicates(["session_id", "item_id"])
    answers["user_id"] = [platform_id(student) for student in answers["student_id"]]
    answers["item_id"] = answers["item_id"].astype(int)
    with database.transaction() as connection:
        for script in scripts:
            text = (FOLDER / f"{script}.sql").read_text(encoding="utf-8")
            connection.execute(sa.text(text), {"day": DAY})
        _insert(connection, "question", school.questions)
        if source == "responses":
            columns = {"correct": "is_correct", "completed_at": "responded_at"}
            _insert(connection, source, answers.rename(columns=columns)[["user_id", "item_id", *columns.values()]])
        else:
            _insert(connection, "exam_results", _exams(answers))


def platform_id(student: str) -> str:
    """The id that the platform has for a student of the simulation."""
    return student if int(student[-2:]) <= WITH_TEXT_ID else hashed(student)


def hashed(text: str) -> str:
    """A text id as the view gives it."""
    return str(uuid.UUID(hashlib.md5(text.encode()).hexdigest()))


def statements(variant: str, source: str, *kinds: str) -> list[Statement]:
    """The statements of some kinds that a platform of this make runs, in the order of the file."""
    parts = re.split(r"^-- (.+) \| .+\n", (FOLDER / "statements.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = [
        Statement(**dict(zip(("name", "kind", "needs"), head.split(" | "), strict=True)), text=text.strip())
        for head, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return [each for each in listed if each.kind in kinds and each.needs in ("all", variant, source)]


def run_statement(database: Database, statement: Statement, parameters: Mapping[str, Any]) -> Outcome:
    """Run a statement in a transaction of its own, as its program does."""
    engine = sa.create_engine(database.url.replace("postgresql:", "postgresql+psycopg2:", 1), poolclass=sa.NullPool)
    used = {name: value for name, value in parameters.items() if re.search(rf"(?<!:):{name}\b", statement.text)}
    try:
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement.text), used)
            if not result.returns_rows:
                return Outcome(rows=result.rowcount)
            columns, rows = list(result.keys()), result.mappings().all()
    except sa.exc.DBAPIError as error:
        return Outcome(error=str(error.orig).splitlines()[0])
    types = {name: frozenset(type(row[name]).__name__ for row in rows) for name in columns}
    return Outcome(rows=len(rows), types=types)


def broken(before: Mapping[str, Outcome], after: Mapping[str, Outcome]) -> dict[str, str]:
    """Statements that worked before and do not now: an error, no rows any more, or values of another type."""
    reasons = {}
    for name, now in after.items():
        then = before[name]
        if then.error or not then.rows:
            continue
        new_types = {
            column: sorted(types - then.types[column] - {"NoneType"}) for column, types in (now.types or {}).items()
        }
        if now.error:
            reasons[name] = now.error
        elif not now.rows:
            reasons[name] = "finds nothing any more"
        elif any(new_types.values()):
            reasons[name] = f"values of another type: {new_types}"
    return reasons


def contents(database: Database) -> Contents:
    """All rows of the published tables."""
    with database.transaction() as connection:
        tables = {}
        for table, key in PUBLISHED.items():
            rows = [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM public.{table}")).mappings()]
            tables[table] = {tuple(row[name] for name in key): row for row in rows}
            assert len(tables[table]) == len(rows)
        return tables


def shape(database: Database) -> set[tuple]:
    """Every table, column, index and constraint of the schema public, as it is declared."""
    parts = (
        "SELECT 'column', table_name, column_name, data_type, numeric_precision::text, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
        "SELECT 'relation', relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    with database.transaction() as connection:
        return {tuple(row) for part in parts for row in connection.execute(sa.text(part))}


def _insert(connection: sa.Connection, table: str, rows: pd.DataFrame) -> None:
    columns = ", ".join(f":{name}" for name in rows)
    statement = sa.text(f"INSERT INTO {table} ({', '.join(rows)}) VALUES ({columns})")
    connection.execute(statement, rows.astype(object).to_dict("records"))


def _exams(answers: pd.DataFrame) -> pd.DataFrame:
    """A row an exam, its answers as JSON, under the names that the platform gives them."""
    rows = []
    for session, exam in answers.groupby("session_id"):
        questions = [
            {
                "question_id": int(answer.item_id),
                "correct" if answer.item_id % 7 == 0 else "is_correct": bool(answer.correct),
                "topic": answer.topic_id,
                "time_spent_sec": answer.response_time_ms / 1000,
                "used_hints": int(answer.hint_used),
            }
            for answer in exam.itertuples()
        ]
        written = exam["completed_at"].max().to_pydatetime()
        rows.append((session, exam["user_id"].iloc[0], json.dumps({"questions": questions}), written, written))
    return pd.DataFrame(rows, columns=["session_id", "user_id", "result_json", "created_at", "updated_at"])
