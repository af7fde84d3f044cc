"""The day's answers: how many, and whether all of them."""

from datetime import date, timedelta

import pytest

from seedtest_assets.checks.answers import answer_volume, source_matches_lake
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.settings import Settings
from seedtest_assets.storage.late_answers import DayCount
from seedtest_assets.storage.sources import EmptySource

LIMITS = Settings()
SUNDAY = date(2025, 3, 9)
PASS, WARN, ERROR = Verdict.PASS, Verdict.WARN, Verdict.ERROR


def volume(today: int, *sundays: int):
    weeks = {SUNDAY - timedelta(weeks=len(sundays) - k): n for k, n in enumerate(sundays)}
    weekdays = {SUNDAY - timedelta(days=k): 9_000 for k in range(1, 29) if k % 7}
    return answer_volume(SUNDAY, {**weeks, **weekdays, SUNDAY: today}, LIMITS)


@pytest.mark.parametrize(("today", "level"), [(600, PASS), (599, WARN), (2400, PASS), (2401, WARN), (0, ERROR)])
def test_a_sunday_is_judged_by_sundays(today, level):
    judgement = volume(today, 1000, 1200, 1100, 1000)
    assert judgement.verdict == level
    assert (judgement.numbers["same_weekday_smallest"], judgement.numbers["same_weekday_largest"]) == (1000, 1200)
    assert judgement.history.values[-1] == today


def test_no_answers_on_a_day_that_had_none_before_is_usual():
    assert volume(0, 1000, 0, 1100, 1000).passed
    assert volume(0, 0, 0, 0, 0).passed
    assert volume(800, 0, 0, 0, 0).passed


def test_fewer_than_two_same_weekdays_tell_nothing_but_a_zero():
    assert volume(10, 1000).passed
    assert volume(0, 1000).verdict == ERROR
    assert volume(599, 1000, 1000).verdict == WARN


def test_volume_without_history_passes_and_says_so():
    for n in (0, 500):
        judgement = answer_volume(SUNDAY, {SUNDAY: n}, LIMITS)
        assert judgement.passed
        assert "no earlier Sunday" in judgement.finding


def test_only_four_weeks_count():
    assert volume(600, 10, 1000, 1000, 1000, 1000).passed
    assert volume(599, 10, 1000, 1000, 1000, 1000).verdict == WARN


@pytest.mark.parametrize(("late", "level"), [(0, PASS), (5, PASS), (6, WARN), (-6, WARN)])
def test_late_answers(late, level):
    days = [DayCount(SUNDAY - timedelta(days=k), 100, 100) for k in range(6, 0, -1)]
    judgement = source_matches_lake([*days, DayCount(SUNDAY, 400 + late, 400)], LIMITS)
    assert judgement.verdict == level
    assert list(judgement.history.values) == [0] * 6 + [late]
    assert judgement.numbers["answers_that_differ"] == abs(late)
    assert (f"{SUNDAY} ({late:+})" in judgement.finding) is bool(late)


def test_late_and_deleted_answers_do_not_make_up_for_each_other():
    counted = [DayCount(SUNDAY - timedelta(days=1), 300, 400), DayCount(SUNDAY, 500, 400)]
    assert source_matches_lake(counted, LIMITS).numbers["answers_that_differ"] == 200


def test_a_lake_without_the_last_days_has_nothing_to_compare():
    judgement = source_matches_lake([], LIMITS)
    assert judgement.passed
    assert "none of the last days" in judgement.finding


def test_an_empty_source_beside_a_full_table_is_a_warning():
    empty = EmptySource(name="attempt", full=["responses"])
    judgement = source_matches_lake([DayCount(SUNDAY, 0, 0)], LIMITS, empty)
    assert judgement.verdict == WARN
    assert judgement.finding == "the source attempt has no answers at all, but responses has"
    assert judgement.advice == "Set SEEDTEST_ATTEMPT_SOURCE=responses, or repair attempt"
