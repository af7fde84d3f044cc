"""The two one-dimensional integrals a topic of the hierarchical model, on a grid as fine as the student needs.

With abilities in population SDs, L_t the likelihood of a topic's answers and phi the normal density:

    message of a topic       m_t(s) = integral of L_t(s + tau z) phi(z) dz
    student's posterior      p(s)   = phi(s) prod_t m_t(s) / likelihood
    topic's moments          E[z^k | s] = integral of z^k L_t(s + tau z) phi(z) dz / m_t(s),   theta_topic = s + tau z

so no posterior is ever divided out of another, and tau -> 0 leaves the student's posterior as it is. Integrals are sums
on equally spaced nodes: for a function as narrow as a normal one of SD w the error is about exp(-2 (pi w / h)^2), 3e-9
at h = w (Trefethen & Weideman, 2014). So h follows from the narrowest function that a student's answers can make.
"""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.parallel import chunks, kernel, spread
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import TopicAnswers

COARSEST_STEP = 0.25
FINEST_LEVEL = 8
"""Level k has the step COARSEST_STEP / 2^(k / 2): down to 1/64 of a population SD, for thousands of answers to a topic."""
STEEPEST = 1e3
"""A discrimination above this is a step at every level, and no reason for a finer one."""
LIMIT = 8.0
"""Nodes reach this many SDs of a topic ability to both sides; beyond lies 1e-15 of the population."""

N_QUADRATURE = 15
N_NEIGHBOURS = 12


@dataclass(frozen=True)
class Posterior:
    """theta, se, score: float64 [n_pairs]; score is the derivative of the log-likelihood by log tau.

    student_theta, student_se, student_loglik: float64 [n_students].
    """

    theta: np.ndarray
    se: np.ndarray
    score: np.ndarray
    student_theta: np.ndarray
    student_se: np.ndarray
    student_loglik: np.ndarray


def integrate(
    answers: TopicAnswers, items: ItemParameters, tau_of_pair: np.ndarray, mean: float, sd: float
) -> Posterior:
    """Posterior of all students and topics. tau_of_pair: float64 [n_pairs], on the scale of `mean` and `sd`."""
    tau, kind_of_pair = np.unique(tau_of_pair / sd, return_inverse=True)
    a, b, c = items.a * sd, (items.b - mean) / sd, items.c
    n_pairs, n_students = len(answers.topic), len(answers.student)
    result = Posterior(*(np.zeros(n) for n in (n_pairs,) * 3 + (n_students,) * 3))
    width, largest_slope = _narrowest(answers, a)
    level, student_width = _level(answers, tau[kind_of_pair], width, largest_slope)
    limit = LIMIT * np.sqrt(1 + tau.max(initial=0.0) ** 2)
    for k in np.unique(level):
        step = COARSEST_STEP * 2 ** (-k / 2)
        students = np.flatnonzero(level == k)
        chunk, pairs = answers.take(students), _pairs_of(answers, students)
        half = int(np.ceil(limit / step))
        node = step * np.arange(-half, half + 1)
        rows = np.flatnonzero(np.bincount(chunk.item_row, minlength=len(a)))
        place = np.zeros(len(a), np.int32)
        place[rows] = np.arange(len(rows))
        log_right, log_wrong = _log_probabilities(a[rows], b[rows], c[rows], node)
        off_grid = _is_off_grid(tau[kind_of_pair[pairs]], width[pairs], step)
        out = Posterior(*(np.zeros(n) for n in (len(pairs),) * 3 + (len(students),) * 3))
        stride = np.maximum(np.minimum(student_width[students], COARSEST_STEP) / step + 1e-9, 1).astype(np.int64)
        given = (
            stride, chunk.student_start, chunk.pair_start, place[chunk.item_row], chunk.correct, log_right, log_wrong, node,
            tau, kind_of_pair[pairs], off_grid, _sampled_normal(tau, node), *_quadrature(tau, step),
            out.theta, out.se, out.score, out.student_theta, out.student_se, out.student_loglik,
        )  # fmt: skip
        spread(lambda low, high, _, given=given: _integrate_each(low, high, *given), chunks(_work(chunk)), lambda: None)
        result.theta[pairs], result.se[pairs], result.score[pairs] = mean + sd * out.theta, sd * out.se, out.score
        result.student_theta[students], result.student_se[students] = mean + sd * out.student_theta, sd * out.student_se
        result.student_loglik[students] = out.student_loglik
    return result


def _pairs_of(answers: TopicAnswers, students: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(answers.student), bool)
    chosen[students] = True
    return np.flatnonzero(np.repeat(chosen, np.diff(answers.student_start)))


def _work(answers: TopicAnswers) -> np.ndarray:
    """What each student costs, summed up: a pair's integrals are worth some hundred answers."""
    return answers.pair_start[answers.student_start] + 100 * answers.student_start


def _narrowest(answers: TopicAnswers, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower bound of each pair's likelihood width, and its largest slope.

    An answer has at most information a^2 / 4. A steep item alone is no normal curve: its logistic wants steps of 1 / a.
    """
    slope = np.minimum(np.abs(a), STEEPEST)[answers.item_row]
    empty = np.diff(answers.pair_start) == 0
    information = np.diff(np.concatenate([[0.0], np.cumsum(slope**2 / 4)])[answers.pair_start])
    steepest = np.zeros(len(answers.topic))
    if len(slope):
        steepest[~empty] = np.maximum.reduceat(slope, answers.pair_start[:-1][~empty])
    return 1 / np.sqrt(np.maximum(information + 0.75 * steepest**2, 1e-6)), steepest


def _combined(width: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Width of likelihood x phi((theta_topic - s) / tau)."""
    return width * tau / np.sqrt(width**2 + tau**2)


def _is_off_grid(tau: np.ndarray, width: np.ndarray, step: float) -> np.ndarray:
    """A tau too small to be sampled at the nodes is integrated between them."""
    return (_combined(width, tau) < step) & (tau <= 0.5 * width)


def _level(
    answers: TopicAnswers, tau: np.ndarray, width: np.ndarray, largest_slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How fine a grid each student needs, int64 [n_students], and how narrow the student's posterior can be."""
    # between the nodes, the interpolation of log L is good to 1e-7 while step x slope stays below 0.4
    between = np.where(tau <= 0.5 * width, 0.4 / np.maximum(largest_slope, 1e-6), 0.0)
    step = np.maximum(_combined(width, tau), between)
    narrowest_pair = np.minimum.reduceat(step, answers.student_start[:-1]) if len(step) else step
    precision = np.concatenate([[0.0], np.cumsum(1 / (width**2 + tau**2))])[answers.student_start]
    student_width = 1 / np.sqrt(1 + np.diff(precision))
    finest = np.maximum(np.minimum(narrowest_pair, student_width), COARSEST_STEP / 2**FINEST_LEVEL)
    level = np.ceil(2 * np.log2(COARSEST_STEP / finest) - 1e-9)
    return np.clip(level, 0, FINEST_LEVEL).astype(np.int64), student_width


def _log_probabilities(a, b, c, node) -> tuple[np.ndarray, np.ndarray]:
    """log P and log (1 - P) of each item at the nodes, float64 [n_items, n_nodes]."""
    z = a[:, None] * (node[None, :] - b[:, None])
    log_wrong = np.log1p(-c)[:, None] - np.logaddexp(0, z)
    log_right = -np.logaddexp(0, -z)
    guessing = c > 0
    c = c[guessing][:, None]
    log_right[guessing] = np.logaddexp(np.log(c), log_right[guessing] + np.log1p(-c))
    return log_right, log_wrong


def _sampled_normal(tau: np.ndarray, node: np.ndarray) -> np.ndarray:
    """Weights z^k phi(z) at the distances between nodes, float64 [n_tau, 3, 2 n_nodes - 1], k = 0, 1, 2."""
    distance = (np.arange(2 * len(node) - 1) - (len(node) - 1)) * (node[1] - node[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(distance == 0, 0.0, distance / tau[:, None])
        weight = np.exp(-0.5 * z**2)
    weight /= weight.sum(axis=1, keepdims=True)
    z = np.where(np.isfinite(z), z, 0.0)
    return np.stack([weight, z * weight, z**2 * weight], axis=1)


def _quadrature(tau: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gauss-Hermite points z and weights, and how log L is read off at s + tau z between the nodes.

    Returns z [n], weight [n], first neighbour's distance in nodes int64 [n_tau, n], Lagrange weights of the neighbours
    [n_tau, n, N_NEIGHBOURS].
    """
    z, weight = np.polynomial.hermite_e.hermegauss(N_QUADRATURE)
    z[N_QUADRATURE // 2] = 0.0
    shift = tau[:, None] * z / step
    first = np.floor(shift).astype(np.int64) - (N_NEIGHBOURS // 2 - 1)
    offset = np.arange(N_NEIGHBOURS)
    distance = (shift - first)[:, :, None] - offset
    lagrange = np.ones(distance.shape)
    for k in range(N_NEIGHBOURS):
        for other in range(N_NEIGHBOURS):
            if other != k:
                lagrange[:, :, k] *= distance[:, :, other] / (offset[k] - offset[other])
    return z, weight / weight.sum(), first, lagrange


@kernel(fastmath={"reassoc", "contract"})
def _integrate_each(
    low, high, stride, student_start, pair_start, item_row, correct, log_right, log_wrong, node,
    tau, kind_of_pair, off_grid, normal, z, weight, first, lagrange,
    theta, se, score, student_theta, student_se, student_loglik,
):  # fmt: skip
    n = node.size
    middle, step = n // 2, node[1] - node[0]
    normal = normal.copy()  # slices of an array that threads share cost them its reference count
    loglik = np.empty(n)
    posterior = np.empty(n)
    total = np.empty(n)
    read = np.empty(z.size)
    curve = np.empty((1, n))  # a pair's likelihood, or its logarithm where tau is off the grid
    message = np.empty((1, n))
    support = np.empty((1, 2), np.int64)  # where the likelihood is above 0
    for s in range(low, high):
        begin, end = student_start[s], student_start[s + 1]
        if end - begin > curve.shape[0]:
            curve = np.empty((2 * (end - begin), n))
            message = np.empty((2 * (end - begin), n))
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
            if off_grid[p]:
                curve[t] = loglik
                kind = kind_of_pair[p]
                for j in range(first_node, last_node + 1, by):
                    message[t, j] = _off_grid_moments(loglik, j, z, weight, first[kind], lagrange[kind], read)[0]
                    total[j] += message[t, j]
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
                around = normal[kind_of_pair[p], 0]
                for j in range(first_node, last_node + 1, by):
                    m = _weighted(around, likelihood, j, from_node, to_node)
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
            first_moment = second_moment = z_squared = 0.0
            for j in range(first_node, last_node + 1, by):
                if posterior[j] < 1e-18:
                    continue
                if off_grid[p]:
                    _, z1, z2 = _off_grid_moments(curve[t], j, z, weight, first[kind], lagrange[kind], read)
                else:
                    z1 = _weighted(normal[kind, 1], curve[t], j, support[t, 0], support[t, 1]) / message[t, j]
                    z2 = _weighted(normal[kind, 2], curve[t], j, support[t, 0], support[t, 1]) / message[t, j]
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
def _off_grid_moments(loglik, j, z, weight, first, lagrange, read):
    """log m, E[z], E[z^2] at node j, by Gauss-Hermite quadrature of L between the nodes, constant past them."""
    last = loglik.size - 1
    highest = -np.inf
    for q in range(z.size):
        value = 0.0
        for k in range(lagrange.shape[1]):
            value += lagrange[q, k] * loglik[min(max(j + first[q] + k, 0), last)]
        read[q] = value
        highest = max(highest, value)
    m0 = m1 = m2 = 0.0
    for q in range(z.size):
        part = weight[q] * np.exp(read[q] - highest)
        m0 += part
        m1 += part * z[q]
        m2 += part * z[q] ** 2
    return np.log(m0) + highest, m1 / m0, m2 / m0
