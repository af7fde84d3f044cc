"""How far topics lie apart within a student: tau by maximum likelihood."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import GroupedAnswers, TopicAnswers, group_by_student_and_topic
from seedtest_assets.irt.topic_integration import Posterior, integrate

# (Student, topic) pairs that tau is estimated from; its standard error is then a few thousandths of a population SD.
MAX_PAIRS = 200_000
# Pairs on which the first steps are taken: they lead near the maximum of all of them, which then takes a few steps more.
PAIRS_OF_FIRST_STEPS = 20_000
# Where the few say that topics do not differ, all may still say that they do, a little.
SMALLEST_START = 0.05
# Students that a topic needs for a separate tau.
MIN_STUDENTS = 300
# Standard error of log tau above which a topic's separate value would reflect chance more than the topic.
LARGEST_ERROR = 0.25
# In population SDs; a likelihood that still rises below it is reported as tau = 0: topics do not differ.
SMALLEST_TAU = 0.01
LARGEST_TAU = 3.0
FIRST_TAU = 0.4
# Largest step at which tau is taken to be found: in standard errors of log tau, but between these steps of log tau.
TOLERANCE = 0.003
TOLERANCES = (1e-4, 1e-3)
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class TopicSpread:
    """The SD of topic abilities within a student, by maximum likelihood.

    Parameters
    ----------
    tau, tau_se : float
        The common value for all topics, and its standard error.
    topic : int32 [n]
        Topics with enough students for a separate value.
    topic_tau, topic_tau_se : float64 [n]
        Their values and standard errors.
    n_students, n_pairs : int
        Students with answers in two topics or more, and their (student, topic) pairs, on which tau rests; with none tau
        is not identified and is 0: a topic's ability is then the student's.
    loglik : float
        Marginal log-likelihood of their answers at these values.
    iterations : int
        Steps that were taken.
    converged : bool
        Whether the last step was within the tolerance.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> spread = irt.TopicSpread.fixed(0.4)
    >>> spread
    TopicSpread(tau 0.400, 0 topics with a separate tau, 0 students)
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
        """Take the same known tau for every topic. Raises DataError for a value that is no SD."""
        if not (np.isfinite(tau) and tau >= 0):
            raise DataError(f"tau is {tau}, but a standard deviation is a finite number from 0")
        return cls(float(tau), 0.0, np.empty(0, np.int32), np.empty(0), np.empty(0))

    def of(self, topic: np.ndarray) -> np.ndarray:
        """Look up tau of each topic code: its separate value, else the common one."""
        tau = np.full(max(int(topic.max(initial=-1)), int(self.topic.max(initial=-1))) + 2, self.tau)
        tau[self.topic] = self.topic_tau
        return tau[topic]  # code -1, no topic, is the last place: the common tau

    def __repr__(self) -> str:
        return (
            f"TopicSpread(tau {self.tau:.3f}, {len(self.topic):,} topics with a separate tau, "
            f"{self.n_students:,} students)"
        )


def topic_spread(
    answers: TopicAnswers | GroupedAnswers,
    items: ItemParameters,
    *,
    population_mean: float = 0.0,
    population_sd: float = 1.0,
    max_pairs: int = MAX_PAIRS,
    min_students: int = MIN_STUDENTS,
) -> TopicSpread:
    """Estimate tau, the SD of topic abilities within a student, for all topics and for each with enough students.

    Parameters
    ----------
    answers : TopicAnswers, or GroupedAnswers with these items' codes
        Those to items without parameters are left out.
    items : ItemParameters
    population_mean, population_sd : float
        Of the students' abilities.
    max_pairs : int
        (Student, topic) pairs that are used; of larger logs, every k-th student in the order of their codes.
    min_students : int
        Students with answers in two topics or more that a topic needs for a separate tau.

    Returns
    -------
    TopicSpread

    Raises
    ------
    DataError
        A population that is not possible.

    Notes
    -----
    The common tau maximises the likelihood when all topics have the same; then each topic with enough students, whose
    answers determine its log tau to a standard error of 0.25, gets a separate one. These maximise the likelihood
    together while the other topics keep the common one.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(40), np.ones(40), np.linspace(-2, 2, 40), np.zeros(40))
    >>> correct = irt.simulate(np.random.default_rng(1).normal(size=200), items)  # one ability for all items
    >>> person, item = (codes.ravel() for codes in np.indices(correct.shape))
    >>> answers = irt.TopicAnswers(person, item // 20, item, correct.ravel())
    >>> irt.topic_spread(answers, items).tau < 0.3
    True
    """
    check_population(population_mean, population_sd)
    grouped = answers if isinstance(answers, GroupedAnswers) else group_by_student_and_topic(answers, items)
    return estimate(grouped, items, population_mean, population_sd, max_pairs, min_students)


def check_population(mean: float, sd: float) -> None:
    """Raise DataError for a population that is not possible."""
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise DataError(f"the population has mean {mean} and SD {sd}, but they must be finite and the SD above 0")


def estimate(
    answers: GroupedAnswers,
    items: ItemParameters,
    mean: float,
    sd: float,
    max_pairs: int = MAX_PAIRS,
    min_students: int = MIN_STUDENTS,
) -> TopicSpread:
    """Estimate tau from answers that are grouped already; see `topic_spread`."""
    sample = _informative_students(answers, max_pairs)
    if len(sample.student) == 0:
        return TopicSpread.fixed(0.0)

    def evaluate(answers: GroupedAnswers, tau_of_pair: np.ndarray) -> Posterior:
        return integrate(answers, items, tau_of_pair * sd, mean, sd)

    few = _informative_students(sample, PAIRS_OF_FIRST_STEPS)
    first = FIRST_TAU if len(few.topic) == len(sample.topic) else _common_tau(few, evaluate, FIRST_TAU).tau[0]
    common = _common_tau(sample, evaluate, max(first, SMALLEST_START))
    counts = _counts(sample)
    topics = _topics_with_enough(sample, counts, common, min_students)
    separate = _separate_taus(sample, counts, topics, common, evaluate) if len(topics) else None
    best = separate or common
    return TopicSpread(
        tau=float(common.tau[0] * sd),
        tau_se=float(common.se[0] * sd),
        topic=topics.astype(np.int32),
        topic_tau=separate.tau * sd if separate else np.empty(0),
        topic_tau_se=separate.se * sd if separate else np.empty(0),
        n_students=len(sample.student),
        n_pairs=int(counts.sum()),
        loglik=float(best.posterior.student_loglik.sum()),
        iterations=common.iterations + (separate.iterations if separate else 0),
        converged=common.converged and best.converged,
    )


def _informative_students(answers: GroupedAnswers, max_pairs: int) -> GroupedAnswers:
    """Select students with answers in two named topics or more; every k-th where they have more than max_pairs."""
    n_topics = answers.n_topics
    informative = np.flatnonzero(n_topics >= 2)
    every = -(-int(n_topics[informative].sum()) // max_pairs)
    return answers.take(informative[:: max(every, 1)])


_Evaluate = Callable[[GroupedAnswers, np.ndarray], Posterior]


def _counts(sample: GroupedAnswers) -> np.ndarray:
    """Tell which pairs have answers and a topic, bool [n_pairs]."""
    return (sample.topic >= 0) & sample.answered


def _common_tau(sample: GroupedAnswers, evaluate: _Evaluate, start: float) -> "_Maximum":
    """Maximise over one tau for all topics."""
    counts = _counts(sample)
    student_of_pair = np.repeat(np.arange(len(sample.student)), np.diff(sample.student_start))

    def sums(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_student = np.bincount(student_of_pair, np.where(counts, score, 0.0))
        return of_student.sum(keepdims=True), (of_student**2).sum(keepdims=True)

    return _maximise(lambda tau: evaluate(sample, np.repeat(tau, len(sample.topic))), sums, np.array([start]))


def _topics_with_enough(
    sample: GroupedAnswers, counts: np.ndarray, common: "_Maximum", min_students: int
) -> np.ndarray:
    """Find the topics with enough students and information for a separate tau."""
    n_students = np.bincount(sample.topic[counts])
    information = np.bincount(sample.topic[counts], common.posterior.score[counts] ** 2) if common.tau[0] > 0 else 0.0
    return np.flatnonzero((n_students >= min_students) & (information >= LARGEST_ERROR**-2))


def _separate_taus(
    sample: GroupedAnswers, counts: np.ndarray, topics: np.ndarray, common: "_Maximum", evaluate: _Evaluate
) -> "_Maximum":
    """Maximise over a tau for each of some topics, while the others keep the common one."""
    place = np.full(int(sample.topic.max()) + 2, len(topics))  # the common tau is last
    place[topics] = np.arange(len(topics))
    place_of_pair = np.where(counts, place[sample.topic], len(topics))

    def sums(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = (np.bincount(place_of_pair, score**power, minlength=len(topics) + 1) for power in (1, 2))
        return first[:-1], second[:-1]

    def at(tau: np.ndarray) -> Posterior:
        return evaluate(sample, np.append(tau, common.tau)[place_of_pair])

    return _maximise(at, sums, np.repeat(common.tau, len(topics)), at_start=common.posterior)


@dataclass(frozen=True)
class _Maximum:
    tau: np.ndarray
    se: np.ndarray
    posterior: Posterior
    iterations: int
    converged: bool


def _maximise(
    evaluate: Callable[[np.ndarray], Posterior],
    sum_scores: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    at_start: Posterior | None = None,
) -> _Maximum:
    """Take Newton steps on log tau, separate for each topic, with all topics moving at once. at_start: evaluate(start).

    The score of a pair about log tau is E[(theta_topic - theta_student)^2 | answers] / tau^2 - 1 (Fisher's identity).
    The first curvature is the sum of squared scores (Berndt, Hall, Hall & Hausman, 1974), later ones are secants.
    """
    low, high = np.log(SMALLEST_TAU), np.log(LARGEST_TAU)
    x = np.log(start)
    previous: tuple[np.ndarray, np.ndarray] | None = None
    for iteration in range(1, MAX_ITERATIONS + 1):
        posterior = at_start if at_start is not None and iteration == 1 else evaluate(np.exp(x))
        gradient, squares = sum_scores(posterior.score)
        curvature = np.maximum(squares, 1e-12)
        if previous is not None:
            moved = x - previous[0]
            secant = -(gradient - previous[1]) / np.where(moved == 0, 1.0, moved)
            trusted = (np.abs(moved) > 1e-9) & (secant > 0.2 * curvature) & (secant < 5 * curvature)
            curvature = np.where(trusted, secant, curvature)
        step = np.clip(gradient / curvature, -1.0, 1.0)
        new = np.clip(x + step, low, high)
        tolerance = np.clip(TOLERANCE / np.sqrt(np.maximum(squares, 1e-12)), *TOLERANCES)
        converged = bool((np.abs(new - x) < tolerance).all())
        if converged:
            break
        previous, x = (x, gradient), new
    at_zero = (x <= low) & (gradient <= 0)
    tau = np.where(at_zero, 0.0, np.exp(x))
    if at_zero.any():
        posterior = evaluate(tau)
    return _Maximum(
        tau,
        tau / np.sqrt(np.maximum(squares, 1e-12)),
        posterior,
        iteration,
        converged,
    )
