"""Maximisation for items with partial credit: Newton steps for the slope and the intercepts of the steps.

With z_k = w_k a theta + t_k, n expected answers and r_k those with score k, at each node:

    GPCM   log L = a sum theta s + sum t_k R_k - sum n log sum exp(z_1 + .. + z_k),   R_k: answers that reach score k
    GRM    log L = sum r_k log(logistic(z_k) - logistic(z_(k+1)))
                 = sum over steps of a logistic regression on the answers just below and just above the step,
                   + sum r_k log(1 - exp(t_(k+1) - t_k))

Both are concave in (a, t) (Pratt, 1981, for the second), so that a Newton step, halved while it leads down, always climbs.
"""

import math
from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.item_priors import ItemPrior, ItemPriors, prior_of
from seedtest_assets.irt.item_scores import GRADED_RESPONSE
from seedtest_assets.irt.kernel_arguments import ItemScores
from seedtest_assets.irt.parallel import exponential, kernel
from seedtest_assets.irt.prior_densities import add_prior, log_prior_of_item
from seedtest_assets.irt.state import INTERCEPT_LIMIT, LEAST_SLOPE, SLOPE_LIMIT

STEPS = 8
LARGEST_STEP = 2.0


class StepData(NamedTuple):
    """What answers say of items with partial credit.

    answers: expected answers, float64 [n_items, n_nodes]; score_theta: sum of the abilities times the scores above the lowest,
    float64 [n_items]; reached: answers with at least this score, float64 [n_codes]; graded: expected answers with each score
    of GRM items, [n_graded_codes, n_nodes]; graded_first: int64 [n_items], row of the lowest score there.
    """

    answers: np.ndarray
    score_theta: np.ndarray
    reached: np.ndarray
    graded: np.ndarray
    graded_first: np.ndarray


@kernel
def maximise_steps(
    low: int,
    high: int,
    a: np.ndarray,
    intercept: np.ndarray,
    data: StepData,
    node: np.ndarray,
    free: np.ndarray,
    scores: ItemScores,
    priors: ItemPriors,
) -> None:
    """Maximise over slope and intercepts of each of the items low .. high - 1 that is `free`, in place."""
    most = np.max(np.diff(scores.first))
    gradient, information, new = np.empty(most), np.empty((most, most)), np.empty(most)
    for j in range(low, high):
        if not free[j]:
            continue
        first, n = scores.first[j], scores.first[j + 1] - scores.first[j]
        x = intercept[first : first + n].copy()  # the slope is in the place of the lowest score
        prior = prior_of(priors, j)
        x[0] = max(a[j], LEAST_SLOPE) if prior.a_precision > 0 else a[j]
        value = of_item(j, x, data, node, scores, prior, gradient, information)
        for _ in range(STEPS):
            for i in range(n):
                information[i, i] = information[i, i] * (1 + 1e-10) + 1e-10
            step = np.linalg.solve(information[:n, :n], gradient[:n])
            size = np.abs(step).max()
            shrink = min(1.0, LARGEST_STEP / size) if size > 0 else 1.0
            climbed = False
            while shrink > 1e-6 and not climbed:
                for i in range(n):
                    limit = SLOPE_LIMIT if i == 0 else INTERCEPT_LIMIT
                    new[i] = min(max(x[i] + shrink * step[i], -limit), limit)
                new_value = of_item(j, new[:n], data, node, scores, prior, gradient, information)
                climbed = new_value >= value - 1e-12 * abs(value)
                shrink /= 2
            if not climbed:
                break
            x[:], value = new[:n], new_value
            if size < 1e-10:
                break
        a[j] = x[0]
        intercept[first + 1 : first + n] = x[1:]


@kernel
def of_item(
    j: int,
    x: np.ndarray,
    data: StepData,
    node: np.ndarray,
    scores: ItemScores,
    prior: ItemPrior,
    gradient: np.ndarray,
    information: np.ndarray,
) -> float:
    """Compute an item's expected log-likelihood at x = (a, t_1, t_2, ...), its log prior included, and its derivatives.

    -inf where thresholds of a GRM do not descend.
    """
    if scores.kind[j] == GRADED_RESPONSE:
        value = _graded(j, x, data, node, gradient, information)
    else:
        value = _partial_credit(j, x, data, node, scores, gradient, information)
    return value + _prior(j, x, scores, prior, gradient, information)


@kernel(fastmath={"reassoc", "contract"})
def _partial_credit(
    j: int,
    x: np.ndarray,
    data: StepData,
    node: np.ndarray,
    scores: ItemScores,
    gradient: np.ndarray,
    information: np.ndarray,
) -> float:
    n, first = x.size, scores.first[j]
    weight, answers = scores.weight[first : first + n], data.answers[j]
    p, reach, score = np.empty(n), np.empty(n), np.empty(n)
    score[0] = 0.0
    value = data.score_theta[j] * x[0]
    gradient[0] = data.score_theta[j]
    for k in range(1, n):
        score[k] = score[k - 1] + weight[k]
        gradient[k] = data.reached[first + k]
        value += x[k] * data.reached[first + k]
    information[:n, :n] = 0.0
    for q in range(node.size):
        theta, persons = node[q], answers[q]
        if persons <= 0:
            continue
        total, top = 0.0, 0.0
        p[0] = 0.0
        for k in range(1, n):
            p[k] = p[k - 1] + weight[k] * x[0] * theta + x[k]
            top = max(top, p[k])
        for k in range(n):
            p[k] = exponential(p[k] - top)
            total += p[k]
        value -= persons * (top + math.log(total))
        mean, square, rest = 0.0, 0.0, 0.0
        for k in range(n - 1, -1, -1):
            chance = p[k] / total
            rest += chance
            reach[k] = rest
            mean += chance * score[k]
            square += chance * score[k] * score[k]
        gradient[0] -= persons * theta * mean
        information[0, 0] += persons * theta * theta * (square - mean * mean)
        above = 0.0  # expected score of those who reach score k, times their share
        for k in range(n - 1, 0, -1):
            above += (reach[k] - (reach[k + 1] if k + 1 < n else 0.0)) * score[k]
            gradient[k] -= persons * reach[k]
            information[k, 0] += persons * theta * (above - mean * reach[k])
            for i in range(1, k + 1):
                information[k, i] += persons * reach[k] * (1 - reach[i])
    _symmetric(n, information)
    return value


@kernel(fastmath={"reassoc", "contract"})
def _graded(
    j: int, x: np.ndarray, data: StepData, node: np.ndarray, gradient: np.ndarray, information: np.ndarray
) -> float:
    n, row = x.size, data.graded_first[j]
    information[:n, :n] = 0.0
    gradient[:n] = 0.0
    value = 0.0
    for k in range(1, n):
        below, above = data.graded[row + k - 1], data.graded[row + k]
        p0, p1, v0, v1, v2, total, right, right_theta = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for q in range(node.size):
            z, persons = x[0] * node[q] + x[k], below[q] + above[q]
            e = exponential(-abs(z))
            s = 1 / (1 + e)
            p = persons * (s if z >= 0 else e * s)
            v = persons * e * s * s
            total -= persons * (max(z, 0.0) - math.log(s))
            right += above[q]
            right_theta += above[q] * node[q]
            p0 += p
            p1 += p * node[q]
            v0 += v
            v1 += v * node[q]
            v2 += v * node[q] * node[q]
        value += total + right * x[k] + right_theta * x[0]
        gradient[0] += right_theta - p1
        gradient[k] += right - p0
        information[0, 0] += v2
        information[k, 0] += v1
        information[k, k] += v0
        if k + 1 < n:
            if x[k + 1] >= x[k]:
                return -np.inf
            gap = math.exp(x[k + 1] - x[k])
            g = gap / (1 - gap)
            value += right * math.log1p(-gap)
            gradient[k] += right * g
            gradient[k + 1] -= right * g
            curvature = right * g * (1 + g)
            information[k, k] += curvature
            information[k + 1, k + 1] += curvature
            information[k + 1, k] -= curvature
    _symmetric(n, information)
    return value


@kernel
def _symmetric(n: int, information: np.ndarray) -> None:
    for i in range(n):
        for k in range(i):
            information[k, i] = information[i, k]


@kernel
def _prior(
    j: int, x: np.ndarray, scores: ItemScores, prior: ItemPrior, gradient: np.ndarray, information: np.ndarray
) -> float:
    """Add the priors of log a and of b, which is -d / a with the mean d of the intercepts; returns their log density."""
    if not prior.a_precision > 0 and not prior.b_precision > 0:
        return 0.0
    n, first = x.size, scores.first[j]
    d, weight = 0.0, 0.0
    for k in range(1, n):
        d += x[k]
        weight += scores.weight[first + k]
    d /= weight
    log_density = log_prior_of_item(x[0], d, 0.0, prior)
    if log_density == -np.inf:
        return log_density
    by, second = np.zeros(3), np.zeros((3, 3))
    add_prior((x[0], d, 0.0), prior, by, second)
    gradient[0] += by[0]
    information[0, 0] += second[0, 0]
    for k in range(1, n):
        gradient[k] += by[1] / weight
        information[0, k] += second[0, 1] / weight
        information[k, 0] += second[1, 0] / weight
        for i in range(1, n):
            information[k, i] += second[1, 1] / weight**2
    return log_density


@kernel
def maximise_common_slope(
    a: np.ndarray,
    intercept: np.ndarray,
    data: StepData,
    node: np.ndarray,
    which: np.ndarray,
    scores: ItemScores,
    priors: ItemPriors,
    of_slope: tuple[float, float],
    slope_free: bool,
) -> None:
    """Take Newton steps for one slope and all intercepts of the items `which`, of PCM and Rasch, in place.

    which: int64, free ones. of_slope: mean and precision of the log of the slope.
    """
    most = np.max(np.diff(scores.first))
    gradient, information = np.empty(most), np.empty((most, most))
    gradients, towards = np.zeros(intercept.size), np.zeros(intercept.size)
    common = ItemPrior(of_slope[0], of_slope[1], 0.0, 0.0, 0.0, 0.0, False)
    score, block = np.empty(3), np.empty((3, 3))
    slope = a[which[0]] if which.size else 0.0
    if slope_free and common.a_precision > 0:
        slope = max(slope, LEAST_SLOPE)
    for _ in range(STEPS):
        score[:], block[:, :] = 0.0, 0.0
        if slope_free:
            add_prior((slope, 0.0, 0.0), common, score, block)
        gradient_a, information_a = score[0], block[0, 0] + 1e-10
        for j in which:
            first, n = scores.first[j], scores.first[j + 1] - scores.first[j]
            x = intercept[first : first + n].copy()
            x[0] = slope
            of_item(j, x, data, node, scores, prior_of(priors, j), gradient, information)
            for i in range(1, n):
                information[i, i] = information[i, i] * (1 + 1e-10) + 1e-10
            both = np.empty((n - 1, 2))
            both[:, 0], both[:, 1] = gradient[1:n], information[1:n, 0]
            solved = np.linalg.solve(information[1:n, 1:n], both)
            gradients[first + 1 : first + n], towards[first + 1 : first + n] = solved[:, 0], solved[:, 1]
            gradient_a += gradient[0] - (information[0, 1:n] * solved[:, 0]).sum()
            information_a += information[0, 0] - (information[0, 1:n] * solved[:, 1]).sum()
        step_a = min(max(gradient_a / information_a, -0.5), 0.5) if slope_free else 0.0
        if common.a_precision > 0:
            step_a = max(step_a, -0.5 * slope)
        slope += step_a
        size = abs(step_a)
        for j in which:
            for k in range(scores.first[j] + 1, scores.first[j + 1]):
                step = min(max(gradients[k] - towards[k] * step_a, -LARGEST_STEP), LARGEST_STEP)
                intercept[k] = min(max(intercept[k] + step, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                size = max(size, abs(step))
        if size < 1e-10:
            break
    a[which] = slope
