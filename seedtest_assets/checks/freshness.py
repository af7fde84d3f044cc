"""Is yesterday's calibration finished in the morning?"""

from datetime import date, datetime, time, timedelta, timezone

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.thresholds import Thresholds

CAP_HOURS = 24.0
"""Hours shown at most in the picture: a backfill comes months later."""


def freshness(day: date, fitted_at: dict[date, datetime], now: datetime, limits: Thresholds) -> Judgement:
    """ERROR when a day has no calibration after the hour by which it should have one, the next morning.

    fitted_at: when the newest days up to this one were calibrated, oldest first; empty before the first calibration.
    """
    deadline = _midnight_after(day) + timedelta(hours=limits.fresh_by_hour)
    newest, fitted = max(fitted_at, default=None), fitted_at.get(day)
    verdict = Verdict.PASS
    if fitted:
        late = f", after {deadline:%Y-%m-%d %H:%M}" if fitted > deadline else ""
        finding = f"{day} was calibrated at {fitted:%Y-%m-%d %H:%M} UTC{late}"
    elif newest is None:
        finding = "nothing has been calibrated yet"
    else:
        verdict = Verdict.ERROR if now >= deadline else Verdict.PASS
        finding = f"no calibration of {day} by {min(now, deadline):%Y-%m-%d %H:%M} UTC. The newest is of {newest}"
    return Judgement(
        check="freshness",
        verdict=verdict,
        finding=finding,
        advice="See the runs of nightly in the UI: did one fail, is one still running, or did none start (daemon down, schedule off)?",
        numbers={
            "fitted_at": fitted.isoformat(timespec="seconds") if fitted else None,
            "newest_calibration": str(newest) if newest else None,
        },
        limits={"deadline": deadline.isoformat(timespec="seconds")},
        history=Trend(
            values=[min(CAP_HOURS, (at - _midnight_after(of)) / timedelta(hours=1)) for of, at in fitted_at.items()],
            label="hours after midnight, UTC",
            limits=[limits.fresh_by_hour],
        ),
    )


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), timezone.utc)
