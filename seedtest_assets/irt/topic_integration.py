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

from seedtest_assets.irt.curves import log_probabilities
from seedtest_assets.irt.parallel import chunks, run
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import GroupedAnswers
from seedtest_assets.irt.topic_kernel import LIMIT, Students, Tables, TopicMoments, integrate_each

# Level k has the step COARSEST_STEP / 2^(k / 2): down to 1/64 of a population SD, for thousands of answers to a topic.
COARSEST_STEP = 0.25
FINEST_LEVEL = 8
# A discrimination above this is a step at every level, and no reason for a finer one.
STEEPEST = 1e3
# Up to which ratio of tau to the likelihood's width, and up to which change of log L over tau at its steepest, how many
# quadrature points are enough. A log L that is a line of slope k is integrated by n points to about
# (tau k)^2n n! / (2n)!, a normal one of width w near its peak to ((tau / w)^2 / 2)^n: below 1e-9 for the first two rules
# wherever the student may be, since no log L is steeper than the sum of its discriminations.
RULES = ((0.1, 0.4, 5), (0.25, 1.0, 8), (0.5, np.inf, 15))
# Nodes from which log L is interpolated between them.
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
    answers: GroupedAnswers, items: ItemParameters, tau_of_pair: np.ndarray, mean: float, sd: float
) -> Posterior:
    """Compute the posterior of all students and topics.

    tau_of_pair: float64 [n_pairs], on the scale of `mean` and `sd`, which are the population's.
    """
    tau, kind = np.unique(tau_of_pair / sd, return_inverse=True)
    a, b, c = items.a * sd, (items.b - mean) / sd, items.c
    result = Posterior(*_zeros(len(answers.topic), len(answers.student)))
    shape = _narrowest(answers, a)
    level, student_width = _level(answers, tau[kind], shape)
    limit = LIMIT * np.sqrt(1 + tau.max(initial=0.0) ** 2)
    for k in np.unique(level):
        step = COARSEST_STEP * 2 ** (-k / 2)
        students = np.flatnonzero(level == k)
        chunk, pairs = answers.take(students), _pairs_of(answers, students)
        half = int(np.ceil(limit / step))
        node = step * np.arange(-half, half + 1)
        row = np.flatnonzero(np.bincount(chunk.item_row, minlength=len(a)))
        place = np.zeros(len(a), np.int32)
        place[row] = np.arange(len(row))
        log_wrong, log_right = log_probabilities(a[row, None] * (node - b[row, None]), c[row])
        tables = Tables(node, log_right, log_wrong, tau, _sampled_normal(tau, node), *_quadrature(tau, step))
        given = Students(
            stride=_stride(student_width[students], step),
            student_start=chunk.student_start,
            pair_start=chunk.pair_start,
            item_row=place[chunk.item_row],
            correct=chunk.correct,
            kind=kind[pairs],
            rule=_rule(tau[kind[pairs]], shape.width[pairs], shape.steepness[pairs], step),
        )
        out = TopicMoments(*_zeros(len(pairs), len(students)))
        _integrate_chunks(given, tables, out, _work(chunk))
        result.theta[pairs], result.se[pairs], result.score[pairs] = mean + sd * out.theta, sd * out.se, out.score
        result.student_theta[students], result.student_se[students] = mean + sd * out.student_theta, sd * out.student_se
        result.student_loglik[students] = out.student_loglik
    return result


def _integrate_chunks(students: Students, tables: Tables, out: TopicMoments, work: np.ndarray) -> None:
    run(lambda low, high: integrate_each(low, high, students, tables, out), chunks(work))


def _zeros(n_pairs: int, n_students: int) -> list[np.ndarray]:
    """Allocate the arrays of a Posterior."""
    return [np.zeros(n) for n in (n_pairs, n_pairs, n_pairs, n_students, n_students, n_students)]


def _pairs_of(answers: GroupedAnswers, students: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(answers.student), bool)
    chosen[students] = True
    return np.flatnonzero(np.repeat(chosen, np.diff(answers.student_start)))


def _work(answers: GroupedAnswers) -> np.ndarray:
    """Sum up what each student costs: a pair's integrals are worth some hundred answers."""
    return answers.pair_start[answers.student_start] + 100 * answers.student_start


def _stride(student_width: np.ndarray, step: float) -> np.ndarray:
    """Choose every how many nodes a student's ability is integrated over, int64 [n_students]."""
    return np.maximum(np.minimum(student_width, COARSEST_STEP) / step + 1e-9, 1).astype(np.int64)


@dataclass(frozen=True)
class _Shape:
    """Shape of each pair's likelihood, float64 [n_pairs]: lower bound of its width, largest discrimination, and the steepest
    that log L can be."""

    width: np.ndarray
    largest_slope: np.ndarray
    steepness: np.ndarray


def _narrowest(answers: GroupedAnswers, a: np.ndarray) -> _Shape:
    """Bound the shape of each pair's likelihood.

    An answer has at most information a^2 / 4. A steep item alone is no normal curve: its logistic needs steps of 1 / a.
    """
    slope = np.minimum(np.abs(a), STEEPEST)[answers.item_row]
    information, steepness = (
        np.diff(np.concatenate([[0.0], np.cumsum(of_answer)])[answers.pair_start])
        for of_answer in (slope**2 / 4, slope)
    )
    steepest = np.zeros(len(answers.topic))
    if len(slope):
        steepest[answers.answered] = np.maximum.reduceat(slope, answers.pair_start[:-1][answers.answered])
    return _Shape(1 / np.sqrt(np.maximum(information + 0.75 * steepest**2, 1e-6)), steepest, steepness)


def _combined(width: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Compute the width of likelihood x phi((theta_topic - s) / tau)."""
    return width * tau / np.sqrt(width**2 + tau**2)


def _rule(tau: np.ndarray, width: np.ndarray, steepness: np.ndarray, step: float) -> np.ndarray:
    """Choose which of RULES integrates between the nodes, int64; -1 where phi is sampled at the nodes, tau being large."""
    ratios, changes, _ = (np.array(column) for column in zip(*RULES, strict=True))
    between = (_combined(width, tau) < step) & (tau <= ratios[-1] * width)
    needed = np.maximum(np.searchsorted(ratios[:-1], tau / width), np.searchsorted(changes[:-1], tau * steepness))
    return np.where(between, needed, -1)


def _level(answers: GroupedAnswers, tau: np.ndarray, shape: _Shape) -> tuple[np.ndarray, np.ndarray]:
    """Choose how fine a grid each student needs, int64 [n_students], and bound how narrow the student's posterior is."""
    width = shape.width
    # Between the nodes, the interpolation of log L is good to 1e-7 while step x slope stays below 0.4.
    between = np.where(tau <= 0.5 * width, 0.4 / np.maximum(shape.largest_slope, 1e-6), 0.0)
    step = np.maximum(_combined(width, tau), between)
    narrowest_pair = np.minimum.reduceat(step, answers.student_start[:-1]) if len(step) else step
    precision = np.concatenate([[0.0], np.cumsum(1 / (width**2 + tau**2))])[answers.student_start]
    student_width = 1 / np.sqrt(1 + np.diff(precision))
    finest = np.maximum(np.minimum(narrowest_pair, student_width), COARSEST_STEP / 2**FINEST_LEVEL)
    level = np.ceil(2 * np.log2(COARSEST_STEP / finest) - 1e-9)
    return np.clip(level, 0, FINEST_LEVEL).astype(np.int64), student_width


def _sampled_normal(tau: np.ndarray, node: np.ndarray) -> np.ndarray:
    """Tabulate weights z^k phi(z) at the distances between nodes, float64 [n_tau, 3, 2 n_nodes - 1], k = 0, 1, 2."""
    distance = (np.arange(2 * len(node) - 1) - (len(node) - 1)) * (node[1] - node[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(distance == 0, 0.0, distance / tau[:, None])
        weight = np.exp(-0.5 * z**2)
    weight /= weight.sum(axis=1, keepdims=True)
    z = np.where(np.isfinite(z), z, 0.0)
    return np.stack([weight, z * weight, z**2 * weight], axis=1)


def _quadrature(tau: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tabulate Gauss-Hermite points z and weights of every rule, and how log L is interpolated at s + tau z.

    Returns z [n_rules, n], weight [n_rules, n], 0 past a rule's points, first neighbour's distance in nodes int64
    [n_rules, n_tau, n], Lagrange weights of the neighbours [n_rules, n_tau, n, N_NEIGHBOURS].
    """
    most = max(n for *_, n in RULES)
    z, weight = np.zeros((2, len(RULES), most))
    for r, (*_, n) in enumerate(RULES):
        z[r, :n], weight[r, :n] = np.polynomial.hermite_e.hermegauss(n)
        weight[r] /= weight[r].sum()
    z[np.abs(z) < 1e-12] = 0.0  # the middle point
    shift = tau[:, None] * z[:, None, :] / step
    first = np.floor(shift).astype(np.int64) - (N_NEIGHBOURS // 2 - 1)
    offset = np.arange(N_NEIGHBOURS)
    distance = (shift - first)[..., None] - offset
    lagrange = np.ones(distance.shape)
    for k in range(N_NEIGHBOURS):
        for other in range(N_NEIGHBOURS):
            if other != k:
                lagrange[..., k] *= distance[..., other] / (offset[k] - offset[other])
    return z, weight, first, lagrange
