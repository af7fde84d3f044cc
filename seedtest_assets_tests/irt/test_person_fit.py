"""lz* against a plain computation, its distribution under the model, and what it finds."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import simulate


def plain(marks, a, b, c, mean, sd) -> float:
    """lz* of one person, as Snijders (2001) writes it, at the mode that an optimiser finds. marks: NaN for no answer."""
    seen = np.isfinite(marks)
    x, a, b, c = marks[seen], a[seen], b[seen], c[seen]

    def p_at(theta):
        return c + (1 - c) / (1 + np.exp(-a * (theta - b)))

    def minus_log_posterior(theta):
        p = p_at(theta)
        return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p)) + 0.5 * ((theta - mean) / sd) ** 2

    theta = minimize_scalar(
        minus_log_posterior, bounds=(mean - 6 * sd, mean + 6 * sd), method="bounded", options={"xatol": 1e-12}
    ).x
    p = p_at(theta)
    slope = a * (p - c) * (1 - p) / (1 - c)
    r, w = slope / (p * (1 - p)), np.log(p / (1 - p))
    cn = np.sum(slope * w) / np.sum(slope * r)
    r0 = (mean - theta) / sd**2
    return (np.sum(w * (x - p)) + cn * r0) / np.sqrt(np.sum((w - cn * r) ** 2 * p * (1 - p)))


@pytest.mark.parametrize("guessing", [0.0, 0.2])
def test_it_is_the_published_formula_at_the_posteriors_mode(guessing):
    truth = simulate(60, 25, seed=3, seen=0.7, c=guessing)
    items = truth.items
    lz_star = irt.person_fit(truth.responses, items, mean=0.2, sd=1.1)
    marks = np.where(truth.seen, truth.right, np.nan)
    for person in range(60):
        expected = plain(marks[person], items.a, items.b, items.c, 0.2, 1.1)
        assert lz_star[person] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("n_items", "off"), [(10, 0.15), (40, 0.07)])
def test_under_the_model_it_is_about_standard_normal_also_for_short_tests(n_items, off):
    truth = simulate(20_000, n_items, seed=8)
    lz_star = irt.person_fit(truth.responses, truth.items)
    assert abs(lz_star.mean()) < off
    assert lz_star.std() == pytest.approx(1, abs=off)
    assert np.mean(lz_star < -1.645) == pytest.approx(0.05, abs=0.015)


def test_who_guesses_at_half_of_the_items_is_found():
    truth = simulate(4000, 40, seed=9)
    guessed = np.random.default_rng(1).random((4000, 40)) < 0.25
    half = np.argsort(truth.items.b)[::2]
    right = truth.right.copy()
    able = np.flatnonzero(truth.theta > 0.5)
    right[np.ix_(able, half)] = guessed[np.ix_(able, half)]
    lz_star = irt.person_fit(irt.Responses.from_matrix(right), truth.items)
    assert np.mean(lz_star[able] < -1.645) > 0.5
    assert np.mean(np.delete(lz_star, able) < -1.645) < 0.07


def test_few_answers_give_none_and_extreme_ones_a_finite_number():
    items = irt.ItemParameters(np.arange(8), np.full(8, 20.0), np.linspace(-3, 3, 8), np.full(8, 0.3))
    marks = np.array([[1, 0, 1, 0] + [np.nan] * 4, [1] * 8, [0] * 8, [0, 0, 0, 0, 1, 1, 1, 1]], float)
    lz_star = irt.person_fit(irt.Responses.from_matrix(marks), items)
    assert np.isnan(lz_star[0])
    assert np.isfinite(lz_star[1:]).all()
    with pytest.raises(irt.DataError, match="an SD above 0"):
        irt.person_fit(irt.Responses.from_matrix(marks), items, sd=0.0)
