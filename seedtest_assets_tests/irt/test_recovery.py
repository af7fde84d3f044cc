"""Known truth comes back: without bias, inside the intervals as often as promised, and from every design a platform
has."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import responses_of, simulate

pytestmark = pytest.mark.slow


def coverage_and_bias(model, seeds, n_persons, n_items, **kind):
    inside_a, inside_b, z_a, z_b = [], [], [], []
    for seed in seeds:
        truth = simulate(n_persons, n_items, seed, **kind)
        fit = irt.calibrate(truth.responses, model)
        a, b = truth.items.a[fit.items.item], truth.items.b[fit.items.item]
        inside_a.append(np.abs(fit.items.a - a) < 1.96 * fit.se_a)
        inside_b.append(np.abs(fit.items.b - b) < 1.96 * fit.se_b)
        z_a.append((fit.items.a - a) / fit.se_a)
        z_b.append((fit.items.b - b) / fit.se_b)
    return np.mean(inside_a), np.mean(inside_b), np.mean(z_a), np.mean(z_b)


@pytest.mark.parametrize("seen", [1.0, 0.5])
def test_2pl_intervals_cover_and_estimates_are_unbiased_over_many_seeds(seen):
    inside_a, inside_b, z_a, z_b = coverage_and_bias("2PL", range(100, 140), 1500, 25, seen=seen)
    assert 0.93 < inside_a < 0.97
    assert 0.93 < inside_b < 0.97
    assert abs(z_a) < 0.15
    assert abs(z_b) < 0.15


def test_rasch_intervals_cover_and_estimates_are_unbiased_over_many_seeds():
    inside_a, inside_b, z_a, z_b = coverage_and_bias("Rasch", range(200, 260), 500, 15, common_slope=1.2)
    assert 0.90 < inside_a < 0.99  # one slope a seed
    assert 0.93 < inside_b < 0.97
    assert abs(z_a) < 0.3
    assert abs(z_b) < 0.15


def test_3pl_recovers_curves():
    truth = simulate(8000, 30, 400, c=0.2)
    fit = irt.calibrate(truth.responses, "3PL")
    theta = np.linspace(-2, 2, 21)
    error = irt.probability(theta, fit.items) - irt.probability(theta, truth.items)
    assert np.abs(error).max() < 0.08
    assert np.sqrt(np.mean(error**2)) < 0.015


def test_abilities_are_as_far_off_as_their_errors_say():
    truth = simulate(5000, 30, 401)
    fit = irt.calibrate(truth.responses)
    assert np.std((fit.theta - truth.theta) / fit.theta_se) == pytest.approx(1, abs=0.03)


def near_ability(theta, b, n_seen, width, rng):
    """Each person sees items drawn near their ability: chances exp(-(b - theta)^2 / (2 width^2))."""
    seen = np.zeros((len(theta), len(b)), bool)
    keys = rng.gumbel(size=seen.shape) - 0.5 * ((b - theta[:, None]) / width) ** 2
    np.put_along_axis(seen, np.argpartition(-keys, n_seen, axis=1)[:, :n_seen], True, axis=1)
    return seen


@pytest.mark.parametrize("width", [2.0, 1.0, 0.7])
def test_items_given_near_an_ability_known_otherwise_do_not_bias(width):
    rng = np.random.default_rng(500)
    truth = simulate(12_000, 600, 501)
    seen = near_ability(truth.theta, truth.items.b, 30, width, rng)  # 5 % of the bank
    truth = simulate(12_000, 600, 501, seen=seen)
    fit = irt.calibrate(truth.responses, options=irt.Options(standard_errors=False))
    a, b = truth.items.a[fit.items.item], truth.items.b[fit.items.item]
    middle = np.abs(b) < 2  # the ends of the bank have few answers
    assert abs(np.mean(np.log(fit.items.a[middle] / a[middle]))) < 0.05
    assert np.polyfit(b[middle], fit.items.b[middle], 1)[0] == pytest.approx(1, abs=0.05)
    assert np.polyfit(b[middle], fit.items.b[middle], 1)[1] == pytest.approx(0, abs=0.05)


def test_adaptive_test_whose_items_follow_from_the_answers_does_not_bias():
    rng = np.random.default_rng(502)
    n_persons, n_items, n_seen = 8000, 400, 20
    truth = simulate(n_persons, n_items, 503)
    order = np.argsort(truth.items.b)
    estimate, information = np.zeros(n_persons), np.ones(n_persons)
    seen = np.zeros((n_persons, n_items), bool)
    when = np.zeros((n_persons, n_items), int)
    everyone = np.arange(n_persons)
    for turn in range(
        n_seen
    ):  # the item of about the current estimate that was not seen yet, and a step of the estimate
        keys = np.abs(truth.items.b[order] - (estimate + rng.normal(0, 0.5, n_persons))[:, None]) + 1e3 * seen[:, order]
        item = order[np.argmin(keys, axis=1)]
        seen[everyone, item], when[everyone, item] = True, turn
        a, b = truth.items.a[item], truth.items.b[item]
        p = 1 / (1 + np.exp(-a * (estimate - b)))
        information += a**2 * p * (1 - p)
        estimate += a * (truth.right[everyone, item] - p) / information
    person, item = np.nonzero(seen)
    responses = irt.Responses.from_answers(person, item, truth.right[person, item].astype(int), when[person, item])
    fit = irt.calibrate(responses, options=irt.Options(standard_errors=False))
    b = truth.items.b[fit.items.item]
    often = fit.n_responses > 150
    assert not any("depend on ability" in warning for warning in fit.warnings)
    assert abs(np.mean(np.log(fit.items.a[often] / truth.items.a[fit.items.item][often]))) < 0.05
    assert np.polyfit(b[often], fit.items.b[often], 1)[0] == pytest.approx(1, abs=0.05)
    assert np.std((fit.theta - truth.theta) / fit.theta_se) == pytest.approx(1, abs=0.1)  # items are estimates, too


def test_two_forms_taken_by_groups_of_different_ability_do_not_bias():
    rng = np.random.default_rng(504)
    n, separate, common = 2000, 25, 10
    truth = simulate(2 * n, 2 * separate + common, 505)
    theta = np.repeat([-1.0, 1.0], n) + rng.normal(0, 1, 2 * n)
    right = (rng.random((2 * n, 2 * separate + common)) < irt.probability(theta, truth.items).T).astype(int)
    seen = np.ones(right.shape, bool)
    seen[:n, :separate] = False
    seen[n:, separate : 2 * separate] = False
    person, item = np.nonzero(seen)
    responses = irt.Responses.from_answers(person, item, right[person, item])
    sd = theta.std()
    for groups in (np.repeat([0, 1], n), None):
        fit = irt.calibrate(responses, groups=groups)
        assert np.mean(np.abs(fit.items.b - truth.items.b / sd) < 3 * fit.se_b) > 0.97
        assert fit.groups_mean[1] - fit.groups_mean[0] == pytest.approx(2 / sd, abs=0.1)
        assert np.abs(fit.items.b[:separate] - truth.items.b[:separate] / sd).mean() < 0.15


def test_seeds_pull_items_with_few_answers_and_leave_the_others():
    truth = simulate(2000, 20, 506)
    right = truth.right.copy()
    right[60:, :5] = np.nan
    free = irt.calibrate(responses_of(right))
    seeded = irt.calibrate(responses_of(right), starts=truth.items, options=irt.Options(prior_answers=50))

    def miss(fit, rows):
        return np.sqrt(np.mean((fit.items.a[rows] - truth.items.a[fit.items.item[rows]]) ** 2))

    assert miss(seeded, slice(0, 5)) < 0.8 * miss(free, slice(0, 5))
    np.testing.assert_allclose(seeded.items.a[5:], free.items.a[5:], atol=0.05)


def test_item_fit_finds_the_item_that_does_not_fit_in_sparse_data():
    rng = np.random.default_rng(507)
    truth = simulate(20_000, 60, 508, seen=0.3)
    right = truth.right.copy()
    curve = 0.2 + 0.6 * np.abs(np.tanh(truth.theta))  # no such item in the model
    right[:, 7] = rng.random(len(right)) < curve
    responses = responses_of(np.where(truth.seen, right, np.nan))
    fit = irt.calibrate(responses, options=irt.Options(standard_errors=False))
    item_fit = irt.item_fit(responses, fit.items, fit.theta)
    assert np.argmin(item_fit.p) == 7
    assert item_fit.p[7] < 1e-6
    others = np.delete(item_fit.p, 7)
    assert 0.3 < others.mean() < 0.7
    assert (others < 0.01).mean() < 0.1
    assert np.nanmax(np.abs(item_fit.group_observed[7] - item_fit.group_expected[7])) > 0.1


def test_person_fit_finds_who_answered_at_random():
    truth = simulate(2000, 60, 509)
    right = truth.right.copy()
    easy_first = np.argsort(truth.items.b)
    right[0, easy_first[:30]], right[0, easy_first[30:]] = 0, 1
    responses = responses_of(right)
    fit = irt.calibrate(responses, options=irt.Options(standard_errors=False))
    lz = irt.person_fit(responses, fit.items)
    assert np.argmin(lz) == 0
    assert lz[0] < -5
    assert abs(np.mean(lz[1:])) < 0.3
