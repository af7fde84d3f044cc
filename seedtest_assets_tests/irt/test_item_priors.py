"""Priors of single items: their derivatives, how they fade with answers, and the scale they are on."""

import numpy as np
import pytest
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.irt.item_priors import item_priors, prior_of
from seedtest_assets.irt.parameters import SAME_SCALE, Line
from seedtest_assets.irt.prior_densities import add_prior, log_prior, prior_information
from seedtest_assets.irt.priors import Priors
from seedtest_assets.irt.state import State

OF_SOME = irt.PriorsByItem([0, 2], log_a_mean=[0.4, -0.2], log_a_sd=[0.2, 0.5], b_mean=[1.0, -1.0], b_sd=[0.3, 0.8])
N_ITEMS = 12


def answers_to_a_bank(n_persons=4000, few=None, seed=11):
    """Items of which item 0 has only `few` answers, where given; and what they are."""
    rng = np.random.default_rng(seed)
    truth = irt.ItemParameters(
        np.arange(N_ITEMS), rng.lognormal(0, 0.2, N_ITEMS), rng.normal(size=N_ITEMS), np.zeros(N_ITEMS)
    )
    marks = irt.simulate(rng.normal(size=n_persons), truth, seed=seed).astype(float)
    if few is not None:
        marks[few:, 0] = np.nan
    return irt.Responses.from_matrix(marks), truth


def prior_of_the_first(b_mean=2.0, b_sd=0.4, log_a_mean=0.0, population=SAME_SCALE):
    return irt.PriorsByItem([0], [log_a_mean], [0.3], [b_mean], [b_sd], population=population)


@pytest.mark.parametrize("model", ["2PL", "3PL"])
def test_derivatives_of_each_items_prior_are_those_of_its_density(model):
    priors = item_priors(Priors(by_item=OF_SOME, prior_b=(0.5, 1.5)), model, np.arange(4), np.zeros(4, bool))
    x, free = np.array([[0.7, 1.4, 1.0, 0.9], [0.3, -0.8, 1.1, 0.2], [-1.0, -1.5, -2.0, -0.4]]), np.ones(4, bool)

    def density(values):
        return log_prior(priors, None, State(*values, np.zeros(1), np.ones(1)), free)

    def slope(values, j, h=1e-5):
        steps = h * np.eye(12).reshape(12, 3, 4)[[j, 4 + j, 8 + j]]
        return np.array([(density(values + step) - density(values - step)) / (2 * h) for step in steps])

    information = prior_information(priors, None, State(*x, np.zeros(1), np.ones(1)), free)
    for j in range(4):
        gradient, expected = np.zeros(3), np.zeros((3, 3))
        add_prior(tuple(x[:, j]), prior_of(priors, j), gradient, expected)
        np.testing.assert_allclose(gradient, slope(x, j), atol=1e-7)
        steps = 1e-4 * np.eye(12).reshape(12, 3, 4)[[j, 4 + j, 8 + j]]
        hessian = np.array([(slope(x + step, j) - slope(x - step, j)) / 2e-4 for step in steps])
        np.testing.assert_allclose(information[j], -hessian, atol=1e-4)


def test_an_item_with_five_answers_is_near_its_prediction_and_known_no_worse():
    responses, _ = answers_to_a_bank(few=5)
    fit = irt.calibrate(responses, options=irt.Options(by_item=prior_of_the_first()))
    assert fit.items.item[0] == 0
    assert fit.items.b[0] == pytest.approx(2.0, abs=0.4)
    assert fit.items.a[0] == pytest.approx(1.0, abs=0.3)
    assert 0.2 < fit.se_b[0] < 0.45


def test_without_its_prior_the_same_item_is_left_out():
    fit = irt.calibrate(answers_to_a_bank(few=5)[0])
    assert fit.left_out == ((0, 5, "fewer than 10 answers"),)


def test_an_item_with_ten_thousand_answers_barely_moves():
    responses, truth = answers_to_a_bank(n_persons=10_000)
    free = irt.calibrate(responses)
    fit = irt.calibrate(responses, options=irt.Options(by_item=prior_of_the_first(b_mean=truth.b[0] + 1)))
    np.testing.assert_allclose(fit.items.b, free.items.b, atol=0.02)
    np.testing.assert_allclose(fit.items.a, free.items.a, atol=0.02)


def test_a_wide_prior_changes_nothing_but_the_way_there():
    responses, _ = answers_to_a_bank()
    free = irt.calibrate(responses, options=irt.Options(tolerance=1e-7))
    wide = irt.PriorsByItem([0], [0.0], [1e4], [0.0], [1e4])
    fit = irt.calibrate(responses, options=irt.Options(by_item=wide, tolerance=1e-7))
    # The density of a is flat in log a, which is that of a times 1 / a: with 4,000 answers next to nothing.
    np.testing.assert_allclose(fit.items.a, free.items.a, atol=5e-3)
    np.testing.assert_allclose(fit.items.b, free.items.b, atol=5e-3)


def test_an_item_with_only_right_answers_needs_no_more_than_its_own_prior():
    marks = np.where(np.random.default_rng(2).random((600, 6)) < expit(np.linspace(-1, 1, 6)), 1.0, 0.0)
    marks[:, 0] = 1
    fit = irt.calibrate(irt.Responses.from_matrix(marks), options=irt.Options(by_item=prior_of_the_first(b_mean=-1)))
    assert not fit.left_out
    assert fit.items.b[0] < -1


def test_priors_are_on_the_banks_scale_with_anchors_linked_to_or_held():
    """The bank is at 500 +- 100: a prior there gives there what the same prior gives at 0 +- 1."""
    responses, truth = answers_to_a_bank(few=20)
    bank = irt.ItemParameters(truth.item, truth.a / 100, 100 * truth.b + 500, truth.c).take(slice(1, 8))
    here = irt.calibrate(responses, options=irt.Options(by_item=prior_of_the_first()))
    there = prior_of_the_first(b_mean=700, b_sd=40, log_a_mean=-np.log(100), population=Line(100.0, 500.0))
    for method in ("stocking_lord", "fixed"):
        fit = irt.calibrate(responses, anchors=bank, options=irt.Options(by_item=there, linking_method=method))
        assert (fit.items.b[0] - 500) / 100 == pytest.approx(here.items.b[0], abs=0.06)
        assert fit.items.a[0] * 100 == pytest.approx(here.items.a[0], abs=0.06)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"b_sd": [0.0]}, "b_sd of item 3 is 0, but must be finite, and an SD above 0"),
        ({"log_a_mean": [np.nan]}, "log_a_mean of item 3 is nan"),
        ({"item": [3, 3]}, "1 values of log_a_mean for 2 items"),
    ],
)
def test_impossible_priors_are_refused(given, message):
    values = {"item": [3], "log_a_mean": [0.0], "log_a_sd": [0.3], "b_mean": [0.0], "b_sd": [1.0]}
    with pytest.raises(irt.DataError, match=message):
        irt.PriorsByItem(**values | given)
