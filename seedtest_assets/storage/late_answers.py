"""Answers that reached the platform after their day was extracted."""

from dataclasses import dataclass
from datetime import date, timedelta

from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import Source

CHECKED_DAYS = 7
"""How long an answer may be on its way, from an offline app for instance, and still be noticed."""


@dataclass(frozen=True)
class Difference:
    """A day with another number of answers in the source than in the lake."""

    day: date
    in_source: int
    in_lake: int


def days_that_differ(source: Source, lake: Lake, last: date) -> list[Difference]:
    """Of the CHECKED_DAYS days that end with `last`, those in the lake with another count than the source now; in order."""
    counts = (
        Difference(day, source.count(day), lake.observations_count(day))
        for day in lake.days(last - timedelta(days=CHECKED_DAYS - 1), last)
    )
    return [one for one in counts if one.in_source != one.in_lake]
