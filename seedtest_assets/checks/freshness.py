"""Is yesterday's calibration there in the morning?"""

from datetime import date, datetime, time, timedelta, timezone

from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.thresholds import Thresholds

CAP_HOURS = 24.0
"""Hours shown at most in the picture: a backfill comes months later."""


def freshness(day: date, fitted_at: dict[date, datetime], now: datetime, limits: Thresholds) -> Judgement:
    """ERROR when a day has no calibration after the hour by which it should have one, the next morning.

    fitted_at: when the newest days up to this one were calibrated, oldest first; nothing has ever been where it is empty.
    """
    morning = datetime.combine(day + timedelta(days=1), time(), timezone.utc)
    deadline = morning + timedelta(hours=limits.fresh_by_hour)
    newest, fitted = max(fitted_at, default=None), fitted_at.get(day)
    hours = [
        min(CAP_HOURS, (done - datetime.combine(of + timedelta(days=1), time(), timezone.utc)) / timedelta(hours=1))
        for of, done in fitted_at.items()
    ]
    numbers = {
        "fitted_at": fitted.isoformat(timespec="seconds") if fitted else None,
        "deadline": deadline.isoformat(timespec="seconds"),
        "newest_calibration": str(newest) if newest else None,
    }
    if fitted:
        late = f", after {deadline:%Y-%m-%d %H:%M}" if fitted > deadline else ""
        level, said = Level.PASS, f"{day} was calibrated at {fitted:%Y-%m-%d %H:%M} UTC{late}"
    elif newest is None:
        level, said = Level.PASS, "nothing has been calibrated yet"
    else:
        level = Level.ERROR if now >= deadline else Level.PASS
        said = f"no calibration of {day} by {min(now, deadline):%Y-%m-%d %H:%M} UTC; the newest is of {newest}"
    return Judgement(
        "freshness",
        level,
        said,
        "see the runs of nightly in the UI: failed, still running, or never started (daemon down, schedule off)?",
        numbers,
        hours,
        "hours after midnight, UTC",
        [limits.fresh_by_hour],
    )
