"""Sources of answers: a table or view of the platform, or a file, read by ranges of days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from seedtest_assets.days import day_bounds, days_up_to
from seedtest_assets.errors import InputError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import AnswerFile, is_answer_file, read_answer_file
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.mark_names import BLANK, NO_ANSWER
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, UsableAnswers, usable_answers
from seedtest_assets.storage.relations import columns_of, tables_behind
from seedtest_assets.storage.source_queries import TABLES, answers_query, counted, in_order

_BAD_DATA = "22"
"""The class of SQLSTATE of a value that cannot be cast or computed with."""


class Source(Protocol):
    """A source of answers."""

    @property
    def name(self) -> str: ...

    def answers_by_day(self, first: date, last: date) -> Iterator[tuple[date, UsableAnswers]]:
        """Give every day of first..last with the answers completed on it (UTC), oldest first, from one reading.

        A day at a time is in memory.
        """
        ...

    def counts(self, first: date, last: date) -> dict[date, int]:
        """Count the answers that `answers_by_day` would give now, for every day of first..last."""
        ...


def find_source(settings: Settings, database: Database) -> Source:
    """Find the source that SEEDTEST_ATTEMPT_SOURCE names, and check its columns.

    Raises InputError when there is none, or a column is missing or of the wrong type.
    """
    wanted = settings.seedtest_attempt_source
    if is_answer_file(wanted):
        unmarked = (BLANK, *NO_ANSWER) if settings.seedtest_omitted == "wrong" else ()
        return FileSource(wanted, MarkRules(codes=dict.fromkeys(unmarked, ("omitted", "wrong"))))
    names = TABLES if wanted == "auto" else (wanted,)
    with database.transaction() as connection:
        for name in names:
            columns = columns_of(connection, name)
            if columns:
                query = answers_query(
                    connection,
                    name,
                    columns,
                    omitted_is_wrong=settings.seedtest_omitted == "wrong",
                    not_reached_is_wrong=settings.seedtest_not_reached == "wrong",
                )
                return DatabaseSource(name, database, query, tables_behind(connection, name))
    raise InputError(
        f"{database.address} has no table or view {' or '.join(names)}. Set SEEDTEST_ATTEMPT_SOURCE or DATABASE_URL"
    )


@dataclass(frozen=True, kw_only=True)
class EmptySource:
    """A source without answers beside tables that have some; `auto` takes an empty view `attempt` all the same."""

    name: str
    full: Sequence[str]

    @property
    def finding(self) -> str:
        """The finding, in one line."""
        return f"the source {self.name} has no answers at all, but {' and '.join(self.full)} has"

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"Set SEEDTEST_ATTEMPT_SOURCE={self.full[0]}, or repair {self.name}"


def empty_beside_full(source: Source) -> EmptySource | None:
    """Tell whether the source is empty while another table has answers; None otherwise."""
    if not isinstance(source, DatabaseSource):
        return None
    others = [name for name in TABLES if name != source.name]
    with source.database.transaction() as connection:
        if not _readable(connection, source.name) or _has_rows(connection, source.name):
            return None
        full = [name for name in others if _readable(connection, name) and _has_rows(connection, name)]
    return EmptySource(name=source.name, full=full) if full else None


@dataclass(frozen=True)
class DatabaseSource:
    """A table or view of the platform's database; read in batches over COPY, never row by row.

    behind: the tables that it reads, where it is a view.
    """

    name: str
    database: Database
    query: str
    behind: tuple[str, ...] = ()

    def answers_by_day(self, first: date, last: date) -> Iterator[tuple[date, UsableAnswers]]:
        try:
            with self.database.bulk_transaction() as cursor:
                cursor.execute(in_order(self.query, first, last))
                # Not fetch_record_batch(), the errors of whose reader have no SQLSTATE.
                reader = cursor._results.reader
                for day, rows in cut_into_days(reader, reader.schema, first, last):
                    yield day, usable_answers(rows)
        except InputError as error:
            raise self._explained(error) from error

    def counts(self, first: date, last: date) -> dict[date, int]:
        try:
            with self.database.bulk_transaction() as cursor:
                cursor.execute(counted(self.query, first, last))
                counts = dict(cursor.fetchall())
        except InputError as error:
            raise self._explained(error) from error
        return {day: counts.get(day, 0) for day in _days(first, last)}

    def _explained(self, error: InputError) -> InputError:
        state = getattr(error.__cause__, "sqlstate", None) or ""
        return InputError(self._failure(str(error))) if state.startswith(_BAD_DATA) else error

    def _failure(self, reason: str) -> str:
        if not self.behind:
            return f"{self.name} cannot be read: {reason}"
        tables = " and ".join(self.behind)
        instead = next((name for name in TABLES if name in self.behind), None)
        return f"the view {self.name} cannot be read: {reason}. The row is in {tables}: correct it there" + (
            f", or set SEEDTEST_ATTEMPT_SOURCE={instead}, which leaves out only what it cannot read" if instead else ""
        )


@dataclass
class FileSource:
    """A Parquet, CSV or Excel log, or a glob of them; read once, then cut into days."""

    name: str
    rules: MarkRules = MARKS_AS_THEY_ARE

    def answers_by_day(self, first: date, last: date) -> Iterator[tuple[date, UsableAnswers]]:
        left_out = {f"{reason} (whole file)": n for reason, n in self._file.count_bad().items()}
        for day in _days(first, last):
            yield day, UsableAnswers(self._answers_of(day), left_out)

    def counts(self, first: date, last: date) -> dict[date, int]:
        return {day: len(self._answers_of(day)) for day in _days(first, last)}

    def _answers_of(self, day: date) -> pa.Table:
        completed = self._file.answers["completed_at"]
        start, end = (pa.scalar(instant, completed.type) for instant in day_bounds(day))
        of_day = self._file.answers.filter(pc.and_(pc.greater_equal(completed, start), pc.less(completed, end)))
        return of_day.cast(OBSERVATION_SCHEMA)

    @cached_property
    def _file(self) -> AnswerFile:
        return read_answer_file(self.name, rules=self.rules)


def cut_into_days(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, first: date, last: date
) -> Iterator[tuple[date, pa.Table]]:
    """Cut rows in the order of completed_at into days, every day of first..last."""
    day, of_day = first, []
    for batch in batches:
        times = batch["completed_at"].cast(pa.timestamp("us", tz="UTC")).to_numpy(zero_copy_only=False)
        start = 0
        while start < len(times):
            end = int(np.searchsorted(times, np.datetime64(day + timedelta(days=1), "us")))
            of_day.append(batch.slice(start, end - start))
            if end < len(times):
                yield day, pa.Table.from_batches(of_day, schema)
                day, of_day = day + timedelta(days=1), []
            start = end
    for rest in _days(day, last):
        yield rest, pa.Table.from_batches(of_day, schema)
        of_day = []


def _days(first: date, last: date) -> list[date]:
    return days_up_to(last, (last - first).days + 1)


def _readable(connection: sa.Connection, table: str) -> bool:
    statement = sa.text("SELECT has_table_privilege(to_regclass(:table), 'SELECT')")
    return bool(connection.execute(statement, {"table": table}).scalar())


def _has_rows(connection: sa.Connection, table: str) -> bool:
    return bool(connection.execute(sa.text(f"SELECT EXISTS (SELECT FROM {table})")).scalar())
