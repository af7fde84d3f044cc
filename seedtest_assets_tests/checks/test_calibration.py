"""Each check of a calibration with data that passes, that just fails, and that has no history."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.checks.calibration import (
    ability_distribution,
    anchors_present,
    converged,
    finite,
    item_count_drop,
    linking_constants,
    plausible_ranges,
)
from seedtest_assets.checks.judgement import Fit, Level
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import DAY, calibration, fits, item_table

LIMITS = Settings()
PASS, WARN, ERROR = Level.PASS, Level.WARN, Level.ERROR


@pytest.mark.parametrize(("n", "level"), [(100, PASS), (90, PASS), (89, WARN), (80, WARN), (79, ERROR), (30, ERROR)])
def test_item_count_drop(n, level):
    told = item_count_drop(calibration(item_table(n)), fits(calibration()), LIMITS)
    assert told.level == level
    assert (told.numbers["items"], told.numbers["usual_items"]) == (n, 100)
    assert list(told.history) == [100] * 7 + [n]


def test_one_bad_night_among_the_earlier_does_not_move_the_usual_item_count():
    before = fits(calibration())
    before[-1] = Fit(DAY, {"n_items": 10}, {})
    assert item_count_drop(calibration(), before, LIMITS).passed
    assert item_count_drop(calibration(item_table(79)), before, LIMITS).level == ERROR


def test_item_count_without_history_passes_and_says_so():
    told = item_count_drop(calibration(item_table(3)), [], LIMITS)
    assert told.passed
    assert "no earlier partition" in told.said


@pytest.mark.parametrize(("said", "level"), [(True, PASS), (False, ERROR), (None, PASS)])
@pytest.mark.parametrize("n_before", [0, 7])
def test_converged(said, level, n_before):
    told = converged(calibration(converged=said), fits(calibration(), n_before))
    assert told.level == level
    assert len(told.history) == n_before + 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_parameter_or_ability_that_is_no_number_is_an_error(bad):
    assert finite(calibration()).passed
    b = item_table()["b"].mask(item_table().index == 5, bad)
    told = finite(calibration(item_table(b=b)))
    assert told.level == ERROR
    assert told.worst["item_id"].tolist() == ["i5"]
    assert finite(calibration(theta=[0.1, bad])).level == ERROR


def test_an_item_or_a_person_that_comes_twice_is_an_error():
    told = finite(calibration(item_table(3, item_id=["i1", "i2", "i1"])))
    assert (told.level, told.numbers["rows_twice"]) == (ERROR, 1)


@pytest.mark.parametrize(
    ("column", "value"), [("a", 0.19), ("a", 4.1), ("a", -1.0), ("b", 6.1), ("b", -6.1), ("c", 0.5)]
)
@pytest.mark.parametrize(("n_outside", "level"), [(0, PASS), (5, PASS), (6, WARN), (20, WARN), (21, ERROR)])
def test_plausible_ranges_without_history(column, value, n_outside, level):
    items = item_table()
    items.loc[items.index < n_outside, column] = value
    told = plausible_ranges(calibration(items), [], LIMITS)
    assert told.level == level
    assert told.numbers["items_outside"] == n_outside


def test_the_edges_of_the_ranges_are_plausible():
    edges = item_table(4, a=[0.2, 4.0, 1, 1], b=[0, 0, 6, -6], c=[0, 0.49, 0, 0])
    assert plausible_ranges(calibration(edges), [], LIMITS).numbers["items_outside"] == 0


@pytest.mark.parametrize(("n_outside", "level"), [(16, PASS), (17, WARN), (21, ERROR)])
def test_a_young_bank_that_always_has_some_items_outside_warns_at_twice_its_usual_share(n_outside, level):
    items = item_table()
    items.loc[items.index < n_outside, "a"] = 9.0
    before = fits(calibration(), plausible_ranges={"share_outside": 0.08})
    assert plausible_ranges(calibration(items), before, LIMITS).level == level


@pytest.mark.parametrize(("n_used", "level"), [(20, PASS), (10, PASS), (9, WARN)])
def test_anchors_that_link_against_the_usual_number(n_used, level):
    told = anchors_present(calibration(n_used=n_used), 24, "stocking_lord", fits(calibration()), LIMITS)
    assert told.level == level


def test_a_calibration_that_lost_the_banks_scale_is_an_error():
    before = fits(calibration())
    for linked_to in ("previous", "none"):
        told = anchors_present(calibration(linked_to=linked_to), 0, "stocking_lord", before, LIMITS)
        assert told.level == ERROR
        assert "through 20 anchors" in told.said


def test_anchors_of_the_bank_that_do_not_link_are_an_error_even_without_history():
    assert anchors_present(calibration(linked_to="none"), 2, "haebara", [], LIMITS).level == ERROR
    assert anchors_present(calibration(linked_to="none"), 2, "none", [], LIMITS).passed


def test_a_bank_without_anchors_is_linked_to_the_previous_partition_or_it_is_an_error():
    before = fits(calibration(linked_to="previous"))
    assert anchors_present(calibration(linked_to="previous"), 0, "stocking_lord", before, LIMITS).passed
    assert anchors_present(calibration(linked_to="none"), 0, "stocking_lord", before, LIMITS).level == ERROR
    first = anchors_present(calibration(linked_to="none"), 0, "stocking_lord", [], LIMITS)
    assert first.passed
    assert "defines the scale" in first.said


@pytest.mark.parametrize(
    ("A", "B", "level"),
    [(1.2, 0.5, PASS), (2.39, 0.5, PASS), (2.41, 0.5, WARN), (0.61, 0.5, PASS), (0.59, 0.5, WARN), (1.2, 1.49, PASS),
     (1.2, 1.51, WARN), (1.2, -0.51, WARN)],
)  # fmt: skip
def test_linking_constants_against_the_last_partitions(A, B, level):
    told = linking_constants(calibration(A=A, B=B), fits(calibration(A=1.2, B=0.5)), LIMITS)
    assert told.level == level
    assert list(told.history) == [0.5] * 7 + [B]


@pytest.mark.parametrize(("A", "B", "level"), [(1.9, 0.9, PASS), (2.1, 0, WARN), (0.4, 0, WARN), (1, -1.1, WARN)])
def test_linking_constants_without_history_against_the_same_scale(A, B, level):
    assert linking_constants(calibration(A=A, B=B), [], LIMITS).level == level
    of_another_source = fits(calibration(A=9.0, B=9.0, linked_to="previous"))
    assert linking_constants(calibration(A=A, B=B), of_another_source, LIMITS).level == level


def test_no_link_has_no_constants_to_judge():
    assert linking_constants(calibration(linked_to="none"), [], LIMITS).passed


def distribution(theta, **before):
    known = {"mean": 0.0, "sd": 1.0, "share_at_ends": 0.0} | before
    return ability_distribution(calibration(theta=theta), fits(calibration(), ability_distribution=known), LIMITS)


def standard(n=2000):
    theta = np.random.default_rng(9).normal(size=n)
    return (theta - theta.mean()) / theta.std()


@pytest.mark.parametrize(
    ("theta", "level"),
    [(standard(), PASS), (standard() + 0.19, PASS), (standard() + 0.21, WARN), (standard() - 0.21, WARN),
     (standard() * 1.19, PASS), (standard() * 1.21, WARN), (standard() * 0.79, WARN)],
)  # fmt: skip
def test_mean_and_sd_of_the_abilities(theta, level):
    assert distribution(theta).level == level


@pytest.mark.parametrize(("n_far", "level"), [(0, PASS), (2, PASS), (3, WARN)])
def test_abilities_at_the_grids_ends(n_far, level):
    theta = standard()
    theta[:n_far] = 6.0
    told = distribution(theta)
    assert told.level == level
    assert told.numbers["share_at_ends"] == pytest.approx(n_far / 2000)


def test_few_students_may_differ_by_their_sampling_error():
    assert distribution(standard(40) + 0.5).passed
    assert distribution(standard(40) + 0.8).level == WARN


def test_abilities_without_history_pass_unless_they_stick_at_the_ends():
    assert ability_distribution(calibration(theta=standard() + 1), [], LIMITS).passed
    assert (
        ability_distribution(calibration(theta=pd.Series(standard()).where(standard() < 2, 6.0)), [], LIMITS).level
        == WARN
    )
