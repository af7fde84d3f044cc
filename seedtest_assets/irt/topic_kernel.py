"""The compiled inner loops of `topic_integration`: one student after the other."""

import numpy as np

from seedtest_assets.irt.parallel import kernel

LIMIT = 8.0
"""Nodes reach this many SDs to both sides; beyond lies 1e-15 of the population."""


@kernel(fastmath={"reassoc", "contract"})
def integrate_each(
    low, high, stride, student_start, pair_start, item_row, correct, log_right, log_wrong, node,
    tau, kind_of_pair, rule, normal, z, weight, first, lagrange,
    theta, se, score, student_theta, student_se, student_loglik,
):  # fmt: skip
    """Fill theta .. student_loglik for the students low .. high - 1; `topic_integration.integrate` says from what."""
    n = node.size
    middle, step = n // 2, node[1] - node[0]
    # A pair's own weights: slices of an array that threads share would cost them its reference count at every node.
    around = np.empty((3, 2 * n - 1))
    points, weights = np.empty(z.shape[1]), np.empty(z.shape[1])
    first_neighbour = np.empty(z.shape[1], np.int64)
    neighbours = np.empty((z.shape[1], lagrange.shape[3]))
    pad = max(first.max() + lagrange.shape[3], -first.min(), 0)
    padded = np.empty(n + 2 * pad)  # constant past the nodes
    loglik = padded[pad : pad + n]
    posterior = np.empty(n)
    total = np.empty(n)
    read = np.empty(z.shape[1])
    curve = np.empty((1, n))  # a pair's likelihood, or E[z] at every node where tau is off the grid
    message = np.empty((1, n))
    spread = np.empty((1, n))  # E[z^2] at every node where tau is off the grid
    support = np.empty((1, 2), np.int64)  # where the likelihood is above 0
    for s in range(low, high):
        begin, end = student_start[s], student_start[s + 1]
        if end - begin > curve.shape[0]:
            curve = np.empty((2 * (end - begin), n))
            message = np.empty((2 * (end - begin), n))
            spread = np.empty((2 * (end - begin), n))
            support = np.empty((2 * (end - begin), 2), np.int64)
        # the student's own nodes: no further out than LIMIT, no closer than the posterior's width asks for
        by = stride[s]
        reach = min(int(np.ceil(LIMIT / (by * step))) * by, middle // by * by)
        first_node, last_node = middle - reach, middle + reach
        for j in range(first_node, last_node + 1, by):
            total[j] = -0.5 * node[j] ** 2 + np.log(by * step / np.sqrt(2 * np.pi))
        for p in range(begin, end):
            t = p - begin
            if pair_start[p] == pair_start[p + 1]:
                continue
            loglik[:] = 0.0
            for k in range(pair_start[p], pair_start[p + 1]):
                row = item_row[k]
                if correct[k]:
                    for j in range(n):
                        loglik[j] += log_right[row, j]
                else:
                    for j in range(n):
                        loglik[j] += log_wrong[row, j]
            if rule[p] >= 0:
                r, kind = rule[p], kind_of_pair[p]
                points[:], weights[:] = z[r], weight[r]
                first_neighbour[:], neighbours[:] = first[r, kind], lagrange[r, kind]
                padded[:pad], padded[pad + n :] = loglik[0], loglik[n - 1]
                n_points = points.size
                while weights[n_points - 1] == 0:
                    n_points -= 1
                for j in range(first_node, last_node + 1, by):
                    log_m, curve[t, j], spread[t, j] = _off_grid_moments(
                        padded, pad + j, n_points, points, weights, first_neighbour, neighbours, read
                    )
                    total[j] += log_m
            else:
                highest = loglik.max()
                likelihood = curve[t]
                for j in range(n):
                    likelihood[j] = np.exp(loglik[j] - highest)
                from_node, to_node = 0, n
                while likelihood[from_node] == 0:
                    from_node += 1
                while likelihood[to_node - 1] == 0:
                    to_node -= 1
                support[t, 0], support[t, 1] = from_node, to_node
                around[0] = normal[kind_of_pair[p], 0]
                for j in range(first_node, last_node + 1, by):
                    m = _weighted(around[0], likelihood, j, from_node, to_node)
                    message[t, j] = max(m, 1e-300)
                    total[j] += np.log(message[t, j]) + highest

        highest = -np.inf
        for j in range(first_node, last_node + 1, by):
            highest = max(highest, total[j])
        mass = 0.0
        for j in range(first_node, last_node + 1, by):
            posterior[j] = np.exp(total[j] - highest)
            mass += posterior[j]
        student_loglik[s] = np.log(mass) + highest
        mean = 0.0
        for j in range(first_node, last_node + 1, by):
            posterior[j] /= mass
            mean += posterior[j] * node[j]
        variance = 0.0
        for j in range(first_node, last_node + 1, by):
            variance += posterior[j] * (node[j] - mean) ** 2
        student_theta[s], student_se[s] = mean, np.sqrt(variance)

        for p in range(begin, end):
            t = p - begin
            kind = kind_of_pair[p]
            if pair_start[p] == pair_start[p + 1]:
                theta[p], se[p], score[p] = mean, np.sqrt(variance + tau[kind] ** 2), 0.0
                continue
            if rule[p] < 0:
                around[1:] = normal[kind, 1:]
            first_moment = second_moment = z_squared = 0.0
            for j in range(first_node, last_node + 1, by):
                if posterior[j] < 1e-18:
                    continue
                if rule[p] >= 0:
                    z1, z2 = curve[t, j], spread[t, j]
                else:
                    z1 = _weighted(around[1], curve[t], j, support[t, 0], support[t, 1]) / message[t, j]
                    z2 = _weighted(around[2], curve[t], j, support[t, 0], support[t, 1]) / message[t, j]
                from_mean = node[j] - mean
                first_moment += posterior[j] * (from_mean + tau[kind] * z1)
                second_moment += posterior[j] * (from_mean * (from_mean + 2 * tau[kind] * z1) + tau[kind] ** 2 * z2)
                z_squared += posterior[j] * z2
            theta[p] = mean + first_moment
            se[p] = np.sqrt(max(second_moment - first_moment**2, 0.0))
            score[p] = z_squared - 1


@kernel(fastmath={"reassoc", "contract"})
def _weighted(around, likelihood, j, from_node, to_node):
    """Sum of the likelihood at the nodes from_node .. to_node - 1, each weighted by its distance from node j."""
    weights = around[likelihood.size - 1 - j + from_node : likelihood.size - 1 - j + to_node]
    part = likelihood[from_node:to_node]
    total = 0.0
    for i in range(weights.size):
        total += weights[i] * part[i]
    return total


@kernel(fastmath={"reassoc", "contract"})
def _off_grid_moments(loglik, j, n_points, z, weight, first, lagrange, read):
    """log m, E[z], E[z^2] at node j, by Gauss-Hermite quadrature of L between the nodes."""
    highest = -np.inf
    for q in range(n_points):
        value = 0.0
        near = loglik[j + first[q] : j + first[q] + lagrange.shape[1]]
        for k in range(near.size):
            value += lagrange[q, k] * near[k]
        read[q] = value
        highest = max(highest, value)
    m0 = m1 = m2 = 0.0
    for q in range(n_points):
        part = weight[q] * np.exp(read[q] - highest)
        m0 += part
        m1 += part * z[q]
        m2 += part * z[q] ** 2
    return np.log(m0) + highest, m1 / m0, m2 / m0
