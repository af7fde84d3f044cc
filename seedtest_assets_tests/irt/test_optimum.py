"""The estimates are a maximum, the errors are its curvature, and what is done for speed changes nothing that
matters."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt import em, standard_errors
from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.parallel import _exponential_double, _exponential_single
from seedtest_assets.irt.problem import Problem
from seedtest_assets.irt.screening import answers_to
from seedtest_assets.irt.state import State
from seedtest_assets_tests.irt.simulate import marginal_loglik, responses_of, simulate


def differences(f, x, step=1e-4):
    """Gradient and Hessian by central differences."""
    n = len(x)
    unit = np.eye(n) * step
    gradient = np.array([(f(x + e) - f(x - e)) / (2 * step) for e in unit])
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            e, g = unit[i], unit[j]
            hessian[i, j] = hessian[j, i] = (f(x + e + g) - f(x + e - g) - f(x - e + g) + f(x - e - g)) / (4 * step**2)
    return gradient, hessian


def test_gradient_is_zero_and_errors_are_the_hessians_for_2pl():
    truth = simulate(800, 5, 1, seen=0.8)
    fit = irt.calibrate(truth.responses, options=irt.Options(tolerance=1e-9))
    matrix = np.where(truth.seen, truth.right, np.nan)

    def loglik(x):
        return marginal_loglik(matrix, x[:5], -x[:5] * x[5:])

    gradient, hessian = differences(loglik, np.concatenate([fit.items.a, fit.items.b]))
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(np.concatenate([fit.se_a, fit.se_b]), errors, rtol=2e-3)


def test_gradient_is_zero_and_errors_are_the_hessians_for_rasch():
    truth = simulate(800, 6, 2, common_slope=1.3)
    fit = irt.calibrate(truth.responses, "Rasch", options=irt.Options(tolerance=1e-9))

    def loglik(x):
        return marginal_loglik(truth.right, np.full(6, x[0]), -x[0] * x[1:])

    gradient, hessian = differences(loglik, np.concatenate([fit.items.a[:1], fit.items.b]))
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(np.concatenate([fit.se_a[:1], fit.se_b]), errors, rtol=2e-3)


@pytest.mark.slow
def test_gradient_is_zero_and_errors_are_the_hessians_for_3pl_with_its_prior():
    truth = simulate(3000, 4, 3, c=0.2)
    fit = irt.calibrate(truth.responses, "3PL", options=irt.Options(tolerance=1e-9))
    logit = np.log(fit.items.c / (1 - fit.items.c))

    def posterior(x):
        c = 1 / (1 + np.exp(-x[8:]))
        return marginal_loglik(truth.right, x[:4], x[4:8], c[:, None]) - np.sum((x[8:] - np.log(0.25)) ** 2) / (
            2 * 0.5**2
        )

    gradient, hessian = differences(posterior, np.concatenate([fit.items.a, fit.items.d, logit]))
    np.testing.assert_allclose(gradient, 0, atol=1e-3)
    covariance = np.linalg.inv(-hessian)
    np.testing.assert_allclose(fit.se_a, np.sqrt(np.diag(covariance)[:4]), rtol=5e-3)
    np.testing.assert_allclose(fit.se_c, fit.items.c * (1 - fit.items.c) * np.sqrt(np.diag(covariance)[8:]), rtol=5e-3)


def test_errors_of_two_populations_are_the_hessians_of_the_constrained_likelihood():
    truth = simulate(1200, 5, 9)
    groups = np.repeat([0, 1], 600)
    fit = irt.calibrate(truth.responses, groups=groups, options=irt.Options(tolerance=1e-9))
    node = np.linspace(-6, 6, 61)

    def loglik(x):
        """The second population's mean and SD follow from the first's: together 0 and 1."""
        a, d, mean, sd = x[:5], -x[:5] * x[5:10], x[10], x[11]
        sds = sd, np.sqrt(2 - sd**2 - 2 * mean**2)
        p = 1 / (1 + np.exp(-(a[:, None] * node + d[:, None])))
        total = 0.0
        for group, (m, s) in enumerate(zip((mean, -mean), sds, strict=True)):
            weight = np.exp(-0.5 * ((node - m) / s) ** 2)
            right = truth.right[groups == group]
            total += np.log(np.exp(right @ np.log(p) + (1 - right) @ np.log1p(-p)) @ (weight / weight.sum())).sum()
        return total

    best = np.concatenate([fit.items.a, fit.items.b, fit.groups_mean[:1], fit.groups_sd[:1]])
    gradient, hessian = differences(loglik, best)
    np.testing.assert_allclose(gradient, 0, atol=1e-2)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))[:10]
    np.testing.assert_allclose(np.concatenate([fit.se_a, fit.se_b]), errors, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Rasch", "2PL"])
def test_single_precision_changes_estimates_by_less_than_a_thousandth_of_their_error(model, monkeypatch):
    truth = simulate(20_000, 100, 4, seen=0.3)
    fast = irt.calibrate(truth.responses, model)
    monkeypatch.setattr(em, "SINGLE_PRECISION_STEPS", 0)
    exact = irt.calibrate(truth.responses, model)
    assert np.max(np.abs(fast.items.a - exact.items.a) / exact.se_a) < 1e-3
    assert np.max(np.abs(fast.items.b - exact.items.b) / exact.se_b) < 1e-3


def test_default_tolerance_ends_close_to_the_optimum():
    truth = simulate(5000, 30, 5)
    quick, exact = irt.calibrate(truth.responses), irt.calibrate(truth.responses, options=irt.Options(tolerance=1e-9))
    np.testing.assert_allclose(quick.items.a, exact.items.a, atol=2e-4)
    np.testing.assert_allclose(quick.items.b, exact.items.b, atol=2e-4)
    assert exact.loglik - quick.loglik < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Rasch", "2PL", "3PL"])
def test_standard_errors_of_large_banks_are_those_of_the_whole_matrix(model, monkeypatch):
    truth = simulate(4000, 300, 6, seen=0.2, c=0.15 if model == "3PL" else 0.0)
    monkeypatch.setattr(standard_errors, "FULL_LIMIT", 10_000)
    whole = irt.calibrate(truth.responses, model)
    monkeypatch.setattr(standard_errors, "FULL_LIMIT", 0)
    by_item = irt.calibrate(truth.responses, model)
    limit = 0.015 if model == "3PL" else 0.01
    np.testing.assert_allclose(by_item.se_a, whole.se_a, rtol=limit)
    np.testing.assert_allclose(by_item.se_b, whole.se_b, rtol=limit)


def test_errors_that_are_too_small_without_the_whole_matrix_are_mentioned(monkeypatch):
    monkeypatch.setattr(standard_errors, "FULL_LIMIT", 0)
    truth = simulate(400, 20, 6)
    anchors, fixed = truth.items.take(range(6)), irt.Options(linking_method="fixed")
    held = irt.calibrate(truth.responses, anchors=anchors, options=fixed)
    populations = irt.calibrate(truth.responses, groups=np.arange(400) % 2)
    free = irt.calibrate(truth.responses)
    without = irt.calibrate(truth.responses, groups=np.arange(400) % 2, options=irt.Options(standard_errors=False))
    mentioned = [
        any("errors are too small" in line for line in fit.warnings) for fit in (held, populations, free, without)
    ]
    assert mentioned == [True, True, False, False]


def test_mixing_ends_where_plain_em_ends(monkeypatch):
    truth = simulate(1000, 8, 7)
    mixed = irt.calibrate(truth.responses, options=irt.Options(tolerance=1e-9))
    monkeypatch.setattr(em, "HISTORY", 0)
    plain = irt.calibrate(truth.responses, options=irt.Options(tolerance=1e-9))
    assert mixed.iterations < plain.iterations
    np.testing.assert_allclose(mixed.items.a, plain.items.a, atol=1e-7)


def test_exponentials_are_as_exact_as_they_say():
    x = np.linspace(-80, 0, 20_001)
    single = np.array([_exponential_single(np.float32(value)) for value in x], dtype=np.float64)
    double = np.array([_exponential_double(value) for value in x])
    np.testing.assert_allclose(single, np.exp(np.float32(x).astype(np.float64)), rtol=2e-7)
    np.testing.assert_allclose(double, np.exp(x), rtol=2e-15)


def test_posteriors_add_up_to_the_answers():
    truth = simulate(500, 10, 8, seen=0.6)
    answers = answers_to(truth.responses, truth.items.item)
    problem = Problem(AnswerShards.here(answers), "2PL", np.ones(10, bool))
    state = State(truth.items.a, truth.items.d, np.zeros(10), np.zeros(1), np.ones(1))
    for single, exactness in ((False, 1e-12), (True, 1e-6)):
        expected = problem.expect(state, single=single)
        np.testing.assert_allclose(expected.answers.sum(axis=1), answers.n_answers, rtol=exactness)
        np.testing.assert_allclose(expected.mass.sum(), np.count_nonzero(np.diff(answers.start)), rtol=exactness)


@pytest.mark.parametrize("single", [False, True])
def test_neighbours_with_the_same_items_are_counted_as_if_they_were_apart(single):
    truth = simulate(400, 12, 10)
    seen = np.ones((400, 12), bool)
    seen[100:200, 3:6] = False  # two forms, in blocks here and alternating below
    seen[350:, 7] = False
    alternating = np.argsort(np.arange(400) % 7, kind="stable")
    results = []
    for order in (np.arange(400), alternating):
        right = np.where(seen, truth.right, np.nan)[order]
        answers = answers_to(responses_of(right), truth.items.item)
        problem = Problem(AnswerShards.here(answers), "2PL", np.ones(12, bool))
        state = State(truth.items.a, truth.items.d, np.zeros(12), np.zeros(1), np.ones(1))
        results.append(problem.expect(state, single=single))
    first, second = results
    exactness = 1e-6 if single else 1e-12
    np.testing.assert_allclose(first.answers, second.answers, rtol=exactness, atol=1e-6)
    np.testing.assert_allclose(first.right_theta, second.right_theta, rtol=exactness, atol=1e-5)
    np.testing.assert_allclose(first.loglik, second.loglik, rtol=1e-9)
