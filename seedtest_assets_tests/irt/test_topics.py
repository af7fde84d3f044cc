"""Topic abilities against brute-force integration, and the limits they must have."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec
from scipy.stats import norm

from seedtest_assets.irt import DataError, ItemParameters, TopicAnswers, TopicSpread, topic_abilities


def some_items(n: int, seed: int, guessing: bool = False) -> ItemParameters:
    random = np.random.default_rng(seed)
    c = random.uniform(0, 0.3, n) if guessing else np.zeros(n)
    return ItemParameters(np.arange(n), random.lognormal(0.1, 0.4, n), random.normal(0, 1.2, n), c)


def random_answers(n_persons: int, n_topics: int, per_topic: int, items: ItemParameters, seed: int) -> TopicAnswers:
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_persons), n_topics * per_topic)
    topic = np.tile(np.repeat(np.arange(n_topics), per_topic), n_persons)
    item = random.integers(0, len(items), len(person))
    return TopicAnswers(person, topic, item, random.integers(0, 2, len(person)))


def loglik_of(items: ItemParameters, item, correct, theta) -> np.ndarray:
    """Log-likelihood of some answers at abilities of any shape."""
    a, b, c = items.a[item], items.b[item], items.c[item]
    wrong = (1 - c) / (1 + np.exp(a * (np.asarray(theta)[..., None] - b)))
    right = c + (1 - c) / (1 + np.exp(-a * (np.asarray(theta)[..., None] - b)))
    return np.log(np.where(np.asarray(correct) == 1, right, wrong)).sum(axis=-1)


def by_brute_force(items, topic, item, correct, tau, mean=0.0, sd=1.0):
    """Posterior mean and SD of each topic and of the student, for one student.

    The topics' abilities by adaptive integration (scipy), at the nodes of a Gauss-Legendre rule over the student's
    ability whose 40 panels are far narrower than any posterior here.
    """
    node, weight = np.polynomial.legendre.leggauss(12)
    edge = mean + sd * np.linspace(-7, 7, 41)
    half = np.diff(edge)[:, None] / 2
    s, w = (edge[:-1, None] + half + half * node).ravel(), (half * weight).ravel()
    density = w * norm.pdf(s, mean, sd)
    moments = {}
    for t in np.unique(topic):
        mine = item[topic == t], correct[topic == t]

        def integrand(z, mine=mine):
            x = s + tau * z
            return np.exp(loglik_of(items, *mine, x)) * norm.pdf(z) * np.array([np.ones_like(x), x, x * x])

        moments[t] = quad_vec(integrand, -10, 10, epsabs=0, epsrel=1e-10, norm="max", points=[-4, -1, 1, 4])[0]
        moments[t][0] += 1e-250  # far out, where the likelihood underflows, is weighed by nothing anyway
        density *= moments[t][0] / moments[t][0].max()
    density /= density.sum()
    of_topic = {}
    for t, (m0, m1, m2) in moments.items():
        first = density @ (m1 / m0)
        of_topic[t] = (first, np.sqrt(density @ (m2 / m0) - first**2))
    first = density @ s
    return of_topic, (first, np.sqrt(density @ s**2 - first**2))


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.004, 0.03, 0.1, 0.25, 0.6, 1.5])
@pytest.mark.parametrize(("guessing", "mean", "sd"), [(False, 0.0, 1.0), (True, 0.7, 1.3)])
def test_agrees_with_adaptive_integration(tau, guessing, mean, sd):
    items = some_items(30, seed=3, guessing=guessing)
    random = np.random.default_rng(int(1000 * tau) + guessing)
    topic = np.repeat([0, 1, 2], [1, 7, 30])
    item = random.integers(0, 30, len(topic))
    correct = random.integers(0, 2, len(topic))
    answers = TopicAnswers(np.zeros(len(topic), int), topic, item, correct)
    got = topic_abilities(answers, items, population_mean=mean, population_sd=sd, tau=tau)
    topics, student = by_brute_force(items, topic, item, correct, tau, mean, sd)
    assert got.theta == pytest.approx([topics[t][0] for t in range(3)], abs=1e-6)
    assert got.se == pytest.approx([topics[t][1] for t in range(3)], abs=1e-6)
    assert (got.student_theta[0], got.student_se[0]) == pytest.approx(student, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.02, 0.15, 0.4, 1.5])
def test_agrees_for_a_student_with_hundreds_of_answers_that_contradict_each_other(tau):
    items = some_items(200, seed=5)
    topic, item = np.repeat([0, 1], [150, 200]), np.concatenate([np.arange(150), np.arange(200)])
    correct = np.concatenate([np.ones(150, int), np.random.default_rng(1).integers(0, 2, 200)])
    got = topic_abilities(TopicAnswers(np.zeros(350, int), topic, item, correct), items, tau=tau)
    topics, student = by_brute_force(items, topic, item, correct, tau)
    assert got.theta == pytest.approx([topics[0][0], topics[1][0]], abs=1e-6)
    assert got.se == pytest.approx([topics[0][1], topics[1][1]], abs=1e-6)
    assert (got.student_theta[0], got.student_se[0]) == pytest.approx(student, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0087, 0.02])
def test_agrees_where_a_topic_is_weighed_far_from_its_own_peak(tau):
    """Two topics of 300 answers pull apart, so that the student lies in the tails of both."""
    items, random = some_items(300, seed=5), np.random.default_rng(2)
    topic, item = np.repeat([0, 1], 300), np.tile(np.arange(300), 2)
    correct = (random.random(600) < np.repeat([0.9, 0.3], 300)).astype(int)
    got = topic_abilities(TopicAnswers(np.zeros(600, int), topic, item, correct), items, tau=tau)
    topics, _ = by_brute_force(items, topic, item, correct, tau)
    assert got.theta == pytest.approx([topics[0][0], topics[1][0]], abs=1e-7)
    assert got.se == pytest.approx([topics[0][1], topics[1][1]], abs=1e-7)


def test_agrees_where_the_posterior_has_two_peaks_far_apart():
    """An easy item is wrong and twenty hard ones are right, by guessing or not."""
    items = ItemParameters(np.arange(21), [3.0] + [6.0] * 20, [-2.0] + [2.0] * 20, [0.0] + [0.45] * 20)
    item, topic, correct = np.arange(21), np.zeros(21, int), np.array([0] + [1] * 20)
    got = topic_abilities(TopicAnswers(topic, topic, item, correct), items, tau=0.0)
    node = np.linspace(-9, 9, 20_001)
    density = np.exp(loglik_of(items, item, correct, node)) * norm.pdf(node)
    density /= density.sum()
    rises = np.diff(np.sign(np.diff(density))) < 0
    assert rises.sum() == 2
    theta = density @ node
    assert got.student_theta[0] == pytest.approx(theta, abs=1e-7)
    assert got.student_se[0] == pytest.approx(np.sqrt(density @ (node - theta) ** 2), abs=1e-7)


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.6])
def test_an_answer_to_several_topics_counts_as_a_share_in_each(tau):
    """Two equal answers of half a share are one whole answer, and one of three thirds is."""
    items = some_items(12, seed=3)
    person, item, correct = np.zeros(12, int), np.arange(12), np.array([1, 0, 1, 1] * 3)
    topic = np.repeat([0, 1], 6)
    whole = topic_abilities(TopicAnswers(person, topic, item, correct), items, tau=tau)
    thirds = TopicAnswers(*(np.tile(codes, 3) for codes in (person, topic, item, correct)), n_topics=np.full(36, 3))
    shared = topic_abilities(thirds, items, tau=tau)
    assert shared.theta == pytest.approx(whole.theta, abs=1e-9)
    assert shared.se == pytest.approx(whole.se, abs=1e-9)
    assert shared.student_theta == pytest.approx(whole.student_theta, abs=1e-9)


def test_tau_zero_is_the_overall_ability():
    items = some_items(40, seed=7, guessing=True)
    answers = random_answers(25, 4, 6, items, seed=8)
    got = topic_abilities(answers, items, population_mean=0.2, population_sd=0.9, tau=0.0)
    node = np.linspace(0.2 - 9, 0.2 + 9, 4001)
    for p in range(25):
        mine = answers.person == p
        density = np.exp(loglik_of(items, answers.item[mine], answers.score[mine], node)) * norm.pdf(node, 0.2, 0.9)
        density /= density.sum()
        theta = density @ node
        se = np.sqrt(density @ (node - theta) ** 2)
        assert got.theta[got.person == p] == pytest.approx(np.full(4, theta), abs=1e-9)
        assert got.se[got.person == p] == pytest.approx(np.full(4, se), abs=1e-9)


def test_tau_near_zero_goes_to_the_overall_ability_without_a_jump():
    items = some_items(40, seed=9)
    answers = random_answers(10, 3, 12, items, seed=10)
    overall = topic_abilities(answers, items, tau=0.0)
    near = [topic_abilities(answers, items, tau=tau) for tau in (0.1, 0.01, 0.001, 1e-6)]
    gaps = [np.abs(abilities.theta - overall.theta).max() for abilities in near]
    assert gaps == sorted(gaps, reverse=True)
    # the distance goes with tau squared
    assert gaps[1] / gaps[2] == pytest.approx(100, rel=0.05)
    assert gaps[3] < 1e-9


def test_large_tau_is_the_topic_alone():
    items = some_items(40, seed=11)
    answers = random_answers(20, 3, 15, items, seed=12)
    got = topic_abilities(answers, items, tau=30.0)
    node = np.linspace(-60, 60, 6001)
    for p, t, theta, se in zip(got.person, got.topic, got.theta, got.se, strict=True):
        mine = (answers.person == p) & (answers.topic == t)
        item, correct = answers.item[mine], answers.score[mine]
        if 0 < correct.sum() < mine.sum():
            density = np.exp(loglik_of(items, item, correct, node)) * norm.pdf(node, 0, np.hypot(30, 1))
            density /= density.sum()
            alone = density @ node
            assert (theta, se) == pytest.approx((alone, np.sqrt(density @ (node - alone) ** 2)), abs=0.01)


def test_a_topic_without_answers_gets_the_overall_ability_and_a_wider_error():
    items = some_items(20, seed=13)
    answers = random_answers(5, 2, 8, items, seed=14)
    got = topic_abilities(answers, items, tau=0.5, pairs=([0, 0, 3], [1, 7, 9]))
    assert list(zip(got.person, got.topic, strict=True))[:3] == [(0, 0), (0, 1), (0, 7)]
    for p, t in ((0, 7), (3, 9)):
        asked = (got.person == p) & (got.topic == t)
        assert got.n_responses[asked] == 0
        assert got.theta[asked] == got.student_theta[p]
        assert got.se[asked] == pytest.approx(np.hypot(got.student_se[p], 0.5))
    without = topic_abilities(answers, items, tau=0.5)
    answered = got.n_responses > 0
    assert np.array_equal(got.theta[answered], without.theta)


def test_a_student_without_any_answer_has_the_population():
    population = {"population_mean": 0.3, "population_sd": 1.2}
    got = topic_abilities(TopicAnswers([], [], [], []), some_items(3, 1), **population, tau=0.5, pairs=([4], [2]))
    assert (got.theta[0], got.se[0]) == pytest.approx((0.3, np.hypot(1.2, 0.5)))


def test_nothing_in_nothing_out():
    got = topic_abilities(TopicAnswers([], [], [], []), some_items(3, 1))
    assert len(got.theta) == len(got.student) == 0
    assert got.spread.tau == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), tau=st.sampled_from([0.0, 0.02, 0.3, 1.0]))
def test_order_of_rows_and_of_topics_changes_nothing(seed, tau):
    random = np.random.default_rng(seed)
    items = some_items(15, seed=15)
    answers = random_answers(4, 5, 6, items, seed)
    names = random.permutation(9)[:5]
    order = random.permutation(len(answers))
    shuffled = TopicAnswers(
        answers.person[order], names[answers.topic[order]], answers.item[order], answers.score[order]
    )
    before, after = topic_abilities(answers, items, tau=tau), topic_abilities(shuffled, items, tau=tau)
    place = np.lexsort((names[before.topic], before.person))
    assert np.array_equal(after.topic, names[before.topic][place])
    assert after.theta == pytest.approx(before.theta[place], abs=1e-12)
    assert after.se == pytest.approx(before.se[place], abs=1e-12)


def test_answers_without_a_topic_inform_the_student_and_get_no_row():
    items = some_items(20, seed=16)
    answers = random_answers(6, 3, 7, items, seed=17)
    named = topic_abilities(answers, items, tau=0.4)
    without_topic = replace(answers, topic=np.where(answers.topic == 2, -1, answers.topic))
    unnamed = topic_abilities(without_topic, items, tau=0.4)
    assert set(unnamed.topic) == {0, 1}
    assert unnamed.theta == pytest.approx(named.theta[named.topic < 2], abs=1e-12)


def test_answers_to_items_without_parameters_are_left_out():
    items = some_items(20, seed=18)
    answers = random_answers(6, 3, 7, items, seed=19)
    few = answers.item < 15
    of_known = TopicAnswers(answers.person[few], answers.topic[few], answers.item[few], answers.score[few])
    known = topic_abilities(of_known, items, tau=0.4)
    got = topic_abilities(answers, items.take(np.arange(15)), tau=0.4)
    assert np.array_equal(got.theta, known.theta)
    assert np.array_equal(got.n_responses, known.n_responses)


def test_topics_may_have_a_tau_of_their_own():
    items = some_items(30, seed=20)
    answers = random_answers(1, 3, 9, items, seed=21)
    spread = TopicSpread(0.3, 0.0, np.array([1], np.int32), np.array([0.0]), np.array([0.0]))
    got = topic_abilities(answers, items, tau=spread)
    assert got.theta[1] == pytest.approx(got.student_theta[0], abs=1e-12)
    assert got.se[1] == pytest.approx(got.student_se[0], abs=1e-12)
    assert got.se[0] > got.student_se[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"person": [0]}, "differ in length: 1, 2, 2, 2, 2"),
        ({"n_topics": [1, 0]}, "1 to 65,535 topics, but n_topics goes from 0 to 1"),
        ({"topic": [-2, 0]}, "topic codes at 0 or -1"),
        ({"score": [0, 0.5]}, "row 1, item 1: the score is 0.5, but a score is 0 or 1"),
        ({"item": [0.5, 1.0]}, "item codes"),
    ],
)
def test_answers_that_are_not_possible_are_refused(change, message):
    given = {"person": [0, 0], "topic": [0, 1], "item": [0, 1], "score": [0, 1]} | change
    with pytest.raises(DataError, match=message):
        TopicAnswers(**given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau": -0.1}, "tau is -0.1"),
        ({"population_sd": 0.0}, "SD 0.0"),
        ({"pairs": ([1], [-1])}, "pairs must be"),
    ],
)
def test_arguments_that_are_not_possible_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        topic_abilities(TopicAnswers([0, 0], [0, 1], [0, 1], [0, 1]), some_items(3, 1), **arguments)


@pytest.mark.parametrize("tau", [0.0, 0.3, 3.0])
def test_parameters_gone_wrong_cost_neither_time_nor_a_finite_result(tau):
    items = ItemParameters(np.arange(4), [1e45, 800.0, -300.0, 1e-9], [0.1, -0.2, 400.0, 0.0], np.zeros(4))
    random = np.random.default_rng(22)
    person, topic = np.repeat(np.arange(20), 8), np.tile(np.repeat([0, 1], 4), 20)
    answers = TopicAnswers(person, topic, np.tile(np.arange(4), 40), random.integers(0, 2, 160))
    got = topic_abilities(answers, items, tau=tau)
    assert np.isfinite(got.theta).all()
    assert np.isfinite(got.se).all()
