"""Priors of item parameters: the mode of the posterior and its errors, and items that answers alone cannot estimate."""

import numpy as np
import pytest
from scipy.special import expit, logit, logsumexp

from seedtest_assets import irt
from seedtest_assets.irt.priors import GUESSING_MEAN, GUESSING_SD, priors_from_text

NODES = np.linspace(-6, 6, 61)
LOG_WEIGHT = -0.5 * NODES**2 - logsumexp(-0.5 * NODES**2)
FEW = irt.Options(prior_a=(0, 0.5), prior_b=(0, 2), standard_errors=False)


def few_answers(seed, n_items, c=0.0, n_persons=400, each=7):
    """Marks [n_persons, n_items] of persons who had `each` items."""
    rng = np.random.default_rng(seed)
    a, b, theta = rng.lognormal(0, 0.3, n_items), rng.normal(size=n_items), rng.normal(size=n_persons)
    marks = (rng.random((n_persons, n_items)) < c + (1 - c) * expit(a * (theta[:, None] - b))).astype(float)
    for person in range(n_persons):
        marks[person, rng.permutation(n_items)[each:]] = np.nan
    return marks


class Posterior:
    """Minus the log posterior of (a of each item, or Rasch's one, d, and logit c where it is estimated), by brute force."""

    def __init__(self, marks, model, options):
        self.right, self.wrong, self.model, self.options = marks == 1, marks == 0, model, options
        self.n_items = marks.shape[1]
        self.n_slopes = 1 if model == "Rasch" else self.n_items

    def __call__(self, x):
        a, d, g = np.split(x, [self.n_slopes, self.n_slopes + self.n_items])
        c = expit(g) if len(g) else np.full(self.n_items, self.options.fixed_c or 0.0)
        p = c[:, None] + (1 - c[:, None]) * expit(a[:, None] * NODES + d[:, None])
        total = logsumexp(self.right @ np.log(p) + self.wrong @ np.log1p(-p) + LOG_WEIGHT, axis=1).sum()
        by_item = self.options.by_item
        if self.options.prior_a or (by_item and self.model != "Rasch"):
            mean, sd = self.of_items(self.options.prior_a, "log_a", len(a))
            total += np.sum(np.where(sd < np.inf, -np.log(a) - 0.5 * ((np.log(a) - mean) / sd) ** 2, 0.0))
        if self.options.prior_b or by_item:
            mean, sd = self.of_items(self.options.prior_b, "b", len(d))
            total -= 0.5 * np.sum(((-d / a - mean) / sd) ** 2)
        mean, sd = self.options.prior_c or (GUESSING_MEAN, GUESSING_SD)
        return -total + 0.5 * np.sum(((g - mean) / sd) ** 2)

    def of_items(self, of_all, name, n):
        """Mean and SD of each item's prior, an infinite SD where it has none; Rasch's slope has that of all."""
        mean, sd = (np.full(n, value) for value in of_all or (0.0, np.inf))
        if self.options.by_item and n == self.n_items:
            own = self.options.by_item
            mean[own.item], sd[own.item] = getattr(own, f"{name}_mean"), getattr(own, f"{name}_sd")
        return mean, sd

    def gradient(self, x, h=1e-5):
        return np.array([self(x + e) - self(x - e) for e in h * np.eye(len(x))]) / (2 * h)

    def standard_errors(self, x, h=1e-4):
        hessian = np.array([self.gradient(x + e) - self.gradient(x - e) for e in h * np.eye(len(x))]) / (2 * h)
        covariance = np.linalg.inv((hessian + hessian.T) / 2)
        slope = np.arange(self.n_items) if self.n_slopes > 1 else np.zeros(self.n_items, int)
        intercept = self.n_slopes + np.arange(self.n_items)
        a, b = x[slope], -x[intercept] / x[slope]
        variance, both = np.diag(covariance), covariance[slope, intercept]
        return np.sqrt(variance[slope]), np.sqrt(variance[intercept] + 2 * b * both + b**2 * variance[slope]) / a


OF_SOME = irt.PriorsByItem(
    [6, 1, 3], log_a_mean=[0.4, -0.2, 0.0], log_a_sd=[0.2, 0.3, 1.0], b_mean=[1.0, -1.0, 0.3], b_sd=[0.3, 0.6, 0.2]
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "priors"),
    [
        ("2PL", {"prior_a": (0.0, 0.5), "prior_b": (0.0, 2.0)}),
        ("2PL", {"prior_a": (0.2, 0.3)}),
        ("2PL", {"prior_b": (0.5, 1.0)}),
        ("Rasch", {"prior_a": (0.0, 0.2), "prior_b": (0.3, 1.0)}),
        ("3PL", {"prior_a": (0.0, 0.5), "prior_b": (0.0, 2.0), "prior_c": (-1.1, 0.4)}),
        ("3PL", {"prior_a": (0.0, 0.5), "fixed_c": 0.2}),
        ("2PL", {"by_item": OF_SOME}),
        ("2PL", {"by_item": OF_SOME, "prior_a": (0.0, 0.5), "prior_b": (0.0, 2.0)}),
        ("Rasch", {"by_item": OF_SOME, "prior_a": (0.0, 0.2)}),
        ("3PL", {"by_item": OF_SOME, "prior_a": (0.0, 0.5)}),
    ],
)
def test_estimates_are_the_mode_of_the_posterior_and_errors_its_hessians(model, priors):
    marks = few_answers(3, 8, c=0.2 if model == "3PL" else 0.0)
    options = irt.Options(tolerance=1e-8, **priors)
    fit = irt.calibrate(irt.Responses.from_matrix(marks), model, options=options)
    slopes = fit.items.a[:1] if model == "Rasch" else fit.items.a
    guessing = logit(fit.items.c) if model == "3PL" and not options.fixed_c else []
    mode, posterior = np.concatenate([slopes, fit.items.d, guessing]), Posterior(marks, model, options)
    assert fit.converged
    assert fit.n_parameters == len(mode)
    np.testing.assert_allclose(posterior.gradient(mode), 0, atol=1e-4)
    se_a, se_b = posterior.standard_errors(mode)
    np.testing.assert_allclose(fit.se_a, se_a, rtol=1e-3)
    np.testing.assert_allclose(fit.se_b, se_b, rtol=1e-3)
    if options.fixed_c:
        np.testing.assert_allclose(fit.items.c, 0.2)
        assert np.isnan(fit.se_c).all()


@pytest.mark.parametrize("model", ["2PL", "3PL"])
def test_no_item_is_lost_to_few_answers(model):
    for seed in range(5):
        fit = irt.calibrate(irt.Responses.from_matrix(few_answers(seed, 29)), model, options=FEW)
        assert fit.converged
        assert len(fit.items) == 29
        assert np.abs(fit.items.b).max() < 6


@pytest.mark.parametrize(
    ("model", "priors"), [("2PL", {"prior_a": (0, 0.5), "prior_b": (0, 2)}), ("Rasch", {"prior_b": (0, 2)})]
)
def test_items_with_one_kind_of_answer_are_estimated_with_priors(model, priors):
    marks = few_answers(1, 10)
    marks[:, 0], marks[:, 1] = np.where(np.isnan(marks[:, 0]), np.nan, 1), np.where(np.isnan(marks[:, 1]), np.nan, 0)
    fit = irt.calibrate(irt.Responses.from_matrix(marks), model, options=irt.Options(**priors))
    assert not fit.left_out
    assert fit.items.b[0] < -2 < 2 < fit.items.b[1]
    assert np.isfinite(fit.se_b).all()


def test_priors_leave_held_anchors_alone():
    marks = few_answers(2, 10)
    free = irt.calibrate(irt.Responses.from_matrix(marks), options=FEW)
    anchors = free.items.take(slice(0, 5))
    options = irt.Options(linking_method="fixed", prior_a=(0, 0.5), prior_b=(0, 2))
    fit = irt.calibrate(irt.Responses.from_matrix(marks), anchors=anchors, options=options)
    np.testing.assert_allclose(fit.items.a[:5], anchors.a)
    np.testing.assert_allclose(fit.items.b[5:], free.items.b[5:], atol=0.2)


def test_a_prior_of_a_keeps_slopes_positive_whatever_the_key():
    marks = few_answers(4, 10)
    marks[:, 3] = 1 - marks[:, 3]
    fit = irt.calibrate(irt.Responses.from_matrix(marks), options=FEW)
    assert (fit.items.a > 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prior_a": (0.0, 0.0)}, "the SD above 0"),
        ({"prior_b": (np.nan, 1.0)}, "mean and the SD of b"),
        ({"fixed_c": 1.0}, "fixed_c is 1, but must be above 0 and below 1"),
        ({"fixed_c": 0.2, "prior_c": (-1.0, 1.0)}, "Give one of them"),
    ],
)
def test_impossible_priors_are_refused(given, message):
    with pytest.raises(irt.DataError, match=message):
        irt.Options(**given)


def test_guessing_is_refused_below_3pl():
    with pytest.raises(irt.DataError, match="fixed_c needs model 3PL, but the model is 2PL"):
        irt.calibrate(irt.Responses.from_matrix(few_answers(1, 5)), options=irt.Options(fixed_c=0.2))


def test_priors_are_read_from_text():
    assert priors_from_text("0, 0.5", None, "-1.4,0.5").given == {"prior_a": (0.0, 0.5), "prior_c": (-1.4, 0.5)}
    for text in ("0", "0,0", "a,b", "0,1,2"):
        with pytest.raises(irt.DataError, match="a prior"):
            priors_from_text(text)
