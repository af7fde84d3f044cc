"""Days of the look-back window that the lake lacks: which count, and when a calibration is not written."""

from datetime import timedelta

import pytest

from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.look_back import window_complete
from seedtest_assets.days import days_up_to
from seedtest_assets.storage.window import Window
from seedtest_assets.thresholds import Thresholds
from seedtest_assets_tests.checks.made import DAY, calibration, fits

WINDOW = days_up_to(DAY, 60)


def judged(missing, since=WINDOW[0], before=(), limits=None):
    window = Window(WINDOW[0], DAY, [], missing)
    return window_complete(window, since, before, limits or Thresholds())


@pytest.mark.parametrize(
    ("n_missing", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (12, Verdict.WARN), (13, Verdict.ERROR)]
)
def test_a_missing_day_warns_and_more_than_a_fifth_are_an_error(n_missing, verdict):
    judgement = judged(WINDOW[5 : 5 + n_missing])
    assert judgement.verdict == verdict
    assert judgement.numbers["missing_days"] == n_missing


def test_a_day_alone_on_an_empty_lake_is_an_error_that_names_what_to_run():
    judgement = judged(WINDOW[:-1])
    assert judgement.verdict == Verdict.ERROR
    assert judgement.finding.startswith("the lake lacks 59 of the 60 days of the window since 2025-01-20: 2025-01-20, ")
    assert f"`seedtest run --date {DAY}`" in judgement.advice


def test_days_before_the_first_answers_are_not_missing():
    assert judged(WINDOW[:-1], since=DAY).passed
    assert judged(WINDOW[:-1], since=DAY - timedelta(days=2)).numbers == {
        "missing_days": 2, "days": 3, "since": "2025-03-18", "share": 2 / 3,
    }  # fmt: skip


def test_the_limit_is_a_setting_and_the_picture_has_the_earlier_nights():
    before = fits(calibration(), 2, window_complete={"missing_days": 4})
    judgement = judged(WINDOW[:30], before=before, limits=Thresholds(seedtest_window_missing_error_above=0.5))
    assert judgement.verdict == Verdict.WARN
    assert (judgement.history.values, judgement.history.limits) == ([4, 4, 30], [30])
