"""Standard errors from the observed information of the marginal likelihood, by Louis's (1982) identity.

The information is what the abilities, were they known, would give, less what not knowing them takes away:
I = sum over answers of E[-d2 log P] - sum over persons of Cov(score), both under the persons' posteriors. At the
optimum it is the matrix that Oakes's (1999) identity gives. A person's covariance is formed from the score's
coefficients on the polynomials that are orthonormal under that person's posterior: Cov = C C', with a few columns
instead of one for each node.
"""

from typing import Any

import numpy as np
from scipy.linalg import lapack

from seedtest_assets.irt.em import Problem, State
from seedtest_assets.irt.estep import code_tables, padded
from seedtest_assets.irt.lost_information import own_posterior_covariance, posterior_covariance
from seedtest_assets.irt.mstep import GUESSING_SD
from seedtest_assets.irt.parallel import aligned_zeros, chunks, spread

FULL_LIMIT = 1500  # parameters up to which the whole matrix is formed and inverted, in well under a second
DEGREE, DEGREE_OF_SHORT_TESTS = 8, 24  # of the polynomials: a wide posterior sees more of a curve's bends
SHORT_TEST = 25


def n_parameters(problem: Problem) -> int:
    """How many numbers were estimated."""
    return _index(problem)[1] - (2 if problem.answers.n_groups > 1 and not problem.anchored else 0)


def item_covariances(problem: Problem, state: State) -> tuple[np.ndarray, bool]:
    """Covariance of each item's (a, d, logit c), float64 [n_items, 3, 3], zero where held; whether from the whole
    matrix.

    Beyond FULL_LIMIT parameters each item's own block of the information is inverted instead, and corrected for the two
    directions in which all items move together, the origin and the unit of the scale. NaN for an item whose
    information is not positive.
    """
    index, size = _index(problem)
    expected = problem.expect(state)
    score, complete = _scores(problem, state, expected)
    if size <= FULL_LIMIT:
        covariance = _whole(problem, state, expected, score, complete, index, size)
        if covariance is not None:
            return covariance, True
    return _own_blocks(problem, state, expected, score, complete, index), False


def _index(problem: Problem) -> tuple[np.ndarray, int]:
    """Row of each parameter in the information matrix, int64 [n_items + n_groups, 3], -1 for what is held, and the
    size.

    Items come first, with (a, d, logit c), then the populations, with (mean, SD, -).
    """
    n_items, n_groups = problem.answers.n_items, problem.answers.n_groups
    index = np.full((n_items + n_groups, 3), -1, np.int64)
    kinds = np.array({"Rasch": [1], "2PL": [0, 1], "3PL": [0, 1, 2]}[problem.model])
    size = int(problem.free.sum()) * len(kinds)
    index[np.ix_(np.flatnonzero(problem.free), kinds)] = np.arange(size).reshape(-1, len(kinds))
    if problem.model == "Rasch" and not problem.anchored:
        index[:n_items, 0] = size
        size += 1
    if problem.anchored or n_groups > 1:
        present = np.unique(problem.answers.group[np.diff(problem.answers.start) > 0])
        index[n_items + present, :2] = size + np.arange(2 * len(present)).reshape(-1, 2)
        size += 2 * len(present)
    return index, size


def _scores(problem: Problem, state: State, expected) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of log P for (z, logit c), z = a theta + d, [2, 2 n_items, n_nodes], and each item's complete
    information [n_items, 3, 3]."""
    node = problem.grid(state).node
    c = problem.guessing(state)[:, None]
    logistic = 0.5 + 0.5 * np.tanh(0.5 * (state.a[:, None] * node + state.d[:, None]))
    score = np.zeros((2, 2 * len(state.a), len(node)))
    information = np.zeros((2, 2, len(state.a), len(node)))
    score[0, 0::2] = -logistic
    if problem.model == "3PL":
        p = np.maximum(c + (1 - c) * logistic, 1e-300)
        z, g = (1 - c) * logistic * (1 - logistic), c * (1 - c) * (1 - logistic)
        score[1, 0::2] = -c
        score[0, 1::2], score[1, 1::2] = z / p, g / p
        wrong, right = expected.answers - expected.right, expected.right
        information[0, 0] = wrong * logistic * (1 - logistic) + right * ((z / p) ** 2 - z * (1 - 2 * logistic) / p)
        information[1, 1] = wrong * c * (1 - c) + right * ((g / p) ** 2 - g * (1 - 2 * c) / p)
        information[0, 1] = information[1, 0] = right * (z * g / p**2 + c * z / p)
    else:
        score[0, 1::2] = 1 - logistic
        information[0, 0] = expected.answers * logistic * (1 - logistic)
    complete = np.zeros((len(state.a), 3, 3))
    basis = [(0, node), (0, np.ones_like(node)), (1, np.ones_like(node))]
    for x, (one, factor) in enumerate(basis):
        for y, (other, other_factor) in enumerate(basis):
            complete[:, x, y] = information[one, other] @ (factor * other_factor)
    if problem.model == "3PL":
        complete[:, 2, 2] += 1 / GUESSING_SD**2
    return score, complete


def _posterior_arguments(problem: Problem, state: State, score: np.ndarray) -> tuple[Any, ...]:
    """What the kernels below need to form a person's posterior and score, in padded rows."""
    grid = problem.grid(state)
    node, log_weight = padded(grid, np.float64)
    n_codes, n_nodes = score.shape[1:]
    tables = aligned_zeros((2 if problem.model == "3PL" else 1, n_codes, len(node)), np.float64)
    tables[:, :, :n_nodes] = score[: len(tables)]
    log_table = code_tables(state.a, state.d, problem.guessing(state), node)
    answers = problem.answers
    return answers.start, answers.code, answers.group, log_table, tables, node, log_weight


def _whole(problem, state, expected, score, complete, index, size) -> np.ndarray | None:
    """Blocks of the inverse of the whole information matrix; None when it is not positive definite."""
    shared = _posterior_arguments(problem, state, score)
    population = np.array([state.mean, state.sd])
    lengths = np.diff(problem.answers.start)
    degree = DEGREE if np.quantile(lengths[lengths > 0], 0.05) > SHORT_TEST else DEGREE_OF_SHORT_TESTS
    parts = spread(
        lambda low, high, lost: posterior_covariance(low, high, *shared, population, index, degree, lost),
        chunks(problem.answers.start),
        lambda: np.zeros((size, size)),
    )
    information = parts.pop(0)
    while parts:
        information += parts.pop()
    np.negative(information, out=information)
    n_items = problem.answers.n_items
    for x in range(3):
        for y in range(3):
            both = (index[:n_items, x] >= 0) & (index[:n_items, y] >= 0)
            np.add.at(information, (index[:n_items, x][both], index[:n_items, y][both]), complete[both, x, y])
    _add_populations(problem, state, expected, index, information)
    factor, failed = lapack.dpotrf(information.T, lower=0, overwrite_a=1)  # the lower triangle, as LAPACK sees rows
    if failed:
        return None
    inverse, failed = lapack.dpotri(factor, lower=0, overwrite_c=1)
    inverse = inverse.T
    blocks = np.zeros((n_items, 3, 3))
    for x in range(3):
        for y in range(3):
            row, column = index[:n_items, x], index[:n_items, y]
            both = (row >= 0) & (column >= 0)
            blocks[both, x, y] = inverse[np.maximum(row, column)[both], np.minimum(row, column)[both]]
    return blocks


def _add_populations(problem, state, expected, index, information) -> None:
    """The complete information of the populations' means and SDs, and, without held items, what keeps the scale in
    place."""
    rows = index[problem.answers.n_items :, :2]
    present = rows[:, 0] >= 0
    if not present.any():
        return
    rows, mass, mean_of, sd_of = rows[present], expected.mass[present], state.mean[present], state.sd[present]
    persons = mass.sum(axis=1)
    x = (problem.grid(state).node - mean_of[:, None]) / sd_of[:, None]
    first, second = (mass * x).sum(axis=1), (mass * x**2).sum(axis=1)
    information[rows[:, 0], rows[:, 0]] += persons / sd_of**2
    information[rows[:, 1], rows[:, 0]] += 2 * first / sd_of**2
    information[rows[:, 1], rows[:, 1]] += (3 * second - persons) / sd_of**2
    if not problem.anchored:
        share = persons / persons.sum()
        mean = np.zeros(len(information))
        variance = np.zeros(len(information))
        mean[rows[:, 0]] = share
        variance[rows[:, 0]], variance[rows[:, 1]] = 2 * share * mean_of, 2 * share * sd_of
        low = rows.min()
        for constraint in (mean[low:], variance[low:]):
            information[low:, low:] += 1e4 * persons.sum() * np.outer(constraint, constraint)


def _own_blocks(problem, state, expected, score, complete, index) -> np.ndarray:
    """Inverse of each item's own block of the information, corrected for what moves all items together."""
    n_items = problem.answers.n_items
    shared = _posterior_arguments(problem, state, score)
    parts = spread(
        lambda low, high, lost: own_posterior_covariance(low, high, *shared, state.a, *lost),
        chunks(problem.answers.start),
        lambda: (np.zeros((n_items, 3, 3)), np.zeros(n_items), np.zeros((2, 2))),
    )
    lost, slope_lost, together_lost = (sum(part[i] for part in parts) for i in range(3))
    information = complete - lost
    direction = np.zeros((n_items, 3, 2))  # of a shift and of a stretch of every item
    direction[:, 0, 1] = direction[:, 1, 0] = state.a
    apart = np.einsum("jxu,jxy,jyv->uv", direction, information, direction)
    together = np.einsum("jxu,jxy,jyv->uv", direction, complete, direction) - together_lost
    if problem.model == "Rasch" and not problem.anchored:
        slope = state.a[0]
        return _common_slope_blocks(
            information[:, 1, 1], complete[:, 0, 1] - slope_lost / slope, together[1, 1] / slope**2,
            slope * np.sqrt(max(1 / together[0, 0] - 1 / apart[0, 0], 0)),
        )  # fmt: skip
    both = (index[:n_items, :, None] >= 0) & (index[:n_items, None, :] >= 0)
    information = np.where(both, information, np.eye(3))
    good = np.linalg.eigvalsh(information)[:, 0] > 0
    information[~good] = np.eye(3)
    blocks = np.where(both, np.linalg.inv(information), 0.0)
    if not problem.anchored and good.all():
        blocks += direction @ (np.linalg.inv(together) - np.linalg.inv(apart)) @ direction.transpose(0, 2, 1)
    blocks[~good] = np.nan
    return blocks


def _common_slope_blocks(own, cross, slope, shift) -> np.ndarray:
    """Blocks of the inverse for Rasch: own and cross information of the intercepts [n_items], of the slope, and the
    SD of a common shift."""
    towards = cross / own + shift**2 * cross.sum()
    variance = 1 / (slope - cross @ towards)
    blocks = np.zeros((len(own), 3, 3))
    blocks[:, 0, 0] = variance
    blocks[:, 0, 1] = blocks[:, 1, 0] = -towards * variance
    blocks[:, 1, 1] = 1 / own + shift**2 + towards**2 * variance
    return blocks
