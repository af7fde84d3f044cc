"""Did the day's answers arrive, all of them?"""

from collections.abc import Sequence
from datetime import date

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.storage.late_answers import DayCount
from seedtest_assets.storage.sources import EmptySource
from seedtest_assets.thresholds import Thresholds

WEEKS = 4


def answer_volume(day: date, counts: dict[date, int], limits: Thresholds) -> Judgement:
    """WARN when the day has far fewer or more answers than any of the same weekdays; ERROR at 0 where none of them had 0.

    counts: answers of the day, and of earlier days that are known. A limit of 0.6 of the smallest of four days lets an
    irregular weekday be irregular.
    """
    n = counts[day]
    same_weekday = [counts[past] for past in sorted(counts) if past < day and (day - past).days % 7 == 0][-WEEKS:]
    smallest, largest = min(same_weekday, default=0), max(same_weekday, default=0)
    low, high = limits.volume_warn_below * smallest, limits.volume_warn_above * largest
    verdict, finding = (
        Verdict.PASS,
        f"{n:,} answers. The last {len(same_weekday)} {day:%A}s had {smallest:,} to {largest:,}",
    )
    if not same_weekday:
        finding = f"{n:,} answers. There is no earlier {day:%A} to compare with"
    elif n == 0 and smallest > 0:
        verdict = Verdict.ERROR
        finding = f"no answers at all. The last {len(same_weekday)} {day:%A}s had {smallest:,} to {largest:,}"
    elif len(same_weekday) < 2:
        finding = f"{n:,} answers. A single {day:%A} ({smallest:,}) is too few to compare with"
    elif high and not low <= n <= high:  # where there never was an answer, the first are no alarm
        verdict = Verdict.WARN
    return Judgement(
        check="answer_volume",
        verdict=verdict,
        finding=finding,
        advice=(
            "A holiday or an exam explains it. If there was none, see whether the platform's answers reach the source, "
            "and run the day again once they do"
        ),
        numbers={
            "answers": n,
            "same_weekday_smallest": min(same_weekday, default=None),
            "same_weekday_largest": max(same_weekday, default=None),
            "same_weekdays": len(same_weekday),
        },
        limits={"warn_below": limits.volume_warn_below, "warn_above": limits.volume_warn_above},
        history=Trend(
            values=[counts[past] for past in sorted(counts)],
            label="answers a day",
            limits=[low, high] if same_weekday else [],
        ),
    )


def source_matches_lake(counted: Sequence[DayCount], limits: Thresholds, empty: EmptySource | None = None) -> Judgement:
    """WARN when answers of the last days arrived, or were deleted, after their day was extracted; or the source is empty.

    counted: those days. empty: the source that has no answers while another table has.
    """
    if empty is not None:
        return Judgement(check="source_matches_lake", verdict=Verdict.WARN, finding=empty.finding, advice=empty.advice)
    n_in_lake = sum(day.in_lake for day in counted)
    n_differ = sum(abs(day.late) for day in counted)
    share = n_differ / max(n_in_lake, 1)
    changed = ", ".join(f"{day.day} ({day.late:+,})" for day in counted if day.late)
    if not counted:
        finding = "the lake has none of the last days yet"
    elif not n_differ:
        finding = f"the lake has every answer of the last {len(counted)} days"
    else:
        finding = f"the source changed since these days were extracted: {changed}, {share:.2%} of {n_in_lake:,} answers"
    return Judgement(
        check="source_matches_lake",
        verdict=Verdict.WARN if share > limits.late_warn_above else Verdict.PASS,
        finding=finding,
        advice="Run `seedtest run --refresh`, or materialize these days again in the UI, oldest first",
        numbers={
            "answers_that_differ": n_differ,
            "share": share,
            "days_that_differ": changed,
            "answers_in_lake": n_in_lake,
        },
        limits={"warn_above": limits.late_warn_above},
        history=Trend(values=[day.late for day in counted], label="late answers of a day"),
    )
