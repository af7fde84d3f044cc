"""A night, and an operator's publication, are seen whole or not at all, wherever they are cut off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from seedtest_assets.errors import SeedtestError
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.published_tables import PUBLISHED
from seedtest_assets.storage.rolling_back import publish_day, publish_newest
from seedtest_assets_tests.conftest import execute, rows_of_each
from seedtest_assets_tests.storage.nights import DAY, PUBLISHING, calibrate, write_day_features, write_topics

pytestmark = pytest.mark.usefixtures("without_pictures")

EVERYTHING = (
    "publication",
    *(table for published in PUBLISHED.values() for table in (published.name, published.history)),
)


@dataclass
class CutOff:
    """An ADBC cursor whose connection the server ends before the n-th statement, as after a kill of this process."""

    cursor: Any
    before: int
    done: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)

    def execute(self, *arguments: Any, **options: Any) -> None:
        self._count()
        self.cursor.execute(*arguments, **options)

    def adbc_ingest(self, *arguments: Any, **options: Any) -> None:
        self._count()
        self.cursor.adbc_ingest(*arguments, **options)

    def _count(self) -> None:
        if self.done == self.before:
            self.cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        self.done += 1


@dataclass(frozen=True)
class CutOffDatabase(Database):
    """A database that ends the connection before the n-th statement of a bulk transaction."""

    before: int = 0

    @contextmanager
    def bulk_transaction(self) -> Iterator[Any]:
        with super().bulk_transaction() as cursor:
            yield CutOff(cursor, self.before)


def contents(database: Database) -> dict[str, list[tuple]]:
    return rows_of_each(database, {table: f"SELECT * FROM {table} ORDER BY 1, 2" for table in EVERYTHING})


def number_of_statements(database: Database, write: Callable[[Database], object]) -> int:
    """Cut it off before every statement in turn, and see each time that nothing changed; give their number."""
    before = contents(database)
    for n in range(100):
        try:
            write(CutOffDatabase(database.url, before=n))
        except SeedtestError:
            assert contents(database) == before, f"cut off before statement {n}"
        else:
            assert contents(database) != before
            return n
    raise AssertionError("it never ends")


@pytest.fixture
def school(database):
    """Two published nights, and a question for each item."""
    execute(database, "INSERT INTO question (id) VALUES (0), (1)")
    for day in (DAY - timedelta(days=1), DAY):
        calibrate(database, day, items={"0": 0.0, "1": 1.0})
        write_topics(database, day, {("u1", "t1"): 0.5})
        write_day_features(database, day, {("u1", "t1"): 3})
    return database


def test_a_calibration_is_written_and_published_whole_or_not_at_all(school):
    assert number_of_statements(school, lambda cut_off: calibrate(cut_off, DAY, run="2", items={"0": 7.0})) > 15


def test_topic_abilities_are_written_and_published_whole_or_not_at_all(school):
    assert number_of_statements(school, lambda cut_off: write_topics(cut_off, DAY, {("u1", "t1"): 9.0})) > 5


def test_features_are_written_and_published_whole_or_not_at_all(school):
    assert number_of_statements(school, lambda cut_off: write_day_features(cut_off, DAY, {("u1", "t1"): 9})) > 5


def test_an_operators_publication_is_whole_or_not_there(school):
    def back(database):
        publish_day(database, DAY - timedelta(days=1), by="operator", why="test", publishing=PUBLISHING)

    def forth(database):
        publish_newest(database, by="operator", why="test", publishing=PUBLISHING)

    assert number_of_statements(school, back) > 15
    assert number_of_statements(school, forth) > 15
