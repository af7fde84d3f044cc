"""Probabilities of answers at given logits: as tables, and for one answer inside a kernel."""

import math

import numpy as np

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
    """Tabulate log(1 - P) of item j in row 2 j and log P in row 2 j + 1, float64 [2 n_items, n_nodes]."""
    table = aligned_zeros((2 * len(curves.a), len(node)), np.float64)
    table[0::2], table[1::2] = log_probabilities(curves.a[:, None] * node + curves.d[:, None], curves.c)
    return table


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
