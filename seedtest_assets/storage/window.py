"""The look-back window: the days that end with a day, and their answers in the lake."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from seedtest_assets.days import days_up_to
from seedtest_assets.errors import InputError
from seedtest_assets.rapid_guesses import NOTHING_COUNTED, Policy, RapidCount, apply_policy, find_rapid_guesses
from seedtest_assets.settings import Settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import Source

COLUMNS = ["student_id", "item_id", "topic_id", "correct", "completed_at", "response_time_ms", "score", "max_score"]


@dataclass(frozen=True)
class Window:
    """The answers of the window, oldest first, with COLUMNS; and its days that the lake does not have.

    rapid_guesses: how many were counted and what became of them; none while the answers are as they were given.
    """

    first: date
    last: date
    answers: pa.Table
    missing: list[date]
    rapid_guesses: RapidCount = NOTHING_COUNTED

    @property
    def n_days(self) -> int:
        """The number of its days, missing ones too."""
        return (self.last - self.first).days + 1

    def with_policy(self, policy: Policy) -> "Window":
        """Count the rapid guesses of answers that are as they were given as the policy says."""
        answers, count = apply_policy(self.answers, find_rapid_guesses(self.answers), policy)
        return replace(self, answers=answers, rapid_guesses=count)


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
    """Read the answers of the look-back window that ends with `day`, the newest MIRT_MAX_OBS of them where that is set."""
    days = days_up_to(day, settings.mirt_lookback_days)
    answers = lake.read_observations(lake.days(days[0], day), COLUMNS)
    if settings.mirt_max_obs:
        answers = answers.slice(max(0, len(answers) - settings.mirt_max_obs))
    return Window(days[0], day, answers, missing_days(lake, day, settings, settings.mirt_lookback_days))


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
