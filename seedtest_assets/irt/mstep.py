"""Maximisation: each item's parameters from its expected answers, by Newton or Fisher scoring steps."""

import math

import numpy as np

from seedtest_assets.irt.estep import Expectation
from seedtest_assets.irt.parallel import exponential, kernel, spread

GUESSING_MEAN = math.log(0.2 / 0.8)  # prior of logit c, N(-1.386, 0.5^2): a guess among five answers
GUESSING_SD = 0.5
SLOPE_LIMIT = (
    10.0  # of |a|, in units of 1 / SD of ability: nobody has seen such an item, only one without a finite estimate
)
INTERCEPT_LIMIT = 50.0
STEPS = 8


def maximise(
    model: str, a, d, g, expected: Expectation, right, node, free
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New slopes, intercepts and logit guessings, float64 [n_items] each; as they were where not `free`.

    expected: of the E-step at (a, d, g); right: float64 [n_items], right answers of each item; node: float64 [n_nodes].
    """
    a, d, g = a.copy(), d.copy(), g.copy()
    ranges = [(low, min(low + 256, len(a))) for low in range(0, len(a), 256)]
    if model == "3PL":
        wrong = expected.answers - expected.right
        spread(
            lambda low, high, _: _guessing(low, high, a, d, g, wrong, expected.right, node, free), ranges, lambda: None
        )
    elif model == "2PL":
        spread(
            lambda low, high, _: _logistic(low, high, a, d, expected.answers, right, expected.right_theta, node, free),
            ranges,
            lambda: None,
        )
    else:
        _common_slope(a, d, expected.answers, right, expected.right_theta, node, free)
    return a, d, g


@kernel(fastmath=True)
def _moments(a, d, answers, node, out):
    """Expected right answers of one item and their first moment; expected information of d, (a, d), a."""
    p0, p1, v0, v1, v2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for q in range(node.size):
        z = a * node[q] + d
        e = exponential(-abs(z))
        s = 1 / (1 + e)
        p = answers[q] * (s if z >= 0 else e * s)
        v = answers[q] * e * s * s
        p0 += p
        p1 += p * node[q]
        v0 += v
        v1 += v * node[q]
        v2 += v * node[q] * node[q]
    out[0], out[1], out[2], out[3], out[4] = p0, p1, v0, v1, v2


@kernel
def _logistic(low, high, a, d, answers, right, right_theta, node, free):
    """Newton for (a, d) of each item. Where a step turns out not to bring the optimum nearer, one is made from the
    last good place with the largest information there can be, answers / 4, which always climbs (Boehning & Lindsay,
    1988)."""
    m = np.empty(5)
    for j in range(low, high):
        if not free[j]:
            continue
        good_a, good_d, good_gradient_a, good_gradient_d, length = a[j], d[j], 0.0, 0.0, np.inf
        for step in range(STEPS):
            _moments(a[j], d[j], answers[j], node, m)
            gradient_a, gradient_d = right_theta[j] - m[1], right[j] - m[0]
            v0, v1, v2 = m[2] * (1 + 1e-10) + 1e-10, m[3], m[4] * (1 + 1e-10) + 1e-10
            determinant = v0 * v2 - v1 * v1
            step_a = (v0 * gradient_a - v1 * gradient_d) / determinant
            step_d = (v2 * gradient_d - v1 * gradient_a) / determinant
            size = max(abs(step_a), abs(step_d))
            if size <= length and size <= 2.0:
                good_a, good_d, good_gradient_a, good_gradient_d, length = a[j], d[j], gradient_a, gradient_d, size
            else:
                if size <= length or step == 0:
                    good_a, good_d, good_gradient_a, good_gradient_d, length = a[j], d[j], gradient_a, gradient_d, size
                v0, v1, v2 = 1e-10, 0.0, 1e-10
                for q in range(node.size):
                    v0 += answers[j, q] / 4
                    v1 += answers[j, q] / 4 * node[q]
                    v2 += answers[j, q] / 4 * node[q] * node[q]
                determinant = v0 * v2 - v1 * v1
                step_a = (v0 * good_gradient_a - v1 * good_gradient_d) / determinant
                step_d = (v2 * good_gradient_d - v1 * good_gradient_a) / determinant
                length = np.inf
            a[j] = min(max(good_a + step_a, -SLOPE_LIMIT), SLOPE_LIMIT)
            d[j] = min(max(good_d + step_d, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
            if size < 1e-10:
                break


@kernel
def _common_slope(a, d, answers, right, right_theta, node, free):
    """Newton for one slope and every intercept; the slope is held where an item is."""
    m = np.empty(5)
    slope_free = free.all()
    gradient, own, cross = np.zeros(a.size), np.ones(a.size), np.zeros(a.size)
    for _ in range(STEPS):
        gradient_a, information_a = 0.0, 1e-10
        for j in range(a.size):
            if free[j]:
                _moments(a[j], d[j], answers[j], node, m)
                gradient[j], own[j], cross[j] = right[j] - m[0], m[2] + 1e-10, m[3]
                gradient_a += right_theta[j] - m[1] - cross[j] / own[j] * gradient[j]
                information_a += m[4] - cross[j] * cross[j] / own[j]
        step_a = gradient_a / information_a if slope_free else 0.0
        step_a = min(max(step_a, -0.5), 0.5)
        size = abs(step_a)
        for j in range(a.size):
            if free[j]:
                step = min(max((gradient[j] - cross[j] * step_a) / own[j], -2.0), 2.0)
                a[j] += step_a
                d[j] = min(max(d[j] + step, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                size = max(size, abs(step))
        if size < 1e-10:
            break


@kernel
def _log_likelihood(a, d, g, wrong, right, node):
    """Expected log-likelihood of one item, plus the log prior of its logit guessing."""
    c = 1 / (1 + math.exp(-g))
    total = -0.5 * ((g - GUESSING_MEAN) / GUESSING_SD) ** 2
    for q in range(node.size):
        z = a * node[q] + d
        tail = math.log1p(math.exp(-abs(z)))
        total += right[q] * math.log(c + (1 - c) * math.exp(min(z, 0.0) - tail))
        total += wrong[q] * (math.log(1 - c) - max(z, 0.0) - tail)
    return total


@kernel
def _score_and_information(a, d, g, wrong, right, node, gradient, information):
    """Score of (a, d, g) and its expected information, the prior's included."""
    c = 1 / (1 + math.exp(-g))
    gradient[:] = 0.0
    information[:, :] = 0.0
    slope = np.empty(3)
    for q in range(node.size):
        answers = right[q] + wrong[q]
        if answers <= 0:
            continue
        z = a * node[q] + d
        logistic = 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))
        p = c + (1 - c) * logistic
        variance = max(p * (1 - p), 1e-300)
        slope[1] = (1 - c) * logistic * (1 - logistic)
        slope[0] = slope[1] * node[q]
        slope[2] = c * (1 - c) * (1 - logistic)
        residual = right[q] - answers * p
        for i in range(3):
            gradient[i] += residual / variance * slope[i]
            for k in range(3):
                information[i, k] += answers / variance * slope[i] * slope[k]
    gradient[2] -= (g - GUESSING_MEAN) / GUESSING_SD**2
    information[2, 2] += 1 / GUESSING_SD**2


@kernel
def _guessing(low, high, a, d, g, wrong, right, node, free):
    """Fisher scoring for (a, d, g) of each item, never downhill."""
    gradient = np.empty(3)
    information = np.empty((3, 3))
    for j in range(low, high):
        if not free[j]:
            continue
        value = _log_likelihood(a[j], d[j], g[j], wrong[j], right[j], node)
        for _ in range(STEPS):
            _score_and_information(a[j], d[j], g[j], wrong[j], right[j], node, gradient, information)
            for i in range(3):
                information[i, i] = information[i, i] * (1 + 1e-9) + 1e-9
            step = np.linalg.solve(information, gradient)
            size = np.abs(step).max()
            shrink = min(1.0, 2.0 / size) if size > 0 else 1.0
            while shrink > 1e-6:
                new_a = min(max(a[j] + shrink * step[0], -SLOPE_LIMIT), SLOPE_LIMIT)
                new_d = min(max(d[j] + shrink * step[1], -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                new_g = min(max(g[j] + shrink * step[2], -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                new_value = _log_likelihood(new_a, new_d, new_g, wrong[j], right[j], node)
                if new_value >= value - 1e-12 * abs(value):
                    a[j], d[j], g[j], value = new_a, new_d, new_g, new_value
                    break
                shrink /= 2
            if size < 1e-9 or shrink <= 1e-6:
                break
