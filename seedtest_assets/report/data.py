"""What the report is made from: one calibration, what it rests on, and what came before it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa

from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.student_sample import sample_of_students

HISTORY_COLUMNS = [
    "partition_date",
    "n_items",
    "n_persons",
    "n_observations",
    "linked_to",
    "A",
    "B",
    "n_anchors_used",
    "reliability",
    "seconds",
]


# Curves of two million answers are as smooth as those of more.
MOST_ANSWERS = 2_000_000


@dataclass(frozen=True)
class CalibrationRun:
    """A run that calibrates, as Dagster knows it.

    seconds: from start to end, or until now while it runs; retries: of its calibrate step, of which service_errors because of
    the IRT service, of which service_timeouts because it did not answer in time (a last failure counts like a retry).
    """

    run_id: str
    partition: str
    status: str
    started_at: datetime
    seconds: float
    retries: int
    service_errors: int
    service_timeouts: int


@dataclass(frozen=True)
class CheckOutcome:
    """An asset check that was evaluated in the calibration's run; severity: WARN or ERROR."""

    name: str
    asset: str
    passed: bool
    severity: str
    description: str


@dataclass(frozen=True)
class ReportData:
    """One calibration and its surroundings.

    model_spec, metrics: as in mirt_fit_meta; items: ITEM_COLUMNS; abilities: ABILITY_COLUMNS.
    parts: the look-back window, in parts of random students, each oldest first and read when it is asked for: student_id,
    item_id, topic_id, correct, completed_at, and score, max_score where there are any.
    first, last: the window's days; missing: those that the lake does not have.
    reference: item_id, a, b, c of what the calibration is linked to (the bank's anchors or the partition before);
    previous: the same of the newest earlier partition. Both may be empty.
    history: HISTORY_COLUMNS of the last partitions, this one the last, oldest first.
    runs: newest last. statistics: of the day's items, with flags; may be empty. dif: rows of dif_history of
    the newest week with flag B or C, the worst first; may be empty.
    person_fit: student_id, lz_star of the day's students; aberrant: partition_date, share below -1.645 of the last days, oldest first.
    """

    day: date
    run_id: str
    fitted_at: datetime
    model_spec: dict[str, Any]
    metrics: dict[str, Any]
    items: pd.DataFrame
    abilities: pd.DataFrame
    parts: Sequence[pa.Table]
    first: date
    last: date
    missing: list[date]
    reference: pd.DataFrame
    previous: pd.DataFrame
    history: pd.DataFrame
    runs: list[CalibrationRun]
    checks: list[CheckOutcome]
    statistics: pd.DataFrame
    dif: pd.DataFrame = field(default_factory=pd.DataFrame)
    person_fit: pd.DataFrame = field(default_factory=pd.DataFrame)
    aberrant: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def answers(self) -> pa.Table:
        """The answers that curves are drawn from: all, or those of a random sample of students, MOST_ANSWERS about."""
        return pa.concat_tables(self.parts if self._sample is None else self._sample)

    @cached_property
    def _sample(self) -> list[pa.Table] | None:
        return sample_of_students(self.parts, MOST_ANSWERS)

    @property
    def is_sample(self) -> bool:
        """Whether `answers` are those of some students only."""
        return self._sample is not None

    @property
    def share_of_students(self) -> float:
        """Share of the students whose answers are in `answers`."""
        n_students = len(dictionary_of(self.answers["student_id"]).dictionary)
        return min(n_students / max(len(self.abilities), 1), 1.0)
