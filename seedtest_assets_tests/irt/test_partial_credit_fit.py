"""Fit of items and persons with partial credit: agreement with R mirt, the definitions, what must not change, and chance."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import kstest

from seedtest_assets import irt
from seedtest_assets_tests.irt.reference import numbers, result_of
from seedtest_assets_tests.irt.simulate import simulate
from seedtest_assets_tests.irt.test_partial_credit import NONE, answers_in_steps, items_of
from seedtest_assets_tests.irt.test_score_fit import MIXED

MIRTS = ["Science_GRM", "Science_GPCM", "mixed", "mixed_dense"]


def mixed_bank(n_items, seed=1, guessing=0.0) -> irt.ItemParameters:
    """Make as many items of a GRM, a GPCM, and right or wrong ones; of every other GPCM item nobody has score 1."""
    rng = np.random.default_rng(seed)
    model = np.array(["GRM", "GPCM", ""], object)[np.arange(n_items) % 3]
    steps = rng.normal(0, 0.8, (n_items, 1)) + np.array([-0.9, 0.1, 0.8])
    steps[model == ""] = NONE
    steps[1::6, 0] = NONE
    c = np.where(model == "", guessing, 0.0)
    return irt.ItemParameters(
        np.arange(n_items), rng.lognormal(0, 0.3, n_items), rng.normal(size=n_items), c, steps, model
    )


def drawn(items, n_persons, seed, seen=1.0) -> tuple[irt.Responses, np.ndarray, np.ndarray]:
    """Draw the abilities of N(0, 1) persons and their scores: the answers, the abilities, a matrix."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n_persons)
    scores = irt.simulate(theta, items, rng)
    scores[rng.random(scores.shape) >= seen] = NONE
    return irt.Responses.from_matrix(scores), theta, scores


def of_one_step(items, model) -> irt.ItemParameters:
    return irt.ItemParameters(items.item, items.a, items.b, items.c, items.b[:, None], [model] * len(items))


def mirrored(items) -> irt.ItemParameters:
    """Turn the scores 0..m and the ability axis around, of items without scores that nobody has."""
    steps = np.full_like(items.steps, NONE)
    for row, given, highest in zip(steps, items.steps, items.max_score, strict=True):
        row[:highest] = -given[:highest][::-1]
    return irt.ItemParameters(items.item, items.a, -items.b, items.c, steps, items.model)


@pytest.mark.parametrize("name", MIRTS)
def test_infit_and_outfit_are_mirts(name):
    result = result_of(name)
    items = items_of(result["optimum"])
    responses = irt.Responses.from_matrix(answers_in_steps(name.split("_G")[0]))
    theta, _ = irt.expected_a_posteriori(responses, items)
    fit = irt.item_fit(responses, items, theta)
    for statistic in ("infit", "outfit"):
        np.testing.assert_allclose(getattr(fit, statistic), result[statistic], rtol=2e-5)
        if (name, statistic) != (
            "mixed",
            "outfit",
        ):  # where answers are missing mirt's z takes another number of answers
            np.testing.assert_allclose(getattr(fit, f"z_{statistic}"), result[f"z_{statistic}"], atol=2e-4)


@pytest.mark.parametrize("name", MIRTS)
def test_reliabilities_are_mirts(name):
    result = result_of(name)
    items = items_of(result["optimum"])
    responses = irt.Responses.from_matrix(answers_in_steps(name.split("_G")[0]))
    assert irt.marginal_reliability(items) == pytest.approx(numbers(result["marginal_reliability"]), abs=1e-5)
    empirical = irt.reliability(*irt.expected_a_posteriori(responses, items))
    assert empirical == pytest.approx(numbers(result["reliability"]), abs=1e-4)


def test_chi_square_and_shares_are_those_of_the_definition():
    """Each answer in the ability group, and with the expectation, that the person's other answers give."""
    responses, theta, scores = drawn(MIXED, 400, seed=1, seen=0.8)
    fit = irt.item_fit(responses, MIXED, theta, n_parameters=0)
    grid, highest = irt.normal_grid(), MIXED.max_score
    p = irt.category_probabilities(grid.node, MIXED)
    log_p, share = np.log(np.maximum(p, 1e-300)), np.arange(p.shape[1]) / highest[:, None]
    sums = np.zeros((4, 10, 5))
    for row in scores:
        given = np.flatnonzero(np.isfinite(row))
        for item in given:
            others = given[given != item]
            weight = grid.weight * np.exp(sum(log_p[other, int(row[other])] for other in others))
            weight = weight / weight.sum()
            group = np.searchsorted(fit.group_limit, weight @ grid.node)
            mean, square = (share[item] ** power @ (p[item] @ weight) for power in (1, 2))
            sums[item, group] += [1, row[item] / highest[item], mean, square, square - mean**2]
    n, observed, expected, square, variance = np.moveaxis(sums, 2, 0)
    np.testing.assert_array_equal(fit.group_n, n)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(fit.group_observed, observed / n, atol=1e-12)
        np.testing.assert_allclose(fit.group_expected, expected / n, atol=1e-9)
        np.testing.assert_allclose(fit.group_variance, square / n - (expected / n) ** 2, atol=1e-9)
    used = variance >= 1
    np.testing.assert_array_equal(fit.df, used.sum(axis=1))
    parts = np.divide((observed - expected) ** 2, variance, out=np.zeros_like(n), where=used)
    np.testing.assert_allclose(fit.chi_square, parts.sum(axis=1), rtol=1e-8)


@pytest.mark.parametrize("model", ["GRM", "GPCM", "PCM"])
def test_items_of_one_step_fit_as_right_or_wrong_ones(model):
    truth = simulate(800, 24, seed=4, seen=0.6)
    polytomous = of_one_step(truth.items, model)
    ours = irt.item_fit(truth.responses, polytomous, truth.theta, n_parameters=2)
    expected = irt.item_fit(truth.responses, truth.items, truth.theta)
    for field in fields(expected):
        np.testing.assert_allclose(getattr(ours, field.name), getattr(expected, field.name), atol=1e-9)
    np.testing.assert_allclose(ours.rmsd, expected.rmsd, atol=1e-6)
    lz_star = irt.person_fit(truth.responses, polytomous)
    np.testing.assert_allclose(lz_star, irt.person_fit(truth.responses, truth.items), atol=1e-8)


def test_scores_reversed_fit_as_well():
    items = mixed_bank(18)
    items = items.take(np.setdiff1d(np.arange(18), np.arange(1, 18, 6)))
    items = irt.ItemParameters(np.arange(len(items)), items.a, items.b, items.c, items.steps, items.model)
    responses, theta, scores = drawn(items, 600, seed=5, seen=0.7)
    reversed_responses = irt.Responses.from_matrix(items.max_score - scores)
    up, down = irt.item_fit(responses, items, theta), irt.item_fit(reversed_responses, mirrored(items), -theta)
    for statistic in ("infit", "z_infit", "outfit", "z_outfit", "chi_square", "df", "p", "rmsd"):
        np.testing.assert_allclose(getattr(down, statistic), getattr(up, statistic), atol=1e-8)
    np.testing.assert_allclose(down.group_observed, 1 - up.group_observed[:, ::-1], atol=1e-12)
    lz_star = irt.person_fit(reversed_responses, mirrored(items))
    np.testing.assert_allclose(lz_star, irt.person_fit(responses, items), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("guessing", [0.0, 0.2])
def test_under_the_model_z_is_standard_normal_and_p_uniform(guessing):
    """z at the true abilities: at estimated ones, which the answers themselves have moved, it leans below 0."""
    items = mixed_bank(24, seed=2, guessing=guessing)
    z_infit, z_outfit, p, rmsd = [], [], [], []
    for seed in range(100, 130):
        responses, theta, _ = drawn(items, 1000, seed, seen=0.7)
        fit = irt.item_fit(responses, items, theta, n_parameters=0)
        for values, found in zip(
            (z_infit, z_outfit, p, rmsd), (fit.z_infit, fit.z_outfit, fit.p, fit.rmsd), strict=True
        ):
            values.append(found)
    with_steps = items.polytomous
    for z in (np.array(z_infit)[:, with_steps].ravel(), np.array(z_outfit)[:, with_steps].ravel()):
        assert kstest(z, "norm").pvalue > 0.01
    assert kstest(np.array(p)[:, with_steps].ravel(), "uniform").pvalue > 0.01
    assert np.mean(rmsd) < 0.015


def test_an_item_that_does_not_follow_its_steps_is_found():
    items = mixed_bank(24, seed=2)
    moved = items.steps.copy()
    moved[0] += 0.6
    truth = irt.ItemParameters(items.item, items.a, items.b, items.c, moved, items.model)
    responses, theta, _ = drawn(truth, 2000, seed=3, seen=0.7)
    fit = irt.item_fit(responses, items, theta, n_parameters=0)
    assert fit.p[0] < 1e-6
    assert fit.rmsd[0] > 0.06
    assert (fit.rmsd[1:] < 0.04).all()


def test_a_score_that_the_item_does_not_have_is_refused():
    responses = irt.Responses.from_matrix([[1, 2, 3, 0]])
    for compute in (lambda: irt.item_fit(responses, MIXED, np.zeros(1)), lambda: irt.person_fit(responses, MIXED)):
        with pytest.raises(
            irt.DataError, match="an answer to item 3 has the score 0, which its parameters do not have"
        ):
            compute()


def plain_lz_star(row, items, mean, sd) -> float:
    """lz* of one person, as Sinharay (2016) writes it, at the mode that an optimiser finds. row: NaN for no answer."""
    given = np.flatnonzero(np.isfinite(row))
    some, x = items.take(given), row[given].astype(int)

    def log_p(theta):
        return np.log(np.maximum(irt.category_probabilities(theta, some)[:, :, 0], 1e-300))

    def minus_log_posterior(theta):
        return 0.5 * ((theta - mean) / sd) ** 2 - log_p(theta)[np.arange(len(x)), x].sum()

    theta = minimize_scalar(
        minus_log_posterior, bounds=(mean - 6 * sd, mean + 6 * sd), method="bounded", options={"xatol": 1e-12}
    ).x
    p = np.exp(log_p(theta))
    had = p > 1e-200
    w = np.where(had, log_p(theta), 0.0)
    r = np.where(had, (log_p(theta + 1e-5) - log_p(theta - 1e-5)) / 2e-5, 0.0)
    c = np.sum(p * r * w) / np.sum(p * r * r)
    weights = w - c * r
    variance = np.sum(p * weights**2) - np.sum(np.sum(p * weights, axis=1) ** 2)
    return (w[np.arange(len(x)), x].sum() - np.sum(p * w) + c * (mean - theta) / sd**2) / np.sqrt(variance)


@pytest.mark.slow
@pytest.mark.parametrize("guessing", [0.0, 0.2])
def test_lz_star_is_the_published_formula_at_the_posteriors_mode(guessing):
    items = mixed_bank(24, seed=3, guessing=guessing)
    responses, _, scores = drawn(items, 60, seed=6, seen=0.7)
    lz_star = irt.person_fit(responses, items, mean=0.2, sd=1.1)
    for person in range(60):
        assert lz_star[person] == pytest.approx(plain_lz_star(scores[person], items, 0.2, 1.1), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("n_items", "off"), [(12, 0.12), (39, 0.09)])
def test_under_the_model_lz_star_is_about_standard_normal(n_items, off):
    items = mixed_bank(n_items, seed=4)
    lz_star = irt.person_fit(drawn(items, 20_000, seed=7)[0], items)
    assert abs(lz_star.mean()) < off
    assert lz_star.std() == pytest.approx(1, abs=off)
    assert np.mean(lz_star < -1.645) == pytest.approx(0.05, abs=0.015)


def test_who_scores_at_random_in_half_of_the_items_is_found():
    items = mixed_bank(39, seed=5)
    _, theta, scores = drawn(items, 3000, seed=8)
    able, half = np.flatnonzero(theta > 0.5), np.argsort(items.b)[::2]
    half = half[~np.isin(half, np.arange(1, 39, 6))]  # all scores of the others are possible
    random = np.random.default_rng(1).integers(0, items.max_score[half] + 1, (len(able), len(half)))
    scores[np.ix_(able, half)] = random
    lz_star = irt.person_fit(irt.Responses.from_matrix(scores), items)
    assert np.mean(lz_star[able] < -1.645) > 0.5
    assert np.mean(np.delete(lz_star, able) < -1.645) < 0.07
