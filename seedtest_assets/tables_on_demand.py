"""Answers in parts that no two students share, each read when it is asked for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from threading import RLock
from typing import Any, TypeVar, overload

import pyarrow as pa

Parts = TypeVar("Parts")
Result = TypeVar("Result")


class TablesOnDemand(Sequence[pa.Table], ABC):
    """Tables, each read or made when it is asked for."""

    @abstractmethod
    def read(self, number: int) -> pa.Table:
        """Give a table; number: from 0."""

    @overload
    def __getitem__(self, part: int) -> pa.Table: ...
    @overload
    def __getitem__(self, part: slice) -> Sequence[pa.Table]: ...
    def __getitem__(self, part: int | slice) -> pa.Table | Sequence[pa.Table]:
        """Give a table, or several."""
        chosen = range(len(self))[part]
        return self.read(chosen) if isinstance(chosen, int) else [self.read(number) for number in chosen]


class PartsOnDemand(TablesOnDemand):
    """Tables of answers that no two students share."""

    @property
    def rows(self) -> Hashable | None:
        """Which rows the parts have, whatever their columns, so that what is known of the same rows is not computed again; None: unknown."""
        return None

    @abstractmethod
    def select(self, columns: Sequence[str]) -> Sequence[pa.Table]:
        """Give the parts with fewer columns."""

    def of_students(self, rows: pa.Table, student: str) -> Sequence[pa.Table]:
        """Give for each part rows of a table that include those of its students. student: the column with their ids."""
        return [rows] * len(self)


def rows_of_students(parts: Sequence[pa.Table], rows: pa.Table, student: str) -> Sequence[pa.Table]:
    """Give for each part rows of a table that include those of its students. student: the column with their ids."""
    return parts.of_students(rows, student) if isinstance(parts, PartsOnDemand) else [rows] * len(parts)


def narrowed(parts: Sequence[pa.Table], columns: Sequence[str]) -> Sequence[pa.Table]:
    """Give parts with fewer columns, of those that they have; what is read from files is read with fewer."""
    if isinstance(parts, PartsOnDemand):
        return parts.select(columns)
    return [part.select([name for name in columns if name in part.column_names]) for part in parts]


@dataclass(frozen=True)
class _TheseRows:
    """Parts that are the same where their rows are, whichever columns they have."""

    rows: Hashable
    parts: Any = field(compare=False)


def cached_by_rows(most: int) -> Callable[[Callable[[Parts], Result]], Callable[[Parts], Result]]:
    """Cache a function's results for the last `most` sets of rows; what gives no `rows` is computed each time.

    The steps of a night ask for the same window, some of them at the same time: then the second waits for the first.
    """

    def decorate(compute: Callable[[Parts], Result]) -> Callable[[Parts], Result]:
        computing = RLock()

        @lru_cache(maxsize=most)
        def cached(these: _TheseRows) -> Result:
            return compute(these.parts)

        @wraps(compute)
        def cached_or_computed(parts: Parts) -> Result:
            rows = getattr(parts, "rows", None)
            if rows is None:
                return compute(parts)
            with computing:
                return cached(_TheseRows(rows, parts))

        return cached_or_computed

    return decorate
