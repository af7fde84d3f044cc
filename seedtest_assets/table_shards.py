"""Tables of answers as shards: work on them by this process or by the workers of a cluster."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa

from seedtest_assets.irt.shards import Shards, ShardsHere
from seedtest_assets.tables_on_demand import PartsOnDemand, narrowed, rows_of_students

R = TypeVar("R")


@dataclass(frozen=True)
class TableShards(Shards[pa.Table]):
    """Parts of answers that no two students share, each of which is read where work on it is done, and not kept.

    numbers: of the parts, where that is; tables: the parts.
    """

    numbers: Shards[int]
    tables: Sequence[pa.Table]

    @classmethod
    def here(cls, tables: Sequence[pa.Table]) -> "TableShards":
        """Let this process work on them, one after the other."""
        return cls(ShardsHere(range(len(tables))), tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def rows(self) -> Hashable | None:
        """Which rows the parts have, as of PartsOnDemand; None: unknown."""
        return self.tables.rows if isinstance(self.tables, PartsOnDemand) else None

    def narrowed(self, columns: Sequence[str]) -> "TableShards":
        """Give the parts with fewer columns, of those that they have."""
        return replace(self, tables=narrowed(self.tables, columns))

    def of_students(self, rows: pa.Table, student: str) -> Shards[pa.Table]:
        """Give each part those rows of a table that are of its students, and perhaps others.

        student: the column with their ids.
        """
        return ShardsHere(rows_of_students(self.tables, rows, student))

    def derive(self, work: Callable[..., R], *arguments: Any) -> Shards[R]:
        return self.numbers.derive(_OnPart(work, self.tables), *arguments)

    def each(self, work: Callable[..., R], *arguments: Any) -> list[R]:
        return self.numbers.each(_OnPart(work, self.tables), *arguments)

    def total(self, work: Callable[..., R], *arguments: Any, add: Callable[[R, R], R]) -> R:
        return self.numbers.total(_OnPart(work, self.tables), *arguments, add=add)


@dataclass(frozen=True)
class _OnPart:
    """Work on a part, by its number."""

    work: Callable[..., Any]
    tables: Sequence[pa.Table]

    @property
    def __name__(self) -> str:
        return self.work.__name__

    def __call__(self, number: int, *arguments: Any) -> Any:
        return self.work(self.tables[number], *arguments)
