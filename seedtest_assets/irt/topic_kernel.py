"""The compiled inner loops of `topic_integration`: one student after the other."""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.parallel import kernel

LIMIT = 8.0
"""Nodes reach this many SDs to both sides of the middle; beyond lies 1e-15 of the population."""
NEGLIGIBLE = 1e-18
"""Posterior weight of a node below which it is passed over."""


class Students(NamedTuple):
    """Students, their pairs with topics, and the answers of each pair.

    stride: int64 [n_students], every how many nodes the student's ability is integrated over; student_start, pair_start:
    as in GroupedAnswers; row: int32 [n], of each answer in the table of log-probabilities; kind: int64 [n_pairs], place of the
    pair's tau; rule: int64 [n_pairs], place of its quadrature rule, -1 where phi is sampled at the nodes.
    """

    stride: np.ndarray
    student_start: np.ndarray
    pair_start: np.ndarray
    row: np.ndarray
    kind: np.ndarray
    rule: np.ndarray


class Tables(NamedTuple):
    """What does not depend on the student: nodes [n], log-probabilities [n_rows, n], tau [n_tau], and how z is integrated.

    sampled: weights of `topic_integration._sampled_normal`; z, weight, first, lagrange: of `_quadrature` there.
    """

    node: np.ndarray
    log_p: np.ndarray
    tau: np.ndarray
    sampled: np.ndarray
    z: np.ndarray
    weight: np.ndarray
    first: np.ndarray
    lagrange: np.ndarray


class TopicMoments(NamedTuple):
    """What is computed: see `topic_integration.Posterior`."""

    theta: np.ndarray
    se: np.ndarray
    score: np.ndarray
    student_theta: np.ndarray
    student_se: np.ndarray
    student_loglik: np.ndarray


@kernel(fastmath={"reassoc", "contract"})
def integrate_each(low: int, high: int, students: Students, tables: Tables, out: TopicMoments) -> None:
    """Fill `out` for the students low .. high - 1.

    A pair's integrals over z are kept at every node of the student's ability: where phi is sampled at the nodes, the
    pair's likelihood, its support and the message; where tau is too small for that, E[z] and E[z^2].
    """
    node = tables.node
    n = node.size
    step = node[1] - node[0]
    pad = max(tables.first.max() + tables.lagrange.shape[3], -tables.first.min(), 0)
    loglik = np.empty(n + 2 * pad)  # constant past the nodes
    posterior, total, z1, z2 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    around = np.empty((2, 2 * n - 1))
    rule = _new_rule(tables)
    curve, second = np.empty((1, n)), np.empty((1, n))  # likelihood and message, or E[z] and E[z^2]
    support = np.empty((1, 2), np.int64)
    for s in range(low, high):
        begin, end = students.student_start[s], students.student_start[s + 1]
        if end - begin > curve.shape[0]:
            curve, second = np.empty((2 * (end - begin), n)), np.empty((2 * (end - begin), n))
            support = np.empty((2 * (end - begin), 2), np.int64)
        by, first_node, last_node = _student_nodes(students.stride[s], node)
        span = (by, first_node, last_node)
        for j in range(first_node, last_node + 1, by):
            total[j] = -0.5 * node[j] ** 2 + np.log(by * step / np.sqrt(2 * np.pi))
        for p in range(begin, end):
            if students.pair_start[p] == students.pair_start[p + 1]:
                continue
            t = p - begin
            _log_likelihood(p, students, tables, pad, loglik)
            if students.rule[p] >= 0:
                _take_rule(students.rule[p], students.kind[p], tables, rule)
                _integrate_between_nodes(loglik, pad, rule, span, curve[t], second[t], total)
            else:
                around[0] = tables.sampled[students.kind[p], 0]
                _integrate_at_nodes(loglik[pad : pad + n], around[0], span, curve[t], second[t], support[t], total)
        mean, variance = _student_moments(s, node, span, total, posterior, out)
        for p in range(begin, end):
            t, tau = p - begin, tables.tau[students.kind[p]]
            if students.pair_start[p] == students.pair_start[p + 1]:
                out.theta[p], out.se[p], out.score[p] = mean, np.sqrt(variance + tau**2), 0.0
                continue
            if students.rule[p] < 0:
                around[:] = tables.sampled[students.kind[p], 1:]
                _moments_at_nodes(around, span, posterior, support[t], (curve[t], second[t]), z1, z2)
                moments = _topic_moments(node, span, posterior, mean, tau, z1, z2)
            else:
                moments = _topic_moments(node, span, posterior, mean, tau, curve[t], second[t])
            out.theta[p], out.se[p], out.score[p] = moments


@kernel
def _student_nodes(by: int, node: np.ndarray) -> tuple[int, int, int]:
    """Choose the student's nodes: no further out than LIMIT, no closer than the posterior's width asks for."""
    middle = node.size // 2
    reach = min(int(np.ceil(LIMIT / (by * (node[1] - node[0])))) * by, middle // by * by)
    return by, middle - reach, middle + reach


@kernel(fastmath={"reassoc", "contract"})
def _log_likelihood(p: int, students: Students, tables: Tables, pad: int, loglik: np.ndarray) -> None:
    """Sum a pair's log-likelihood at the nodes, and continue it as a constant past them."""
    n = tables.node.size
    inner = loglik[pad : pad + n]
    inner[:] = 0.0
    for k in range(students.pair_start[p], students.pair_start[p + 1]):
        row = students.row[k]
        for j in range(n):
            inner[j] += tables.log_p[row, j]
    loglik[:pad], loglik[pad + n :] = inner[0], inner[n - 1]


@kernel
def _new_rule(tables: Tables) -> tuple:
    """Allocate a thread's copy of a quadrature rule: slices of an array that threads share would cost them its
    reference count at every node."""
    most = tables.z.shape[1]
    return (
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty((most, tables.lagrange.shape[3])),
        np.empty(most),
    )


@kernel
def _take_rule(r: int, kind: int, tables: Tables, rule: tuple) -> None:
    z, weight, first, lagrange, _ = rule
    z[:], weight[:] = tables.z[r], tables.weight[r]
    first[:], lagrange[:] = tables.first[r, kind], tables.lagrange[r, kind]


@kernel(fastmath={"reassoc", "contract"})
def _integrate_between_nodes(
    loglik: np.ndarray, pad: int, rule: tuple, span: tuple, first: np.ndarray, second: np.ndarray, total: np.ndarray
) -> None:
    """Integrate a pair at the student's nodes by Gauss-Hermite quadrature of L between the nodes: E[z], E[z^2], and
    log m, which is added to `total`."""
    z, weight = rule[0], rule[1]
    by, first_node, last_node = span
    n_points = z.size
    while weight[n_points - 1] == 0:
        n_points -= 1
    for j in range(first_node, last_node + 1, by):
        log_m, first[j], second[j] = _moments_between_nodes(loglik, pad + j, n_points, rule)
        total[j] += log_m


@kernel(fastmath={"reassoc", "contract"})
def _moments_between_nodes(loglik: np.ndarray, j: int, n_points: int, rule: tuple) -> tuple[float, float, float]:
    """Compute log m, E[z], E[z^2] at node j."""
    z, weight, neighbour, lagrange, read = rule
    highest = -np.inf
    for q in range(n_points):
        value = 0.0
        near = loglik[j + neighbour[q] : j + neighbour[q] + lagrange.shape[1]]
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


@kernel(fastmath={"reassoc", "contract"})
def _integrate_at_nodes(
    loglik: np.ndarray,
    around: np.ndarray,
    span: tuple,
    likelihood: np.ndarray,
    message: np.ndarray,
    support: np.ndarray,
    total: np.ndarray,
) -> None:
    """Integrate a pair at the student's nodes by sums over all nodes: likelihood, its support, and the message, whose
    log is added to `total`."""
    by, first_node, last_node = span
    highest = loglik.max()
    for j in range(loglik.size):
        likelihood[j] = np.exp(loglik[j] - highest)
    from_node, to_node = 0, loglik.size
    while likelihood[from_node] == 0:
        from_node += 1
    while likelihood[to_node - 1] == 0:
        to_node -= 1
    support[0], support[1] = from_node, to_node
    for j in range(first_node, last_node + 1, by):
        message[j] = max(_weighted(around, likelihood, j, from_node, to_node), 1e-300)
        total[j] += np.log(message[j]) + highest


@kernel(fastmath={"reassoc", "contract"})
def _student_moments(
    s: int, node: np.ndarray, span: tuple, total: np.ndarray, posterior: np.ndarray, out: TopicMoments
) -> tuple[float, float]:
    """Normalise the student's posterior; write and return its mean and variance."""
    by, first_node, last_node = span
    highest = -np.inf
    for j in range(first_node, last_node + 1, by):
        highest = max(highest, total[j])
    mass = 0.0
    for j in range(first_node, last_node + 1, by):
        posterior[j] = np.exp(total[j] - highest)
        mass += posterior[j]
    mean = 0.0
    for j in range(first_node, last_node + 1, by):
        posterior[j] /= mass
        mean += posterior[j] * node[j]
    variance = 0.0
    for j in range(first_node, last_node + 1, by):
        variance += posterior[j] * (node[j] - mean) ** 2
    out.student_loglik[s] = np.log(mass) + highest
    out.student_theta[s], out.student_se[s] = mean, np.sqrt(variance)
    return mean, variance


@kernel(fastmath={"reassoc", "contract"})
def _moments_at_nodes(
    around: np.ndarray,
    span: tuple,
    posterior: np.ndarray,
    support: np.ndarray,
    pair: tuple,
    z1: np.ndarray,
    z2: np.ndarray,
) -> None:
    """Compute E[z] and E[z^2] at the student's nodes by sums over all nodes."""
    by, first_node, last_node = span
    likelihood, message = pair
    for j in range(first_node, last_node + 1, by):
        if posterior[j] >= NEGLIGIBLE:
            z1[j] = _weighted(around[0], likelihood, j, support[0], support[1]) / message[j]
            z2[j] = _weighted(around[1], likelihood, j, support[0], support[1]) / message[j]


@kernel(fastmath={"reassoc", "contract"})
def _topic_moments(
    node: np.ndarray, span: tuple, posterior: np.ndarray, mean: float, tau: float, z1: np.ndarray, z2: np.ndarray
) -> tuple[float, float, float]:
    """Integrate a topic's ability s + tau z over the student's: posterior mean, SD, and score of log tau."""
    by, first_node, last_node = span
    first_moment = second_moment = z_squared = 0.0
    for j in range(first_node, last_node + 1, by):
        if posterior[j] < NEGLIGIBLE:
            continue
        from_mean = node[j] - mean
        first_moment += posterior[j] * (from_mean + tau * z1[j])
        second_moment += posterior[j] * (from_mean * (from_mean + 2 * tau * z1[j]) + tau**2 * z2[j])
        z_squared += posterior[j] * z2[j]
    return mean + first_moment, np.sqrt(max(second_moment - first_moment**2, 0.0)), z_squared - 1


@kernel(fastmath={"reassoc", "contract"})
def _weighted(around: np.ndarray, likelihood: np.ndarray, j: int, from_node: int, to_node: int) -> float:
    """Sum the likelihood at the nodes from_node .. to_node - 1, each weighted by its distance from node j."""
    weights = around[likelihood.size - 1 - j + from_node : likelihood.size - 1 - j + to_node]
    part = likelihood[from_node:to_node]
    total = 0.0
    for i in range(weights.size):
        total += weights[i] * part[i]
    return total
