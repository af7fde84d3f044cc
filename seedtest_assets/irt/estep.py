"""Expectation over abilities: posteriors of the persons, and what they add to the items' expected counts.

Two passes over a person's answers, a row of nodes each: the first adds rows of log-probabilities to the person's
log-likelihood, the second adds the posterior to rows of expected counts. Without guessing
log L = sum log(1 - P_j) + theta sum y a + sum y d, so one row an item serves right and wrong answers alike, and the
right answers need two numbers a person only. A generalised partial credit item is the same with its score in place of y; a
graded one, or guessing, needs a row for each score. Neighbours with the same items, as in a test that everybody takes, share
both passes.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import DTypeLike

from seedtest_assets.irt.curves import log_categories, log_wrong_and_right
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.item_scores import GRADED_RESPONSE, PARTIAL_CREDIT, RIGHT_OR_WRONG, graded_codes, share_of
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, ItemScores, Moments, Nodes
from seedtest_assets.irt.parallel import aligned_zeros, chunks, exponential, kernel, run, spread

LINE = 16  # nodes are padded to a multiple of it, a cache line of single precision
NO_WEIGHT = -1e30  # log weight of a padding node
FLUSH = 64  # answers that are summed in the table's precision before they join the sum in double precision
ITEMS_A_CHUNK = 512


@dataclass(frozen=True)
class Answers:
    """Answers to the items in question, recoded.

    start: int64 [n_persons + 1]; code: int32 [n], see ItemScores; count: int64 [n_codes], answers with each code; scores:
    of the items; group: int32 [n_persons], which population each person is from, 0 .. n_groups - 1; order: as in Responses.
    """

    start: np.ndarray
    code: np.ndarray
    count: np.ndarray
    scores: ItemScores
    group: np.ndarray
    n_groups: int
    order: np.ndarray

    @property
    def n_items(self) -> int:
        return len(self.scores.kind)

    @property
    def n_answers(self) -> np.ndarray:
        """Answers to each item, int64 [n_items]."""
        return np.add.reduceat(self.count, self.scores.first[:-1]) if len(self.count) else self.count

    @property
    def answered(self) -> np.ndarray:
        """Whether each person has answers, bool [n_persons]."""
        return np.diff(self.start) > 0

    @property
    def lists(self) -> AnswerLists:
        """The answers as kernels take them."""
        return AnswerLists(self.start, self.code, self.group, self.scores.item, share_of(self.scores))

    def take(self, persons: np.ndarray) -> "Answers":
        """Select persons, int64 [n]."""
        length = np.diff(self.start)[persons]
        start = np.concatenate([[0], np.cumsum(length)])
        at = np.arange(start[-1]) + np.repeat(self.start[persons] - start[:-1], length)
        code = self.code[at]
        count = np.bincount(code, minlength=len(self.count))
        order = self.order[at] if len(self.order) else self.order
        return Answers(start, code, count, self.scores, self.group[persons], self.n_groups, order)


@dataclass(frozen=True)
class Expectation:
    """What an E-step gives, float64.

    node: [n_nodes], the abilities; answers: [n_items, n_nodes], expected answers at each ability; right: the same for
    right answers, with guessing only; right_theta: [n_items], sum of the posterior means over right answers, or of them times
    the scores above the lowest, without guessing only; lowest_theta: [n_items], the same sum over answers with the lowest
    score; graded: [n_codes of items with a GRM, n_nodes], expected answers with
    each score; mass: [n_groups, n_nodes], expected persons; loglik: of the persons' answers; moments: of each person's
    posterior, empty unless asked for.
    """

    node: np.ndarray
    answers: np.ndarray
    right: np.ndarray
    right_theta: np.ndarray
    lowest_theta: np.ndarray
    graded: np.ndarray
    mass: np.ndarray
    loglik: float
    moments: Moments


class _LogTable(NamedTuple):
    """Rows of log-probabilities, and the slope that each code adds to log L besides.

    rows: the row of each code, int32 [n_codes]; without partial credit how many bits to shift a code by, which is faster.
    """

    row: np.ndarray
    slope: np.ndarray
    rows: Any


def row_of(code: int, rows: Any) -> Any:
    """Look up the row of a code."""
    return code >> rows if isinstance(rows, int) else rows[code]


@overload(row_of, inline="always")
def _row_of(code: Any, rows: Any) -> Any:
    return _shifted if isinstance(rows, types.Integer) else _looked_up


def _shifted(code: Any, rows: Any) -> Any:
    return code >> rows


def _looked_up(code: Any, rows: Any) -> Any:
    return rows[code]


class _Sums(NamedTuple):
    """What persons add up to, in double precision, so that their order does not matter; total: expected answers, by row."""

    total: np.ndarray
    theta: np.ndarray
    mass: np.ndarray
    loglik: np.ndarray


def expect(
    answers: Answers,
    curves: Curves,
    grid: Grid,
    *,
    single: bool = False,
    counts: bool = True,
    abilities: bool = False,
    tabulated: "Tabulated | None" = None,
) -> Expectation:
    """Do one E-step.

    single: sums of up to 64 answers and the posteriors in single precision; counts, abilities: what is wanted; tabulated: the curves
    at the nodes, where other persons have needed them before.
    """
    nodes, plan, table = tabulated or Tabulated.of(curves, grid, single=single)
    n_persons = len(answers.start) - 1
    moments = Moments(*(np.zeros(n_persons if abilities else 0) for _ in Moments._fields))
    n_rows = len(table.row) if counts else 0

    def new_sums() -> _Sums:
        return _Sums(
            aligned_zeros((n_rows, len(nodes.node)), np.float64),
            np.zeros(len(curves.intercept)),
            np.zeros((answers.n_groups, len(nodes.node))),
            np.zeros(1),
        )

    def work(low: int, high: int, sums: _Sums) -> None:
        _expect(low, high, answers.lists, table, nodes, sums, moments)

    parts = spread(work, chunks(answers.start), new_sums)
    # Without the padding, as one block: that of single precision becomes one anyway, and an M-step is compiled for one kind only.
    total = np.ascontiguousarray(_added([part.total for part in parts])[:, : len(grid.node)])
    mass = _added([part.mass for part in parts])[:, : len(grid.node)]
    loglik = float(sum(part.loglik[0] for part in parts)) + float(answers.count @ plan.added_intercepts(curves))
    theta = _added([part.theta for part in parts])
    if not counts:
        none = np.zeros(answers.n_items)
        return Expectation(grid.node, total, total[:0], none, none, total[:0], mass, loglik, moments)
    of_items, right, graded = plan.of_items(total)
    lowest_theta = theta[answers.scores.first[:-1]]
    return Expectation(grid.node, of_items, right, plan.right_theta(theta), lowest_theta, graded, mass, loglik, moments)


def with_exact_counts(expected: Expectation, count: np.ndarray, scores: ItemScores) -> Expectation:
    """Undo what the rounding of single precision does to sums: it must not drown the few answers that place an extreme item.

    count: int64 [n_codes], answers with each code; scores: of the items, none of which has guessing.
    """
    first = scores.first[:-1]
    answers = _adding_up_to(expected.answers, np.add.reduceat(count, first))
    graded = _adding_up_to(expected.graded, count[graded_codes(scores)])
    of_graded = np.flatnonzero(scores.kind == GRADED_RESPONSE)
    if len(of_graded):
        n_codes = np.diff(scores.first)[of_graded]
        answers[of_graded] = np.add.reduceat(graded, np.cumsum(n_codes) - n_codes, axis=0)
    mostly_right = (count[first] < count[first + 1]) & (scores.kind == RIGHT_OR_WRONG)
    right_theta = np.where(mostly_right, answers @ expected.node - expected.lowest_theta, expected.right_theta)
    return replace(expected, answers=answers, graded=graded, right_theta=right_theta)


def _adding_up_to(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return total * (count / np.maximum(total.sum(axis=1), 1e-300))[:, None]


class Tabulated(NamedTuple):
    """Curves at the nodes of a grid, for the persons of any shard."""

    nodes: Nodes
    plan: "_RowPlan"
    table: _LogTable

    @classmethod
    def of(cls, curves: Curves, grid: Grid, *, single: bool) -> "Tabulated":
        """Tabulate log P of the lowest score of each item, or of all its scores."""
        nodes, plan = padded(grid, np.float32 if single else np.float64), _RowPlan.of(curves)
        return cls(nodes, plan, _log_table(curves, grid, nodes, plan))


@dataclass(frozen=True)
class _RowPlan:
    """Which codes share a row: all of an item whose log P is a line in theta away from that of its lowest score.

    row: int32 [n_codes]; first: int64 [n_items], the row of each item's lowest score; shared: bool [n_items].
    """

    scores: ItemScores
    row: np.ndarray
    first: np.ndarray
    shared: np.ndarray

    @classmethod
    def of(cls, curves: Curves) -> "_RowPlan":
        scores = curves.scores
        shared = (scores.kind == PARTIAL_CREDIT) | ((scores.kind == RIGHT_OR_WRONG) & (not curves.c.any()))
        n_rows = np.where(shared, 1, np.diff(scores.first))
        first = np.cumsum(n_rows) - n_rows
        place = np.arange(len(scores.item)) - scores.first[scores.item]
        row = first[scores.item] + np.where(shared[scores.item], 0, place)
        return cls(scores, row.astype(np.int32), first, shared)

    @property
    def rows(self) -> Any:
        """The rows as the kernel looks them up."""
        if self.scores.kind.any():
            return self.row
        return 1 if self.shared.all() else 0

    def slopes(self, curves: Curves) -> np.ndarray:
        """Give the slope of log P of each code above that of its row, float64 [n_codes]."""
        low = self.scores.score[self.scores.first[:-1]]
        above = self.scores.score - low[self.scores.item]
        return np.where(self.shared[self.scores.item], above * curves.a[self.scores.item], 0.0)

    def added_intercepts(self, curves: Curves) -> np.ndarray:
        """Give the intercept of log P of each code above that of its row, float64 [n_codes]."""
        if not self.scores.kind.any():
            return curves.intercept if self.shared.all() else np.zeros_like(curves.intercept)
        total = np.cumsum(curves.intercept)
        return np.where(self.shared[self.scores.item], total - total[self.scores.first[:-1]][self.scores.item], 0.0)

    def right_theta(self, theta: np.ndarray) -> np.ndarray:
        """Sum the abilities of answers times their scores above the lowest, float64 [n_items]; theta: of each code."""
        low = self.scores.score[self.scores.first[:-1]]
        return np.bincount(
            self.scores.item, theta * (self.scores.score - low[self.scores.item]), minlength=len(self.first)
        )

    def of_items(self, total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sort expected answers by row into those of items, right ones (with guessing only), and scores of GRM items."""
        kind = self.scores.kind
        if not kind.any():
            return (
                (total, total[:0], total[:0])
                if self.shared.all()
                else (total[0::2] + total[1::2], total[1::2], total[:0])
            )
        of_items = np.add.reduceat(total, self.first, axis=0) if len(total) else total
        own = (kind == RIGHT_OR_WRONG) & ~self.shared
        right = total[:0]
        if own.any():
            right = np.zeros_like(of_items)
            right[own] = total[self.first[own] + 1]
        return of_items, right, total[self.row[graded_codes(self.scores)]]


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


def _log_table(curves: Curves, grid: Grid, nodes: Nodes, plan: _RowPlan) -> _LogTable:
    """Tabulate log P of the lowest score of each item, or of all its scores."""
    n_rows, n_items = int(plan.row.max(initial=-1)) + 1, len(curves.a)
    row = aligned_zeros((n_rows, len(nodes.node)), nodes.node.dtype)
    ranges = [(low, min(low + ITEMS_A_CHUNK, n_items)) for low in range(0, n_items, ITEMS_A_CHUNK)]
    if curves.scores.kind.any():
        run(lambda low, high: _fill_scores(low, high, curves, grid.node, plan.row, row), ranges)
    else:
        run(lambda low, high: _fill_rows(low, high, curves, grid.node, plan.rows == 0, row), ranges)
    return _LogTable(row, plan.slopes(curves), plan.rows)


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


@kernel
def _fill_scores(low: int, high: int, curves: Curves, node: np.ndarray, rows: np.ndarray, row: np.ndarray) -> None:
    first = curves.scores.first
    out = np.empty(np.max(np.diff(first)))
    for j in range(low, high):
        for q in range(node.size):
            log_categories(curves, j, node[q], out)
            for k in range(first[j + 1] - first[j] - 1, -1, -1):  # the lowest score last, where all have one row
                row[rows[first[j] + k], q] = out[k]


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
    counting = sums.total.shape[0] > 0
    start, code, group = answers.start, answers.code, answers.group
    slope, node = table.slope, nodes.node
    width = node.size
    rows = table.rows
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
        if leader < 0 or not _same_rows(code, start[leader], start[leader + 1], first, last, rows):
            if counting and leader >= 0:
                _add_rows(sums.total, code, start[leader], start[leader + 1], rows, pending)
            leader = p
            _sum_rows(table.row, code, first, last, rows, part, base)
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
    if counting and leader >= 0:
        _add_rows(sums.total, code, start[leader], start[leader + 1], rows, pending)


@kernel(inline="always")
def _same_rows(code: np.ndarray, first: int, last: int, other_first: int, other_last: int, rows: Any) -> bool:
    """Compare the rows of two lists of answers."""
    if last - first != other_last - other_first:
        return False
    for k in range(last - first):  # noqa: SIM110
        if row_of(code[first + k], rows) != row_of(code[other_first + k], rows):
            return False
    return True


@kernel(fastmath=True)
def _sum_rows(
    table: np.ndarray, code: np.ndarray, first: int, last: int, rows: Any, part: np.ndarray, base: np.ndarray
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
            row1, row2 = table[row_of(code[k], rows)], table[row_of(code[k + 1], rows)]
            row3, row4 = table[row_of(code[k + 2], rows)], table[row_of(code[k + 3], rows)]
            for q in range(width):
                part[q] += (row1[q] + row2[q]) + (row3[q] + row4[q])
            k += 4
        while k < end:
            row = table[row_of(code[k], rows)]
            for q in range(width):
                part[q] += row[q]
            k += 1
        for q in range(width):
            base[q] += part[q]


@kernel(fastmath=True)
def _add_rows(count: np.ndarray, code: np.ndarray, first: int, last: int, rows: Any, pending: np.ndarray) -> None:
    """Add `pending` to the rows of the answers first .. last - 1."""
    for k in range(first, last):
        row = count[row_of(code[k], rows)]
        for q in range(pending.size):
            row[q] += pending[q]


@kernel(fastmath=True)
def _sd(posterior: np.ndarray, node: np.ndarray, mean: float) -> float:
    variance = 0.0
    for q in range(node.size):
        variance += posterior[q] * (node[q] - mean) ** 2
    return np.sqrt(variance)
