"""Answers that reached the platform after their day was extracted."""

from dataclasses import dataclass
from datetime import date, timedelta

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import Source

CHECKED_DAYS = 7
"""Days after which a late answer, from an offline app for instance, is no longer looked for."""


@dataclass(frozen=True)
class DayCount:
    """Answers of a day, in the source now and in the lake."""

    day: date
    in_source: int
    in_lake: int

    @property
    def late(self) -> int:
        """Answers that came since the day was extracted; below 0 where some were removed."""
        return self.in_source - self.in_lake


def last_days_counted(source: Source, lake: Lake, last: date) -> list[DayCount]:
    """Count those of the CHECKED_DAYS days that end with `last` that the lake has; in order."""
    days = lake.days(last - timedelta(days=CHECKED_DAYS - 1), last)
    if not days:
        return []
    in_source = source.counts(days[0], days[-1])
    return [DayCount(day, in_source[day], lake.observations_count(day)) for day in days]
