"""Does the model fit a person: lz*, the likelihood of a pattern of answers, standardised for the estimated ability."""

import numpy as np

from seedtest_assets.irt.curves import categories_and_slopes, log_categories
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.fit_statistics import chance
from seedtest_assets.irt.item_scores import RIGHT_OR_WRONG
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.parallel import chunks, kernel, run
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

# Answers below which a pattern says nothing: lz* of fewer is far from normal.
LEAST_ANSWERS = 5
MOST_STEPS = 100
# In SDs of the population: the estimate is as exact as lz* can tell.
TOLERANCE = 1e-9
# Share of the variance below which it is rounding: no two items are unlike enough for lz* to tell patterns apart.
ROUNDING = 1e-12


def person_fit(responses: Responses, items: ItemParameters, *, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    """Compute lz* of every person ([1]_, with partial credit [2]_).

    Far below 0 is an unlikely pattern of answers, such as of guessing or copying.

    Parameters
    ----------
    responses : Responses
    items : ItemParameters
    mean, sd : float
        The population, theta ~ N(mean, sd^2), on the scale of `items`.

    Returns
    -------
    float64 [n_persons]
        About N(0, 1) where the model fits. NaN for a person with fewer than 5 answers to these items.

    Raises
    ------
    DataError
        A population that is not possible, or an answer with a score that its item does not have.

    Notes
    -----
    With the weights w_k = log P_k of the scores of an item, lz [3]_ standardises the sum W of w_x - sum of P_k w_k, x being the
    score that was given, as if the ability were known. It is not: at an estimate the same answers look likelier. The estimate
    here is the posterior's mode, which solves r0 + sum of r_x = 0 with r_k = P_k' / P_k and r0 = (mean - theta) / sd^2. Then

        lz* = (W + c r0) / sqrt(sum of Var(w - c r)),  c = sum of P_k' w_k / sum of P_k' r_k,

    with variances over the scores of each item. Where it is right or wrong the differences of w and r between both are enough.

    References
    ----------
    .. [1] Snijders, T. A. B. (2001). Asymptotic null distribution of person fit statistics with estimated person
       parameter. Psychometrika, 66(3), 331-342.
    .. [2] Sinharay, S. (2016). Asymptotically correct standardization of person-fit statistics beyond dichotomous items.
       Psychometrika, 81(4), 992-1013.
    .. [3] Drasgow, F., Levine, M. V., & Williams, E. A. (1985). Appropriateness measurement with polychotomous item
       response models and standardized indices. British Journal of Mathematical and Statistical Psychology, 38(1),
       67-86.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(np.arange(6), a=np.full(6, 1.5), b=np.linspace(-2, 2, 6), c=np.zeros(6))
    >>> responses = irt.Responses.from_matrix([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    >>> likely, unlikely = irt.person_fit(responses, items)
    >>> bool(likely > 0), bool(unlikely < -3)
    (True, True)
    """
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise DataError(f"the population needs a finite mean and an SD above 0, not {mean} and {sd}")
    answers, curves = answers_to(responses, items.item, items.scores), items.curves
    out = np.full(responses.n_persons, np.nan)
    population = (float(mean), float(sd))
    run(lambda low, high: _lz_star(low, high, answers.lists, curves, population, out), chunks(answers.start))
    return out


@kernel
def _right(curves: Curves, j: int, theta: float) -> tuple[float, float]:
    """Compute P of a right answer, and r = P' / (P (1 - P))."""
    p, c = chance(curves, j, theta), curves.c[j]
    return p, curves.a[j] * (p - c) / ((1 - c) * p) if c > 0 else curves.a[j]


@kernel
def _mode(i: int, answers: AnswerLists, curves: Curves, population: tuple, of_item: np.ndarray) -> float:
    """Find the mode of a person's posterior by Fisher scoring, in steps of at most one SD."""
    mean, sd = population
    first, kind = curves.scores.first, curves.scores.kind
    theta = mean
    for _ in range(MOST_STEPS):
        score, information = (mean - theta) / sd**2, 1 / sd**2
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.item[answers.code[k]]
            x = answers.code[k] - first[j]
            if kind[j] == RIGHT_OR_WRONG:
                p, r = _right(curves, j, theta)
                score += r * (x - p)
                information += r * r * p * (1 - p)
            else:
                categories_and_slopes(curves, j, theta, of_item[1], of_item[2])
                for s in range(first[j + 1] - first[j]):
                    information += of_item[1, s] * of_item[2, s] ** 2
                score += of_item[2, x]
        step = min(max(score / information, -sd), sd)
        theta += step
        if abs(step) < TOLERANCE * sd:
            break
    return theta


@kernel
def _lz_star(low: int, high: int, answers: AnswerLists, curves: Curves, population: tuple, out: np.ndarray) -> None:
    """Compute lz* of some persons. Since sum of P_k r_k = 0, the variance is that of w less c times the covariance with r."""
    mean, sd = population
    first = curves.scores.first
    of_item = np.empty((3, MOST_CATEGORIES))  # log P, P and d log P / d theta of the scores of an item
    for i in range(low, high):
        if answers.start[i + 1] - answers.start[i] < LEAST_ANSWERS:
            continue
        theta = _mode(i, answers, curves, population, of_item)
        total, ww, wr, rr = 0.0, 0.0, 0.0, 0.0
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.item[answers.code[k]]
            x = answers.code[k] - first[j]
            if curves.scores.kind[j] == RIGHT_OR_WRONG:
                p, r = _right(curves, j, theta)
                w = np.log(p) - np.log1p(-p)
                total += w * (x - p)
                slope = r * p * (1 - p)
                ww += w * w * p * (1 - p)
                wr += slope * w
                rr += slope * r
            else:
                log_categories(curves, j, theta, of_item[0])
                categories_and_slopes(curves, j, theta, of_item[1], of_item[2])
                w_mean = 0.0
                for s in range(first[j + 1] - first[j]):
                    w, p, r = of_item[0, s], of_item[1, s], of_item[2, s]
                    w_mean += p * w
                    ww += p * w * w
                    wr += p * r * w
                    rr += p * r * r
                total += of_item[0, x] - w_mean
                ww -= w_mean**2
        c = wr / rr if rr > 0 else 0.0
        variance = ww - c * wr
        if variance > ROUNDING * ww:
            out[i] = (total + c * (mean - theta) / sd**2) / np.sqrt(variance)
