"""Grids of single persons: the abilities that matter to one person, as close together as that person's answers need.

A sum over equal steps h of a function that is analytic within t of the real line is wrong by about exp(-2 pi t / h)
(Trefethen & Weideman, 2014). A posterior with information I is as narrow as a normal curve of SD 1 / sqrt(I), and the
logistic curve of slope a has its poles at a distance of pi / |a|. So a shared grid serves most persons, and those whom
it does not get a grid that reaches as far as their posterior does, with steps by their information.
"""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.curves import log_wrong_and_right
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, Moments, Populations
from seedtest_assets.irt.parallel import exponential, kernel, run

# Posterior SDs, in steps, below which a grid is too coarse: there the sum is wrong by 3e-6.
LEAST_SD = 0.8
# Posterior weight of a grid's ends above which it is too short: some 1e-5 of the posterior lies beyond.
AT_ENDS = 1e-6
# |slope| x step above which a grid is too coarse: there the sum is wrong by up to 5e-5.
STEEPEST = 2.0
# Log posterior below its maximum at which a person's own grid ends: 1e-13 of the maximum.
DEPTH = 30.0
# Nodes at which the posterior is searched. While fewer than half of them are within DEPTH the search goes on closer.
SEARCHED = 64
# A person's own grid has no more nodes: enough for the steepest item that can be used, at 100.
MOST_NODES = 10_000
# Factors 1 + exp(-|z|), each at most 2, that are multiplied before their logarithm is taken.
FACTORS = 512
PERSONS_A_CHUNK = 16


class Ranges(NamedTuple):
    """Where each person's own grid begins and ends, and the largest step that it may have, float64 [n]."""

    low: np.ndarray
    high: np.ndarray
    step: np.ndarray


def unresolved(answers: Answers, curves: Curves, grid: Grid, moments: Moments) -> np.ndarray:
    """Find the persons whom a grid does not serve, int64: too narrow a posterior, too near an end, or too steep an item.

    moments: what the grid gives for them.
    """
    step = grid.node[1] - grid.node[0]
    poor = answers.answered & ((moments.at_ends > AT_ENDS) | (moments.theta_se < LEAST_SD * step))
    steep = np.abs(curves.a) * step > STEEPEST
    if steep.any():
        has_steep = np.concatenate([[0], np.cumsum(steep[answers.code >> 1])])[answers.start]
        poor |= np.diff(has_steep) > 0
    return np.flatnonzero(poor)


def integrate(
    persons: np.ndarray, answers: AnswerLists, curves: Curves, populations: Populations, moments: Moments
) -> None:
    """Integrate some persons, each on a grid of their own, and write their moments."""
    chunks = [(low, min(low + PERSONS_A_CHUNK, len(persons))) for low in range(0, len(persons), PERSONS_A_CHUNK)]
    run(lambda low, high: _integrate(persons[low:high], answers, curves, populations, moments), chunks)


@kernel
def _integrate(
    persons: np.ndarray, answers: AnswerLists, curves: Curves, populations: Populations, moments: Moments
) -> None:
    for p in persons:
        low, high, step = _range(p, answers, curves, populations)
        n_nodes = int(min(np.ceil((high - low) / step) + 1, MOST_NODES))
        node = np.linspace(low, high, n_nodes)
        log_posterior = _log_posterior(p, answers, curves, populations, node)
        weight = np.exp(log_posterior - log_posterior.max())
        weight /= weight.sum()
        # Sums of products, not numpy's dot, whose threads would fight with ours.
        mean = (weight * (node - low)).sum() + low
        moments.theta[p], moments.theta_se[p] = mean, np.sqrt((weight * (node - mean) ** 2).sum())


@kernel
def _range(p: int, answers: AnswerLists, curves: Curves, populations: Populations) -> tuple[float, float, float]:
    """Find where a person's log posterior is within DEPTH of its maximum, and the step that integrates it.

    The likelihood is below 1, so no ability is within DEPTH of the value at the population's mean where the population
    alone is further below. From there on closer and closer nodes are searched.
    """
    mean, sd = populations.mean[answers.group[p]], populations.sd[answers.group[p]]
    at_mean = _log_posterior(p, answers, curves, populations, np.array([mean]))[0]
    reach = sd * np.sqrt(2 * (DEPTH - at_mean))
    low, high = mean - reach, mean + reach
    while True:
        node = np.linspace(low, high, SEARCHED)
        log_posterior = _log_posterior(p, answers, curves, populations, node)
        inside = np.flatnonzero(log_posterior > log_posterior.max() - DEPTH)
        low, high = node[max(inside[0] - 1, 0)], node[min(inside[-1] + 1, SEARCHED - 1)]
        if inside.size >= SEARCHED // 2 or node[1] - node[0] <= 1e-12 * max(abs(low), abs(high)):
            return low, high, _largest_step(p, answers, curves, sd, low, high)


@kernel
def _largest_step(p: int, answers: AnswerLists, curves: Curves, sd: float, low: float, high: float) -> float:
    """Bound the width of the posterior between `low` and `high`.

    An answer has at most the information a^2 p q where the curve is nearest to its middle. The steepest one counts four
    times, since its logistic curve alone needs steps of 1 / a.
    """
    information, largest = 1 / sd**2, 0.0
    for k in range(answers.start[p], answers.start[p + 1]):
        a, d = curves.a[answers.code[k] >> 1], curves.d[answers.code[k] >> 1]
        at_low, at_high = a * low + d, a * high + d
        nearest = 0.0 if at_low * at_high < 0 else min(abs(at_low), abs(at_high))
        e = np.exp(-nearest)
        of_answer = a * a * e / (1 + e) ** 2
        information += of_answer
        largest = max(largest, of_answer)
    return 1 / np.sqrt(information + 3 * largest)


@kernel
def _log_posterior(
    p: int, answers: AnswerLists, curves: Curves, populations: Populations, node: np.ndarray
) -> np.ndarray:
    """Compute a person's log posterior at the nodes, up to a constant: 0 at the population's mean without answers."""
    mean, sd = populations.mean[answers.group[p]], populations.sd[answers.group[p]]
    out = -0.5 * ((node - mean) / sd) ** 2
    product = np.ones(node.size)
    factors = 0
    for k in range(answers.start[p], answers.start[p + 1]):
        j = answers.code[k] >> 1
        a, d, c, right = curves.a[j], curves.d[j], curves.c[j], answers.code[k] & 1
        if c > 0:
            for q in range(node.size):
                log_wrong, log_right = log_wrong_and_right(a * node[q] + d, c)
                out[q] += log_right if right else log_wrong
            continue
        sign = 1.0 if right else -1.0
        for q in range(node.size):
            z = sign * (a * node[q] + d)
            out[q] += min(z, 0.0)
            product[q] *= 1 + exponential(-abs(z))
        factors += 1
        if factors == FACTORS:
            out -= np.log(product)
            product[:] = 1.0
            factors = 0
    return out - np.log(product)
