"""Standard errors from the observed information of the marginal likelihood, by Louis's (1982) identity.

The information is what the abilities, were they known, would give, less what not knowing them takes away:
I = sum over answers of E[-d2 log P] - sum over persons of Cov(score), both under the persons' posteriors. It equals the
Oakes (1999) form at the optimum.
"""

import numpy as np

from seedtest_assets.irt.em import State
from seedtest_assets.irt.estep import expected_counts, log_probability_table
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.mstep import GUESSING_SD
from seedtest_assets.irt.parallel import kernel, run, split_by_answers, threads

FULL_LIMIT = 4500  # parameters up to which the whole matrix is formed: 160 MB


def parameter_index(model: str, free: np.ndarray, population_free: bool) -> tuple[np.ndarray, int]:
    """Where each parameter stands in the information matrix: int64 [n_items + 1, 3], -1 for what is held, and the size.

    Columns a, d, g; the last row is the population's mean and SD.
    """
    index = np.full((len(free) + 1, 3), -1, np.int64)
    kinds = {"Rasch": [1], "2PL": [0, 1], "3PL": [0, 1, 2]}[model]
    block = np.arange(int(free.sum()) * len(kinds)).reshape(-1, len(kinds))
    index[np.ix_(np.flatnonzero(free), kinds)] = block
    size = block.size
    if model == "Rasch" and free.all():
        index[:-1, 0] = size
        size += 1
    if population_free:
        index[-1, :2] = size, size + 1
        size += 2
    return index, size


def covariance_blocks(start, code, state: State, model: str, free: np.ndarray, population_free: bool) -> np.ndarray:
    """Covariance of each item's (a, d, g), float64 [n_items + 1, 3, 3]; zero where held; the last is that of (mean, SD).

    Exact up to FULL_LIMIT parameters; beyond that from each item's own block of the information.
    """
    index, size = parameter_index(model, free, population_free)
    grid = normal_grid(state.mean, state.sd)
    c = state.guessing(model)
    table = log_probability_table(state.a, state.d, c, grid.node)
    counts = expected_counts(start, code, table, grid)[0]
    score, negative_hessian = _derivatives(state, c, grid.node)
    complete = np.einsum("jxyq,jq->jxy", negative_hessian, counts, optimize=True)
    complete = complete[0::2] + complete[1::2]
    if model == "3PL":
        complete[:, 2, 2] += 1 / GUESSING_SD**2
    prior = _population(grid, state) if population_free else np.zeros((2, len(grid.node)))
    return _invert_full(start, code, table, grid, score, prior, complete, index, size, state, population_free)


def _derivatives(state: State, c: np.ndarray, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score [2 n_items, 3, n_nodes] and negative second derivatives [2 n_items, 3, 3, n_nodes] of log P for (a, d, g)."""
    n, q = len(state.a), len(node)
    logistic = 1 / (1 + np.exp(-(state.a[:, None] * node + state.d[:, None])))
    c = c[:, None]
    p = c + (1 - c) * logistic
    z, g = (1 - c) * logistic * (1 - logistic), c * (1 - c) * (1 - logistic)
    zz, gg, zg = z * (1 - 2 * logistic), g * (1 - 2 * c), -c * (1 - c) * logistic * (1 - logistic)
    first = np.empty((2 * n, 2, q))
    second = np.zeros((2 * n, 2, 2, q))
    first[0::2, 0], first[0::2, 1] = -logistic, -c
    first[1::2, 0], first[1::2, 1] = z / p, g / p
    second[0::2, 0, 0], second[0::2, 1, 1] = logistic * (1 - logistic), c * (1 - c)
    second[1::2, 0, 0] = (z / p) ** 2 - zz / p
    second[1::2, 1, 1] = (g / p) ** 2 - gg / p
    second[1::2, 0, 1] = second[1::2, 1, 0] = z * g / p**2 - zg / p
    outer = np.array([node, np.ones(q)])
    score = np.concatenate([first[:, :1] * outer, first[:, 1:]], axis=1)
    hessian = np.empty((2 * n, 3, 3, q))
    hessian[:, :2, :2] = second[:, :1, :1] * outer[:, None] * outer[None, :]
    hessian[:, :2, 2] = hessian[:, 2, :2] = second[:, 0, 1][:, None] * outer
    hessian[:, 2, 2] = second[:, 1, 1]
    return score, hessian


def _population(grid: Grid, state: State) -> np.ndarray:
    """Score of the population's mean and SD at each node, float64 [2, n_nodes]."""
    x = (grid.node - state.mean) / state.sd
    return np.array([x / state.sd, (x**2 - 1) / state.sd])


def _invert_full(start, code, table, grid, score, prior, complete, index, size, state, population_free):
    parts = split_by_answers(start, threads())
    shared = (start, code, table, grid.log_weight, score, prior, index, size)
    lost = sum(run(_lost, [(low, high, *shared) for low, high in parts]))
    lost = lost + np.tril(lost, -1).T
    information = -lost
    for x in range(3):
        for y in range(3):
            both = (index[:-1, x] >= 0) & (index[:-1, y] >= 0)
            np.add.at(information, (index[:-1, x][both], index[:-1, y][both]), complete[both, x, y])
    if population_free:
        n = np.count_nonzero(np.diff(start))
        at = index[-1, :2]
        information[at, at] += np.array([n / state.sd**2, 2 * n / state.sd**2])
    covariance = np.linalg.inv(information)
    blocks = np.zeros((len(index), 3, 3))
    for x in range(3):
        for y in range(3):
            both = (index[:, x] >= 0) & (index[:, y] >= 0)
            blocks[both, x, y] = covariance[index[both, x], index[both, y]]
    return blocks


@kernel
def _lost(low, high, start, code, table, log_weight, score, prior, index, size):
    """Sum over persons of the posterior covariance of their score, lower triangle [size, size]."""
    n_nodes = log_weight.size
    lost = np.zeros((size, size))
    place = np.full(size, -1, np.int64)
    posterior = np.empty(n_nodes)
    for p in range(low, high):
        first, last = start[p], start[p + 1]
        if first == last:
            continue
        posterior[:] = log_weight
        for k in range(first, last):
            posterior += table[code[k]]
        posterior[:] = np.exp(posterior - posterior.max())
        posterior /= posterior.sum()
        which = np.empty(3 * (last - first) + 2, np.int64)
        rows = np.zeros((3 * (last - first) + 2, n_nodes))
        n = 0
        for k in range(first, last):
            j = code[k] // 2
            for x in range(3):
                at = index[j, x]
                if at >= 0:
                    if place[at] < 0:
                        place[at] = n
                        which[n] = at
                        n += 1
                    rows[place[at]] += score[code[k], x]
        for x in range(2):
            at = index[-1, x]
            if at >= 0:
                place[at] = n
                which[n] = at
                rows[n] = prior[x]
                n += 1
        for i in range(n):
            mean = (rows[i] * posterior).sum()
            rows[i] = (rows[i] - mean) * np.sqrt(posterior)
            place[which[i]] = -1
        product = np.dot(rows[:n], rows[:n].T)
        for i in range(n):
            for j in range(n):
                if which[i] >= which[j]:
                    lost[which[i], which[j]] += product[i, j]
    return lost
