"""Kernels of the standard errors: how much of the items' information is lost because abilities are not known."""

import numpy as np

from seedtest_assets.irt.parallel import kernel


@kernel(fastmath=True)
def _posterior(p, start, code, group, log_table, log_weight, out):
    """A person's posterior, into `out`."""
    width = out.size
    prior = log_weight[group[p]]
    for q in range(width):
        out[q] = prior[q]
    for k in range(start[p], start[p + 1]):
        row = log_table[code[k]]
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
def _polynomials(posterior, node, weighted, alpha, beta):
    """Polynomials orthonormal under the posterior, times the posterior, [degree + 2, n_nodes], by the Stieltjes
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
def posterior_covariance(
    low, high, start, code, group, log_table, tables, node, log_weight, population, index, degree, lost
):
    """Add the posterior covariance of each person's score to the lower triangle of `lost`, [size, size]."""
    width = node.size
    posterior = np.empty(width)
    weighted = np.empty((degree + 2, width))
    alpha, beta = np.empty(degree + 3), np.empty(degree + 3)
    c = np.empty((2, degree + 2))
    most = 0
    for p in range(low, high):
        most = max(most, start[p + 1] - start[p])
    which = np.empty(3 * most + 3, np.int64)
    rows = np.empty((degree, 3 * most + 3))
    sums = np.empty(3 * most + 3)
    n_items = index.shape[0] - population.shape[1]
    shared_slope = n_items > 1 and index[0, 0] >= 0 and index[0, 0] == index[1, 0]
    for p in range(low, high):
        if start[p] == start[p + 1]:
            continue
        _posterior(p, start, code, group, log_table, log_weight, posterior)
        _polynomials(posterior, node, weighted, alpha, beta)
        n = 0
        common = np.zeros(degree)
        for k in range(start[p], start[p + 1]):
            at = index[code[k] >> 1]
            if at[0] < 0 and at[1] < 0:
                continue
            for t in range(tables.shape[0]):
                row = tables[t, code[k]]
                for m in range(degree + 2):
                    total = 0.0
                    for q in range(width):
                        total += row[q] * weighted[m, q]
                    c[t, m] = total
            if at[0] >= 0 and not shared_slope:
                which[n] = at[0]
                for m in range(degree):
                    rows[m, n] = beta[m + 1] * c[0, m] + alpha[m + 1] * c[0, m + 1] + beta[m + 2] * c[0, m + 2]
                n += 1
            elif at[0] >= 0:
                for m in range(degree):
                    common[m] += beta[m + 1] * c[0, m] + alpha[m + 1] * c[0, m + 1] + beta[m + 2] * c[0, m + 2]
            if at[1] >= 0:
                which[n] = at[1]
                for m in range(degree):
                    rows[m, n] = c[0, m + 1]
                n += 1
            if at[2] >= 0:
                which[n] = at[2]
                for m in range(degree):
                    rows[m, n] = c[1, m + 1]
                n += 1
        if shared_slope:
            which[n] = index[0, 0]
            for m in range(degree):
                rows[m, n] = common[m]
            n += 1
        at = index[n_items + group[p]]
        if at[0] >= 0:
            mean, sd = population[0, group[p]], population[1, group[p]]
            for x in range(2):
                which[n] = at[x]
                for m in range(degree):
                    total = 0.0
                    for q in range(width):
                        z = (node[q] - mean) / sd
                        total += weighted[m + 1, q] * (z if x == 0 else z * z)
                    rows[m, n] = total / sd
                n += 1
        for i in range(n):
            for j in range(i + 1):
                sums[j] = 0.0
            for m in range(degree):
                own = rows[m, i]
                for j in range(i + 1):
                    sums[j] += own * rows[m, j]
            target = lost[which[i]]
            for j in range(i + 1):
                target[which[j]] += sums[j]


@kernel(fastmath=True)
def own_posterior_covariance(
    low, high, start, code, group, log_table, tables, node, log_weight, slope, lost, slope_lost, together_lost
):
    """Add the posterior covariance of each answer's score to its item's block of `lost`, [n_items, 3, 3], and of the
    score for a shift and a stretch of all items together (d_j += a_j x, a_j += a_j y) to `together_lost`, [2, 2];
    that of an intercept with the stretch to `slope_lost`, [n_items]."""
    width = node.size
    posterior = np.empty(width)
    shift = np.empty(width)
    for p in range(low, high):
        if start[p] == start[p + 1]:
            continue
        shift[:] = 0.0
        _posterior(p, start, code, group, log_table, log_weight, posterior)
        for k in range(start[p], start[p + 1]):
            block = lost[code[k] >> 1]
            z = tables[0, code[k]]
            g = tables[tables.shape[0] - 1, code[k]]
            a1, d1, g1, aa, ad, dd, ag, dg, gg = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for q in range(width):
                shift[q] += slope[code[k] >> 1] * z[q]
            for q in range(width):
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
        x1, y1, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0
        for q in range(width):
            w, x, y = posterior[q], shift[q], shift[q] * node[q]
            x1 += w * x
            y1 += w * y
            xx += w * x * x
            xy += w * x * y
            yy += w * y * y
        for k in range(start[p], start[p + 1]):
            z = tables[0, code[k]]
            d1, dy = 0.0, 0.0
            for q in range(width):
                d1 += posterior[q] * z[q]
                dy += posterior[q] * z[q] * shift[q] * node[q]
            slope_lost[code[k] >> 1] += dy - d1 * y1
        together_lost[0, 0] += xx - x1 * x1
        together_lost[0, 1] += xy - x1 * y1
        together_lost[1, 0] += xy - x1 * y1
        together_lost[1, 1] += yy - y1 * y1
