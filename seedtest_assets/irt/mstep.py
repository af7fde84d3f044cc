"""Maximisation: each item's parameters from its expected answers, by Newton or Fisher scoring steps."""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.curves import log_wrong_and_right, logistic
from seedtest_assets.irt.estep import Expectation
from seedtest_assets.irt.item_priors import ItemPrior, ItemPriors, prior_of
from seedtest_assets.irt.item_scores import GRADED_RESPONSE, extra_codes, intercepts, split_intercepts
from seedtest_assets.irt.kernel_arguments import ItemScores
from seedtest_assets.irt.mstep_steps import StepData, maximise_common_slope, maximise_steps
from seedtest_assets.irt.parallel import exponential, kernel, run
from seedtest_assets.irt.prior_densities import add_prior, log_prior_of_item
from seedtest_assets.irt.problem import Problem
from seedtest_assets.irt.state import INTERCEPT_LIMIT, LEAST_SLOPE, SLOPE_LIMIT, State

STEPS = 8
ITEMS_A_CHUNK = 256


def maximise(
    problem: Problem, state: State, expected: Expectation, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute new slopes, intercepts and logit guessings, float64 [n_items] each; as they were where not free; and the e of steps.

    expected: of the E-step at `state`; counts: float64 [n_codes], answers with each code.
    """
    scores = problem.scores
    curves = _Estimates(state.a.copy(), state.d.copy(), state.g.copy())
    if not scores.kind.any():
        _maximise_marked(problem, curves, expected, counts, problem.free)
        return (*curves, state.extra)
    common = problem.common_slope
    _maximise_marked(problem, curves, expected, counts, problem.free & ~problem.partial_credit & ~common)
    return _maximise_steps(problem, state, curves, expected, counts, common)


def _maximise_marked(
    problem: Problem, curves: "_Estimates", expected: Expectation, counts: np.ndarray, free: np.ndarray
) -> None:
    """Maximise over the items that are right or wrong, where they are `free`, in place."""
    model, node, priors = problem.model, expected.node, problem.item_priors
    if not free.any():
        return
    ranges = _ranges(len(free))
    if model == "3PL":
        wrong = expected.answers - expected.right
        run(lambda low, high: _maximise_3pl(low, high, curves, wrong, expected.right, node, free, priors), ranges)
        return
    data = _Counts(expected.answers, counts[problem.scores.first[:-1] + 1], expected.right_theta)
    if model == "2PL" and priors.of_scale:
        run(lambda low, high: _maximise_2pl_with_priors(low, high, curves, data, node, free, priors), ranges)
    elif model == "2PL":
        run(lambda low, high: _maximise_2pl(low, high, curves, data, node, free), ranges)
    elif model == "Rasch":
        _maximise_rasch(curves, data, node, free, priors, problem.priors.of_common_slope)
    else:
        raise ValueError(f"no maximisation step for the model {model!r}")


def _maximise_steps(
    problem: Problem,
    state: State,
    curves: "_Estimates",
    expected: Expectation,
    counts: np.ndarray,
    common: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Maximise over items with partial credit, and those of Rasch that share their slope."""
    scores, free, node, priors = problem.scores, problem.free, expected.node, problem.item_priors
    intercept = intercepts(curves.d, state.extra, scores)
    data = step_data(expected, counts, scores)
    own = free & problem.partial_credit & ~common
    run(
        lambda low, high: maximise_steps(low, high, curves.a, intercept, data, node, own, scores, priors),
        _ranges(len(free)),
    )
    together = np.flatnonzero(free & common)
    if len(together):
        maximise_common_slope(
            curves.a,
            intercept,
            data,
            node,
            together,
            scores,
            priors,
            problem.priors.of_common_slope,
            problem.common_slope_free,
        )
    d, extra = split_intercepts(intercept, scores)
    free_extra = free[scores.item[extra_codes(scores)]]
    return curves.a, np.where(free, d, state.d), curves.g, np.where(free_extra, extra, state.extra)


def step_data(expected: Expectation, counts: np.ndarray, scores: ItemScores) -> StepData:
    """Put together what answers say of items with partial credit. counts: float64 [n_codes]."""
    reached = np.cumsum(counts[::-1])[::-1]
    after = np.append(reached, 0.0)[scores.first[1:]][scores.item]
    n_graded = np.where(scores.kind == GRADED_RESPONSE, np.diff(scores.first), 0)
    graded_first = np.cumsum(n_graded) - n_graded
    return StepData(expected.answers, expected.right_theta, reached - after, expected.graded, graded_first)


def _ranges(n_items: int) -> list[tuple[int, int]]:
    return [(low, min(low + ITEMS_A_CHUNK, n_items)) for low in range(0, n_items, ITEMS_A_CHUNK)]


class _Estimates(NamedTuple):
    """Slopes, intercepts and logit guessings, float64 [n_items] each, changed in place."""

    a: np.ndarray
    d: np.ndarray
    g: np.ndarray


class _Counts(NamedTuple):
    """Expected answers [n_items, n_nodes], right answers and the sum of their abilities [n_items]."""

    answers: np.ndarray
    right: np.ndarray
    right_theta: np.ndarray


@kernel(fastmath=True)
def _moments(a: float, d: float, answers: np.ndarray, node: np.ndarray, out: np.ndarray) -> None:
    """Compute one item's expected right answers and their first moment, and the expected information of d, (a, d), a."""
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
def _maximise_2pl(
    low: int, high: int, estimates: _Estimates, data: _Counts, node: np.ndarray, free: np.ndarray
) -> None:
    """Take Newton steps for (a, d) of each item.

    Where a step turns out not to bring the optimum nearer, one is made from the last good place with the largest
    information there can be, answers / 4, which always climbs (Boehning & Lindsay, 1988).
    """
    a, d, answers = estimates.a, estimates.d, data.answers
    m = np.empty(5)
    for j in range(low, high):
        if not free[j]:
            continue
        good_a, good_d, good_gradient_a, good_gradient_d, length = a[j], d[j], 0.0, 0.0, np.inf
        for step in range(STEPS):
            _moments(a[j], d[j], answers[j], node, m)
            gradient_a, gradient_d = data.right_theta[j] - m[1], data.right[j] - m[0]
            step_a, step_d = _solve(
                m[2] * (1 + 1e-10) + 1e-10, m[3], m[4] * (1 + 1e-10) + 1e-10, gradient_a, gradient_d
            )
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
                step_a, step_d = _solve(v0, v1, v2, good_gradient_a, good_gradient_d)
                length = np.inf
            a[j] = min(max(good_a + step_a, -SLOPE_LIMIT), SLOPE_LIMIT)
            d[j] = min(max(good_d + step_d, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
            if size < 1e-10:
                break


@kernel
def _maximise_2pl_with_priors(
    low: int,
    high: int,
    estimates: _Estimates,
    data: _Counts,
    node: np.ndarray,
    free: np.ndarray,
    priors: ItemPriors,
) -> None:
    """Take Fisher scoring steps for (a, d) of each item, never downhill."""
    a, d = estimates.a, estimates.d
    m, gradient, information = np.empty(5), np.empty(3), np.empty((3, 3))
    for j in range(low, high):
        if not free[j]:
            continue
        prior = prior_of(priors, j)
        if prior.a_precision > 0:
            a[j] = max(a[j], LEAST_SLOPE)
        value = _posterior_of_2pl(j, a[j], d[j], data, node, prior)
        for _ in range(STEPS):
            _moments(a[j], d[j], data.answers[j], node, m)
            gradient[0], gradient[1], gradient[2] = data.right_theta[j] - m[1], data.right[j] - m[0], 0.0
            information[0, 0], information[0, 1], information[1, 0], information[1, 1] = m[4], m[3], m[3], m[2]
            add_prior((a[j], d[j], 0.0), prior, gradient, information)
            step_a, step_d = _solve(
                information[1, 1] * (1 + 1e-10) + 1e-10,
                information[0, 1],
                information[0, 0] * (1 + 1e-10) + 1e-10,
                gradient[0],
                gradient[1],
            )
            size = max(abs(step_a), abs(step_d))
            shrink = min(1.0, 2.0 / size) if size > 0 else 1.0
            while shrink > 1e-6:
                new_a = min(max(a[j] + shrink * step_a, -SLOPE_LIMIT), SLOPE_LIMIT)
                new_d = min(max(d[j] + shrink * step_d, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                new_value = _posterior_of_2pl(j, new_a, new_d, data, node, prior)
                if new_value >= value - 1e-12 * abs(value):
                    a[j], d[j], value = new_a, new_d, new_value
                    break
                shrink /= 2
            if size < 1e-10 or shrink <= 1e-6:
                break


@kernel
def _posterior_of_2pl(j: int, a: float, d: float, data: _Counts, node: np.ndarray, prior: ItemPrior) -> float:
    """Compute the expected log-likelihood of one item, plus its log prior."""
    total = data.right[j] * d + data.right_theta[j] * a + log_prior_of_item(a, d, 0.0, prior)
    for q in range(node.size):
        total += data.answers[j, q] * log_wrong_and_right(a * node[q] + d, 0.0)[0]
    return total


@kernel
def _solve(v0: float, v1: float, v2: float, gradient_a: float, gradient_d: float) -> tuple[float, float]:
    """Solve for the step of (a, d), information v2, v1, v0."""
    determinant = v0 * v2 - v1 * v1
    return (v0 * gradient_a - v1 * gradient_d) / determinant, (v2 * gradient_d - v1 * gradient_a) / determinant


@kernel
def _maximise_rasch(
    estimates: _Estimates,
    data: _Counts,
    node: np.ndarray,
    free: np.ndarray,
    priors: ItemPriors,
    of_slope: tuple[float, float],
) -> None:
    """Take Newton steps for one slope and every intercept; the slope is held where an item is."""
    a, d = estimates.a, estimates.d
    m = np.empty(5)
    slope_free = free.all()
    gradient, information, cross = np.zeros(a.size), np.ones(a.size), np.zeros(a.size)
    score, block = np.empty(3), np.empty((3, 3))
    common = ItemPrior(of_slope[0], of_slope[1], 0.0, 0.0, 0.0, 0.0, False)
    if slope_free and common.a_precision > 0:
        a[:] = max(a[0], LEAST_SLOPE)
    for _ in range(STEPS):
        score[:], block[:, :] = 0.0, 0.0
        if slope_free:
            add_prior((a[0], 0.0, 0.0), common, score, block)
        gradient_a, information_a = score[0], block[0, 0] + 1e-10
        for j in range(a.size):
            if free[j]:
                _moments(a[j], d[j], data.answers[j], node, m)
                score[:], block[:, :] = 0.0, 0.0
                add_prior((a[j], d[j], 0.0), prior_of(priors, j), score, block)
                gradient[j], information[j] = data.right[j] - m[0] + score[1], m[2] + block[1, 1] + 1e-10
                cross[j] = m[3] + block[0, 1]
                gradient_a += data.right_theta[j] - m[1] + score[0] - cross[j] / information[j] * gradient[j]
                information_a += m[4] + block[0, 0] - cross[j] * cross[j] / information[j]
        step_a = gradient_a / information_a if slope_free else 0.0
        step_a = min(max(step_a, -0.5), 0.5)
        if common.a_precision > 0:
            step_a = max(step_a, -0.5 * a[0])
        size = abs(step_a)
        for j in range(a.size):
            if free[j]:
                step = min(max((gradient[j] - cross[j] * step_a) / information[j], -2.0), 2.0)
                a[j] += step_a
                d[j] = min(max(d[j] + step, -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                size = max(size, abs(step))
        if size < 1e-10:
            break


@kernel
def _posterior_of_3pl(item: tuple, wrong: np.ndarray, right: np.ndarray, node: np.ndarray, prior: ItemPrior) -> float:
    """Compute the expected log-likelihood of one item (a, d, g), plus its log prior."""
    a, d, g = item
    c = logistic(g)
    total = log_prior_of_item(a, d, g, prior)
    for q in range(node.size):
        log_wrong, log_right = log_wrong_and_right(a * node[q] + d, c)
        total += right[q] * log_right + wrong[q] * log_wrong
    return total


@kernel
def _score_and_information(
    item: tuple,
    wrong: np.ndarray,
    right: np.ndarray,
    node: np.ndarray,
    prior: ItemPrior,
    gradient: np.ndarray,
    information: np.ndarray,
) -> None:
    """Compute the score of (a, d, g) and its expected information, the prior's included; g stays where it is not free."""
    a, d, g = item
    c = logistic(g)
    gradient[:] = 0.0
    information[:, :] = 0.0
    slope = np.empty(3)
    for q in range(node.size):
        answers = right[q] + wrong[q]
        if answers <= 0:
            continue
        z = a * node[q] + d
        known = logistic(z)  # the probability without guessing
        p = c + (1 - c) * known
        variance = max(p * (1 - p), 1e-300)
        slope[1] = (1 - c) * known * (1 - known)
        slope[0] = slope[1] * node[q]
        slope[2] = c * (1 - c) * (1 - known)
        residual = right[q] - answers * p
        for i in range(3):
            gradient[i] += residual / variance * slope[i]
            for k in range(3):
                information[i, k] += answers / variance * slope[i] * slope[k]
    add_prior(item, prior, gradient, information)
    if not prior.c_free:
        gradient[2] = 0.0
        information[2, :], information[:, 2], information[2, 2] = 0.0, 0.0, 1.0


@kernel
def _maximise_3pl(
    low: int,
    high: int,
    estimates: _Estimates,
    wrong: np.ndarray,
    right: np.ndarray,
    node: np.ndarray,
    free: np.ndarray,
    priors: ItemPriors,
) -> None:
    """Take Fisher scoring steps for (a, d, g) of each item, never downhill."""
    a, d, g = estimates
    gradient = np.empty(3)
    information = np.empty((3, 3))
    for j in range(low, high):
        if not free[j]:
            continue
        prior = prior_of(priors, j)
        if prior.a_precision > 0:
            a[j] = max(a[j], LEAST_SLOPE)
        value = _posterior_of_3pl((a[j], d[j], g[j]), wrong[j], right[j], node, prior)
        for _ in range(STEPS):
            _score_and_information((a[j], d[j], g[j]), wrong[j], right[j], node, prior, gradient, information)
            for i in range(3):
                information[i, i] = information[i, i] * (1 + 1e-9) + 1e-9
            step = np.linalg.solve(information, gradient)
            size = np.abs(step).max()
            shrink = min(1.0, 2.0 / size) if size > 0 else 1.0
            while shrink > 1e-6:
                new_a = min(max(a[j] + shrink * step[0], -SLOPE_LIMIT), SLOPE_LIMIT)
                new_d = min(max(d[j] + shrink * step[1], -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                new_g = min(max(g[j] + shrink * step[2], -INTERCEPT_LIMIT), INTERCEPT_LIMIT)
                new_value = _posterior_of_3pl((new_a, new_d, new_g), wrong[j], right[j], node, prior)
                if new_value >= value - 1e-12 * abs(value):
                    a[j], d[j], g[j], value = new_a, new_d, new_g, new_value
                    break
                shrink /= 2
            if size < 1e-9 or shrink <= 1e-6:
                break
