"""Expectation over abilities: posteriors of the persons, and what they add to the items' expected counts.

Two passes over a person's answers, a row of nodes each: the first adds rows of log-probabilities to the person's
log-likelihood, the second adds the posterior to rows of expected counts. Without guessing
log L = sum log(1 - P_j) + theta sum y a + sum y d, so one row an item serves right and wrong answers alike, and the
right answers need two numbers a person only. Neighbours with the same items, as in a test that everybody takes, share
both passes.
"""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.parallel import aligned_zeros, chunks, exponential, kernel, spread

LINE = 16  # nodes are padded to a multiple of it, a cache line of single precision
NEVER = -1e30  # log weight of a padding node
FLUSH = 64  # answers that are summed in the table's precision before they join the sum in double precision


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


@dataclass(frozen=True)
class Expectation:
    """What an E-step gives, float64.

    answers: [n_items, n_nodes], expected answers at each ability; right: the same for right answers, with guessing
    only;
    right_theta: [n_items], sum of the posterior means over right answers, without guessing only;
    mass: [n_groups, n_nodes], expected persons; loglik: of the persons' answers; theta, theta_se: [n_persons],
    posterior mean and SD, empty unless asked for.
    """

    answers: np.ndarray
    right: np.ndarray
    right_theta: np.ndarray
    mass: np.ndarray
    loglik: float
    theta: np.ndarray
    theta_se: np.ndarray


def expect(
    answers: Answers, a, d, c, grid: Grid, *, single: bool = False, counts: bool = True, abilities: bool = False
) -> Expectation:
    """One E-step at slopes a, intercepts d and guessing c, float64 [n_items] each.

    single: sums of up to 64 answers and the posteriors in single precision; counts, abilities: what is wanted.
    """
    dtype = np.float32 if single else np.float64
    guessing = bool(c.any())
    n_nodes = len(grid.node)
    node, log_weight = padded(grid, dtype)
    width = len(node)
    rows = (2 if guessing else 1) * answers.n_items
    table = aligned_zeros((rows, width), dtype)
    spread(
        lambda low, high, _: _fill_table(low, high, a, d, c, grid.node, guessing, table),
        _item_ranges(answers.n_items),
        lambda: None,
    )
    slope = np.zeros(2 * answers.n_items)
    if not guessing:
        slope[1::2] = a
    n_persons = len(answers.start) - 1
    theta = np.empty(n_persons if abilities else 0)
    theta_se = np.empty_like(theta)
    rows = rows if counts else 0

    def buffers():
        shape = (answers.n_groups, width)
        return (
            aligned_zeros((rows, width), dtype),
            aligned_zeros((rows, width), np.float64),
            np.zeros(2 * answers.n_items),
            np.zeros(shape),
            np.zeros(1),
        )

    def work(low, high, own):
        shared = (answers.start, answers.code, answers.group, slope, table, node, log_weight, guessing, counts)
        _expect(low, high, *shared, *own, theta, theta_se)

    done = spread(work, chunks(answers.start), buffers)
    total = sum(own[1] for own in done)[:, :n_nodes]
    wrong_theta, right_theta = sum(own[2] for own in done).reshape(-1, 2).T
    mass = sum(own[3] for own in done)[:, :n_nodes]
    loglik = float(sum(own[4][0] for own in done))
    if single and counts:  # rounding must not drown the few answers that place an extreme item
        n_answers = answers.count.ravel() if guessing else answers.count.sum(axis=1)
        total *= (n_answers / np.maximum(total.sum(axis=1), 1e-300))[:, None]
    if guessing:
        everything, right = total[0::2] + total[1::2], total[1::2]
    else:
        everything, right = total, total[:0]
        if single and counts:
            right_theta = np.where(
                answers.count[:, 0] < answers.count[:, 1], total @ grid.node - wrong_theta, right_theta
            )
        loglik += float(answers.count[:, 1] @ d)
    return Expectation(everything, right, right_theta, mass, loglik, theta, theta_se)


def padded(grid: Grid, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [width] and log weights [n_groups, width], up to a multiple of LINE with nodes of no weight."""
    n_nodes = len(grid.node)
    width = -(-n_nodes // LINE) * LINE
    node = aligned_zeros((width,), dtype)
    node[:n_nodes] = grid.node
    log_weight = aligned_zeros((len(np.atleast_2d(grid.log_weight)), width), dtype)
    log_weight[:] = NEVER
    log_weight[:, :n_nodes] = grid.log_weight
    return node, log_weight


def code_tables(a, d, c, node: np.ndarray) -> np.ndarray:
    """log P(wrong) of item j in row 2 j and log P(right) in row 2 j + 1, float64 [2 n_items, n_nodes]."""
    z, guessing = a[:, None] * node + d[:, None], c[:, None]
    table = aligned_zeros((2 * len(a), len(node)), np.float64)
    table[0::2] = np.log1p(-guessing) - np.logaddexp(0, z)
    with np.errstate(divide="ignore"):
        table[1::2] = np.logaddexp(np.log(guessing), np.log1p(-guessing) - np.logaddexp(0, -z))
    return table


def _item_ranges(n_items: int) -> list[tuple[int, int]]:
    return [(low, min(low + 512, n_items)) for low in range(0, n_items, 512)]


@kernel
def _fill_table(low, high, a, d, c, node, guessing, table):
    """log(1 - P) in row j; with guessing log(1 - P) in row 2 j and log P in row 2 j + 1."""
    for j in range(low, high):
        for q in range(node.size):
            z = a[j] * node[q] + d[j]
            tail = np.log1p(np.exp(-abs(z)))
            log_wrong = -max(z, 0.0) - tail
            if guessing:
                table[2 * j, q] = log_wrong + np.log1p(-c[j])
                if c[j] > 0:
                    table[2 * j + 1, q] = np.log(c[j] + (1 - c[j]) * np.exp(min(z, 0.0) - tail))
                else:
                    table[2 * j + 1, q] = min(z, 0.0) - tail
            else:
                table[j, q] = log_wrong


@kernel(fastmath=True)
def _expect(
    low, high, start, code, group, slope, table, node, log_weight, guessing, counting,
    counts, total, right_theta, mass, loglik, theta, theta_se,
):  # fmt: skip
    """Persons low .. high - 1. `counts` is zero before and after; what they add goes to total, right_theta, mass and
    loglik."""
    width = node.size
    half = 0 if guessing else 1
    part = np.empty_like(node)
    posterior = np.empty_like(node)
    base = np.empty(width)  # log(1 - P) of the list of items that `of` was the first to have
    logs = np.empty(width)
    pending = np.zeros(width)  # posteriors of persons with that list, not yet counted
    of = -1
    for p in range(low, high):
        first, last = start[p], start[p + 1]
        if first == last:
            continue
        if guessing or of < 0 or not _same_items(code, start[of], start[of + 1], first, last):
            if counting and of >= 0:
                for q in range(width):
                    part[q] = pending[q]
                _add_rows(counts, code, start[of], start[of + 1], half, part)
            of = p
            for q in range(width):
                base[q] = 0.0
                pending[q] = 0.0
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
        tilt = 0.0
        for k in range(first, last):
            tilt += slope[code[k]]
        prior = log_weight[group[p]]
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
        loglik[0] += top + np.log(scale)
        mean = moment / scale
        share = 1 / scale
        for q in range(width):
            posterior[q] *= share
        if theta.size:
            spread_ = 0.0
            for q in range(width):
                spread_ += posterior[q] * (node[q] - mean) ** 2
            theta[p] = mean
            theta_se[p] = np.sqrt(spread_)
        if counting:
            persons = mass[group[p]]
            for q in range(width):
                pending[q] += posterior[q]
                persons[q] += posterior[q]
            for k in range(first, last):
                right_theta[code[k]] += mean
    if counting:
        if of >= 0:
            for q in range(width):
                part[q] = pending[q]
            _add_rows(counts, code, start[of], start[of + 1], half, part)
        for j in range(counts.shape[0]):
            row, sums = counts[j], total[j]
            for q in range(width):
                sums[q] += row[q]
                row[q] = 0


@kernel(inline="always")
def _same_items(code, first, last, other_first, other_last):
    """Whether two lists of answers are to the same items."""
    if last - first != other_last - other_first:
        return False
    for k in range(last - first):  # noqa: SIM110
        if code[first + k] >> 1 != code[other_first + k] >> 1:
            return False
    return True


@kernel(fastmath=True)
def _add_rows(counts, code, first, last, half, posterior):
    for k in range(first, last):
        row = counts[code[k] >> half]
        for q in range(posterior.size):
            row[q] += posterior[q]
