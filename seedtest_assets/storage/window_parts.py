"""The answers of a window, read from the lake part by part, so that only one part is in memory."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from seedtest_assets.storage.bucket import Bucket
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.lake_days import ONE_FILE, DayFiles
from seedtest_assets.storage.student_buckets import answers_in, bucket_numbers, buckets_of_a_window
from seedtest_assets.tables_on_demand import PartsOnDemand, TablesOnDemand


@dataclass(frozen=True, kw_only=True)
class LakeParts(PartsOnDemand):
    """The answers of some days in parts, each with all answers of its students, oldest first.

    days: their files, oldest day first. begun: answers of a day before these, of which the window has only some, None without.
    n_answers: of all parts.
    """

    lake: Lake
    days: Mapping[date, DayFiles]
    begun: pa.Table | None
    columns: tuple[str, ...]
    n_answers: int
    n_parts: int

    def __len__(self) -> int:
        return self.n_parts

    @property
    def rows(self) -> Hashable | None:
        if self.begun is not None or ONE_FILE in self.days.values():
            return None
        return self.lake.url, tuple(self.days.items())  # a file of a day has a name that no other had before

    def read(self, number: int) -> pa.Table:
        bucket = Bucket(number=number, n_buckets=self.n_parts)
        answers = self.lake.read_files(self.days, self.columns, bucket)
        if self.begun is None:
            return answers
        begun = answers_in(self.begun, bucket).select(self.columns)
        return pa.concat_tables([begun, answers]).unify_dictionaries()

    def select(self, columns: Sequence[str]) -> "LakeParts":
        begun = None if self.begun is None else self.begun.select(dict.fromkeys(["student_id", *columns]))
        return replace(self, columns=tuple(columns), begun=begun)

    def of_students(self, rows: pa.Table, student: str) -> "RowsOfParts":
        return RowsOfParts(rows, bucket_numbers(rows[student], self.n_parts), self.n_parts)


@dataclass(frozen=True)
class RowsOfParts(TablesOnDemand):
    """The rows of a table in parts. part: int [n_rows], of each row."""

    rows: pa.Table
    part: np.ndarray
    n_parts: int

    def __len__(self) -> int:
        return self.n_parts

    def read(self, number: int) -> pa.Table:
        return self.rows.filter(pa.array(self.part == number))


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
            of_day = lake.read_files({day: files[day]}, columns)
            # Not a slice, which would be sent to workers with the rest of the day.
            begun = of_day.take(pa.array(np.arange(surplus, n_of_day)))
        surplus -= min(surplus, n_of_day)
        del files[day]
    n_answers = min(n_answers, most or n_answers)
    return LakeParts(
        lake=lake,
        days=files,
        begun=begun,
        columns=tuple(columns),
        n_answers=n_answers,
        n_parts=buckets_of_a_window(n_answers, lake.n_buckets()),
    )
