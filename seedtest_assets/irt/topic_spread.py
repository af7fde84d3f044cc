"""How far topics lie apart within a student: tau by maximum likelihood."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import TopicAnswers, group_by_student_and_topic
from seedtest_assets.irt.topic_integration import integrate

MOST_PAIRS = 200_000
"""(Student, topic) pairs that tau is estimated from; their standard error is a few thousandths of a population SD."""
STUDENTS_FOR_OWN_TAU = 300
LARGEST_ERROR_OF_OWN_TAU = 0.25
"""Standard error of log tau above which a topic's own value would say more about chance than about the topic."""
SMALLEST_TAU = 0.01
"""In population SDs; a likelihood that still rises below it is reported as tau = 0: topics do not differ."""
LARGEST_TAU = 3.0
TOLERANCE = 1e-4
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class TopicSpread:
    """The SD of topic abilities within a student, by maximum likelihood.

    tau, tau_se: one value for all topics, and its standard error.
    topic: int32 [n], the topics with enough students for a value of their own; topic_tau, topic_tau_se: float64 [n].
    n_students, n_pairs: students with answers in two topics or more, and their (student, topic) pairs, on which tau
        rests; with none tau is not identified and is 0: a topic's ability is then the student's.
    loglik: marginal log-likelihood of their answers at these values; iterations; converged.
    """

    tau: float
    tau_se: float
    topic: np.ndarray
    topic_tau: np.ndarray
    topic_tau_se: np.ndarray
    n_students: int = 0
    n_pairs: int = 0
    loglik: float = 0.0
    iterations: int = 0
    converged: bool = True

    @classmethod
    def fixed(cls, tau: float) -> "TopicSpread":
        """The same known tau for every topic. Raises DataError for one that no SD can be."""
        if not (np.isfinite(tau) and tau >= 0):
            raise DataError(f"tau is {tau}, but a standard deviation is a finite number from 0")
        return cls(float(tau), 0.0, np.empty(0, np.int32), np.empty(0), np.empty(0))

    def of(self, topic: np.ndarray) -> np.ndarray:
        """tau of each topic code: its own where it has one, else the common one."""
        tau = np.full(max(int(topic.max(initial=-1)), int(self.topic.max(initial=-1))) + 2, self.tau)
        tau[self.topic] = self.topic_tau
        return tau[topic]  # code -1, no topic, is the last place: the common tau


def topic_spread(
    person,
    topic,
    item,
    correct,
    items: ItemParameters,
    *,
    population_mean: float = 0.0,
    population_sd: float = 1.0,
    most_pairs: int = MOST_PAIRS,
    students_for_own_tau: int = STUDENTS_FOR_OWN_TAU,
) -> TopicSpread:
    """Maximum likelihood tau, one for all topics, and one for each topic with enough students.

    The likelihood is that of the students with answers in two topics or more, all of them up to `most_pairs` (student,
    topic) pairs; of larger logs, every k-th student in the order of their codes. The common tau maximises it when all
    topics have the same; then each topic with at least `students_for_own_tau` of those students, whose answers tell its
    log tau to a standard error of LARGEST_ERROR_OF_OWN_TAU, gets its own. These maximise the likelihood together while
    the other topics keep the common one.

    Arguments are those of `topic_abilities`.
    """
    check_population(population_mean, population_sd)
    answers = group_by_student_and_topic(person, topic, item, correct, items, None)
    return estimate(answers, items, population_mean, population_sd, most_pairs, students_for_own_tau)


def check_population(mean: float, sd: float) -> None:
    """Raises DataError for a population that cannot be."""
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise DataError(f"the population has mean {mean} and SD {sd}, but they must be finite and the SD above 0")


def estimate(
    answers: TopicAnswers,
    items: ItemParameters,
    mean: float,
    sd: float,
    most_pairs: int = MOST_PAIRS,
    students_for_own_tau: int = STUDENTS_FOR_OWN_TAU,
) -> TopicSpread:
    """`topic_spread` of answers that are grouped already."""
    sample = _students_that_tell(answers, most_pairs)
    if len(sample.student) == 0:
        return TopicSpread.fixed(0.0)
    student_of_pair = np.repeat(np.arange(len(sample.student)), np.diff(sample.student_start))
    tells = (sample.topic >= 0) & (np.diff(sample.pair_start) > 0)

    def of_all_topics(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_student = np.bincount(student_of_pair, np.where(tells, score, 0.0))
        return of_student.sum(keepdims=True), (of_student**2).sum(keepdims=True)

    def evaluate(tau_of_pair: np.ndarray):
        return integrate(sample, items, tau_of_pair * sd, mean, sd)

    common = _maximise(lambda tau: evaluate(np.repeat(tau, len(sample.topic))), of_all_topics, np.array([0.4]))

    students_of_topic = np.bincount(sample.topic[tells])
    information = np.bincount(sample.topic[tells], common.score[tells] ** 2) if common.tau[0] > 0 else 0.0
    well_told = information >= LARGEST_ERROR_OF_OWN_TAU**-2
    own = np.flatnonzero((students_of_topic >= students_for_own_tau) & well_told)
    place = np.full(len(students_of_topic) + 1, len(own))  # the common tau stands last
    place[own] = np.arange(len(own))
    place_of_pair = np.where(tells, place[sample.topic], len(own))

    def of_own_topics(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = (np.bincount(place_of_pair, score**power, minlength=len(own) + 1) for power in (1, 2))
        return tuple(total[: len(own)] for total in sums)  # type: ignore[return-value]

    best = common
    if len(own):
        best = _maximise(
            lambda tau: evaluate(np.append(tau, common.tau)[place_of_pair]),
            of_own_topics,
            np.repeat(common.tau, len(own)),
        )
    return TopicSpread(
        tau=float(common.tau[0] * sd),
        tau_se=float(common.se[0] * sd),
        topic=own.astype(np.int32),
        topic_tau=best.tau * sd if len(own) else np.empty(0),
        topic_tau_se=best.se * sd if len(own) else np.empty(0),
        n_students=len(sample.student),
        n_pairs=int(tells.sum()),
        loglik=best.loglik,
        iterations=common.iterations + (best.iterations if len(own) else 0),
        converged=common.converged and best.converged,
    )


def _students_that_tell(answers: TopicAnswers, most_pairs: int) -> TopicAnswers:
    """Students with answers in two named topics or more; every k-th of them where they have more than most_pairs."""
    named = (answers.topic >= 0) & (np.diff(answers.pair_start) > 0)
    before = np.concatenate([[0], np.cumsum(named)])
    n_topics = np.diff(before[answers.student_start])
    tell = np.flatnonzero(n_topics >= 2)
    every = -(-int(n_topics[tell].sum()) // most_pairs)
    return answers.take(tell[:: max(every, 1)])


@dataclass(frozen=True)
class _Maximum:
    tau: np.ndarray
    se: np.ndarray
    score: np.ndarray
    loglik: float
    iterations: int
    converged: bool


def _maximise(evaluate, sum_scores, start: np.ndarray) -> _Maximum:
    """Newton steps on log tau, each topic's on its own, with all topics moving at once.

    The score of a pair about log tau is E[(theta_topic - theta_student)^2 | answers] / tau^2 - 1 (Fisher's identity).
    The first curvature is the sum of squared scores (Berndt, Hall, Hall & Hausman, 1974), later ones are secants.
    """
    low, high = np.log(SMALLEST_TAU), np.log(LARGEST_TAU)
    x = np.log(start)
    previous_x = previous_gradient = None
    for iteration in range(1, MAX_ITERATIONS + 1):  # noqa: B007
        posterior = evaluate(np.exp(x))
        gradient, squares = sum_scores(posterior.score)
        curvature = np.maximum(squares, 1e-12)
        if previous_x is not None:
            moved = x - previous_x
            secant = -(gradient - previous_gradient) / np.where(moved == 0, 1.0, moved)
            trusted = (np.abs(moved) > 1e-9) & (secant > 0.2 * curvature) & (secant < 5 * curvature)
            curvature = np.where(trusted, secant, curvature)
        step = np.clip(gradient / curvature, -1.0, 1.0)
        new = np.clip(x + step, low, high)
        largest_change = np.abs(new - x).max()
        if largest_change < TOLERANCE:
            break
        previous_x, previous_gradient, x = x, gradient, new
    at_zero = (x <= low) & (gradient <= 0)
    tau = np.where(at_zero, 0.0, np.exp(x))
    if at_zero.any():
        posterior = evaluate(tau)
    return _Maximum(
        tau,
        tau / np.sqrt(np.maximum(squares, 1e-12)),
        posterior.score,
        float(posterior.student_loglik.sum()),
        iteration,
        bool(largest_change < TOLERANCE),
    )
