"""Derivatives of items with partial credit by (a, d, e_2, e_3, ...), for their standard errors.

The logit of step k is w_k (a theta + d) + e_k, and the e of an item add up to 0: e_1 = -(e_2 + e_3 + ..).
"""

import math

import numpy as np

from seedtest_assets.irt.curves import logistic
from seedtest_assets.irt.item_priors import ItemPrior
from seedtest_assets.irt.item_scores import GRADED_RESPONSE, RIGHT_OR_WRONG
from seedtest_assets.irt.kernel_arguments import Curves, ItemScores
from seedtest_assets.irt.mstep_steps import StepData, of_item
from seedtest_assets.irt.parallel import kernel


@kernel
def step_scores(curves: Curves, node: np.ndarray, score: np.ndarray) -> None:
    """Differentiate log P of each score by a theta + d and e_2, e_3, ..., into `score` [n_kinds, n_codes, n_nodes]."""
    scores = curves.scores
    by_step = np.empty((np.max(np.diff(scores.first)), np.max(np.diff(scores.first))))
    for j in range(scores.kind.size):
        if scores.kind[j] == RIGHT_OR_WRONG:
            continue
        first, n = scores.first[j], scores.first[j + 1] - scores.first[j]
        for q in range(node.size):
            if scores.kind[j] == GRADED_RESPONSE:
                _by_step_graded(curves, j, node[q], by_step)
            else:
                _by_step_partial_credit(curves, j, node[q], by_step)
            for x in range(n):
                total = 0.0
                for k in range(1, n):
                    total += scores.weight[first + k] * by_step[x, k]
                score[0, first + x, q] = total
                for k in range(2, n):
                    score[k - 1, first + x, q] = by_step[x, k] - by_step[x, 1]


@kernel
def _by_step_graded(curves: Curves, j: int, theta: float, by_step: np.ndarray) -> None:
    """Differentiate log P of score x by the logit of step k, into by_step[x, k]."""
    first, n = curves.scores.first[j], curves.scores.first[j + 1] - curves.scores.first[j]
    by_step[:n, :n] = 0.0
    for k in range(1, n):
        s = logistic(curves.a[j] * theta + curves.intercept[first + k])
        by_step[k, k] += 1 - s
        by_step[k - 1, k] -= s
        if k + 1 < n:
            g = 1 / math.expm1(curves.intercept[first + k] - curves.intercept[first + k + 1])
            by_step[k, k] += g
            by_step[k, k + 1] -= g


@kernel
def _by_step_partial_credit(curves: Curves, j: int, theta: float, by_step: np.ndarray) -> None:
    """Differentiate log P of score x by the logit of step k: 1 if x reaches it, less the probability of reaching it."""
    first, n = curves.scores.first[j], curves.scores.first[j + 1] - curves.scores.first[j]
    z = np.zeros(n)
    for k in range(1, n):
        z[k] = z[k - 1] + curves.scores.weight[first + k] * curves.a[j] * theta + curves.intercept[first + k]
    z = np.exp(z - z.max())
    z /= z.sum()
    reach = 0.0
    for k in range(n - 1, 0, -1):
        reach += z[k]
        for x in range(n):
            by_step[x, k] = (1.0 if x >= k else 0.0) - reach


@kernel
def step_information(
    a: np.ndarray, intercept: np.ndarray, data: StepData, node: np.ndarray, scores: ItemScores, complete: np.ndarray
) -> None:
    """Add the information of (a, d, e_2, ...) of items with partial credit, were the abilities known, to `complete`."""
    most = np.max(np.diff(scores.first))
    gradient, information, to = np.empty(most), np.empty((most, most)), np.empty((most, most))
    none = ItemPrior(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False)
    for j in range(scores.kind.size):
        if scores.kind[j] == RIGHT_OR_WRONG:
            continue
        first, n = scores.first[j], scores.first[j + 1] - scores.first[j]
        x = intercept[first : first + n].copy()
        x[0] = a[j]
        of_item(j, x, data, node, scores, none, gradient, information)
        to[:, :] = 0.0  # (a, t_1, t_2, ...) by (a, d, e_2, ...)
        to[0, 0] = 1.0
        for k in range(1, n):
            to[k, 1] = scores.weight[first + k]
            if k >= 2:
                to[k, k], to[1, k] = 1.0, -1.0
        for x1 in range(n):
            for x2 in range(n):
                total = 0.0
                for y1 in range(n):
                    for y2 in range(n):
                        total += to[y1, x1] * information[y1, y2] * to[y2, x2]
                complete[j, x1, x2] += total
