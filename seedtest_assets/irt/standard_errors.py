"""Standard errors from the observed information of the marginal likelihood, by Louis's (1982) identity.

The information is what the abilities, were they known, would give, less what not knowing them takes away:
I = sum over answers of E[-d2 log P] - sum over persons of Cov(score), both under the persons' posteriors. At the
optimum it is the matrix that Oakes's (1999) identity gives. A person's covariance is formed from the score's
coefficients on the polynomials that are orthonormal under that person's posterior: Cov = C C', with a few columns
instead of one for each node.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.linalg import lapack
from scipy.special import expit

from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.estep import Expectation, padded
from seedtest_assets.irt.item_scores import extra_codes, rows_of_steps
from seedtest_assets.irt.kernel_arguments import AnswerLists, ItemScores, Nodes
from seedtest_assets.irt.lost_information import (
    OwnBlocks,
    ScoreTables,
    own_posterior_covariance,
    posterior_covariance,
)
from seedtest_assets.irt.mstep import step_data
from seedtest_assets.irt.own_grids import Part
from seedtest_assets.irt.parallel import aligned_zeros, chunks, spread
from seedtest_assets.irt.prior_densities import prior_information
from seedtest_assets.irt.problem import Problem
from seedtest_assets.irt.second_order import rising_direction
from seedtest_assets.irt.state import State
from seedtest_assets.irt.step_scores import step_information, step_scores

T = TypeVar("T")

# Parameters up to which the whole matrix is formed and inverted, in well under a second.
FULL_LIMIT = 1500
# Degree of the polynomials; the wide posterior of a short test sees more of a curve's bends.
DEGREE, DEGREE_OF_SHORT_TESTS = 8, 24
SHORT_TEST = 25
# Weight, in persons, of the constraint that keeps several free populations at mean 0 and SD 1 together.
CONSTRAINT_WEIGHT = 1e4


class ItemErrors(NamedTuple):
    """Standard errors of a, b and c before linking, float64 [n_items], and of the b of steps, float64 [n_items, n_steps]."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    steps: np.ndarray

    @property
    def of_items(self) -> np.ndarray:
        """Errors of a, b and the b of steps as rows, float64 [2 + n_steps, n_items], as linking takes them."""
        return np.stack([self.a, self.b, *self.steps.T])

    @property
    def infinite(self) -> np.ndarray:
        """Whether an error of the item is infinite, bool [n_items]."""
        return np.any(np.isinf([self.a, self.b, self.c]), axis=0) | np.isinf(self.steps).any(axis=1)


@dataclass(frozen=True)
class Optimum:
    """A stationary point of the likelihood, and its information."""

    problem: Problem
    state: State

    @cached_property
    def expected(self) -> Expectation:
        return self.problem.expect(self.state)

    @cached_property
    def index(self) -> np.ndarray:
        """Row of each parameter in the information matrix, see _index."""
        return _index(self.problem)[0]

    @cached_property
    def size(self) -> int:
        return _index(self.problem)[1]

    @property
    def here(self) -> "Optimum":
        """The point, without persons, for functions that go to shards."""
        return Optimum(self.problem.without_persons(), self.state)

    @property
    def beyond_whole(self) -> bool:
        """Whether there are too many parameters to form the whole information."""
        return self.size > FULL_LIMIT

    @cached_property
    def factor(self) -> np.ndarray | None:
        """Cholesky factor of the whole information; None where it is not positive definite."""
        factor, failed = lapack.dpotrf(_information(self).T, lower=0, overwrite_a=1)  # LAPACK sees rows as columns
        return None if failed else factor

    @cached_property
    def complete(self) -> np.ndarray:
        """Each item's information, were the abilities known, see _complete_information."""
        return _complete_information(self.problem, self.state, self.expected)


def uphill(optimum: Optimum) -> np.ndarray | None:
    """Find the step off a saddle, a change of the state's vector; None at a maximum, or where it is not known.

    Only for up to FULL_LIMIT parameters, whose whole information is formed anyway.
    """
    if optimum.beyond_whole or optimum.factor is not None:
        return None
    information, n_items = _information(optimum), optimum.problem.answers.n_items
    complete = np.zeros(optimum.size)
    known = optimum.index[:n_items] >= 0
    np.add.at(complete, optimum.index[:n_items][known], np.diagonal(optimum.complete, axis1=1, axis2=2)[known])
    step = rising_direction(information, np.where(complete > 0, complete, np.abs(np.diag(information))))
    if step is None:
        return None
    table = np.where(optimum.index >= 0, step[optimum.index], 0.0)
    guessing = np.where(optimum.problem.partial_credit, 0.0, table[:n_items, 2])
    extra = table[_places_of_extra(optimum.problem.scores)]
    return np.concatenate([table[:n_items, 0], table[:n_items, 1], guessing, extra, table[n_items:, :2].T.ravel()])


def n_parameters(problem: Problem) -> int:
    """Count the numbers that were estimated."""
    return _index(problem)[1] - (2 if problem.answers.n_groups > 1 and not problem.anchored else 0)


def standard_errors(optimum: Optimum, wanted: bool = True) -> ItemErrors:
    """Compute standard errors at the optimum, those of b by the delta method.

    NaN for what was not estimated, infinite where the variance is not positive.
    """
    problem, state = optimum.problem, optimum.state
    n_steps = int(problem.scores.score.max(initial=1)) if problem.partial_credit.any() else 0
    if not wanted:
        unknown = np.full(len(state.a), np.nan)
        return ItemErrors(unknown, unknown, unknown, np.full((len(state.a), n_steps), np.nan))
    block = item_covariances(optimum)
    (a, b), c = state.discrimination_and_difficulty, problem.curves(state).c
    variances = (
        block[:, 0, 0],
        (block[:, 1, 1] + 2 * b * block[:, 0, 1] + b**2 * block[:, 0, 0]) / a**2,
        (c * (1 - c)) ** 2 * block[:, 2, 2],
    )
    estimated = _index(problem)[0][: len(a), :3] >= 0
    estimated[:, 2] &= problem.guessing
    se_a, se_b, se_c = np.where(estimated.T, _root(np.stack(variances)), np.nan)
    return ItemErrors(se_a, se_b, se_c, _step_errors(problem, state, block, n_steps))


def _root(variance: np.ndarray) -> np.ndarray:
    """Give standard errors; infinite where the variance is not positive."""
    with np.errstate(invalid="ignore"):  # NaN is not positive either
        return np.where(variance > 0, np.sqrt(variance), np.inf)


def _step_errors(problem: Problem, state: State, block: np.ndarray, n_steps: int) -> np.ndarray:
    """Compute the standard errors of steps, b_k = -d / a - e_k / (w_k a), float64 [n_items, n_steps]; NaN where held."""
    scores = problem.scores
    if not n_steps:
        return np.empty((len(state.a), 0))
    a, _ = state.discrimination_and_difficulty
    of_step = np.maximum(scores.weight, 1e-300)
    intercept = problem.curves(state).intercept
    slope = a[scores.item]
    gradient = np.zeros((len(scores.item), block.shape[1]))
    gradient[:, 0] = intercept / (of_step * slope**2)
    gradient[:, 1] = -1 / slope
    place = np.arange(len(scores.item)) - scores.first[scores.item]
    extra = np.flatnonzero(place >= 2)
    gradient[extra, place[extra]] = -1 / (of_step * slope)[extra]
    first = np.flatnonzero(place == 1)
    gradient[first, 2:] = (1 / (of_step * slope))[first, None]  # its e is minus the sum of the others
    variance = np.einsum("kx,kxy,ky->k", gradient, block[scores.item], gradient)
    free = problem.free[scores.item] & (scores.weight > 0)
    return rows_of_steps(scores, np.where(free, _root(variance), np.nan), n_steps)


def item_covariances(optimum: Optimum) -> np.ndarray:
    """Compute the covariance of each item's (a, d, logit c or extra steps), float64 [n_items, n_each, n_each], zero where held.

    Beyond FULL_LIMIT parameters each item's own block of the information is inverted instead, and corrected for the two
    directions in which all items move together, the origin and the unit of the scale. NaN for an item whose
    information is not positive.
    """
    whole = None if optimum.beyond_whole else _whole_matrix(optimum)
    return own_blocks(optimum) if whole is None else whole


def _index(problem: Problem) -> tuple[np.ndarray, int]:
    """Number the parameters: rows in the information matrix, int64 [n_items + n_groups, n_each], -1 for what is held; size.

    Items come first, with (a, d, logit c) or (a, d, e_2, e_3, ...) of their steps, then the populations, with (mean, SD).
    """
    n_items, n_groups, scores = problem.answers.n_items, problem.answers.n_groups, problem.scores
    n_codes = np.diff(scores.first)
    estimated = np.zeros((n_items, max(3, int(n_codes.max(initial=2)))), bool)
    estimated[:, 0] = ~problem.common_slope
    estimated[:, 1] = True
    estimated[:, 2] = problem.guessing & (problem.priors.fixed_c is None)
    estimated |= (
        problem.partial_credit[:, None]
        & (np.arange(estimated.shape[1]) >= 2)
        & (np.arange(estimated.shape[1]) < n_codes[:, None])
    )
    estimated &= problem.free[:, None]
    index = np.full((n_items + n_groups, estimated.shape[1]), -1, np.int64)
    size = int(estimated.sum())
    index[:n_items][estimated] = np.arange(size)
    if problem.common_slope_free:
        index[:n_items, 0][problem.common_slope] = size
        size += 1
    if problem.anchored or n_groups > 1:
        present = np.flatnonzero(problem.answers.persons_of_group)
        index[n_items + present, :2] = size + np.arange(2 * len(present)).reshape(-1, 2)
        size += 2 * len(present)
    return index, size


def _places_of_extra(scores: ItemScores) -> tuple[np.ndarray, np.ndarray]:
    """Give the item and the column of `_index` of each extra step."""
    code = np.flatnonzero(extra_codes(scores))
    return scores.item[code], code - scores.first[scores.item[code]]


def _scores(problem: Problem, state: State, node: np.ndarray) -> np.ndarray:
    """Differentiate log P of each code, [n_kinds, n_codes, n_nodes]: by a theta + d, and by logit c or the e of extra steps."""
    curves, scores = problem.curves(state), problem.scores
    marked = np.flatnonzero(~problem.partial_credit)
    wrong, right = scores.first[marked], scores.first[marked] + 1
    a, d, c = state.a[marked, None], state.d[marked, None], curves.c[marked, None]
    logistic = expit(a * node + d)
    guessing = problem.facts.guessing
    n_kinds = max(2 if guessing else 1, int(np.diff(scores.first).max(initial=2)) - 1)
    score = aligned_zeros((n_kinds, len(scores.item), len(node)), np.float64)
    score[0, wrong] = -logistic
    if guessing:
        p = np.maximum(c + (1 - c) * logistic, 1e-300)
        score[1, wrong] = -c
        score[0, right], score[1, right] = (1 - c) * logistic * (1 - logistic) / p, c * (1 - c) * (1 - logistic) / p
    else:
        score[0, right] = 1 - logistic
    if len(marked) < len(state.a):
        step_scores(curves, node, score)
    return score


def _complete_information(problem: Problem, state: State, expected: Expectation) -> np.ndarray:
    """Compute the information of each item's (a, d, logit c or e), were the abilities known, [n_items, n_each, n_each]."""
    node, n_items = expected.node, len(state.a)
    c = problem.curves(state).c[:, None]
    logistic = expit(state.a[:, None] * node + state.d[:, None])
    information = np.zeros((2, 2, n_items, len(node)))
    if problem.facts.guessing and not problem.partial_credit.all():
        p = np.maximum(c + (1 - c) * logistic, 1e-300)
        z, g = (1 - c) * logistic * (1 - logistic), c * (1 - c) * (1 - logistic)
        wrong, right = expected.answers - expected.right, expected.right
        information[0, 0] = wrong * logistic * (1 - logistic) + right * ((z / p) ** 2 - z * (1 - 2 * logistic) / p)
        information[1, 1] = wrong * c * (1 - c) + right * ((g / p) ** 2 - g * (1 - 2 * c) / p)
        information[0, 1] = information[1, 0] = right * (z * g / p**2 + c * z / p)
    else:
        information[0, 0] = expected.answers * logistic * (1 - logistic)
    n_each = max(3, int(np.diff(problem.scores.first).max(initial=2)))
    complete = np.zeros((n_items, n_each, n_each))
    basis = [(0, node), (0, np.ones_like(node)), (1, np.ones_like(node))]
    for x, (kind, factor) in enumerate(basis):
        for y, (other_kind, other_factor) in enumerate(basis):
            complete[:, x, y] = information[kind, other_kind] @ (factor * other_factor)
    of_priors = prior_information(problem.item_priors, problem.prior_of_common_slope, state, problem.free)
    if problem.partial_credit.any():
        of_priors[problem.partial_credit, 2, 2] = 0.0
        complete[problem.partial_credit] = 0.0
        data = step_data(expected, problem.counts(), problem.scores)
        step_information(state.a, problem.curves(state).intercept, data, node, problem.scores, complete)
    complete[:, :3, :3] += of_priors
    return complete


def _whole_matrix(optimum: Optimum) -> np.ndarray | None:
    """Invert the whole information matrix and take the items' blocks; None when it is not positive definite."""
    if optimum.factor is None:
        return None
    inverse, _ = lapack.dpotri(optimum.factor, lower=0)
    inverse = inverse.T
    n_items = optimum.problem.answers.n_items
    n_each = optimum.index.shape[1]
    blocks = np.zeros((n_items, n_each, n_each))
    for x in range(n_each):
        for y in range(n_each):
            row, column = optimum.index[:n_items, x], optimum.index[:n_items, y]
            both = (row >= 0) & (column >= 0)
            blocks[both, x, y] = inverse[np.maximum(row, column)[both], np.minimum(row, column)[both]]
    return blocks


def _information(optimum: Optimum) -> np.ndarray:
    """Form the observed information, its lower triangle, float64 [size, size]."""
    answers, index = optimum.problem.answers, optimum.index
    short = answers.length_quantile(0.05, answered=True) <= SHORT_TEST
    degree = DEGREE_OF_SHORT_TESTS if short else DEGREE
    information = optimum.problem.parts.total(_lost_information, optimum.here, degree, add=np.add)
    information = np.negative(information, out=information)
    complete = optimum.complete
    for x in range(index.shape[1]):
        for y in range(index.shape[1]):
            row, column = index[: answers.n_items, x], index[: answers.n_items, y]
            both = (row >= 0) & (column >= 0)
            np.add.at(information, (row[both], column[both]), complete[both, x, y])
    _add_populations(optimum, information)
    return information


def _add_populations(optimum: Optimum, information: np.ndarray) -> None:
    """Add the complete information of the populations' means and SDs, and, without held items, what keeps the scale in
    place."""
    problem, state, expected = optimum.problem, optimum.state, optimum.expected
    rows = optimum.index[problem.answers.n_items :, :2]
    present = rows[:, 0] >= 0
    if not present.any():
        return
    rows, mass, mean_of, sd_of = rows[present], expected.mass[present], state.mean[present], state.sd[present]
    persons = mass.sum(axis=1)
    x = (expected.node - mean_of[:, None]) / sd_of[:, None]
    first, second = (mass * x).sum(axis=1), (mass * x**2).sum(axis=1)
    information[rows[:, 0], rows[:, 0]] += persons / sd_of**2
    information[rows[:, 1], rows[:, 0]] += 2 * first / sd_of**2
    information[rows[:, 1], rows[:, 1]] += (3 * second - persons) / sd_of**2
    if problem.anchored:
        return
    share = persons / persons.sum()
    mean = np.zeros(len(information))
    variance = np.zeros(len(information))
    mean[rows[:, 0]] = share
    variance[rows[:, 0]], variance[rows[:, 1]] = 2 * share * mean_of, 2 * share * sd_of
    low = rows.min()
    for constraint in (mean[low:], variance[low:]):
        information[low:, low:] += CONSTRAINT_WEIGHT * persons.sum() * np.outer(constraint, constraint)


def own_blocks(optimum: Optimum) -> np.ndarray:
    """Invert each item's own block of the information, corrected for what moves all items together."""
    problem, slope = optimum.problem, optimum.state.a
    n_items, n_each = problem.answers.n_items, optimum.index.shape[1]
    complete, lost = optimum.complete, _lost_by_item(optimum)
    information = complete - lost.block
    direction = np.zeros((n_items, n_each, 2))  # of a shift and of a stretch of every item
    direction[:, 0, 1] = direction[:, 1, 0] = slope
    index = optimum.index[:n_items]
    both = (index[:, :, None] >= 0) & (index[:, None, :] >= 0)
    apart = np.einsum("jxu,jxy,jyv->uv", direction, information, direction)
    together = np.einsum("jxu,jxy,jyv->uv", direction, complete, direction) - lost.together
    common = problem.common_slope if problem.common_slope_free else np.zeros(n_items, bool)
    if common.all():
        shift = slope[0] * np.sqrt(max(1 / together[0, 0] - 1 / apart[0, 0], 0))
        cross = np.where(optimum.index[:n_items, 1:] >= 0, complete[:, 0, 1:], 0.0)
        n_stretched = lost.stretch.shape[1]
        cross[:, :n_stretched] -= lost.stretch / slope[0]
        own = np.where(both, information, np.eye(n_each))[:, 1:, 1:]
        return np.where(both, _common_slope_blocks(own, cross, together[1, 1] / slope[0] ** 2, shift), 0.0)
    information = np.where(both, information, np.eye(n_each))
    good = np.linalg.eigvalsh(information)[:, 0] > 0
    information[~good] = np.eye(n_each)
    blocks = np.where(both, np.linalg.inv(information), 0.0)
    if not problem.anchored and good.all():
        blocks += direction @ (np.linalg.inv(together) - np.linalg.inv(apart)) @ direction.transpose(0, 2, 1)
    if common.any():  # among items with slopes of their own
        blocks[common] = np.where(both[common], _blocks_of_one_slope(information[common]), 0.0)
    blocks[~good] = np.nan
    return blocks


def _lost_by_item(optimum: Optimum) -> OwnBlocks:
    """Sum what each item's information loses because abilities are not known."""
    return optimum.problem.parts.total(_lost_blocks, optimum.here, add=_add_blocks)


def _lost_information(parts: Sequence[Part], optimum: Optimum, degree: int) -> np.ndarray:
    """Sum the posterior covariance of the scores of a shard's persons, float64 [size, size]."""
    index, populations, size = optimum.index, optimum.state.populations, optimum.size

    def work(lists: AnswerLists, tables: ScoreTables, nodes: Nodes, low: int, high: int, lost: np.ndarray) -> None:
        posterior_covariance(low, high, lists, tables, nodes, populations, index, degree, lost)

    buffers = _lost(parts, optimum, work, lambda: np.zeros((size, size)))
    lost = buffers.pop(0)
    while buffers:
        lost += buffers.pop()
    return lost


def _lost_blocks(parts: Sequence[Part], optimum: Optimum) -> OwnBlocks:
    """Sum what the information of each item loses by a shard's persons."""
    n_items, n_each, slope = optimum.problem.answers.n_items, optimum.index.shape[1], optimum.state.a
    n_stretched = max(int(np.diff(optimum.problem.scores.first).max()) - 1, 1)

    def work(lists: AnswerLists, tables: ScoreTables, nodes: Nodes, low: int, high: int, lost: OwnBlocks) -> None:
        own_posterior_covariance(low, high, lists, tables, nodes, slope, lost)

    def new_buffers() -> OwnBlocks:
        return OwnBlocks(np.zeros((n_items, n_each, n_each)), np.zeros((n_items, n_stretched)), np.zeros((2, 2)))

    return reduce(_add_blocks, _lost(parts, optimum, work, new_buffers))


def _add_blocks(one: OwnBlocks, other: OwnBlocks) -> OwnBlocks:
    return OwnBlocks(*map(np.add, one, other))


def _lost(parts: Sequence[Part], optimum: Optimum, work: Callable[..., None], new_buffers: Callable[[], T]) -> list[T]:
    """Call `work(answers, tables, nodes, low, high, buffers)` for the persons of all parts, and return the buffers.

    The tables are those of the nodes of one part of the persons after the other.
    """
    problem, state, buffers = optimum.problem, optimum.state, []
    curves, common = problem.curves(state), problem.grid(state)
    slope = int(optimum.index[np.argmax(problem.common_slope), 0]) if problem.common_slope_free else -1
    for part in parts:
        nodes = padded(part.grid(common, state.populations), np.float64)
        scores = _scores(problem, state, nodes.node)
        tables = ScoreTables(code_tables(curves, nodes.node), scores, slope)
        buffers += spread(partial(work, part.answers.lists, tables, nodes), chunks(part.answers.start), new_buffers)
    return buffers


def _common_slope_blocks(own: np.ndarray, cross: np.ndarray, slope: float, shift: float) -> np.ndarray:
    """Invert where all items have one slope: information of each item's other parameters [n_items, n, n], d first, and theirs
    with the slope [n_items, n], of the slope, and the SD of a common shift."""
    inverse = np.linalg.inv(own)
    towards = np.einsum("jxy,jy->jx", inverse, cross)
    towards[:, 0] += shift**2 * cross[:, 0].sum()
    variance = 1 / (slope - np.sum(cross * towards))
    n_each = own.shape[1] + 1
    blocks = np.zeros((len(own), n_each, n_each))
    blocks[:, 0, 0] = variance
    blocks[:, 0, 1:] = blocks[:, 1:, 0] = -towards * variance
    blocks[:, 1:, 1:] = inverse + towards[:, :, None] * towards[:, None, :] * variance
    blocks[:, 1, 1] += shift**2
    return blocks


def _blocks_of_one_slope(information: np.ndarray) -> np.ndarray:
    """Invert the blocks of items that share a slope as if nothing else connected them."""
    inverse = np.linalg.inv(information[:, 1:, 1:])
    towards = np.einsum("jxy,jy->jx", inverse, information[:, 1:, 0])
    variance = 1 / np.sum(information[:, 0, 0] - np.sum(information[:, 1:, 0] * towards, axis=1))
    blocks = np.zeros_like(information)
    blocks[:, 0, 0] = variance
    blocks[:, 0, 1:] = blocks[:, 1:, 0] = -towards * variance
    blocks[:, 1:, 1:] = inverse + towards[:, :, None] * towards[:, None, :] * variance
    return blocks
