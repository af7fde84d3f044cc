"""The compiled inner loops of `topic_integration`: one student after the other."""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.parallel import exponential, kernel

LIMIT = 8.0
"""Nodes reach this many SDs to both sides of the middle; beyond lies 1e-15 of the population."""
NEGLIGIBLE = 1e-18
"""Posterior weight of a node below which it is passed over."""
DEPTH = 30.0
"""Log of a weight below which it is left out of a sum: 1e-13 of the largest."""
FAR = 8.0
"""Distance of the nodes that tell where a student's posterior is, in the least SD that it can have."""
MORE = 4
"""Nodes of which the sums go on past the last one."""


class Students(NamedTuple):
    """Students, their pairs with topics, and the answers of each pair.

    stride: int64 [n_students], every how many nodes the student's ability is integrated over; width: float64 [n_students],
    the least SD that the student's posterior can have; student_start, pair_start: as in GroupedAnswers; row: int32 [n], of
    each answer in the table of log-probabilities; kind: int64 [n_pairs], place of the pair's tau; rule: int64 [n_pairs],
    place of its quadrature rule, -1 where phi is sampled at the nodes.
    """

    stride: np.ndarray
    width: np.ndarray
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

    A student's ability is integrated over the nodes where the posterior can be, which far nodes tell first. At each of
    them log m, E[z] and E[z^2] of every pair are computed.
    """
    node = tables.node
    n = node.size
    step = node[1] - node[0]
    pad = max(tables.first.max() + tables.lagrange.shape[3], -tables.first.min(), 0)
    total, posterior = np.empty(n), np.empty(n)
    rule, sums = _new_rule(tables), (np.empty(n), np.empty(n), np.empty(n), np.empty(5 * n + 2 * MORE))
    loglik, likelihood = np.empty((1, n + 2 * pad)), np.zeros((1, 3 * n + 2 * MORE))  # past the nodes constant, and 0
    z1, z2 = np.empty((1, n)), np.empty((1, n))
    for s in range(low, high):
        begin, end = students.student_start[s], students.student_start[s + 1]
        if end - begin > z1.shape[0]:
            size = 2 * (end - begin)
            loglik, likelihood = np.empty((size, n + 2 * pad)), np.zeros((size, 3 * n + 2 * MORE))
            z1, z2 = np.empty((size, n)), np.empty((size, n))
        for p in range(begin, end):
            _log_likelihood(p, students, tables, pad, loglik[p - begin], likelihood[p - begin])
        pairs = (loglik, likelihood, z1, z2)
        by, first_node, last_node = _student_nodes(students.stride[s], node)
        far = max(int(FAR * students.width[s] / (by * step)), 1) * by
        _look_from_afar(s, students, tables, (far, first_node, last_node), pairs, rule, total)
        bend = (far * step / students.width[s]) ** 2 / 8
        span = _where_it_is((by, first_node, last_node), far, bend, total)
        _integrate_pairs(s, students, tables, span, pairs, rule, sums, total)
        mean, variance = _student_moments(s, node, span, total, posterior, out)
        for p in range(begin, end):
            t, tau = p - begin, tables.tau[students.kind[p]]
            if students.pair_start[p] == students.pair_start[p + 1]:
                out.theta[p], out.se[p], out.score[p] = mean, np.sqrt(variance + tau**2), 0.0
            else:
                moments = _topic_moments(node, span, posterior, mean, tau, z1[t], z2[t])
                out.theta[p], out.se[p], out.score[p] = moments


@kernel
def _student_nodes(by: int, node: np.ndarray) -> tuple[int, int, int]:
    """Choose the student's nodes: no further out than LIMIT, no closer than the posterior's width asks for."""
    middle = node.size // 2
    reach = min(int(np.ceil(LIMIT / (by * (node[1] - node[0])))) * by, middle // by * by)
    return by, middle - reach, middle + reach


@kernel
def _start(span: tuple, node: np.ndarray, total: np.ndarray) -> None:
    """Begin the log posterior at the nodes of a span with the population's density."""
    by, first_node, last_node = span
    for j in range(first_node, last_node + 1, by):
        total[j] = -0.5 * node[j] ** 2 + np.log(by * (node[1] - node[0]) / np.sqrt(2 * np.pi))


@kernel(fastmath={"reassoc", "contract"})
def _log_likelihood(
    p: int, students: Students, tables: Tables, pad: int, loglik: np.ndarray, likelihood: np.ndarray
) -> None:
    """Sum a pair's log-likelihood at the nodes, and continue it as a constant past them; where phi is sampled at the
    nodes, its likelihood as a share of the highest."""
    n = tables.node.size
    inner = loglik[pad : pad + n]
    inner[:] = 0.0
    for k in range(students.pair_start[p], students.pair_start[p + 1]):
        row = students.row[k]
        for j in range(n):
            inner[j] += tables.log_p[row, j]
    loglik[:pad], loglik[pad + n :] = inner[0], inner[n - 1]
    if students.rule[p] < 0:
        highest = inner.max()
        share = likelihood[n + MORE : 2 * n + MORE]
        for j in range(n):
            share[j] = exponential(inner[j] - highest)


@kernel(fastmath={"reassoc", "contract"})
def _look_from_afar(
    s: int, students: Students, tables: Tables, span: tuple, pairs: tuple, rule: tuple, total: np.ndarray
) -> None:
    """Compute a student's log posterior at far nodes; elsewhere it becomes -inf."""
    loglik, likelihood, _, _ = pairs
    n, begin = tables.node.size, students.student_start[s]
    pad = (loglik.shape[1] - n) // 2
    total[:] = -np.inf
    _start(span, tables.node, total)
    for p in range(begin, students.student_start[s + 1]):
        t, kind = p - begin, students.kind[p]
        if students.pair_start[p] == students.pair_start[p + 1]:
            continue
        if students.rule[p] >= 0:
            _take_rule(students.rule[p], kind, tables, rule)
            n_points = _n_points(rule)
            for j in range(span[1], span[2] + 1, span[0]):
                total[j] += _moments_between_nodes(loglik[t], pad + j, n_points, rule)[0]
        else:
            inner, values = loglik[t, pad : pad + n], likelihood[t, n + MORE : 2 * n + MORE]
            _add_messages(tables.sampled[kind, 0], _per_z(kind, tables), span, inner, values, total)


@kernel(fastmath={"reassoc", "contract"})
def _add_messages(
    around: np.ndarray, per_z: float, span: tuple, loglik: np.ndarray, likelihood: np.ndarray, total: np.ndarray
) -> None:
    """Add log m of a pair at the nodes of a span, by sums over the nodes around each of them."""
    by, first_node, last_node = span
    n, highest = loglik.size, loglik.max()
    for j in range(first_node, last_node + 1, by):
        reach = _reach(per_z, highest - loglik[j], n)
        from_node, to_node = max(j - reach, 0), min(j + reach + 1, n)
        part = likelihood[from_node:to_node]
        weights = around[n - 1 - j + from_node : n - 1 - j + to_node]
        m0 = 0.0
        for i in range(part.size):
            m0 += weights[i] * part[i]
        total[j] += np.log(max(m0, 1e-300)) + highest


@kernel
def _per_z(kind: int, tables: Tables) -> float:
    """Compute how many nodes lie in a unit of z."""
    return tables.tau[kind] / (tables.node[1] - tables.node[0])


@kernel(fastmath={"reassoc", "contract"})
def _integrate_pairs(
    s: int,
    students: Students,
    tables: Tables,
    span: tuple,
    pairs: tuple,
    rule: tuple,
    sums: tuple,
    total: np.ndarray,
) -> None:
    """Compute E[z] and E[z^2] of all pairs of a student at the nodes of a span, and the log posterior."""
    loglik, likelihood, z1, z2 = pairs
    n, begin = tables.node.size, students.student_start[s]
    pad = (loglik.shape[1] - n) // 2
    _start(span, tables.node, total)
    for p in range(begin, students.student_start[s + 1]):
        t, kind = p - begin, students.kind[p]
        if students.pair_start[p] == students.pair_start[p + 1]:
            continue
        if students.rule[p] >= 0:
            _take_rule(students.rule[p], kind, tables, rule)
            _integrate_between_nodes(loglik[t], pad, rule, span, z1[t], z2[t], total)
        else:
            inner = loglik[t, pad : pad + n]
            _integrate_at_nodes(kind, inner, likelihood[t], tables, span, sums, z1[t], z2[t], total)


@kernel
def _reach(per_z: float, drop: float, n: int) -> int:
    """Choose how many nodes to both sides of a node count.

    m is at least the share of the node itself, where L is exp(-drop) of its highest value: nodes where phi is below
    exp(-DEPTH - drop) add nothing to that.
    """
    return int(min(per_z * np.sqrt(2 * (DEPTH + drop)) + 1, n - 1))


@kernel
def _where_it_is(span: tuple, far: int, bend: float, total: np.ndarray) -> tuple[int, int, int]:
    """Narrow a span to where the log posterior, known at far nodes, can be within DEPTH of the highest.

    Where the SD is w or more it bends down by no more than 1 / w^2 (for messages by the Cramer-Rao bound), and lies at
    most `bend` = distance^2 / (8 w^2) above the line between two far nodes.
    """
    by, first_node, last_node = span
    lowest = total.max() - DEPTH - bend
    low, high = last_node, first_node
    for j in range(first_node, last_node + 1, by):
        left = first_node + (j - first_node) // far * far
        line = total[left]
        if left + far <= last_node:
            line += (total[left + far] - line) * (j - left) / far
        if line >= lowest:
            low, high = min(low, j), max(high, j)
    return (by, low, high) if low <= high else span


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


@kernel
def _n_points(rule: tuple) -> int:
    """Count a rule's points."""
    weight = rule[1]
    n_points = weight.size
    while weight[n_points - 1] == 0:
        n_points -= 1
    return n_points


@kernel(fastmath={"reassoc", "contract"})
def _integrate_between_nodes(
    loglik: np.ndarray, pad: int, rule: tuple, span: tuple, first: np.ndarray, second: np.ndarray, total: np.ndarray
) -> None:
    """Integrate a pair at the student's nodes by Gauss-Hermite quadrature of L between the nodes: E[z], E[z^2], and
    log m, which is added to `total`."""
    by, first_node, last_node = span
    n_points = _n_points(rule)
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
    kind: int,
    loglik: np.ndarray,
    likelihood: np.ndarray,
    tables: Tables,
    span: tuple,
    sums: tuple,
    first: np.ndarray,
    second: np.ndarray,
    total: np.ndarray,
) -> None:
    """Integrate a pair at the student's nodes by sums over the nodes around them: E[z], E[z^2], and log m, which is
    added to `total`.

    All nodes are summed side by side, four distances at a time: several times as quick as one node after the other.
    """
    by, first_node, last_node = span
    n, size = loglik.size, (last_node - first_node) // by + 1
    highest, lowest = loglik.max(), loglik[first_node : last_node + 1].min()
    reach = _reach(_per_z(kind, tables), highest - lowest, n)
    row, base, length = likelihood, n + MORE + first_node - reach, 0
    if by > 1:
        row, base, length = sums[3], 0, size + (2 * reach + MORE) // by + 1
        _lay_out(likelihood[n + MORE + first_node - reach :], by, length, row)
    around = tables.sampled[kind]
    m0, m1, m2 = sums[0][:size], sums[1][:size], sums[2][:size]
    m0[:], m1[:], m2[:] = 0.0, 0.0, 0.0
    for e in range(0, 2 * reach + 1, 4):
        at = base + e % by * length + e // by
        near0 = row[at : at + size]
        at = base + (e + 1) % by * length + (e + 1) // by
        near1 = row[at : at + size]
        at = base + (e + 2) % by * length + (e + 2) // by
        near2 = row[at : at + size]
        at = base + (e + 3) % by * length + (e + 3) // by
        near3 = row[at : at + size]
        at = n - 1 - reach + e
        u0, u1, u2, u3 = around[0, at], around[0, at + 1], around[0, at + 2], around[0, at + 3]
        v0, v1, v2, v3 = around[1, at], around[1, at + 1], around[1, at + 2], around[1, at + 3]
        w0, w1, w2, w3 = around[2, at], around[2, at + 1], around[2, at + 2], around[2, at + 3]
        for k in range(near0.size):
            m0[k] += u0 * near0[k] + u1 * near1[k] + u2 * near2[k] + u3 * near3[k]
            m1[k] += v0 * near0[k] + v1 * near1[k] + v2 * near2[k] + v3 * near3[k]
            m2[k] += w0 * near0[k] + w1 * near1[k] + w2 * near2[k] + w3 * near3[k]
    for k in range(size):
        j, m = first_node + by * k, max(m0[k], 1e-300)
        first[j], second[j] = m1[k] / m, m2[k] / m
        total[j] += np.log(m) + highest


@kernel
def _lay_out(values: np.ndarray, by: int, length: int, out: np.ndarray) -> None:
    """Lay out every by-th value side by side, then those one further on, and so on."""
    for phase in range(by):
        for k in range(length):
            at = phase + by * k
            out[phase * length + k] = values[at] if at < values.size else 0.0


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
