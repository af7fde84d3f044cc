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

from seedtest_assets.irt.parallel import chunks, spread
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.topic_answers import TopicAnswers
from seedtest_assets.irt.topic_kernel import LIMIT, integrate_each

COARSEST_STEP = 0.25
FINEST_LEVEL = 8
"""Level k has the step COARSEST_STEP / 2^(k / 2): down to 1/64 of a population SD, for thousands of answers to a topic."""
STEEPEST = 1e3
"""A discrimination above this is a step at every level, and no reason for a finer one."""

RULES = ((0.1, 0.4, 5), (0.25, 1.0, 8), (0.5, np.inf, 15))
"""Up to which ratio of tau to the likelihood's width, and up to which change of log L over tau at its steepest, how many
quadrature points do. A log L that is a line of slope k is integrated by n points to about (tau k)^2n n! / (2n)!, a normal one of
width w near its peak to ((tau / w)^2 / 2)^n: below 1e-9 for the first two rules wherever the student may be, since no log L is
steeper than the sum of its discriminations."""
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
    width, largest_slope, steepness = _narrowest(answers, a)
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
        rule = _rule(tau[kind_of_pair[pairs]], width[pairs], steepness[pairs], step)
        out = Posterior(*(np.zeros(n) for n in (len(pairs),) * 3 + (len(students),) * 3))
        stride = np.maximum(np.minimum(student_width[students], COARSEST_STEP) / step + 1e-9, 1).astype(np.int64)
        given = (
            stride, chunk.student_start, chunk.pair_start, place[chunk.item_row], chunk.correct, log_right, log_wrong, node,
            tau, kind_of_pair[pairs], rule, _sampled_normal(tau, node), *_quadrature(tau, step),
            out.theta, out.se, out.score, out.student_theta, out.student_se, out.student_loglik,
        )  # fmt: skip
        spread(lambda low, high, _, given=given: integrate_each(low, high, *given), chunks(_work(chunk)), lambda: None)
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


def _narrowest(answers: TopicAnswers, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower bound of each pair's likelihood width, its largest discrimination, and the steepest that log L can be.

    An answer has at most information a^2 / 4. A steep item alone is no normal curve: its logistic wants steps of 1 / a.
    """
    slope = np.minimum(np.abs(a), STEEPEST)[answers.item_row]
    empty = np.diff(answers.pair_start) == 0
    information, steepness = (
        np.diff(np.concatenate([[0.0], np.cumsum(of_answer)])[answers.pair_start])
        for of_answer in (slope**2 / 4, slope)
    )
    steepest = np.zeros(len(answers.topic))
    if len(slope):
        steepest[~empty] = np.maximum.reduceat(slope, answers.pair_start[:-1][~empty])
    return 1 / np.sqrt(np.maximum(information + 0.75 * steepest**2, 1e-6)), steepest, steepness


def _combined(width: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Width of likelihood x phi((theta_topic - s) / tau)."""
    return width * tau / np.sqrt(width**2 + tau**2)


def _rule(tau: np.ndarray, width: np.ndarray, steepness: np.ndarray, step: float) -> np.ndarray:
    """Which of RULES integrates a tau that is too small to be sampled at the nodes between them, int64; -1 where it is sampled."""
    ratios, changes, _ = (np.array(column) for column in zip(*RULES, strict=True))
    between = (_combined(width, tau) < step) & (tau <= ratios[-1] * width)
    needed = np.maximum(np.searchsorted(ratios[:-1], tau / width), np.searchsorted(changes[:-1], tau * steepness))
    return np.where(between, needed, -1)


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
    """Gauss-Hermite points z and weights of every rule, and how log L is read off at s + tau z between the nodes.

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
