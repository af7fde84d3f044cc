"""The answers of a window, read from the lake part by part, so that only one part is in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import overload

import pyarrow as pa

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.lake_days import DayFiles
from seedtest_assets.storage.student_buckets import EVERYBODY, Bucket, answers_in, buckets_of_a_window


class ReadParts(Sequence[pa.Table]):
    """Tables that are read when they are asked for. read: gives the table of a number below n_parts."""

    def __init__(self, n_parts: int, read: Callable[[int], pa.Table]) -> None:
        self._n_parts = n_parts
        self._read_part = read

    def __len__(self) -> int:
        return self._n_parts

    @overload
    def __getitem__(self, part: int) -> pa.Table: ...
    @overload
    def __getitem__(self, part: slice) -> Sequence[pa.Table]: ...
    def __getitem__(self, part: int | slice) -> pa.Table | Sequence[pa.Table]:
        """Read a part, or several."""
        chosen = range(self._n_parts)[part]
        return self._read_part(chosen) if isinstance(chosen, int) else [self._read_part(number) for number in chosen]


class LakeParts(ReadParts):
    """The answers of some days in parts, each with all answers of its students, oldest first.

    days: their files, oldest day first. begun: answers of a day before these, of which the window has only some, None without.
    n_answers: of all parts.
    """

    def __init__(
        self,
        lake: Lake,
        days: Mapping[date, DayFiles],
        begun: pa.Table | None,
        *,
        columns: Sequence[str],
        n_answers: int,
        n_parts: int,
    ) -> None:
        super().__init__(n_parts, self._read_bucket)
        self.n_answers = n_answers
        self._lake, self._days, self._begun, self._columns = lake, days, begun, list(columns)

    def select(self, columns: Sequence[str]) -> "LakeParts":
        """Read fewer columns."""
        return LakeParts(
            self._lake, self._days, self._begun, columns=columns, n_answers=self.n_answers, n_parts=len(self)
        )

    def together(self) -> pa.Table:
        """Read all parts as one table, oldest first."""
        return self._read(EVERYBODY)

    def _read_bucket(self, number: int) -> pa.Table:
        return self._read(Bucket(number=number, n_buckets=len(self)))

    def _read(self, bucket: Bucket) -> pa.Table:
        answers = self._lake.read_files(self._days, self._columns, bucket)
        if self._begun is None:
            return answers
        begun = answers_in(self._begun, bucket).select(self._columns)
        return pa.concat_tables([begun, answers]).unify_dictionaries()


def newest_answers(lake: Lake, days: Sequence[date], columns: Sequence[str], most: int = 0) -> LakeParts:
    """Find the newest answers of some days, at most `most` of them; 0 is all.

    Raises InputError for a lake with another number of buckets than SEEDTEST_BUCKETS.
    """
    files = lake.files_of_days(days)
    counts = {day: lake.count_of_files(day, of_day) for day, of_day in files.items()}
    n_answers, begun = sum(counts.values()), None
    surplus = max(0, n_answers - most) if most else 0
    for day, n_of_day in counts.items():
        if not surplus:
            break
        if surplus < n_of_day:
            begun = lake.read_files({day: files[day]}, columns).slice(surplus)
        surplus -= min(surplus, n_of_day)
        del files[day]
    n_answers = min(n_answers, most or n_answers)
    return LakeParts(
        lake,
        files,
        begun,
        columns=columns,
        n_answers=n_answers,
        n_parts=buckets_of_a_window(n_answers, lake.n_buckets()),
    )
