"""The look-back window: the days that end with a day, and their answers in the lake."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import pyarrow as pa

from seedtest_assets.calibration import SCORE_SCHEMA, answers_to_calibrate
from seedtest_assets.days import days_up_to
from seedtest_assets.errors import InputError
from seedtest_assets.rapid_guesses import (
    NOTHING_COUNTED,
    POLICY_COLUMNS,
    Policy,
    RapidCount,
    RapidGuesses,
    apply_policy,
    find_rapid_guesses,
    sum_of_counts,
)
from seedtest_assets.settings import Settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import Source
from seedtest_assets.storage.window_parts import LakeParts, newest_answers
from seedtest_assets.student_sample import sample_of_students
from seedtest_assets.tables_on_demand import PartsOnDemand, narrowed, rows_of_students

CALIBRATED = ["student_id", "item_id", "correct", "completed_at", *SCORE_SCHEMA.names]
COLUMNS = ["student_id", "item_id", "topic_id", "correct", "completed_at", "response_time_ms", "score", "max_score"]


@dataclass(frozen=True)
class Window:
    """The answers of the window with COLUMNS, and its days that the lake does not have.

    given: the answers as they were given, in parts with all answers of their students each, oldest first. policy: how rapid
    guesses are counted; None: not looked for.
    """

    first: date
    last: date
    given: Sequence[pa.Table]
    missing: list[date]
    policy: Policy | None = None

    @property
    def n_days(self) -> int:
        """The number of its days, missing ones too."""
        return (self.last - self.first).days + 1

    def with_policy(self, policy: Policy) -> "Window":
        """Count the rapid guesses of the answers as the policy says; those that were found already are not looked for again."""
        window = replace(self, policy=policy)
        if "rapid" in vars(self):
            window._know(self.rapid)
        return window

    def sample(self, most: int) -> "Window":
        """Give the answers of a random sample of the students, about `most`, in memory; itself where it has hardly more.

        Rapid guesses stay those that are found among the answers of everybody.
        """
        sample = sample_of_students(self.given, most)
        if sample is None:
            return self
        window = replace(self, given=sample)
        window._know(self.rapid)
        return window

    def _know(self, rapid: RapidGuesses) -> None:
        vars(self)["rapid"] = rapid  # where cached_property keeps it

    @cached_property
    def buckets(self) -> Sequence[pa.Table]:
        """The answers, rapid guesses counted, in parts that no two students share; each is read when it is asked for."""
        if self.policy is None or self.policy == "keep":
            return self.given
        if len(self.given) == 1:  # a small window, which stays in memory
            return [apply_policy(self.given[0], self.rapid, self.policy)[0]]
        return CountedParts(self.given, self.rapid, self.policy)

    @property
    def to_calibrate(self) -> Sequence[pa.Table]:
        """The answers as a calibration takes them, in the same parts; a process that it is sent to reads them itself."""
        return PartsToCalibrate(narrowed(self.buckets, CALIBRATED))

    @property
    def n_answers(self) -> int:
        """The number of its answers, without those that the policy leaves out."""
        given = self.given.n_answers if isinstance(self.given, LakeParts) else sum(map(len, self.given))
        return given - self.rapid_guesses.n_left_out if self.policy == "ignore" else given

    @cached_property
    def rapid(self) -> RapidGuesses:
        """What is a rapid guess among the answers as they were given."""
        return find_rapid_guesses(narrowed(self.given, ["item_id", "response_time_ms"]))

    @cached_property
    def rapid_guesses(self) -> RapidCount:
        """How many rapid guesses were counted, and what became of them; none without a policy."""
        if self.policy is None:
            return NOTHING_COUNTED
        if self.policy == "ignore":
            return sum_of_counts(self.policy, (apply_policy(part, self.rapid, self.policy)[1] for part in self.given))
        return RapidCount(policy=self.policy, n_timed=int(self.rapid.n_timed.sum()), n=int(self.rapid.n_rapid.sum()))


@dataclass(frozen=True)
class PartsToCalibrate(PartsOnDemand):
    """Answers as a calibration takes them. parts: the same with CALIBRATED."""

    parts: Sequence[pa.Table]

    def __len__(self) -> int:
        return len(self.parts)

    def read(self, number: int) -> pa.Table:
        return answers_to_calibrate(self.parts[number])

    def select(self, columns: Sequence[str]) -> Sequence[pa.Table]:
        return [part.select(columns) for part in self]


@dataclass(frozen=True)
class CountedParts(PartsOnDemand):
    """The parts of a window with its rapid guesses counted. given: as they were given; columns: None for all."""

    given: Sequence[pa.Table]
    rapid: RapidGuesses
    policy: Policy
    columns: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.given)

    @property
    def rows(self) -> Hashable | None:
        rows = self.given.rows if isinstance(self.given, PartsOnDemand) else None
        return None if rows is None else (rows, self.policy)

    def read(self, number: int) -> pa.Table:
        columns = COLUMNS if self.columns is None else self.columns
        given = narrowed(self.given, list(dict.fromkeys([*columns, *POLICY_COLUMNS])))
        return apply_policy(given[number], self.rapid, self.policy)[0].select(columns)

    def select(self, columns: Sequence[str]) -> "CountedParts":
        return replace(self, columns=tuple(columns))

    def of_students(self, rows: pa.Table, student: str) -> Sequence[pa.Table]:
        return rows_of_students(self.given, rows, student)


def missing_days(lake: Lake, day: date, settings: Settings, n_days: int) -> list[date]:
    """List the days that the lake lacks, of the n_days that end with `day`, from the first partition on; oldest first."""
    days = days_up_to(day, n_days)
    written = set(lake.days(days[0], day))
    return [wanted for wanted in days if wanted not in written and wanted >= settings.seedtest_start_date]


def days_to_extract(lake: Lake, day: date, settings: Settings, n_days: int) -> list[date]:
    """List the days of missing_days, and those whose file is damaged, for which every file is read; oldest first."""
    wanted = {past for past in days_up_to(day, n_days) if past >= settings.seedtest_start_date}
    written = wanted.intersection(lake.all_days())
    return sorted([*(wanted - written), *lake.damaged_days(sorted(written))])


def read_window(lake: Lake, day: date, settings: Settings) -> Window:
    """Read the answers of the look-back window that ends with `day`, rapid guesses counted as SEEDTEST_RAPID_GUESSES says."""
    return read_answers_as_given(lake, day, settings).with_policy(settings.seedtest_rapid_guesses)


def read_answers_as_given(lake: Lake, day: date, settings: Settings) -> Window:
    """Find the answers of the look-back window that ends with `day`, the newest MIRT_MAX_OBS of them where that is set.

    Raises InputError for a lake with another number of buckets than SEEDTEST_BUCKETS.
    """
    days = days_up_to(day, settings.mirt_lookback_days)
    answers = newest_answers(lake, lake.days(days[0], day), COLUMNS, settings.mirt_max_obs)
    given = answers if len(answers) > 1 else list(answers)
    return Window(days[0], day, given, missing_days(lake, day, settings, settings.mirt_lookback_days))


def answers_since(window: Window, lake: Lake, settings: Settings, find_source: Callable[[], Source]) -> date:
    """Give the first day of the window that may have answers, by the source or by the lake's first day.

    The source is read only where the lake lacks days. Where it cannot be read, the lake's first day decides.
    """
    earliest = max(window.first, settings.seedtest_start_date)
    if not window.missing:
        return earliest
    try:
        counts = find_source().counts(window.missing[0], window.missing[-1])
    except InputError:
        counts = {}
    known = [*lake.all_days()[:1], *(day for day, count in counts.items() if count)]
    return max(earliest, min(known, default=window.last))
