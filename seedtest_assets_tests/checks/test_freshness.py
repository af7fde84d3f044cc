"""Yesterday's calibration in the morning."""

from datetime import date, datetime, timedelta, timezone

import pytest

from seedtest_assets.checks.freshness import freshness
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.settings import Settings

DAY = date(2025, 3, 9)
AT_THREE = datetime(2025, 3, 10, 3, 20, tzinfo=timezone.utc)
EARLIER = {DAY - timedelta(days=k): AT_THREE - timedelta(days=k) for k in (2, 1)}


def judge(fits, hour=6, minute=5):
    return freshness(DAY, fits, datetime(2025, 3, 10, hour, minute, tzinfo=timezone.utc), Settings())


def test_a_day_that_was_calibrated_in_the_night_is_fresh():
    fresh = judge({**EARLIER, DAY: AT_THREE})
    assert fresh.passed
    assert list(fresh.history.values) == pytest.approx([3 + 1 / 3] * 3)


@pytest.mark.parametrize(
    ("hour", "minute", "level"), [(5, 59, Verdict.PASS), (6, 0, Verdict.ERROR), (6, 5, Verdict.ERROR)]
)
def test_a_day_that_was_not_is_an_error_from_six_on(hour, minute, level):
    stale = judge(EARLIER, hour, minute)
    assert stale.verdict == level
    assert "The newest is of 2025-03-08" in stale.finding


def test_a_day_that_was_calibrated_late_is_there_again():
    late = judge({**EARLIER, DAY: AT_THREE + timedelta(hours=8)}, 12)
    assert late.passed
    assert "after 2025-03-10 06:00" in late.finding


def test_a_platform_that_never_calibrated_is_not_late():
    assert judge({}).passed
