"""Curves of items with partial credit: definitions, unused scores, change of scale."""

import numpy as np
import pytest
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.irt.parameters import Line, joined

THETA = np.linspace(-4, 4, 17)
NONE = float("nan")


def item(steps, model, a=1.3) -> irt.ItemParameters:
    return irt.ItemParameters([0], [a], [0.0], [0.0], steps=[steps], model=[model])


def test_graded_curves_are_differences_of_logistic_curves():
    p = irt.category_probabilities(THETA, item([-0.7, 0.1, 1.4], "GRM"))[0]
    at_least = np.stack([np.ones_like(THETA), *(expit(1.3 * (THETA - b)) for b in (-0.7, 0.1, 1.4)), 0 * THETA])
    assert p == pytest.approx(at_least[:-1] - at_least[1:], abs=1e-14)


def test_partial_credit_curves_have_the_log_odds_of_neighbours():
    p = irt.category_probabilities(THETA, item([0.8, -0.3, 1.4], "GPCM"))[0]
    assert p.sum(axis=0) == pytest.approx(1)
    for k, b in enumerate((0.8, -0.3, 1.4), 1):
        assert np.log(p[k] / p[k - 1]) == pytest.approx(1.3 * (THETA - b))


@pytest.mark.parametrize("model", ["GRM", "GPCM", "PCM"])
def test_one_step_is_the_2pl(model):
    polytomous, dichotomous = item([0.4], model), irt.ItemParameters([0], [1.3], [0.4], [0.0])
    assert irt.probability(THETA, polytomous) == pytest.approx(irt.probability(THETA, dichotomous), abs=1e-15)
    assert irt.information(THETA, polytomous) == pytest.approx(irt.information(THETA, dichotomous), abs=1e-14)
    assert polytomous.b == pytest.approx(0.4)


def test_a_score_that_nobody_has_is_jumped_over():
    p = irt.category_probabilities(THETA, item([-0.5, NONE, 0.9], "GPCM"))[0]
    assert (p[2] == 0).all()
    assert np.log(p[3] / p[1]) == pytest.approx(2 * 1.3 * (THETA - 0.9))
    graded = irt.category_probabilities(THETA, item([-0.5, NONE, 0.9], "GRM"))[0]
    assert (graded[2] == 0).all()
    assert graded[[0, 1, 3]] == pytest.approx(irt.category_probabilities(THETA, item([-0.5, 0.9], "GRM"))[0])


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_without_the_score_0_the_lowest_score_is_the_base(model):
    p = irt.category_probabilities(THETA, item([-np.inf, 0.2, 0.9], model))[0]
    assert (p[0] == 0).all()
    assert p[1:] == pytest.approx(irt.category_probabilities(THETA, item([0.2, 0.9], model))[0])


@pytest.mark.parametrize("steps", [[0.8, -0.3, 1.4], [0.8, NONE, 1.4], [-np.inf, 0.3, NONE, 1.2]])
def test_location_is_where_the_ends_of_a_gpcm_are_equally_probable(steps):
    one = item(steps, "GPCM")
    p = irt.category_probabilities(one.b, one)[0, :, 0]
    assert p[p > 0][0] == pytest.approx(p[-1])


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
@pytest.mark.parametrize("steps", [[-0.7, 0.1, 1.4], [-0.7, NONE, 1.4], [-np.inf, 0.1, 1.4]])
def test_information_is_the_expected_squared_score_of_theta(model, steps):
    one, h = item(steps, model), 1e-5
    p = irt.category_probabilities(THETA, one)[0]
    slope = (irt.category_probabilities(THETA + h, one)[0] - irt.category_probabilities(THETA - h, one)[0]) / (2 * h)
    expected = np.sum(np.where(p > 0, slope**2 / np.maximum(p, 1e-300), 0), axis=0)
    assert irt.information(THETA, one)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_a_change_of_scale_moves_the_curves(model):
    one, line = item([-0.7, NONE, 1.4], model), Line(1.25, 0.4)
    moved = line.apply(one)
    assert irt.expected_score(line.A * THETA + line.B, moved) == pytest.approx(irt.expected_score(THETA, one))
    back = line.undo(moved)
    assert back.steps == pytest.approx(one.steps, nan_ok=True)
    assert back.model.tolist() == [model]


def test_banks_of_both_kinds_join():
    right_or_wrong = irt.ItemParameters([1], [1.0], [0.5], [0.2])
    bank = joined([item([-0.7, 1.4], "GRM"), right_or_wrong])
    assert bank.polytomous.tolist() == [True, False]
    assert bank.max_score.tolist() == [2, 1]
    assert irt.probability(THETA, bank.take([1])) == pytest.approx(irt.probability(THETA, right_or_wrong))


@pytest.mark.parametrize(
    ("steps", "model", "message"),
    [
        ([0.5, 0.2], "GRM", "thresholds of a GRM must ascend"),
        ([0.5, -np.inf], "GPCM", "a step is infinite"),
        ([0.5, 1e7], "GPCM", "a step is not between"),
        ([0.5, 0.7], "2PL", "model '2PL' of item 0, which has steps, is not one of GRM, GPCM, PCM"),
    ],
)
def test_steps_that_no_item_has_are_refused(steps, model, message):
    with pytest.raises(irt.DataError, match=message):
        item(steps, model)
