"""Does the model fit a person: lz*, the likelihood of a pattern of answers, standardised for the estimated ability."""

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.fit_statistics import chance
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves
from seedtest_assets.irt.parallel import chunks, kernel, run
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to

# Answers below which a pattern says nothing: lz* of fewer is far from normal.
LEAST_ANSWERS = 5
MOST_STEPS = 100
# In SDs of the population: the estimate is as exact as lz* can tell.
TOLERANCE = 1e-9


def person_fit(responses: Responses, items: ItemParameters, *, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    """Compute lz* of every person [1]_; far below 0 is an unlikely pattern of answers, such as of guessing or copying.

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
        A population that is not possible.

    Notes
    -----
    With the weights w = log P - log(1 - P) of an answer, lz [2]_ standardises the sum W of w (x - P) as if the ability were
    known. It is not: at an estimate the same answers look likelier. The estimate here is the posterior's mode, which solves
    r0 + sum of r (x - P) = 0 with r = P' / (P (1 - P)) and r0 = (mean - theta) / sd^2. Then

        lz* = (W + c r0) / sqrt(sum of (w - c r)^2 P (1 - P)),  c = sum of P' w / sum of P' r.

    References
    ----------
    .. [1] Snijders, T. A. B. (2001). Asymptotic null distribution of person fit statistics with estimated person
       parameter. Psychometrika, 66(3), 331-342.
    .. [2] Drasgow, F., Levine, M. V., & Williams, E. A. (1985). Appropriateness measurement with polychotomous item
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
    answers = answers_to(responses, items.item)
    out = np.full(responses.n_persons, np.nan)
    population = (float(mean), float(sd))
    run(lambda low, high: _lz_star(low, high, answers.lists, items.curves, population, out), chunks(answers.start))
    return out


@kernel
def _mode(i: int, answers: AnswerLists, curves: Curves, population: tuple) -> float:
    """Find the mode of a person's posterior by Fisher scoring, in steps of at most one SD."""
    mean, sd = population
    theta = mean
    for _ in range(MOST_STEPS):
        score, information = (mean - theta) / sd**2, 1 / sd**2
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.code[k] >> 1
            p = chance(curves, j, theta)
            r = curves.a[j] * (p - curves.c[j]) / ((1 - curves.c[j]) * p)
            score += r * ((answers.code[k] & 1) - p)
            information += r * r * p * (1 - p)
        step = min(max(score / information, -sd), sd)
        theta += step
        if abs(step) < TOLERANCE * sd:
            break
    return theta


@kernel
def _lz_star(low: int, high: int, answers: AnswerLists, curves: Curves, population: tuple, out: np.ndarray) -> None:
    mean, sd = population
    for i in range(low, high):
        if answers.start[i + 1] - answers.start[i] < LEAST_ANSWERS:
            continue
        theta = _mode(i, answers, curves, population)
        slope_w, slope_r = 0.0, 0.0
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.code[k] >> 1
            p = chance(curves, j, theta)
            r = curves.a[j] * (p - curves.c[j]) / ((1 - curves.c[j]) * p)
            slope = r * p * (1 - p)
            slope_w += slope * (np.log(p) - np.log1p(-p))
            slope_r += slope * r
        c = slope_w / slope_r if slope_r > 0 else 0.0
        total, variance = c * (mean - theta) / sd**2, 0.0
        for k in range(answers.start[i], answers.start[i + 1]):
            j = answers.code[k] >> 1
            p = chance(curves, j, theta)
            r = curves.a[j] * (p - curves.c[j]) / ((1 - curves.c[j]) * p)
            w = np.log(p) - np.log1p(-p)
            total += w * ((answers.code[k] & 1) - p)
            variance += (w - c * r) ** 2 * p * (1 - p)
        if variance > 1e-12:
            out[i] = total / np.sqrt(variance)
