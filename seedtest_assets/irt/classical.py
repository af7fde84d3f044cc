"""Classical item statistics: share correct and correlation with the rest score, on sparse answers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.responses import Responses

# Other answers that a person's rest score needs: from fewer it is mostly chance, and hides the correlation.
LEAST_OTHER_ANSWERS = 5


class ClassicalStatistics(NamedTuple):
    """Classical statistics of each item; NaN where they are not defined.

    Parameters
    ----------
    n_answers : int64 [n_items]
        Answers that count, the first of each person.
    share_correct : float64 [n_items]
        Share of these that are correct, the item's classical difficulty; with partial credit the mean score as a share of
        the highest one.
    point_biserial : float64 [n_items]
        Correlation of the score with the rest score: point-biserial where answers are right or wrong.
    n_rest : int64 [n_items]
        Answers that the correlation rests on.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(8), np.ones(8), np.linspace(-1, 1, 8), np.zeros(8))
    >>> responses = irt.Responses.from_matrix(irt.simulate(np.random.default_rng(0).normal(size=500), items))
    >>> irt.classical_statistics(responses).n_answers
    array([500, 500, 500, 500, 500, 500, 500, 500])
    """

    n_answers: np.ndarray
    share_correct: np.ndarray
    point_biserial: np.ndarray
    n_rest: np.ndarray


def classical_statistics(responses: Responses, max_score: ArrayLike | None = None) -> ClassicalStatistics:
    """Compute the classical statistics of each item, without any model.

    Parameters
    ----------
    responses : Responses
    max_score : integers [n_items], optional
        Highest score of each item; by default the highest that was given, at least 1.

    Returns
    -------
    ClassicalStatistics

    Notes
    -----
    The rest score of an answer is the share correct of the person's other answers, each score counting as a share of its
    item's highest, so that persons who answered different numbers of items can be compared [1]_. Persons with fewer than 5 other answers are left out of it.

    References
    ----------
    .. [1] Lord, F. M., & Novick, M. R. (1968). Statistical theories of mental test scores. Addison-Wesley. Section 15.3
       has the correction for the item's own part in the score.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> marks = [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1]]
    >>> irt.classical_statistics(irt.Responses.from_matrix(marks)).point_biserial.round(2)
    array([ 0.85,  0.85,  0.52,  0.73,  0.85, -0.42])
    """
    highest = responses.max_score if max_score is None else np.asarray(max_score)
    return classical_statistics_of(classical_sums(responses, highest))


class ClassicalSums(NamedTuple):
    """What classical statistics rest on, float64 [n_items] each; those of persons who are apart add up.

    n_answers, correct: of all answers, and sum of their shares of the highest score. n, x, y, xx, yy, xy: of the answers with a
    rest score y, sums over these and the shares x.
    """

    n_answers: np.ndarray
    correct: np.ndarray
    n: np.ndarray
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    yy: np.ndarray
    xy: np.ndarray

    def plus(self, other: "ClassicalSums") -> "ClassicalSums":
        """Add the sums of other persons."""
        return ClassicalSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def classical_sums(responses: Responses, max_score: np.ndarray) -> ClassicalSums:
    """Sum up persons for `classical_statistics_of`. max_score: of each item."""
    item, n_items = responses.item, responses.n_items
    correct = responses.score / max_score[item]
    n_of_person = np.diff(responses.person_start)
    person = np.repeat(np.arange(responses.n_persons), n_of_person)
    right_of_person = np.bincount(person, weights=correct, minlength=responses.n_persons)
    of_answers = (np.bincount(item, weights=weight, minlength=n_items) for weight in (None, correct))
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = (n_of_person > LEAST_OTHER_ANSWERS)[person]
        rest = ((right_of_person[person] - correct) / (n_of_person[person] - 1))[counts]
    of_item, mark = item[counts], correct[counts]
    of_rest = (
        np.bincount(of_item, weights=weight, minlength=n_items)
        for weight in (None, mark, rest, mark**2, rest**2, mark * rest)
    )
    return ClassicalSums(*of_answers, *of_rest)


def classical_statistics_of(sums: ClassicalSums) -> ClassicalStatistics:
    """Compute the classical statistics of each item from sums over persons."""
    n_answers, correct, n, x, y, xx, yy, xy = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = xy - x * y / n
        variances = (xx - x**2 / n) * (yy - y**2 / n)
        point_biserial = np.where(variances > 1e-12, covariance / np.sqrt(variances), np.nan)
        share_correct = correct / n_answers
    return ClassicalStatistics(n_answers.astype(np.int64), share_correct, point_biserial, n.astype(np.int64))
