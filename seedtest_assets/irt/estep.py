"""Expectation over abilities: posteriors of the persons, and what they add to the items' expected counts.

Two passes over a person's answers, a row of nodes each: the first adds rows of log-probabilities to the person's
log-likelihood, the second adds the posterior to rows of expected counts. Without guessing
log L = sum log(1 - P_j) + theta sum y a + sum y d, so one row an item serves right and wrong answers alike, and the
right answers need two numbers a person only. Neighbours with the same items, as in a test that everybody takes, share
both passes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seedtest_assets.irt.curves import log_wrong_and_right
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, Moments, Nodes
from seedtest_assets.irt.parallel import aligned_zeros, chunks, exponential, kernel, run, spread

LINE = 16  # nodes are padded to a multiple of it, a cache line of single precision
NO_WEIGHT = -1e30  # log weight of a padding node
FLUSH = 64  # answers that are summed in the table's precision before they join the sum in double precision
ITEMS_A_CHUNK = 512


@dataclass(frozen=True)
class Answers:
    """Answers to the items in question, recoded.

    start: int64 [n_persons + 1]; code: int32 [n], 2 item + correct, item in 0 .. n_items - 1; count: int64 [n_items,
    2], wrong and right answers to each item; group: int32 [n_persons], which population each person is from, 0 ..
    n_groups - 1; order: as in Responses.
    """

    start: np.ndarray
    code: np.ndarray
    count: np.ndarray
    group: np.ndarray
    n_groups: int
    order: np.ndarray

    @property
    def n_items(self) -> int:
        return len(self.count)

    @property
    def answered(self) -> np.ndarray:
        """Whether each person has answers, bool [n_persons]."""
        return np.diff(self.start) > 0

    @property
    def lists(self) -> AnswerLists:
        """The answers as kernels take them."""
        return AnswerLists(self.start, self.code, self.group)

    def take(self, persons: np.ndarray) -> "Answers":
        """Select persons, int64 [n]."""
        length = np.diff(self.start)[persons]
        start = np.concatenate([[0], np.cumsum(length)])
        at = np.arange(start[-1]) + np.repeat(self.start[persons] - start[:-1], length)
        code = self.code[at]
        count = np.bincount(code, minlength=2 * self.n_items).reshape(-1, 2)
        return Answers(
            start, code, count, self.group[persons], self.n_groups, self.order[at] if len(self.order) else self.order
        )


@dataclass(frozen=True)
class Expectation:
    """What an E-step gives, float64.

    node: [n_nodes], the abilities; answers: [n_items, n_nodes], expected answers at each ability; right: the same for
    right answers, with guessing only; right_theta: [n_items], sum of the posterior means over right answers, without
    guessing only; mass: [n_groups, n_nodes], expected persons; loglik: of the persons' answers; moments: of each
    person's posterior, empty unless asked for.
    """

    node: np.ndarray
    answers: np.ndarray
    right: np.ndarray
    right_theta: np.ndarray
    mass: np.ndarray
    loglik: float
    moments: Moments


class _LogTable(NamedTuple):
    """Rows of log-probabilities, and the slope that each code adds to log L without guessing, 0 for wrong answers."""

    row: np.ndarray
    slope: np.ndarray
    guessing: bool


class _Sums(NamedTuple):
    """What persons add up to. `row`: expected answers in the table's precision, zero before and after a chunk; the sums
    are in `total`."""

    row: np.ndarray
    total: np.ndarray
    theta: np.ndarray
    mass: np.ndarray
    loglik: np.ndarray


def expect(
    answers: Answers, curves: Curves, grid: Grid, *, single: bool = False, counts: bool = True, abilities: bool = False
) -> Expectation:
    """Do one E-step.

    single: sums of up to 64 answers and the posteriors in single precision; counts, abilities: what is wanted.
    """
    nodes = padded(grid, np.float32 if single else np.float64)
    table = _log_table(curves, grid, nodes)
    n_persons = len(answers.start) - 1
    moments = Moments(*(np.zeros(n_persons if abilities else 0) for _ in Moments._fields))
    n_rows = len(table.row) if counts else 0

    def new_sums() -> _Sums:
        return _Sums(
            aligned_zeros((n_rows, len(nodes.node)), nodes.node.dtype),
            aligned_zeros((n_rows, len(nodes.node)), np.float64),
            np.zeros(2 * answers.n_items),
            np.zeros((answers.n_groups, len(nodes.node))),
            np.zeros(1),
        )

    def work(low: int, high: int, sums: _Sums) -> None:
        _expect(low, high, answers.lists, table, nodes, sums, moments)

    parts = spread(work, chunks(answers.start), new_sums)
    total = _added([part.total for part in parts])[:, : len(grid.node)]
    mass = _added([part.mass for part in parts])[:, : len(grid.node)]
    loglik = float(sum(part.loglik[0] for part in parts))
    wrong_theta, right_theta = _added([part.theta for part in parts]).reshape(-1, 2).T.copy()
    if single and counts:  # rounding must not drown the few answers that place an extreme item
        n_answers = answers.count.ravel() if table.guessing else answers.count.sum(axis=1)
        total *= (n_answers / np.maximum(total.sum(axis=1), 1e-300))[:, None]
    if table.guessing:
        return Expectation(grid.node, total[0::2] + total[1::2], total[1::2], right_theta, mass, loglik, moments)
    if single and counts:
        mostly_right = answers.count[:, 0] < answers.count[:, 1]
        right_theta = np.where(mostly_right, total @ grid.node - wrong_theta, right_theta)
    loglik += float(answers.count[:, 1] @ curves.d)
    return Expectation(grid.node, total, total[:0], right_theta, mass, loglik, moments)


def _added(arrays: list[np.ndarray]) -> np.ndarray:
    return np.asarray(sum(arrays))


def padded(grid: Grid, dtype: DTypeLike) -> Nodes:
    """Pad the grid to a multiple of LINE with nodes of no weight."""
    n_nodes = len(grid.node)
    width = -(-n_nodes // LINE) * LINE
    node = aligned_zeros((width,), dtype)
    node[:n_nodes] = grid.node
    log_weight = aligned_zeros((len(np.atleast_2d(grid.log_weight)), width), dtype)
    log_weight[:] = NO_WEIGHT
    log_weight[:, :n_nodes] = grid.log_weight
    return Nodes(node, log_weight, n_nodes)


def _log_table(curves: Curves, grid: Grid, nodes: Nodes) -> _LogTable:
    """Tabulate log(1 - P) in row j; with guessing log(1 - P) in row 2 j and log P in row 2 j + 1."""
    guessing, n_items = bool(curves.c.any()), len(curves.a)
    row = aligned_zeros(((2 if guessing else 1) * n_items, len(nodes.node)), nodes.node.dtype)
    ranges = [(low, min(low + ITEMS_A_CHUNK, n_items)) for low in range(0, n_items, ITEMS_A_CHUNK)]
    run(lambda low, high: _fill_rows(low, high, curves, grid.node, guessing, row), ranges)
    slope = np.zeros(2 * n_items)
    if not guessing:
        slope[1::2] = curves.a
    return _LogTable(row, slope, guessing)


@kernel
def _fill_rows(low: int, high: int, curves: Curves, node: np.ndarray, guessing: bool, row: np.ndarray) -> None:
    for j in range(low, high):
        for q in range(node.size):
            log_wrong, log_right = log_wrong_and_right(curves.a[j] * node[q] + curves.d[j], curves.c[j])
            if guessing:
                row[2 * j, q] = log_wrong
                row[2 * j + 1, q] = log_right
            else:
                row[j, q] = log_wrong


@kernel(fastmath=True)
def _expect(
    low: int,
    high: int,
    answers: AnswerLists,
    table: _LogTable,
    nodes: Nodes,
    sums: _Sums,
    moments: Moments,
) -> None:
    """Do the E-step of the persons low .. high - 1. Answers are counted where `sums` has rows for them."""
    counting = sums.row.shape[0] > 0
    start, code, group = answers.start, answers.code, answers.group
    slope, node = table.slope, nodes.node
    width = node.size
    half = 0 if table.guessing else 1
    part = np.empty_like(node)
    posterior = np.empty_like(node)
    base = np.empty(width)  # log(1 - P) of the list of items that `leader` was the first to have
    logs = np.empty(width)
    pending = np.zeros(width)  # posteriors of persons with that list, not yet counted
    leader = -1
    for p in range(low, high):
        first, last = start[p], start[p + 1]
        if first == last:
            continue
        if table.guessing or leader < 0 or not _same_items(code, start[leader], start[leader + 1], first, last):
            if counting and leader >= 0:
                _add_rows(sums.row, code, start[leader], start[leader + 1], half, pending, part)
            leader = p
            _sum_rows(table.row, code, first, last, half, part, base)
            for q in range(width):
                pending[q] = 0.0
        tilt = 0.0
        for k in range(first, last):
            tilt += slope[code[k]]
        prior = nodes.log_weight[group[p]]
        top = -1e300
        for q in range(width):
            logs[q] = base[q] + prior[q] + tilt * node[q]
            top = max(top, logs[q])
        for q in range(width):
            part[q] = logs[q] - top
        scale = node.dtype.type(0)
        moment = node.dtype.type(0)
        for q in range(width):
            weight = exponential(part[q])
            posterior[q] = weight
            scale += weight
            moment += weight * node[q]
        sums.loglik[0] += top + np.log(scale)
        mean = moment / scale
        share = 1 / scale
        for q in range(width):
            posterior[q] *= share
        if moments.theta.size:
            moments.theta[p] = mean
            moments.theta_se[p] = _sd(posterior, node, mean)
            moments.at_ends[p] = posterior[0] + posterior[nodes.n_nodes - 1]
        if counting:
            persons = sums.mass[group[p]]
            for q in range(width):
                pending[q] += posterior[q]
                persons[q] += posterior[q]
            for k in range(first, last):
                sums.theta[code[k]] += mean
    if counting:
        if leader >= 0:
            _add_rows(sums.row, code, start[leader], start[leader + 1], half, pending, part)
        _flush(sums.row, sums.total)


@kernel(inline="always")
def _same_items(code: np.ndarray, first: int, last: int, other_first: int, other_last: int) -> bool:
    """Compare the items of two lists of answers."""
    if last - first != other_last - other_first:
        return False
    for k in range(last - first):  # noqa: SIM110
        if code[first + k] >> 1 != code[other_first + k] >> 1:
            return False
    return True


@kernel(fastmath=True)
def _sum_rows(
    table: np.ndarray, code: np.ndarray, first: int, last: int, half: int, part: np.ndarray, base: np.ndarray
) -> None:
    """Sum the rows of the answers first .. last - 1 into `base`, by way of `part` in the table's precision."""
    width = base.size
    for q in range(width):
        base[q] = 0.0
    k = first
    while k < last:
        end = min(k + FLUSH, last)
        for q in range(width):
            part[q] = 0
        while k + 3 < end:
            row1, row2 = table[code[k] >> half], table[code[k + 1] >> half]
            row3, row4 = table[code[k + 2] >> half], table[code[k + 3] >> half]
            for q in range(width):
                part[q] += (row1[q] + row2[q]) + (row3[q] + row4[q])
            k += 4
        while k < end:
            row = table[code[k] >> half]
            for q in range(width):
                part[q] += row[q]
            k += 1
        for q in range(width):
            base[q] += part[q]


@kernel(fastmath=True)
def _add_rows(
    count: np.ndarray, code: np.ndarray, first: int, last: int, half: int, pending: np.ndarray, part: np.ndarray
) -> None:
    """Add `pending`, by way of `part` in the table's precision, to the rows of the answers first .. last - 1."""
    for q in range(part.size):
        part[q] = pending[q]
    for k in range(first, last):
        row = count[code[k] >> half]
        for q in range(part.size):
            row[q] += part[q]


@kernel(fastmath=True)
def _sd(posterior: np.ndarray, node: np.ndarray, mean: float) -> float:
    variance = 0.0
    for q in range(node.size):
        variance += posterior[q] * (node[q] - mean) ** 2
    return np.sqrt(variance)


@kernel(fastmath=True)
def _flush(count: np.ndarray, total: np.ndarray) -> None:
    """Move the counts to the totals in double precision."""
    for j in range(count.shape[0]):
        row, sums = count[j], total[j]
        for q in range(row.size):
            sums[q] += row[q]
            row[q] = 0
