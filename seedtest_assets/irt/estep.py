"""Expectation over abilities: posteriors of the persons, and what they add to the items' expected counts."""

import numpy as np

from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.parallel import kernel, run, split_by_answers, threads


def log_probability_table(a: np.ndarray, d: np.ndarray, c: np.ndarray, node: np.ndarray) -> np.ndarray:
    """log P(wrong) of item j in row 2 j, log P(right) in row 2 j + 1, float64 [2 n_items, n_nodes]."""
    z = a[:, None] * node[None, :] + d[:, None]
    guessing = c[:, None]
    log_wrong = -np.logaddexp(0, z)
    table = np.empty((2 * len(a), len(node)))
    table[0::2] = log_wrong + np.log1p(-guessing)
    table[1::2] = np.where(guessing > 0, np.log(guessing + (1 - guessing) * np.exp(z + log_wrong)), z + log_wrong)
    return table


def expected_counts(start: np.ndarray, code: np.ndarray, table: np.ndarray, grid: Grid):
    """One E-step.

    start: int64 [n_persons + 1]; code: int32 [n], 2 item + correct; table: see log_probability_table.

    Returns counts float64 [2 n_items, n_nodes] (expected answers of each code at each ability), mass float64 [n_nodes]
    (expected persons), and the log-likelihood.
    """
    parts = split_by_answers(start, threads())
    done = run(_count, [(low, high, start, code, table, grid.log_weight) for low, high in parts])
    return sum(one[0] for one in done), sum(one[1] for one in done), sum(one[2] for one in done)


def posterior_moments(start, code, table, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean (EAP) and SD of every person, float64 [n_persons] each (Bock & Mislevy, 1982)."""
    n_persons = len(start) - 1
    mean, sd = np.empty(n_persons), np.empty(n_persons)
    parts = split_by_answers(start, threads())
    run(_moments, [(low, high, start, code, table, grid.node, grid.log_weight, mean, sd) for low, high in parts])
    return mean, sd


@kernel
def _posterior(p, start, code, table, log_weight, out):
    """Posterior weights of one person into `out`; returns the log of the person's marginal likelihood."""
    n_nodes = log_weight.size
    for q in range(n_nodes):
        out[q] = log_weight[q]
    for k in range(start[p], start[p + 1]):
        row = table[code[k]]
        for q in range(n_nodes):
            out[q] += row[q]
    top = out[0]
    for q in range(n_nodes):
        top = max(top, out[q])
    total = 0.0
    for q in range(n_nodes):
        out[q] = np.exp(out[q] - top)
        total += out[q]
    for q in range(n_nodes):
        out[q] /= total
    return top + np.log(total)


@kernel
def _count(low, high, start, code, table, log_weight):
    n_nodes = log_weight.size
    counts = np.zeros(table.shape)
    mass = np.zeros(n_nodes)
    posterior = np.empty(n_nodes)
    loglik = 0.0
    for p in range(low, high):
        if start[p] == start[p + 1]:
            continue
        loglik += _posterior(p, start, code, table, log_weight, posterior)
        for k in range(start[p], start[p + 1]):
            row = counts[code[k]]
            for q in range(n_nodes):
                row[q] += posterior[q]
        for q in range(n_nodes):
            mass[q] += posterior[q]
    return counts, mass, loglik


@kernel
def _moments(low, high, start, code, table, node, log_weight, mean, sd):
    posterior = np.empty(node.size)
    for p in range(low, high):
        _posterior(p, start, code, table, log_weight, posterior)
        first = 0.0
        for q in range(node.size):
            first += posterior[q] * node[q]
        second = 0.0
        for q in range(node.size):
            second += posterior[q] * (node[q] - first) ** 2
        mean[p] = first
        sd[p] = np.sqrt(second)
