"""tau by maximum likelihood, and what the abilities that rest on it are worth, on simulated students."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from seedtest_assets.irt import ItemParameters, TopicAnswers, topic_abilities, topic_spread, topic_tau

pytestmark = pytest.mark.slow


def simulate(n_students, n_topics, per_topic, tau, seed, mean=0.0, sd=1.0):
    """Answers, items, and the true topic abilities [n_students, n_topics]; tau: one value, or one a topic."""
    random = np.random.default_rng(seed)
    items = ItemParameters(np.arange(300), random.lognormal(0, 0.3, 300), random.normal(0, 1, 300), np.zeros(300))
    student = random.normal(mean, sd, n_students)
    ability = student[:, None] + np.asarray(tau) * random.normal(size=(n_students, n_topics))
    person = np.repeat(np.arange(n_students), n_topics * per_topic)
    topic = np.tile(np.repeat(np.arange(n_topics), per_topic), n_students)
    item = random.integers(0, 300, len(person))
    chance = 1 / (1 + np.exp(-items.a[item] * (ability[person, topic] - items.b[item])))
    return TopicAnswers(person, topic, item, random.random(len(person)) < chance), items, ability


def some_of(answers, rows):
    """The answers in some rows."""
    return TopicAnswers(answers.person[rows], answers.topic[rows], answers.item[rows], answers.score[rows])


def loglik_by_sums(answers, items, tau):
    """Marginal log-likelihood of all students by plain sums over a square of abilities."""
    node = np.linspace(-7, 7, 281)
    kernel = norm.pdf(node[:, None], node, tau)
    kernel /= kernel.sum(axis=1, keepdims=True)
    prior = norm.pdf(node) / norm.pdf(node).sum()
    right = 1 / (1 + np.exp(-items.a[:, None] * (node - items.b[:, None])))
    total = 0.0
    for p in range(answers.person.max() + 1):
        of_student = np.zeros(len(node))
        for t in range(answers.topic.max() + 1):
            mine = (answers.person == p) & (answers.topic == t)
            chance = right[answers.item[mine]]
            likelihood = np.prod(np.where(answers.score[mine][:, None] == 1, chance, 1 - chance), axis=0)
            of_student += np.log(kernel @ likelihood)
        total += np.log(np.exp(of_student) @ prior)
    return total


def test_common_tau_is_the_maximum_of_the_likelihood():
    answers, items, _ = simulate(60, 4, 12, 0.6, seed=1)
    best = minimize_scalar(lambda tau: -loglik_by_sums(answers, items, tau), bounds=(0.2, 1.5), options={"xatol": 1e-5})
    got = topic_spread(answers, items)
    assert got.converged
    assert got.tau == pytest.approx(best.x, abs=1e-3)
    assert got.loglik == pytest.approx(-best.fun, abs=1e-5)
    assert (got.n_students, got.n_pairs) == (60, 240)


def test_tau_is_found_again_on_any_scale():
    answers, items, _ = simulate(1500, 6, 10, 0.5, seed=2, mean=0.4, sd=1.3)
    got = topic_spread(answers, items, population_mean=0.4, population_sd=1.3)
    assert got.tau == pytest.approx(0.5, abs=3 * got.tau_se)
    assert got.tau_se < 0.03


@pytest.mark.parametrize("true", [0.0, 0.15, 0.6])
def test_the_first_steps_on_a_few_pairs_lead_to_the_same_maximum(monkeypatch, true):
    answers, items, _ = simulate(600, 4, 8, true, seed=11)
    monkeypatch.setattr(topic_tau, "PAIRS_OF_FIRST_STEPS", 10_000)
    whole = topic_spread(answers, items)
    monkeypatch.setattr(topic_tau, "PAIRS_OF_FIRST_STEPS", 200)
    in_two = topic_spread(answers, items)
    assert in_two.tau == pytest.approx(whole.tau, rel=1e-3)
    assert in_two.loglik == pytest.approx(whole.loglik, abs=1e-4)


def test_where_topics_do_not_differ_few_steps_are_taken_on_all_pairs(monkeypatch):
    answers, items, _ = simulate(600, 4, 8, 0.0, seed=11)
    monkeypatch.setattr(topic_tau, "PAIRS_OF_FIRST_STEPS", 200)
    assert topic_spread(answers, items).iterations <= 4


def test_topics_with_enough_students_get_their_own_tau():
    true = np.array([0.2, 0.5, 0.9, 0.5])
    answers, items, _ = simulate(1500, 4, 20, true, seed=3)
    rare = (answers.topic != 3) | (answers.person < 200)
    got = topic_spread(some_of(answers, rare), items)
    assert list(got.topic) == [0, 1, 2]
    assert np.all(np.abs(got.topic_tau - true[:3]) < 3.5 * got.topic_tau_se)
    assert list(got.of(np.array([2, 3, -1]))) == [got.topic_tau[2], got.tau, got.tau]


def test_topics_whose_students_tell_little_keep_the_common_tau():
    answers, items, _ = simulate(400, 6, 2, 0.4, seed=4)
    got = topic_spread(answers, items)
    assert got.tau > 0
    assert len(got.topic) == 0


def test_tau_is_zero_where_the_likelihood_falls_from_zero_on():
    answers, items, _ = simulate(80, 5, 12, 0.0, seed=0)
    got = topic_spread(answers, items)
    assert got.tau == 0
    assert got.converged
    likelihoods = [loglik_by_sums(answers, items, tau) for tau in (0.1, 0.2, 0.3)]
    assert got.loglik > likelihoods[0] > likelihoods[1] > likelihoods[2]


def test_without_students_in_two_topics_a_topic_is_the_student():
    answers, items, _ = simulate(50, 1, 20, 0.5, seed=6)
    got = topic_abilities(answers, items)
    assert (got.spread.tau, got.spread.n_students) == (0.0, 0)
    assert got.theta == pytest.approx(got.student_theta, abs=1e-12)


def test_a_large_log_is_sampled_by_student():
    answers, items, _ = simulate(300, 4, 5, 0.5, seed=7)
    got = topic_spread(answers, items, max_pairs=400)
    every_third = np.isin(answers.person, np.arange(0, 300, 3))
    alone = topic_spread(some_of(answers, every_third), items)
    assert (got.n_students, got.n_pairs, got.tau) == (100, 400, alone.tau)


@pytest.fixture(scope="module")
def simulated():
    answers, items, ability = simulate(3000, 6, 10, 0.6, seed=8)
    return answers, items, ability, topic_abilities(answers, items)


def test_intervals_cover(simulated):
    _, _, ability, got = simulated
    inside = np.abs(got.theta - ability.ravel()) < 1.96 * got.se
    assert 0.93 < inside.mean() < 0.97


def test_error_is_smaller_than_of_the_topic_alone_and_of_the_overall_ability(simulated):
    answers, items, ability, got = simulated
    truth = ability.ravel()
    a_student_each = replace(answers, person=answers.person * 6 + answers.topic)
    apart = topic_abilities(a_student_each, items, population_sd=np.hypot(1, 0.6), tau=0.0)
    overall = topic_abilities(answers, items, tau=0.0)
    error = np.mean((got.theta - truth) ** 2)
    assert error < 0.95 * np.mean((apart.theta - truth) ** 2)
    assert error < 0.95 * np.mean((overall.theta - truth) ** 2)
