"""Grids of single persons: the abilities that matter to one person, as close together as that person's answers need.

A sum over equal steps h of a function that is analytic within t of the real line is wrong by about exp(-2 pi t / h)
(Trefethen & Weideman, 2014). A posterior with information I is as narrow as a normal curve of SD 1 / sqrt(I), and the
logistic curve of slope a has its poles at a distance of pi / |a|. So a shared grid serves most persons, and those whom
it does not get a grid that reaches as far as their posterior does, with steps by their information.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedtest_assets.irt.curves import log_categories, log_wrong_and_right
from seedtest_assets.irt.estep import Answers, expect
from seedtest_assets.irt.grid import Grid, normal_grid_at
from seedtest_assets.irt.item_scores import GRADED_RESPONSE, RIGHT_OR_WRONG, steepnesses
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves, Moments, Populations
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.parallel import exponential, kernel, run

# Posterior SDs, in steps, below which a grid is too coarse: there the sum is wrong by 3e-6, and a standard error of an
# item that depends on few persons with many answers by 1e-5; at 0.7 by 2%.
LEAST_SD = 0.8
# Posterior weight of a grid's ends above which it is too short for an ability: some 1e-5 of the posterior is beyond.
FOR_ABILITIES = 1e-6
# The same for estimates of items, which one person's tail hardly moves: it is not worth estimating again for less.
FOR_ESTIMATES = 1e-3
# |slope| x step of an item that alone makes a grid too coarse: there the sum is wrong by up to 5e-5.
STEEPEST = 2.0
# The same from which the items of a person count together: the edge that many of them make is smooth only within half
# the distance of their poles, and the sum wrong by exp(-pi^2 / (a h)).
STEEP = 1.0
# Log posterior below its maximum at which a person's own grid ends: 1e-13 of the maximum.
DEPTH = 30.0
# Nodes at which the posterior is searched. While fewer than half of them are within DEPTH the search goes on closer.
SEARCHED = 64
# A person's own grid has no more nodes: enough for the steepest item that can be used, at 100.
MOST_NODES = 10_000
# Factors 1 + exp(-|z|), each at most 2, that are multiplied before their logarithm is taken.
FACTORS = 512
PERSONS_A_CHUNK = 16
COMMON = -1


@dataclass(frozen=True)
class Part:
    """Persons who are integrated over the same nodes.

    persons: int64 [n]; answers: theirs; node: float64, ascending in equal steps, None for those of the common grid; halvings:
    how often the step of the common grid was halved, COMMON for that grid itself.
    """

    persons: np.ndarray
    answers: Answers
    node: np.ndarray | None = None
    halvings: int = COMMON

    def grid(self, common: Grid, populations: Populations) -> Grid:
        """Weight the nodes; `common`: the common grid."""
        return common if self.node is None else normal_grid_at(self.node, *populations)

    def mirrored(self) -> "Part":
        """Turn the ability axis around."""
        return self if self.node is None else replace(self, node=-self.node[::-1])


def whole(answers: Answers) -> tuple[Part, ...]:
    """Put all persons on the common grid."""
    return (Part(np.arange(len(answers.group)), answers),)


def own_parts(
    answers: Answers,
    parts: Sequence[Part],
    poor: Sequence[np.ndarray],
    step: float,
    curves: Curves,
    populations: Populations,
) -> tuple[Part, ...]:
    """Move persons whom their grid does not serve to nodes that do.

    Those who need about the same step share their nodes, which reach as far as the furthest of them. They are whole
    multiples of the step, so that persons of other shards have the same ones.

    poor: such persons of each part; step: of the common grid, which is halved as often as needed.
    """
    moved = np.sort(np.concatenate([poor[0], *(part.persons for part in parts[1:])]))
    low, high, largest = np.empty((3, len(moved)))
    _in_chunks(
        lambda some: _ranges(moved[some], answers.lists, curves, populations, low[some], high[some], largest[some]),
        len(moved),
    )
    halvings = np.ceil(np.log2(np.maximum(step / largest, 1))).astype(np.int64)
    rest = np.setdiff1d(parts[0].persons, moved)
    own = [Part(rest, answers.take(rest))]
    for k in np.unique(halvings):
        some = halvings == k
        h = step / 2**k
        node = h * np.arange(np.floor(low[some].min() / h), np.ceil(high[some].max() / h) + 1)
        own.append(Part(moved[some], answers.take(moved[some]), node, int(k)))
    return tuple(own)


def resolved(answers: Answers, curves: Curves, populations: Populations, common: Grid) -> list[tuple[Part, Grid]]:
    """List all persons by the grids that serve them: the common grid, and others where it does not."""
    parts = whole(answers)
    moments = expect(answers, curves, common, counts=False, abilities=True).moments
    poor = unresolved(answers, curves, common, moments, FOR_ESTIMATES)
    if len(poor):
        parts = own_parts(answers, parts, [poor], float(common.node[1] - common.node[0]), curves, populations)
    return [(part, part.grid(common, populations)) for part in parts]


def unresolved(answers: Answers, curves: Curves, grid: Grid, moments: Moments, most_at_ends: float) -> np.ndarray:
    """Find the persons whom a grid does not serve, int64: too narrow a posterior, too near an end, or too steep an item.

    moments: what the grid gives for them; most_at_ends: FOR_ABILITIES or FOR_ESTIMATES.
    """
    step = grid.node[1] - grid.node[0]
    poor = answers.answered & ((moments.at_ends > most_at_ends) | (moments.theta_se < LEAST_SD * step))
    steepness = np.abs(curves.a) * steepnesses(curves.scores) * step
    steepness[steepness <= STEEP] = 0.0
    if steepness.any():
        of_code = steepness[curves.scores.item]
        of_answers = np.concatenate([[0.0], np.cumsum(of_code[answers.code])])[answers.start]
        poor |= np.diff(of_answers) > STEEPEST + 1e-6
    return np.flatnonzero(poor)


def integrate(
    persons: np.ndarray, answers: AnswerLists, curves: Curves, populations: Populations, moments: Moments
) -> None:
    """Integrate some persons, each on a grid of their own, and write their moments."""
    _in_chunks(lambda some: _integrate(persons[some], answers, curves, populations, moments), len(persons))


def _in_chunks(work: Callable[[slice], None], n_persons: int) -> None:
    """Call `work` for slices of so many persons, on all cores."""
    chunks = [(low, min(low + PERSONS_A_CHUNK, n_persons)) for low in range(0, n_persons, PERSONS_A_CHUNK)]
    run(lambda low, high: work(slice(low, high)), chunks)


@kernel
def _integrate(
    persons: np.ndarray, answers: AnswerLists, curves: Curves, populations: Populations, moments: Moments
) -> None:
    for p in persons:
        low, high, step = _range(p, answers, curves, populations)
        n_nodes = int(min(np.ceil((high - low) / step) + 1, MOST_NODES))
        node = np.linspace(low, high, n_nodes)
        log_posterior = _log_posterior(p, answers, curves, populations, node)
        weight = np.exp(log_posterior - log_posterior.max())
        weight /= weight.sum()
        # Sums of products, not numpy's dot, whose threads would fight with ours.
        mean = (weight * (node - low)).sum() + low
        moments.theta[p], moments.theta_se[p] = mean, np.sqrt((weight * (node - mean) ** 2).sum())


@kernel
def _ranges(
    persons: np.ndarray,
    answers: AnswerLists,
    curves: Curves,
    populations: Populations,
    low: np.ndarray,
    high: np.ndarray,
    step: np.ndarray,
) -> None:
    for i in range(persons.size):
        low[i], high[i], step[i] = _range(persons[i], answers, curves, populations)


@kernel
def _range(p: int, answers: AnswerLists, curves: Curves, populations: Populations) -> tuple[float, float, float]:
    """Find where a person's log posterior is within DEPTH of its maximum, and the step that integrates it.

    The likelihood is below 1, so no ability is within DEPTH of the value at the population's mean where the population
    alone is further below. From there on closer and closer nodes are searched.
    """
    mean, sd = populations.mean[answers.group[p]], populations.sd[answers.group[p]]
    at_mean = _log_posterior(p, answers, curves, populations, np.array([mean]))[0]
    reach = sd * np.sqrt(2 * (DEPTH - at_mean))
    low, high = mean - reach, mean + reach
    while True:
        node = np.linspace(low, high, SEARCHED)
        log_posterior = _log_posterior(p, answers, curves, populations, node)
        inside = np.flatnonzero(log_posterior > log_posterior.max() - DEPTH)
        if inside.size == 0:  # parameters so large that no probability is a number
            return mean - sd, mean + sd, sd
        low, high = node[max(inside[0] - 1, 0)], node[min(inside[-1] + 1, SEARCHED - 1)]
        if inside.size >= SEARCHED // 2 or node[1] - node[0] <= 1e-12 * max(abs(low), abs(high)):
            return low, high, _largest_step(p, answers, curves, sd, low, high)


@kernel
def _largest_step(p: int, answers: AnswerLists, curves: Curves, sd: float, low: float, high: float) -> float:
    """Bound the width of the posterior between `low` and `high`.

    An answer has at most the information a^2 p q where the curve is nearest to its middle. The steepest one counts four
    times, since its logistic curve alone needs steps of 1 / a.
    """
    information, largest = 1 / sd**2, 0.0
    for k in range(answers.start[p], answers.start[p + 1]):
        j = answers.item[answers.code[k]]
        a, d = curves.a[j], curves.d[j]
        if curves.scores.kind[j] != RIGHT_OR_WRONG:
            of_answer = _most_information(curves, j)
            information += of_answer
            largest = max(largest, of_answer)
            continue
        at_low, at_high = a * low + d, a * high + d
        nearest = 0.0 if at_low * at_high < 0 else min(abs(at_low), abs(at_high))
        e = np.exp(-nearest)
        of_answer = a * a * e / (1 + e) ** 2
        information += of_answer
        largest = max(largest, of_answer)
    return 1 / np.sqrt(information + 3 * largest)


@kernel
def _most_information(curves: Curves, j: int) -> float:
    """Bound the information of an item with partial credit: a^2 var(score), at most height^2 / 4 in a GPCM, 1 / 3 in a GRM."""
    first, end = curves.scores.first[j], curves.scores.first[j + 1]
    if curves.scores.kind[j] == GRADED_RESPONSE:
        return curves.a[j] ** 2 / 3
    return (curves.a[j] * curves.scores.weight[first:end].sum()) ** 2 / 4


@kernel
def _log_posterior(
    p: int, answers: AnswerLists, curves: Curves, populations: Populations, node: np.ndarray
) -> np.ndarray:
    """Compute a person's log posterior at the nodes, up to a constant: 0 at the population's mean without answers."""
    mean, sd = populations.mean[answers.group[p]], populations.sd[answers.group[p]]
    out = -0.5 * ((node - mean) / sd) ** 2
    of_scores = np.empty(MOST_CATEGORIES)
    product = np.ones(node.size)
    factors = 0
    for k in range(answers.start[p], answers.start[p + 1]):
        j = answers.item[answers.code[k]]
        if curves.scores.kind[j] != RIGHT_OR_WRONG:
            place = answers.code[k] - curves.scores.first[j]
            for q in range(node.size):
                log_categories(curves, j, node[q], of_scores)
                out[q] += of_scores[place]
            continue
        a, d, c, right = curves.a[j], curves.d[j], curves.c[j], answers.code[k] - curves.scores.first[j]
        if c > 0:
            for q in range(node.size):
                log_wrong, log_right = log_wrong_and_right(a * node[q] + d, c)
                out[q] += log_right if right else log_wrong
            continue
        sign = 1.0 if right else -1.0
        for q in range(node.size):
            z = sign * (a * node[q] + d)
            out[q] += min(z, 0.0)
            product[q] *= 1 + exponential(-abs(z))
        factors += 1
        if factors == FACTORS:
            out -= np.log(product)
            product[:] = 1.0
            factors = 0
    return out - np.log(product)
