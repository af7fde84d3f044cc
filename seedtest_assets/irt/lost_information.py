"""Kernels of the standard errors: how much of the items' information is lost because abilities are not known."""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.kernel_arguments import AnswerLists, Nodes, Populations
from seedtest_assets.irt.parallel import kernel


class ScoreTables(NamedTuple):
    """log P of each code [n_codes, width], and its derivatives [n_kinds, n_codes, width]: by theta in units of the slope, then
    by logit c or the e of the second and further extra steps; slope: row of the common slope, -1 without."""

    log_p: np.ndarray
    score: np.ndarray
    slope: int


class OwnBlocks(NamedTuple):
    """Information lost in each item's own block [n_items, n_each, n_each], between its other parameters, d first, and
    a stretch of all items [n_items, 1 or more], and for a shift and a stretch of all items together [2, 2]."""

    block: np.ndarray
    stretch: np.ndarray
    together: np.ndarray


@kernel(fastmath=True)
def posterior_covariance(
    low: int,
    high: int,
    answers: AnswerLists,
    tables: ScoreTables,
    nodes: Nodes,
    populations: Populations,
    index: np.ndarray,
    degree: int,
    lost: np.ndarray,
) -> None:
    """Add the posterior covariance of each person's score to the lower triangle of `lost`, [size, size]."""
    start = answers.start
    width = nodes.node.size
    posterior = np.empty(width)
    weighted = np.empty((degree + 2, width))
    alpha, beta = np.empty(degree + 3), np.empty(degree + 3)
    longest = 0
    for p in range(low, high):
        longest = max(longest, start[p + 1] - start[p])
    most = (1 + tables.score.shape[0]) * longest + 3
    which = np.empty(most, np.int64)
    rows = np.empty((degree, most))
    sums = np.empty(most)
    n_items = index.shape[0] - populations.mean.size
    for p in range(low, high):
        if start[p] == start[p + 1]:
            continue
        _posterior(p, answers, tables.log_p, nodes.log_weight, posterior)
        _polynomials(posterior, nodes.node, weighted, alpha, beta)
        n = _item_scores(p, answers, tables, index, (weighted, alpha, beta), which, rows)
        g = answers.group[p]
        if index[n_items + g, 0] >= 0:
            mean, sd = populations.mean[g], populations.sd[g]
            n = _population_scores(nodes.node, mean, sd, weighted, index[n_items + g], n, which, rows)
        _add_products(n, which, rows, sums, lost)


@kernel(fastmath=True)
def _posterior(p: int, answers: AnswerLists, log_table: np.ndarray, log_weight: np.ndarray, out: np.ndarray) -> None:
    """Compute a person's posterior, into `out`."""
    width = out.size
    prior = log_weight[answers.group[p]]
    for q in range(width):
        out[q] = prior[q]
    for k in range(answers.start[p], answers.start[p + 1]):
        row = log_table[answers.code[k]]
        for q in range(width):
            out[q] += row[q]
    top = -1e300
    for q in range(width):
        top = max(top, out[q])
    total = 0.0
    for q in range(width):
        out[q] = np.exp(out[q] - top)
        total += out[q]
    for q in range(width):
        out[q] /= total


@kernel(fastmath=True)
def _polynomials(
    posterior: np.ndarray, node: np.ndarray, weighted: np.ndarray, alpha: np.ndarray, beta: np.ndarray
) -> None:
    """Compute polynomials orthonormal under the posterior, times the posterior, [degree + 2, n_nodes], by the Stieltjes
    procedure.

    theta p_m = beta[m] p_(m-1) + alpha[m] p_m + beta[m + 1] p_(m+1). A posterior on few nodes has fewer polynomials;
    the others are 0.
    """
    width = node.size
    before, now = np.zeros(width), np.ones(width)
    weighted[:] = 0.0
    alpha[:] = 0.0
    beta[:] = 0.0
    for m in range(weighted.shape[0]):
        for q in range(width):
            weighted[m, q] = now[q] * posterior[q]
        for q in range(width):
            alpha[m] += weighted[m, q] * now[q] * node[q]
        square = 0.0
        for q in range(width):
            new = (node[q] - alpha[m]) * now[q] - beta[m] * before[q]
            before[q] = now[q]
            now[q] = new
            square += new * new * posterior[q]
        if square < 1e-14:
            break
        beta[m + 1] = np.sqrt(square)
        for q in range(width):
            now[q] /= beta[m + 1]


@kernel(fastmath=True)
def _item_scores(
    p: int,
    answers: AnswerLists,
    tables: ScoreTables,
    index: np.ndarray,
    polynomials: tuple,
    which: np.ndarray,
    rows: np.ndarray,
) -> int:
    """Write the coefficients of a person's score on the polynomials, a column for each parameter; returns how many."""
    weighted, alpha, beta = polynomials
    score = tables.score
    degree, width = rows.shape[0], weighted.shape[1]
    c = np.empty((score.shape[0], degree + 2))
    common = np.zeros(degree)
    n = 0
    for k in range(answers.start[p], answers.start[p + 1]):
        at = index[answers.item[answers.code[k]]]
        if at[0] < 0 and at[1] < 0:
            continue
        for t in range(score.shape[0]):
            if t > 0 and at[1 + t] < 0:
                continue
            row = score[t, answers.code[k]]
            for m in range(degree + 2):
                total = 0.0
                for q in range(width):
                    total += row[q] * weighted[m, q]
                c[t, m] = total
        if at[0] >= 0 and at[0] != tables.slope:
            which[n] = at[0]
            for m in range(degree):
                rows[m, n] = beta[m + 1] * c[0, m] + alpha[m + 1] * c[0, m + 1] + beta[m + 2] * c[0, m + 2]
            n += 1
        elif at[0] >= 0:
            for m in range(degree):
                common[m] += beta[m + 1] * c[0, m] + alpha[m + 1] * c[0, m + 1] + beta[m + 2] * c[0, m + 2]
        for t in range(score.shape[0]):
            if at[1 + t] >= 0:
                which[n] = at[1 + t]
                for m in range(degree):
                    rows[m, n] = c[t, m + 1]
                n += 1
    if tables.slope >= 0:
        which[n] = tables.slope
        for m in range(degree):
            rows[m, n] = common[m]
        n += 1
    return n


@kernel(fastmath=True)
def _population_scores(
    node: np.ndarray,
    mean: float,
    sd: float,
    weighted: np.ndarray,
    at: np.ndarray,
    n: int,
    which: np.ndarray,
    rows: np.ndarray,
) -> int:
    """Write the coefficients of the score by the population's mean and SD after the first n; returns how many then."""
    for x in range(2):
        which[n] = at[x]
        for m in range(rows.shape[0]):
            total = 0.0
            for q in range(node.size):
                z = (node[q] - mean) / sd
                total += weighted[m + 1, q] * (z if x == 0 else z * z)
            rows[m, n] = total / sd
        n += 1
    return n


@kernel(fastmath=True)
def _add_products(n: int, which: np.ndarray, rows: np.ndarray, sums: np.ndarray, lost: np.ndarray) -> None:
    """Add the products of the first n columns to the rows and columns of `lost` that they belong to."""
    for i in range(n):
        for j in range(i + 1):
            sums[j] = 0.0
        for m in range(rows.shape[0]):
            value = rows[m, i]
            for j in range(i + 1):
                sums[j] += value * rows[m, j]
        target = lost[which[i]]
        for j in range(i + 1):
            target[which[j]] += sums[j]


@kernel(fastmath=True)
def own_posterior_covariance(
    low: int,
    high: int,
    answers: AnswerLists,
    tables: ScoreTables,
    nodes: Nodes,
    slope: np.ndarray,
    lost: OwnBlocks,
) -> None:
    """Add the posterior covariance of each answer's score to its item's block, and of the score for a shift and a
    stretch of all items together (d_j += a_j x, a_j += a_j y), and of an intercept with the stretch."""
    node, code, score = nodes.node, answers.code, tables.score
    width = node.size
    posterior = np.empty(width)
    shift = np.empty(width)
    values = np.empty((1 + score.shape[0], width))
    for p in range(low, high):
        if answers.start[p] == answers.start[p + 1]:
            continue
        shift[:] = 0.0
        _posterior(p, answers, tables.log_p, nodes.log_weight, posterior)
        for k in range(answers.start[p], answers.start[p + 1]):
            j, z = answers.item[code[k]], score[0, code[k]]
            for q in range(width):
                shift[q] += slope[j] * z[q]
            if score.shape[0] <= 2:
                _add_block(posterior, node, z, score[score.shape[0] - 1, code[k]], lost.block[j])
            else:
                _add_any_block(posterior, node, score[:, code[k]], values, lost.block[j])
        y1 = _add_together(posterior, node, shift, lost.together)
        for k in range(answers.start[p], answers.start[p + 1]):
            for t in range(lost.stretch.shape[1]):
                z = score[t, code[k]]
                d1, dy = 0.0, 0.0
                for q in range(width):
                    d1 += posterior[q] * z[q]
                    dy += posterior[q] * z[q] * shift[q] * node[q]
                lost.stretch[answers.item[code[k]], t] += dy - d1 * y1


@kernel(fastmath=True)
def _add_block(posterior: np.ndarray, node: np.ndarray, z: np.ndarray, g: np.ndarray, block: np.ndarray) -> None:
    """Add the posterior covariance of one answer's score for (a, d, logit c)."""
    a1, d1, g1, aa, ad, dd, ag, dg, gg = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for q in range(node.size):
        w = posterior[q]
        d = z[q]
        a = d * node[q]
        d1 += w * d
        a1 += w * a
        g1 += w * g[q]
        dd += w * d * d
        ad += w * a * d
        aa += w * a * a
        ag += w * a * g[q]
        dg += w * d * g[q]
        gg += w * g[q] * g[q]
    block[0, 0] += aa - a1 * a1
    block[1, 1] += dd - d1 * d1
    block[2, 2] += gg - g1 * g1
    block[0, 1] += ad - a1 * d1
    block[1, 0] += ad - a1 * d1
    block[0, 2] += ag - a1 * g1
    block[2, 0] += ag - a1 * g1
    block[1, 2] += dg - d1 * g1
    block[2, 1] += dg - d1 * g1


@kernel(fastmath=True)
def _add_any_block(
    posterior: np.ndarray, node: np.ndarray, score: np.ndarray, values: np.ndarray, block: np.ndarray
) -> None:
    """Add the posterior covariance of one answer's score for (a, d, ...), by way of `values`; score: [n_kinds, n_nodes]."""
    n, width = values.shape
    for q in range(width):
        values[0, q] = score[0, q] * node[q]
    for i in range(1, n):
        for q in range(width):
            values[i, q] = score[i - 1, q]
    for i in range(n):
        mean = 0.0
        for q in range(width):
            mean += posterior[q] * values[i, q]
        for q in range(width):
            values[i, q] -= mean
    for i in range(n):
        for k in range(i + 1):
            total = 0.0
            for q in range(width):
                total += posterior[q] * values[i, q] * values[k, q]
            block[i, k] += total
            if k < i:
                block[k, i] += total


@kernel(fastmath=True)
def _add_together(posterior: np.ndarray, node: np.ndarray, shift: np.ndarray, together: np.ndarray) -> float:
    """Add the posterior covariance of the scores for a shift and a stretch; returns the posterior mean of the latter."""
    x1, y1, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0
    for q in range(node.size):
        w, x, y = posterior[q], shift[q], shift[q] * node[q]
        x1 += w * x
        y1 += w * y
        xx += w * x * x
        xy += w * x * y
        yy += w * y * y
    together[0, 0] += xx - x1 * x1
    together[0, 1] += xy - x1 * y1
    together[1, 0] += xy - x1 * y1
    together[1, 1] += yy - y1 * y1
    return y1
