"""Did the day's answers arrive, all of them?"""

from collections.abc import Sequence
from datetime import date

from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.storage.late_answers import DayCount
from seedtest_assets.thresholds import Thresholds

WEEKS = 4


def answer_volume(day: date, counts: dict[date, int], limits: Thresholds) -> Judgement:
    """WARN when the day has far fewer or more answers than any of the same weekdays; ERROR at 0 where none of them had 0.

    counts: answers of the day, and of earlier days that are known. A level of 0.6 of the smallest of four days lets an
    irregular weekday be irregular.
    """
    n = counts[day]
    same = [counts[past] for past in sorted(counts) if past < day and (day - past).days % 7 == 0][-WEEKS:]
    shown = [counts[past] for past in sorted(counts)]
    numbers = {
        "answers": n,
        "same_weekday_smallest": min(same, default=None),
        "same_weekday_largest": max(same, default=None),
        "same_weekdays": len(same),
        "warn_below": limits.volume_warn_below,
        "warn_above": limits.volume_warn_above,
    }
    weekday = f"{day:%A}s"
    low, high = (
        limits.volume_warn_below * min(same, default=0),
        limits.volume_warn_above * max(same, default=0),
    )
    if not same:
        level, said = Level.PASS, f"{n:,} answers; no earlier {day:%A} to compare with"
    elif n == 0 and min(same) > 0:
        level, said = (
            Level.ERROR,
            f"no answers at all; the last {len(same)} {weekday} had {min(same):,} to {max(same):,}",
        )
    elif len(same) < 2:
        level, said = Level.PASS, f"{n:,} answers; one {day:%A} ({same[0]:,}) is too few to compare with"
    else:
        # Where there never was an answer, the first are no alarm.
        level = Level.PASS if low <= n <= high or not high else Level.WARN
        said = f"{n:,} answers; the last {len(same)} {weekday} had {min(same):,} to {max(same):,}"
    to_do = (
        "a holiday or an exam explains it; else look whether the platform's answers reach the source, "
        "and run the day again once they do"
    )
    return Judgement("answer_volume", level, said, to_do, numbers, shown, "answers a day", [low, high] if same else [])


def source_matches_lake(counted: Sequence[DayCount], limits: Thresholds) -> Judgement:
    """WARN when answers of the last days came late, or went away, after their day was extracted. counted: those days."""
    n_in_lake = sum(one.in_lake for one in counted)
    n_differ = sum(abs(one.late) for one in counted)
    share = n_differ / max(n_in_lake, 1)
    days = ", ".join(f"{one.day} ({one.late:+,})" for one in counted if one.late)
    if not counted:
        said = "the lake has none of the last days yet"
    elif not n_differ:
        said = f"the lake has every answer of the last {len(counted)} days"
    else:
        said = f"the source changed since these days were extracted: {days}, {share:.2%} of {n_in_lake:,} answers"
    return Judgement(
        "source_matches_lake",
        Level.WARN if share > limits.late_warn_above else Level.PASS,
        said,
        "run `seedtest run --refresh`, or materialise these days again in the UI, oldest first",
        {
            "answers_that_differ": n_differ,
            "share": share,
            "days_that_differ": days,
            "answers_in_lake": n_in_lake,
            "warn_above": limits.late_warn_above,
        },
        [one.late for one in counted],
        "late answers of a day",
    )
