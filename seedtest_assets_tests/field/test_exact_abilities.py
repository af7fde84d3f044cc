"""F17: every person's ability is within 1e-3 of exact integration, whatever their items."""

import math

import numba
import numpy as np
import pytest
from scipy.integrate import quad

from seedtest_assets import irt

BANKS = 1_000
# Nodes of the exact integration: a search as far as the answers can pull, then a sum where the posterior is.
FAR, CLOSE = 601, 2_401


@numba.njit
def exact_ability(a, b, c, correct, mean, sd):
    """Posterior mean and SD by brute force."""
    low, high = mean - 12 * sd, mean + 12 * sd
    for j in range(a.size):
        pull = sd**2 * abs(a[j])
        low, high = low - min(pull, max(low - b[j], 0.0) + 1), high + min(pull, max(b[j] - high, 0.0) + 1)
    for n in (FAR, CLOSE):
        theta = np.linspace(low, high, n)
        log_posterior = np.empty(n)
        for q in range(n):
            total = -0.5 * ((theta[q] - mean) / sd) ** 2
            for j in range(a.size):
                z = a[j] * (theta[q] - b[j])
                if c[j] == 0:
                    total += -math.log1p(math.exp(-abs(z))) + min(z if correct[j] else -z, 0.0)
                else:
                    p = c[j] + (1 - c[j]) / (1 + math.exp(min(-z, 700.0)))
                    total += (
                        math.log(p) if correct[j] else math.log(1 - c[j]) - math.log1p(math.exp(-abs(z))) - max(z, 0.0)
                    )
            log_posterior[q] = total
        likely = np.flatnonzero(log_posterior > log_posterior.max() - 35)
        low, high = theta[max(likely[0] - 1, 0)], theta[min(likely[-1] + 1, n - 1)]
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    first = (weight * theta).sum()
    return first, np.sqrt((weight * (theta - first) ** 2).sum())


def ability_of(a, b, c, correct, mean=0.0, sd=1.0):
    responses = irt.Responses.from_matrix(np.asarray(correct)[None])
    theta, se = irt.expected_a_posteriori(responses, irt.ItemParameters(np.arange(len(a)), a, b, c), mean, sd)
    return theta[0], se[0]


def random_bank(rng):
    """A bank from ordinary to absurd, a pattern from likely to impossible, and a population."""
    n = int(rng.choice([1, 3, 10, 40, 150, 600], p=[0.1, 0.15, 0.3, 0.3, 0.13, 0.02]))
    a = rng.lognormal(0, rng.choice([0.3, 1.0]), n)
    a[rng.random(n) < rng.choice([0, 0.05])] *= -1
    if rng.random() < 0.3:
        a[rng.integers(n)] = rng.uniform(10, 100)
    b = rng.normal(rng.choice([0, 0, 0, 8, -8]), rng.choice([0.1, 1, 3]), n)
    c = rng.choice([0, 0, 1]) * rng.uniform(0, 0.4, n)
    theta = rng.normal(0, 1)
    chance = [1 / (1 + np.exp(-np.clip(a * (theta - b), -700, 700))), np.ones(n), np.zeros(n), np.full(n, 0.5)]
    correct = rng.random(n) < chance[rng.choice(4, p=[0.55, 0.2, 0.15, 0.1])]
    return a, b, c, correct, rng.choice([0.0, 0.0, 1.7]), rng.choice([1.0, 1.0, 0.1, 2.5])


@pytest.mark.slow
def test_a_thousand_random_banks_and_patterns_are_within_a_thousandth_of_exact_integration():
    rng = np.random.default_rng(17)
    for _ in range(BANKS):
        bank = random_bank(rng)
        difference = np.abs(np.subtract(ability_of(*bank), exact_ability(*bank))).max()
        assert difference < 1e-3, bank


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "b", "n"),
    [(1.0, 8.0, 40), (1.0, 0.0, 1404), (30.0, 0.3, 1), (100.0, -1.0, 3), (100.0, 1e6, 3)],
)
@pytest.mark.parametrize("right", [True, False])
def test_a_person_at_the_end_of_the_scale_or_with_steep_items(a, b, n, right):
    bank = np.full(n, a), np.full(n, b), np.zeros(n), np.full(n, right)
    np.testing.assert_allclose(ability_of(*bank), exact_ability(*bank, 0.0, 1.0), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 60])
def test_the_exact_integration_agrees_with_adaptive_quadrature(n):
    rng = np.random.default_rng(n)
    a, b, correct = rng.lognormal(0, 0.3, n), rng.normal(0, 1, n), rng.random(n) < 0.5

    def moment(power):
        def integrand(theta):
            return theta**power * np.exp(
                -0.5 * theta**2 - np.logaddexp(0, np.where(correct, -1, 1) * a * (theta - b)).sum()
            )

        return quad(integrand, -10, 10, points=[-1, 0, 1], limit=200, epsabs=0, epsrel=1e-9)[0]

    mean = moment(1) / moment(0)
    exact = mean, np.sqrt(moment(2) / moment(0) - mean**2)
    np.testing.assert_allclose(exact_ability(a, b, np.zeros(n), correct, 0.0, 1.0), exact, atol=1e-6)


def exact_topics(a, b, correct, topic, tau):
    """Posterior mean and SD of each topic by sums over a dense grid."""
    student = np.linspace(-20, 20, 2001)
    near = np.exp(-0.5 * ((student[:, None] - student) / tau) ** 2)
    log_posterior, moments = -0.5 * student**2, []
    for t in np.unique(topic):
        z = np.where(correct, 1, -1)[topic == t, None] * a[topic == t, None] * (student - b[topic == t, None])
        loglik = -np.logaddexp(0, -z).sum(axis=0)
        likely = near * np.exp(loglik - loglik.max())
        total = likely.sum(axis=1)
        log_posterior = log_posterior + np.log(np.maximum(total, 1e-300))
        moments.append((likely @ np.stack([student, student**2], axis=1)) / np.maximum(total, 1e-300)[:, None])
    weight = np.exp(log_posterior - log_posterior.max())
    first, second = np.moveaxis(weight / weight.sum() @ np.array(moments), 1, 0)
    return np.stack([first, np.sqrt(second - first**2)], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.3, 1.0])
@pytest.mark.parametrize(("b", "hard"), [(8.0, 2), (-12.0, 2), (12.0, 1)])
def test_topic_abilities_far_from_the_population(b, hard, tau):
    """Two topics, `hard` of them with items that are far from everybody and answered against all expectation."""
    topic = np.arange(40) % 2
    b = np.where(topic < hard, b, 0.0)
    correct = np.where(topic < hard, b > 0, np.arange(40) % 4 == 1)
    items = irt.ItemParameters(np.arange(40), np.full(40, 2.0), b, np.zeros(40))
    answers = irt.TopicAnswers(np.zeros(40, int), topic, np.arange(40), correct)
    got = irt.topic_abilities(answers, items, tau=tau)
    exact = exact_topics(items.a, b, correct, topic, tau)
    np.testing.assert_allclose(np.stack([got.theta, got.se], axis=1), exact, atol=1e-3)
