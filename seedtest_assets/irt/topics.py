"""Topic abilities: one hierarchical model for all topics of a student.

theta_student ~ N(population_mean, population_sd^2) and theta_topic ~ N(theta_student, tau^2), so a topic with few
answers leans on the student's other answers, with a wider error, and every answer counts once. tau, how far topics lie
apart within a student, is the maximum of the likelihood (a second-order latent trait model: de la Torre & Song, 2009).
"""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import group_by_student_and_topic
from seedtest_assets.irt.topic_integration import integrate
from seedtest_assets.irt.topic_spread import TopicSpread, check_population, estimate


@dataclass(frozen=True)
class TopicAbilities:
    """Posterior means and SDs.

    person, topic: int32 [n_pairs], by person, then topic; theta, se: float64; n_responses: int32, answers in the topic.
    student: int32 [n_students], ascending, student_theta, student_se: the ability that the student's topics lie around.
    spread: the tau they rest on.
    """

    person: np.ndarray
    topic: np.ndarray
    theta: np.ndarray
    se: np.ndarray
    n_responses: np.ndarray
    student: np.ndarray
    student_theta: np.ndarray
    student_se: np.ndarray
    spread: TopicSpread


def topic_abilities(
    person,
    topic,
    item,
    correct,
    items: ItemParameters,
    *,
    population_mean: float = 0.0,
    population_sd: float = 1.0,
    tau: float | TopicSpread | None = None,
    pairs=None,
) -> TopicAbilities:
    """Ability of every student in every topic they answered in.

    person, topic, item: integer codes [n], one row for each answer that counts (the first of a person to an item), in
        any order; topic -1 is an answer without a topic, which informs the student's ability but gets no row.
    correct: [n] of 0/1 or bool. Answers to items without parameters are left out.
    tau: a known value, or a `topic_spread`; by default it is estimated from these answers.
    pairs: (person codes, topic codes) to be scored even without answers: they get the student's ability with the wider
        error sqrt(se_student^2 + tau^2).

    Each student is integrated exactly, see `topic_integration`. Raises DataError for arrays that do not fit together.
    """
    check_population(population_mean, population_sd)
    answers = group_by_student_and_topic(person, topic, item, correct, items, pairs)
    if tau is None:
        spread = estimate(answers, items, population_mean, population_sd)
    else:
        spread = tau if isinstance(tau, TopicSpread) else TopicSpread.fixed(tau)
    posterior = integrate(answers, items, spread.of(answers.topic), population_mean, population_sd)
    named = answers.topic >= 0
    return TopicAbilities(
        person=np.repeat(answers.student, np.diff(answers.student_start))[named],
        topic=answers.topic[named],
        theta=posterior.theta[named],
        se=posterior.se[named],
        n_responses=np.diff(answers.pair_start).astype(np.int32)[named],
        student=answers.student,
        student_theta=posterior.student_theta,
        student_se=posterior.student_se,
        spread=spread,
    )
