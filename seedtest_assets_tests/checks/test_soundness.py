"""Each check of whether a calibration is sound, with data that passes, that just fails, and that has no history."""

import numpy as np
import pytest

from seedtest_assets.checks.judgement import EarlierFit, Verdict
from seedtest_assets.checks.soundness import converged, discrimination, finite, item_count_drop, plausible_ranges
from seedtest_assets.irt.remarks import REVERSED, UNDETERMINED
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import DAY, calibration, fits, item_table

LIMITS = Settings()
PASS, WARN, ERROR = Verdict.PASS, Verdict.WARN, Verdict.ERROR


@pytest.mark.parametrize(("n", "level"), [(100, PASS), (90, PASS), (89, WARN), (80, WARN), (79, ERROR), (30, ERROR)])
def test_item_count_drop(n, level):
    judgement = item_count_drop(calibration(item_table(n)), fits(calibration()), LIMITS)
    assert judgement.verdict == level
    assert (judgement.numbers["items"], judgement.numbers["usual_items"]) == (n, 100)
    assert list(judgement.history.values) == [100] * 7 + [n]


def test_one_bad_night_among_the_earlier_does_not_move_the_usual_item_count():
    before = fits(calibration())
    before[-1] = EarlierFit(day=DAY, model_spec={"n_items": 10}, metrics={})
    assert item_count_drop(calibration(), before, LIMITS).passed
    assert item_count_drop(calibration(item_table(79)), before, LIMITS).verdict == ERROR


def test_item_count_without_history_passes_and_says_so():
    judgement = item_count_drop(calibration(item_table(3)), [], LIMITS)
    assert judgement.passed
    assert "no earlier partition" in judgement.finding


@pytest.mark.parametrize(("reported", "level"), [(True, PASS), (False, ERROR), (None, PASS)])
@pytest.mark.parametrize("n_before", [0, 7])
def test_converged(reported, level, n_before):
    judgement = converged(calibration(converged=reported), fits(calibration(), n_before))
    assert judgement.verdict == level
    assert len(judgement.history.values) == n_before + 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_parameter_or_ability_that_is_no_number_is_an_error(bad):
    before = fits(calibration(), finite={"bad": 0})
    assert finite(calibration(), before).passed
    b = item_table()["b"].mask(item_table().index == 5, bad)
    judgement = finite(calibration(item_table(b=b)), before)
    assert judgement.verdict == ERROR
    assert judgement.worst["item_id"].tolist() == ["i5"]
    assert list(judgement.history.values) == [0] * 7 + [1]
    assert finite(calibration(theta=[0.1, bad]), before).verdict == ERROR


def test_an_item_or_a_person_that_comes_twice_is_an_error():
    judgement = finite(calibration(item_table(3, item_id=["i1", "i2", "i1"])), [])
    assert (judgement.verdict, judgement.numbers["rows_twice"]) == (ERROR, 1)


@pytest.mark.parametrize(
    ("column", "value"), [("a", 0.19), ("a", 4.1), ("a", -1.0), ("b", 6.1), ("b", -6.1), ("c", 0.5)]
)
@pytest.mark.parametrize(("n_outside", "level"), [(0, PASS), (5, PASS), (6, WARN), (20, WARN), (21, ERROR)])
def test_plausible_ranges_without_history(column, value, n_outside, level):
    items = item_table()
    items.loc[items.index < n_outside, column] = value
    judgement = plausible_ranges(calibration(items), [], LIMITS)
    assert judgement.verdict == level
    assert judgement.numbers["items_outside"] == n_outside


def test_the_edges_of_the_ranges_are_plausible():
    edges = item_table(4, a=[0.2, 4.0, 1, 1], b=[0, 0, 6, -6], c=[0, 0.49, 0, 0])
    assert plausible_ranges(calibration(edges), [], LIMITS).numbers["items_outside"] == 0


@pytest.mark.parametrize(("n_outside", "level"), [(16, PASS), (17, WARN), (21, ERROR)])
def test_a_young_bank_that_always_has_some_items_outside_warns_at_twice_its_usual_share(n_outside, level):
    items = item_table()
    items.loc[items.index < n_outside, "a"] = 9.0
    before = fits(calibration(), plausible_ranges={"share_outside": 0.08})
    judgement = plausible_ranges(calibration(items), before, LIMITS)
    assert judgement.verdict == level
    assert list(judgement.history.limits) == [0.16, 0.2]


@pytest.mark.parametrize(("n_flagged", "level"), [(0, PASS), (10, PASS), (11, WARN)])
def test_many_items_that_may_not_discriminate_warn_and_are_named(n_flagged, level):
    items = item_table(flag=[UNDETERMINED] * n_flagged + [""] * (100 - n_flagged))
    judgement = discrimination(calibration(items), [], LIMITS)
    assert judgement.verdict == level
    assert judgement.numbers["items_to_review"] == n_flagged
    assert ("i0, i1, i2, i3, i4" in judgement.finding) == (n_flagged > 0)


def test_a_bank_where_many_items_usually_may_not_discriminate_is_compared_with_itself():
    items = item_table(flag=[UNDETERMINED] * 20 + [""] * 80)
    assert discrimination(
        calibration(items), fits(calibration(), discrimination={"share_to_review": 0.15}), LIMITS
    ).passed


def test_one_reversed_item_warns():
    judgement = discrimination(calibration(item_table(flag=[REVERSED] + [""] * 99)), [], LIMITS)
    assert judgement.verdict == WARN
    assert "1 discriminate below 0: i0" in judgement.finding
    assert judgement.worst["item_id"].tolist() == ["i0"]


@pytest.mark.parametrize(
    ("steps", "level"),
    [([-0.5, None, 0.8], PASS), ([-np.inf, 0.8], PASS), ([None, None], ERROR), ([0.5, np.inf], ERROR), (None, PASS)],
)
def test_steps_are_finite_or_passed_by_everybody(steps, level):
    items = item_table()
    items["steps"] = [steps, [0.0, 1.0], *[None] * 98]
    judgement = finite(calibration(items), [])
    assert judgement.verdict == level
    assert judgement.numbers["items_not_finite"] == (level == ERROR)
