"""Does the lake have the days that a calibration rests on?"""

from collections.abc import Sequence
from datetime import date

from seedtest_assets.checks.judgement import EarlierFit, Judgement, Trend, Verdict, recorded
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.storage.window import Window
from seedtest_assets.thresholds import Thresholds


def window_complete(window: Window, answers_since: date, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """WARN when the lake lacks days of the window that may have answers; ERROR when it lacks a large share of them.

    answers_since: the first day of the window that may have answers. No day before it is missing: a platform that has just
    begun has a short window.
    """
    missing = [day for day in window.missing if day >= answers_since]
    n_days = (window.last - answers_since).days + 1
    share, allowed = len(missing) / n_days, limits.window_missing_error_above
    finding = f"the lake has every day of the window since {answers_since}"
    if missing:
        finding = (
            f"the lake lacks {len(missing)} of the {number_of(n_days, 'day')} of the window since {answers_since}: "
            f"{first_few(missing)}"
        )
    return Judgement(
        check="window_complete",
        verdict=Verdict.PASS if not missing else Verdict.ERROR if share > allowed else Verdict.WARN,
        finding=finding,
        advice=(
            f"Run `seedtest run --date {window.last}`, which fills the window, or materialize observations of the missing days "
            "and then this day again"
        ),
        numbers={
            "missing_days": len(missing),
            "days": n_days,
            "since": str(answers_since),
            "share": share,
        },
        limits={"error_above": allowed},
        history=Trend(
            values=[*recorded(before, "window_complete", "missing_days"), len(missing)],
            label="days missing in the lake",
            limits=[allowed * n_days],
        ),
    )
