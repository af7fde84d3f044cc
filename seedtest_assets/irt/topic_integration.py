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
from itertools import pairwise

import numpy as np

from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.item_scores import GRADED_RESPONSE, heights, share_of
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, Moments, Populations
from seedtest_assets.irt.own_grids import integrate as integrate_on_own_grids
from seedtest_assets.irt.parallel import chunks, run
from seedtest_assets.irt.parameters import ItemParameters, Line
from seedtest_assets.irt.topic_answers import GroupedAnswers, code_and_share
from seedtest_assets.irt.topic_kernel import LIMIT, MORE, Students, Tables, TopicMoments, integrate_each

# Level k has the step COARSEST_STEP / 2^(k / 2): down to 1/64 of a population SD, for thousands of answers to a topic.
COARSEST_STEP = 0.5
FINEST_LEVEL = 10
# Answers that are integrated at a time.
ANSWERS_A_BLOCK = 1_000_000
# Posterior SDs that must lie between an ability and the last node.
MARGIN = 5.0
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

    def between(self, pairs: slice, students: slice) -> "Posterior":
        """Select consecutive students and their pairs, as views."""
        of_pairs = (values[pairs] for values in (self.theta, self.se, self.score))
        of_students = (values[students] for values in (self.student_theta, self.student_se, self.student_loglik))
        return Posterior(*of_pairs, *of_students)


def integrate(
    answers: GroupedAnswers, items: ItemParameters, tau_of_pair: np.ndarray, mean: float, sd: float
) -> Posterior:
    """Compute the posterior of all students and topics.

    tau_of_pair: float64 [n_pairs], on the scale of `mean` and `sd`, which are the population's.
    """
    tau, kind = np.unique(tau_of_pair / sd, return_inverse=True)
    items = Line(sd, mean).undo(items)
    result = Posterior(*_zeros(len(answers.topic), len(answers.student)))
    for low, high in _blocks(answers):
        pairs = slice(answers.student_start[low], answers.student_start[high])
        block = answers.between(low, high)
        _integrate_block(block, items, (tau, kind[pairs]), result.between(pairs, slice(low, high)))
    for theta in (result.theta, result.student_theta):
        theta *= sd
        theta += mean
    for se in (result.se, result.student_se):
        se *= sd
    return result


def _integrate_block(
    answers: GroupedAnswers, items: ItemParameters, kinds: tuple[np.ndarray, np.ndarray], result: Posterior
) -> None:
    """Compute the posterior of some students, in population SDs, into `result`."""
    tau, kind = kinds
    everybody, origin = np.arange(len(answers.student)), np.zeros(len(answers.student))
    limit = LIMIT * np.sqrt(1 + tau.max(initial=0.0) ** 2)
    _integrate_around(origin, limit, everybody, answers, items, kinds, result)
    far = _at_an_end(answers, result, limit)
    if len(far):
        place = _places(far, answers, items, tau[kind])
        _integrate_around(place, 2 * limit, far, answers, items, kinds, result)


def _blocks(answers: GroupedAnswers) -> list[tuple[int, int]]:
    """Cut students into ranges of positions with about ANSWERS_A_BLOCK answers, so that copies of them stay small."""
    start = answers.pair_start[answers.student_start]
    n_blocks = max(int(start[-1]) // ANSWERS_A_BLOCK, 1)
    bounds = np.unique(np.searchsorted(start, np.linspace(0, start[-1], n_blocks + 1)[1:-1]))
    edges = [0, *bounds.tolist(), len(answers.student)]
    return [(low, high) for low, high in pairwise(edges) if low < high]


def _integrate_around(
    centre: np.ndarray,
    limit: float,
    students: np.ndarray,
    answers: GroupedAnswers,
    items: ItemParameters,
    kinds: tuple[np.ndarray, np.ndarray],
    result: Posterior,
) -> None:
    """Integrate some students, each over nodes up to `limit` to both sides of `centre`, float64 [n], into `result`.

    All in population SDs. kinds: the different tau, and which of them each pair has.
    """
    tau, kind = kinds
    curves = items.curves
    shape = _narrowest(answers, curves)
    level, student_width = _level(answers, tau[kind], shape)
    for k, middle in np.unique(np.column_stack([level[students], centre]), axis=0):
        step = COARSEST_STEP * 2 ** (-k / 2)
        some = students[(level[students] == k) & (centre == middle)]
        chunk, pairs = answers.take(some), _pairs_of(answers, some)
        half = int(np.ceil(limit / step))
        node = middle + step * np.arange(-half, half + 1)
        row = np.flatnonzero(np.bincount(chunk.code, minlength=len(curves.intercept)))
        place = np.zeros(row.max(initial=0) + 1, np.int32)
        place[row] = np.arange(len(row))
        code, share = code_and_share(row, len(curves.intercept))
        log_p = share[:, None] * code_tables(curves, node)[code]
        tables = Tables(node, log_p, tau, _sampled_normal(tau, node), *_quadrature(tau, step))
        given = Students(
            stride=_stride(student_width[some], step),
            width=student_width[some],
            student_start=chunk.student_start,
            pair_start=chunk.pair_start,
            row=place[chunk.code],
            kind=kind[pairs],
            rule=_rule(tau[kind[pairs]], shape.width[pairs], shape.steepness[pairs], step),
        )
        out = TopicMoments(*_zeros(len(pairs), len(some)))
        _integrate_chunks(given, tables, out, _work(chunk))
        result.theta[pairs], result.se[pairs], result.score[pairs] = out.theta, out.se, out.score
        result.student_theta[some], result.student_se[some] = out.student_theta, out.student_se
        result.student_loglik[some] = out.student_loglik


def _at_an_end(answers: GroupedAnswers, result: Posterior, limit: float) -> np.ndarray:
    """Find the students whose own posterior reaches LIMIT, or that of a topic the last node, int64."""
    reach = np.abs(result.student_theta) + MARGIN * result.student_se
    topic = np.abs(result.theta) + MARGIN * result.se
    far = reach > LIMIT
    if len(topic):
        far |= np.maximum.reduceat(topic, answers.student_start[:-1]) > limit
    return np.flatnonzero(far)


def _places(students: np.ndarray, answers: GroupedAnswers, items: ItemParameters, tau: np.ndarray) -> np.ndarray:
    """Place students far from the population by all their answers together, float64 [n], in whole population SDs.

    An ability that all topics share has a variance of 1 + tau^2, and the student's own share of it with T topics is
    1 / (1 + tau^2 / T).
    """
    chunk = answers.take(students)
    n = len(students)
    widest = np.maximum.reduceat(tau[_pairs_of(answers, students)], chunk.student_start[:-1])
    topics = np.maximum(np.add.reduceat(chunk.answered.astype(np.int64), chunk.student_start[:-1]), 1)
    # A row is a whole answer here, whatever its share: this is a place to look around, not an estimate.
    curves = items.curves
    code = code_and_share(chunk.code, len(curves.intercept))[0].astype(np.int32)
    student, scores = np.arange(n, dtype=np.int32), curves.scores
    lists = AnswerLists(chunk.pair_start[chunk.student_start], code, student, scores.item, share_of(scores))
    moments = Moments(np.zeros(n), np.zeros(n), np.zeros(n))
    integrate_on_own_grids(np.arange(n), lists, curves, Populations(np.zeros(n), np.sqrt(1 + widest**2)), moments)
    return np.round(moments.theta / (1 + widest**2 / topics))


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
    """Shape of each pair's likelihood, float64 [n_pairs]: upper bound of its information, lower bound of its width, largest
    discrimination, and the steepest that log L can be."""

    information: np.ndarray
    width: np.ndarray
    largest_slope: np.ndarray
    steepness: np.ndarray


def _narrowest(answers: GroupedAnswers, curves: Curves) -> _Shape:
    """Bound the shape of each pair's likelihood.

    An answer has at most information a^2 / 4, with a times the highest score in a GPCM, and 4 / 3 of that in a GRM. A steep item alone is no normal curve: its logistic needs steps of 1 / a.
    """
    code, share = code_and_share(np.arange(answers.code.max(initial=0) + 1), len(curves.intercept))
    graded = np.where(curves.scores.kind == GRADED_RESPONSE, np.sqrt(4 / 3), 1.0)
    slope_of_row = np.minimum(np.abs(curves.a) * heights(curves.scores) * graded, STEEPEST)[curves.scores.item[code]]
    slope = slope_of_row[answers.code]
    information, steepness = (
        np.diff(np.concatenate([[0.0], np.cumsum(of_row[answers.code])])[answers.pair_start])
        for of_row in (share * slope_of_row**2 / 4, share * slope_of_row)
    )
    steepest = np.zeros(len(answers.topic))
    if len(slope):
        steepest[answers.answered] = np.maximum.reduceat(slope, answers.pair_start[:-1][answers.answered])
    width = 1 / np.sqrt(np.maximum(information + 0.75 * steepest**2, 1e-6))
    return _Shape(information, width, steepest, steepness)


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
    # The messages of all topics add up, and the steepest item's counts as in _narrowest.
    information, steep = (known / (1 + known * tau**2) for known in (shape.information, 0.75 * shape.largest_slope**2))
    of_students = np.diff(np.concatenate([[0.0], np.cumsum(information)])[answers.student_start])
    if len(steep):
        of_students += np.maximum.reduceat(steep, answers.student_start[:-1])
    student_width = 1 / np.sqrt(1 + of_students)
    finest = np.maximum(np.minimum(narrowest_pair, student_width), COARSEST_STEP / 2 ** (FINEST_LEVEL / 2))
    level = np.ceil(2 * np.log2(COARSEST_STEP / finest) - 1e-9)
    return np.clip(level, 0, FINEST_LEVEL).astype(np.int64), student_width


def _sampled_normal(tau: np.ndarray, node: np.ndarray) -> np.ndarray:
    """Tabulate weights z^k phi(z) at the distances between nodes, float64 [n_tau, 3, 2 n_nodes - 1 + MORE], k = 0, 1, 2."""
    distance = (np.arange(2 * len(node) - 1 + MORE) - (len(node) - 1)) * (node[1] - node[0])
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
