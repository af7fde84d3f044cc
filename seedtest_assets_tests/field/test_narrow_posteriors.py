"""F3: estimates, log-likelihood and standard errors where posteriors are narrower than the common grid's steps."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logsumexp

from seedtest_assets import irt
from seedtest_assets.irt import estimation, fit_statistics, standard_errors

NODES = np.linspace(-6, 6, 301)
LOG_WEIGHT = -0.5 * NODES**2 - logsumexp(-0.5 * NODES**2)


class Dense:
    """The marginal likelihood of 2PL answers [n_persons, n_items], NaN where not answered, by brute force."""

    def __init__(self, answers, rasch):
        self.right, self.wrong, self.rasch = (answers == 1).astype(float), (answers == 0).astype(float), rasch

    def of(self, parameters):
        """Log-likelihood and its gradient by the slopes (one for Rasch) and the intercepts."""
        n = self.right.shape[1]
        a, d = np.split(parameters, [len(parameters) - n])
        z = np.broadcast_to(a, (n,))[:, None] * NODES + d[:, None]
        logs = self.right @ -np.logaddexp(0, -z) + self.wrong @ -np.logaddexp(0, z) + LOG_WEIGHT
        loglik = logsumexp(logs, axis=1)
        posterior = np.exp(logs - loglik[:, None])
        residual = self.right.T @ posterior - ((self.right + self.wrong).T @ posterior) * expit(z)
        by_slope = residual @ NODES
        return loglik.sum(), np.concatenate([[by_slope.sum()] if self.rasch else by_slope, residual.sum(axis=1)])

    def standard_errors(self, parameters):
        """Of a and b, from a numerical Hessian."""
        size, n = len(parameters), self.right.shape[1]
        h = 1e-4
        steps = h * np.eye(size)
        hessian = np.array([self.of(parameters + step)[1] - self.of(parameters - step)[1] for step in steps]) / (2 * h)
        covariance = np.linalg.inv(-(hessian + hessian.T) / 2)
        a, d = np.broadcast_to(parameters[: size - n], (n,)), parameters[size - n :]
        row = np.arange(n)
        of_a, of_d = (row if size > n + 1 else np.zeros(n, int)), size - n + row
        var_a, var_d, both = covariance[of_a, of_a], covariance[of_d, of_d], covariance[of_a, of_d]
        b = -d / a
        return np.sqrt(var_a), np.sqrt((var_d + 2 * b * both + b**2 * var_a) / a**2)


def simulated(n_persons, n_items, slope, seed):
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_persons), rng.normal(size=n_items)
    return (rng.random((n_persons, n_items)) < expit(slope * (theta[:, None] - b))).astype(float)


def heavy_users(n_heavy, n_light, n_items, per_light, seed):
    """A few persons who answered everything, among many who did not."""
    answers = simulated(n_heavy + n_light, n_items, 2.0, seed)
    rng = np.random.default_rng(seed + 1)
    for row in answers[n_heavy:]:
        row[rng.permutation(n_items)[per_light:]] = np.nan
    return answers


CASES = {
    "steep items": ("Rasch", simulated(200, 70, 4.0, 1)),
    "steeper items": ("Rasch", simulated(150, 50, 8.0, 1)),
    "steep items with slopes": ("2PL", simulated(300, 30, 4.0, 2)),
    "long tests": ("Rasch", simulated(100, 130, 2.5, 3)),
    "heavy users": ("Rasch", heavy_users(10, 300, 100, 15, 4)),
    "heavy users with slopes": ("2PL", heavy_users(10, 300, 60, 20, 5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_estimates_likelihood_and_errors_agree_with_a_dense_grid(case):
    model, answers = CASES[case]
    fit = irt.calibrate(irt.Responses.from_matrix(answers), model, options=irt.Options(tolerance=1e-7))
    dense = Dense(answers[:, fit.items.item], model == "Rasch")
    slopes = fit.items.a[:1] if model == "Rasch" else fit.items.a
    parameters = np.concatenate([slopes, fit.items.d])
    loglik, gradient = dense.of(parameters)
    se_a, se_b = dense.standard_errors(parameters)
    assert fit.converged
    assert abs(fit.loglik - loglik) < 1e-3
    assert np.abs(gradient).max() < 0.005
    np.testing.assert_allclose(fit.se_a, se_a, rtol=0.01)
    np.testing.assert_allclose(fit.se_b, se_b, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["guessing", "populations", "held anchors", "errors by item", "reversed keys"])
def test_grids_of_their_own_give_what_one_fine_grid_gives_to_all(setting, monkeypatch):
    answers = heavy_users(20, 600, 100, 20, 7) if setting != "guessing" else heavy_users(20, 1500, 80, 40, 7)
    model = "3PL" if setting == "guessing" else "2PL"
    options = irt.Options(tolerance=1e-6)
    arguments = {}
    if setting == "populations":
        arguments["groups"] = np.arange(len(answers)) % 2
    if setting == "held anchors":
        truth_b = np.random.default_rng(7).normal(size=720)[620:]
        arguments["anchors"] = irt.ItemParameters(np.arange(20), np.full(20, 2.0), truth_b[:20], np.zeros(20))
        options = irt.Options(tolerance=1e-6, linking_method="fixed")
    if setting == "errors by item":
        monkeypatch.setattr(standard_errors, "FULL_LIMIT", 0)
    if setting == "reversed keys":
        answers = 1 - answers
        arguments["starts"] = irt.ItemParameters(np.arange(100), np.full(100, -2.0), np.zeros(100), np.zeros(100))
    responses = irt.Responses.from_matrix(answers)
    own = irt.calibrate(responses, model, options=options, **arguments)
    monkeypatch.setattr(estimation, "nodes_for", lambda n_answers: 601)
    fine = irt.calibrate(responses, model, options=options, **arguments)
    assert own.loglik == pytest.approx(fine.loglik, abs=2e-3)
    for name in ("a", "b", "c"):
        np.testing.assert_allclose(getattr(own.items, name), getattr(fine.items, name), atol=1e-3)
    for name in ("se_a", "se_b", "se_c", "theta_se"):
        np.testing.assert_allclose(getattr(own, name), getattr(fine, name), rtol=5e-3)
    np.testing.assert_allclose(own.theta, fine.theta, atol=1e-3)


def test_all_grids_together_take_no_more_steps_than_allowed():
    answers = irt.Responses.from_matrix(simulated(200, 70, 4.0, 1))
    for allowed in (3, 6, 9):
        fit = irt.calibrate(answers, "Rasch", options=irt.Options(tolerance=1e-9, max_iterations=allowed))
        assert not fit.converged
        assert fit.iterations == allowed


def test_a_variance_that_is_not_positive_is_infinite_and_the_item_is_named_by_its_id(monkeypatch):
    covariances = standard_errors.item_covariances

    def not_positive(optimum):
        block = covariances(optimum)
        block[1], block[2, 0, 0], block[3] = np.nan, -1e-12, 0.0
        return block

    monkeypatch.setattr(standard_errors, "item_covariances", not_positive)
    answers = pd.DataFrame(simulated(200, 5, 1.0, 6), columns=[f"q{j}" for j in range(5)])
    fit = irt.calibrate(irt.Responses.from_matrix(answers))
    np.testing.assert_array_equal(np.isinf(fit.se_a), [False, True, True, True, False])
    assert np.isinf(fit.se_b[[1, 3]]).all()
    expected = "3 items have infinite standard errors, because the information is not positive: q1, q2, q3"
    assert expected in fit.warnings


@pytest.mark.parametrize("slope", [1.0, 4.0])
def test_fit_of_long_tests_is_what_a_fine_grid_gives(slope, monkeypatch):
    answers = irt.Responses.from_matrix(simulated(200, 150, slope, 8))
    items = irt.ItemParameters(
        np.arange(150), np.full(150, slope), np.random.default_rng(8).normal(size=350)[200:], np.zeros(150)
    )
    theta, _ = irt.expected_a_posteriori(answers, items)
    own = irt.item_fit(answers, items, theta)
    monkeypatch.setattr(fit_statistics, "normal_grid", lambda mean, sd: irt.normal_grid(mean, sd, n_nodes=601))
    np.testing.assert_allclose(own.group_expected, irt.item_fit(answers, items, theta).group_expected, atol=1e-3)


@pytest.mark.parametrize("slope", [1.0, 4.0, 30.0])
def test_reliability_and_s_x2_of_steep_items_are_what_a_fine_grid_gives(slope):
    rng = np.random.default_rng(9)
    items = irt.ItemParameters(np.arange(20), np.full(20, slope), rng.normal(size=20), np.zeros(20))
    fine = irt.normal_grid(n_nodes=4801)
    information = irt.information(fine.node, items).sum(axis=0)
    assert irt.marginal_reliability(items) == pytest.approx(fine.weight @ (information / (information + 1)), abs=1e-4)
    responses = irt.Responses.from_matrix(irt.simulate(rng.normal(size=500), items, seed=9))
    for got, exact in zip(irt.s_x2(responses, items), irt.s_x2(responses, items, grid=fine), strict=True):
        np.testing.assert_allclose(got, exact, atol=1e-4)
