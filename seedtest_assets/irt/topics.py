"""Topic abilities: one hierarchical model for all topics of a student.

theta_student ~ N(population_mean, population_sd^2) and theta_topic ~ N(theta_student, tau^2), so a topic with few
answers leans on the student's other answers, with a wider error, and every answer counts once: an answer to K topics has
its likelihood to the power 1 / K in each of them. tau, how far topics lie
apart within a student, is the maximum of the likelihood (a second-order latent trait model: de la Torre & Song, 2009).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import GroupedAnswers, TopicAnswers, group_by_student_and_topic
from seedtest_assets.irt.topic_integration import Posterior, integrate
from seedtest_assets.irt.topic_tau import TopicSpread, check_population, estimate


@dataclass(frozen=True)
class TopicAbilities:
    """Abilities by topic: posterior means and SDs.

    Parameters
    ----------
    person, topic : int32 [n_pairs]
        By person, then topic.
    theta, se : float64 [n_pairs]
        Posterior means and SDs.
    n_responses : int32 [n_pairs]
        Answers in the topic.
    student : int32 [n_students]
        Person codes, ascending.
    student_theta, student_se : float64 [n_students]
        The ability that the student's topics lie around.
    spread : TopicSpread
        The tau they rest on.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1], a=[1.0, 1.0], b=[0.0, 0.0], c=[0.0, 0.0])
    >>> irt.topic_abilities(irt.TopicAnswers([0, 0], [0, 1], [0, 1], [1, 0]), items, tau=0.5)
    TopicAbilities(1 students, 2 pairs of student and topic)
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

    def __repr__(self) -> str:
        return f"TopicAbilities({len(self.student):,} students, {len(self.topic):,} pairs of student and topic)"


def topic_abilities(
    answers: TopicAnswers | GroupedAnswers,
    items: ItemParameters,
    *,
    population_mean: float = 0.0,
    population_sd: float = 1.0,
    tau: float | TopicSpread | None = None,
    pairs: tuple[ArrayLike, ArrayLike] | None = None,
) -> TopicAbilities:
    """Estimate the ability of every student in every topic they answered in.

    Parameters
    ----------
    answers : TopicAnswers, or GroupedAnswers with these items' codes
        Those to items without parameters are left out.
    items : ItemParameters
    population_mean, population_sd : float
        Of the students' abilities.
    tau : float or TopicSpread, optional
        The SD of topic abilities within a student; by default it is estimated from these answers.
    pairs : (person codes, topic codes), optional
        Pairs to be scored even without answers, of TopicAnswers: they get the student's ability with the wider error
        sqrt(se_student^2 + tau^2).

    Returns
    -------
    TopicAbilities
        Each student integrated exactly, see topic_integration.py.

    Raises
    ------
    DataError
        Pairs that do not fit together, a tau that is no SD, or a population that is not possible.

    References
    ----------
    .. [1] de la Torre, J., & Song, H. (2009). Simultaneous estimation of overall and domain abilities: A higher-order
       IRT model approach. Applied Psychological Measurement, 33(8), 620-639.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(4), a=np.ones(4), b=np.zeros(4), c=np.zeros(4))
    >>> answers = irt.TopicAnswers(person=[0, 0, 0, 0], topic=[0, 0, 1, 1], item=[0, 1, 2, 3], score=[1, 1, 0, 0])
    >>> abilities = irt.topic_abilities(answers, items, tau=0.7)
    >>> np.round(abilities.theta, 2)
    array([ 0.41, -0.41])
    """
    check_population(population_mean, population_sd)
    grouped = answers if isinstance(answers, GroupedAnswers) else group_by_student_and_topic(answers, items, pairs)
    if tau is None:
        spread = estimate(grouped, items, population_mean, population_sd)
    else:
        spread = tau if isinstance(tau, TopicSpread) else TopicSpread.fixed(tau)
    posterior = integrate(grouped, items, spread.of(grouped.topic), population_mean, population_sd)
    return _of_named_topics(grouped, posterior, spread)


def _of_named_topics(grouped: GroupedAnswers, posterior: Posterior, spread: TopicSpread) -> TopicAbilities:
    """Leave out the pairs whose topic has no name: their answers count for the student only."""
    named = grouped.topic >= 0
    return TopicAbilities(
        person=np.repeat(grouped.student, np.diff(grouped.student_start))[named],
        topic=grouped.topic[named],
        theta=posterior.theta[named],
        se=posterior.se[named],
        n_responses=np.diff(grouped.pair_start).astype(np.int32)[named],
        student=grouped.student,
        student_theta=posterior.student_theta,
        student_se=posterior.student_se,
        spread=spread,
    )
