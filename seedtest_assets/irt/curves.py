"""Probabilities of answers at given logits: as tables, and for one answer inside a kernel."""

import math

import numpy as np

from seedtest_assets.irt.item_scores import GRADED_RESPONSE, RIGHT_OR_WRONG
from seedtest_assets.irt.kernel_arguments import Curves
from seedtest_assets.irt.parallel import aligned_zeros, kernel


def log_probabilities(z: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate log(1 - P) and log P at logits z [n_items, n_nodes] with guessing c [n_items]; both [n_items, n_nodes]."""
    log_wrong = np.log1p(-c)[:, None] - np.logaddexp(0, z)
    log_right = -np.logaddexp(0, -z)
    guessing = c > 0
    c = c[guessing][:, None]
    log_right[guessing] = np.logaddexp(np.log(c), np.log1p(-c) + log_right[guessing])
    return log_wrong, log_right


def code_tables(curves: Curves, node: np.ndarray) -> np.ndarray:
    """Tabulate log P of each code, float64 [n_codes, n_nodes]: of wrong and right answers, or of the scores of an item."""
    scores = curves.scores
    table = aligned_zeros((len(scores.item), len(node)), np.float64)
    marked = scores.first[:-1][scores.kind == RIGHT_OR_WRONG]
    some = slice(None) if len(marked) == len(curves.a) else scores.kind == RIGHT_OR_WRONG
    a, d, c = curves.a[some], curves.d[some], curves.c[some]
    table[marked], table[marked + 1] = log_probabilities(a[:, None] * node + d[:, None], c)
    if len(marked) < len(curves.a):
        _fill_table(curves, node, table)
    return table


@kernel
def _fill_table(curves: Curves, node: np.ndarray, table: np.ndarray) -> None:
    """Fill the rows of items with partial credit."""
    first, kind = curves.scores.first, curves.scores.kind
    out = np.empty(np.max(np.diff(first)))
    for j in range(kind.size):
        if kind[j] != RIGHT_OR_WRONG:
            for q in range(node.size):
                log_categories(curves, j, node[q], out)
                for k in range(first[j + 1] - first[j]):
                    table[first[j] + k, q] = out[k]


@kernel
def log_categories(curves: Curves, j: int, theta: float, out: np.ndarray) -> None:
    """Compute log P of each score of an item at one ability, into the front of `out`; see category_curves.py."""
    first, kind, a = curves.scores.first[j], curves.scores.kind[j], curves.a[j]
    n = curves.scores.first[j + 1] - first
    t, weight = curves.intercept[first : first + n], curves.scores.weight[first : first + n]
    if kind == RIGHT_OR_WRONG:
        out[0], out[1] = log_wrong_and_right(a * theta + curves.d[j], curves.c[j])
    elif kind == GRADED_RESPONSE:
        out[0] = 0.0
        for k in range(1, n):
            log_wrong, log_right = log_wrong_and_right(a * theta + t[k], 0.0)
            out[k - 1] += log_wrong
            out[k] = log_right
            if k + 1 < n:
                out[k] += math.log(-math.expm1(t[k + 1] - t[k]))
    else:
        out[0] = 0.0
        top = 0.0
        for k in range(1, n):
            out[k] = out[k - 1] + weight[k] * a * theta + t[k]
            top = max(top, out[k])
        total = 0.0
        for k in range(n):
            total += math.exp(out[k] - top)
        total = top + math.log(total)
        for k in range(n):
            out[k] -= total


@kernel
def categories_and_slopes(curves: Curves, j: int, theta: float, p: np.ndarray, slope: np.ndarray) -> None:
    """Compute P and d log P / d theta of each score of an item with partial credit, into the fronts of `p` and `slope`.

    The slope is a (1 - P(at least k) - P(more than k)) in a GRM, and a times the score less its expectation in a GPCM. Without
    logarithms this is quick, but a P below 1e-16 may be 0.
    """
    first, a = curves.scores.first[j], curves.a[j]
    n = curves.scores.first[j + 1] - first
    t, weight = curves.intercept[first : first + n], curves.scores.weight[first : first + n]
    if curves.scores.kind[j] == GRADED_RESPONSE:
        at_least = 1.0
        for k in range(n):
            above = logistic(a * theta + t[k + 1]) if k + 1 < n else 0.0
            p[k] = at_least - above
            slope[k] = a * (1 - at_least - above)
            at_least = above
        return
    p[0], top = 0.0, 0.0
    for k in range(1, n):
        p[k] = p[k - 1] + weight[k] * a * theta + t[k]
        top = max(top, p[k])
    total, expected = 0.0, 0.0
    for k in range(n):
        p[k] = math.exp(p[k] - top)
        total += p[k]
        expected += p[k] * curves.scores.score[first + k]
    expected /= total
    for k in range(n):
        p[k] /= total
        slope[k] = a * (curves.scores.score[first + k] - expected)


@kernel
def logistic(z: float) -> float:
    """Compute 1 / (1 + exp(-z)) without overflow."""
    if z > 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)


@kernel
def log_wrong_and_right(z: float, c: float) -> tuple[float, float]:
    """Compute log(1 - P) and log P of one item at one ability."""
    tail = math.log1p(math.exp(-abs(z)))
    log_wrong, log_right = -max(z, 0.0) - tail, min(z, 0.0) - tail
    if c > 0:
        return math.log1p(-c) + log_wrong, math.log(c + (1 - c) * math.exp(log_right))
    return log_wrong, log_right
