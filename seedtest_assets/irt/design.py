"""Design of the data: whether the choice of items depends on ability, over and above the answers.

Maximum likelihood may ignore how items were chosen when the choice follows from the answers themselves (a
computerised adaptive test), or from nothing (Mislevy & Wu, 1996). Where persons were given items near an ability
known otherwise (a grade, an earlier test), one population for all pulls the ends of the scale together, and b with
them (Eggen & Verhelst, 2011). Separate populations for persons with like items undo that.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.item_scores import share_of
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves
from seedtest_assets.irt.parallel import chunks, kernel, spread
from seedtest_assets.irt.shards import Shards

MOST_GROUPS = 10
LEAST_PERSONS = 200  # in a group
# Nodes that resolve the small spread of ability among persons with like items.
FINE = 121
# Persons that are enough to test whether the choice of items has a direction, and to begin near it.
SAMPLE = 4000
# z above which what followed a right answer differs from what came before it.
ADAPTIVE_Z = 5
# Answers to an item that a group needs for its share of right ones to be compared.
LEAST_IN_CELL = 20
# Change of the items' places, in their SDs, that no person's group hangs on.
SETTLED = 1e-6
# Share of the association that abilities give, below which answers of a group are associated too little.
LEAST_ASSOCIATION = 0.6


class Grouping(NamedTuple):
    """Populations of persons, int32 [n_persons] of each shard, and the place of each item on the axis that orders them."""

    groups: Shards[np.ndarray]
    n_groups: int
    place: np.ndarray


def groups_by_items(answers: AnswerShards, difficulty: np.ndarray) -> Grouping | None:
    """Group persons by the items they were given; None when the choice of items has no direction, or all are in one group.

    The direction is the first axis of a correspondence analysis of who answered what (reciprocal averaging, Hill,
    1973): an item's place is the mean of its persons', a person's the mean of their items'. It has one when places of
    persons correlate with the places of their items far more than they would if everyone had drawn their items at
    random.

    difficulty: float64 [n_items], from which the search starts.
    """
    n_groups = min(MOST_GROUPS, answers.n_answered // LEAST_PERSONS)
    if n_groups < 2:
        return None
    start = np.clip(difficulty, -4, 4)
    place = _direction(AnswerShards.here(answers.sample(SAMPLE)), start, 60)
    if place is not None:
        place = _direction(answers, place, 60)  # near it already, so that a few steps settle
    if place is None:
        return None
    person = answers.shards.derive(_person_places_of, place)
    everybody = np.concatenate(person.each(_of_answered, answers.shards))
    cuts = np.unique(np.quantile(everybody, np.arange(1, n_groups) / n_groups))
    present = np.unique(np.searchsorted(cuts, everybody, side="right"))
    if len(present) < 2:
        return None
    return Grouping(person.derive(_groups_of, cuts, present), len(present), place)


def _person_places_of(answers: Answers, place: np.ndarray) -> np.ndarray:
    return _person_places(answers.lists, place)


def _of_answered(place: np.ndarray, answers: Answers) -> np.ndarray:
    return place[answers.answered]


def _groups_of(place: np.ndarray, cuts: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Number the groups that have persons; persons without answers come into one of them."""
    group = np.searchsorted(cuts, place, side="right")
    return np.minimum(np.searchsorted(present, group), len(present) - 1).astype(np.int32)


def harder_after_right(answers: AnswerShards, place: np.ndarray) -> bool:
    """Test whether items after a right answer differ from those before it, as in an adaptive test.

    z of sum y_t (place_(t + 1) - place_(t - 1)) over persons' answers in order of time, both as deviations from their
    means over the persons of the same group who had the same item: 0 when the items do not follow from the answers.
    Without the groups, forms handed out by ability would differ after a right answer, too.

    False where times do not tell: without times, at equal times, and where everybody has the items in the same order.

    answers: with the groups.
    """
    sample = answers.sample(SAMPLE)
    if not len(sample.order):
        return False
    person, code = _in_time(sample)
    if _same_order(person, answers.scores.item[code], answers.n_items):
        return False
    now = 1 + np.flatnonzero((person[2:] == person[:-2]) & (person[:-2] >= 0))
    item, share = answers.scores.item, share_of(answers.scores)
    place_of = place[item[code]]
    right, change = share[code[now]], place_of[now + 1] - place_of[now - 1]
    group = sample.group[person[now]]
    _, cell = np.unique(item[code[now]].astype(np.int64) * answers.n_groups + group, return_inverse=True)
    for values in (right, change):
        values -= (np.bincount(cell, values) / np.bincount(cell))[cell]
    of_person = np.bincount(person[now], right * change)
    return bool(abs(of_person.sum()) > ADAPTIVE_Z * np.sqrt(np.sum(of_person**2)))


def items_follow_answers(answers: AnswerShards, curves: Curves, grid: Grid) -> bool:
    """Test whether answers within a group hang together less than the group's abilities explain, as in a staged test.

    Where ability alone decides who gets which items, answers of a group are as associated as its spread of ability
    makes them (conditional association, Holland & Rosenbaum, 1986). Where a group is made of persons whose earlier
    answers add up to like scores, one right answer makes another less likely. The sum of products of residuals, over
    pairs of a person's answers to items that several groups have, is compared with what the populations give.

    answers: with the groups; curves, grid: estimated with a population for each group.
    """
    given = answers.shards.total(_count_in_groups, add=np.add)
    of_code, first = share_of(answers.scores), answers.scores.first[:-1]
    right, given = np.add.reduceat(given * of_code, first, axis=1), np.add.reduceat(given, first, axis=1)
    shared = (given >= LEAST_IN_CELL) & (np.count_nonzero(given >= LEAST_IN_CELL, axis=0) > 1)
    share = right / np.maximum(given, 1)
    p = np.add.reduceat(of_code[:, None] * np.exp(code_tables(curves, grid.node)), first, axis=0)
    tables = _Residuals(share, grid.weight @ p.T, p, shared)
    observed, expected = _products(answers.sample(SAMPLE).lists, tables, np.atleast_2d(grid.weight))
    return bool(observed < LEAST_ASSOCIATION * expected)


def _count_in_groups(answers: Answers) -> np.ndarray:
    """Count the answers with each code in each group, int64 [n_groups, n_codes]."""
    n_codes = len(answers.count)
    cell = np.repeat(answers.group, np.diff(answers.start)).astype(np.int64) * n_codes + answers.code
    return np.bincount(cell, minlength=answers.n_groups * n_codes).reshape(-1, n_codes)


def _in_time(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """List answers in order of time: person and code, int [n]; person -1 where times are equal."""
    person = np.repeat(np.arange(len(answers.group)), np.diff(answers.start))
    at = np.lexsort((answers.order, person))
    order, person = answers.order[at], person[at]
    tied = np.zeros(len(at), bool)
    tied[1:] = (order[1:] == order[:-1]) & (person[1:] == person[:-1])
    tied[:-1] |= tied[1:]
    return np.where(tied, -1, person), answers.code[at]


def _same_order(person: np.ndarray, item: np.ndarray, n_items: int) -> bool:
    """Check whether the items can be put in one order that everybody followed: no item comes before itself."""
    follows = (person[1:] == person[:-1]) & (person[1:] >= 0)
    before, after = item[:-1][follows], item[1:][follows]
    graph = csr_matrix((np.ones(len(before), bool), (before, after)), shape=(n_items, n_items))
    return bool(connected_components(graph, connection="strong", return_labels=False) == n_items)


def _direction(answers: AnswerShards, start: np.ndarray, steps: int) -> np.ndarray | None:
    """Average reciprocally from `start`; gives the items' places, None unless the correlation is twice what random choice gives."""
    times, place = answers.n_answers.astype(np.float64), start.copy()
    n_answers, used = times.sum(), np.count_nonzero(times)
    correlation = 0.0
    for _ in range(steps):
        place -= times @ place / n_answers
        size = np.sqrt(times @ place**2 / n_answers)
        if size < 1e-9:
            return None
        place /= size
        before = place
        place = answers.shards.total(_sum_of_places, place, add=np.add) / np.maximum(times, 1)
        correlation = np.sqrt(max(times @ (before * place) / n_answers, 0.0))
        centred = place - times @ place / n_answers
        moved = centred / max(np.sqrt(times @ centred**2 / n_answers), 1e-300) - before
        if np.sqrt(times @ moved**2 / n_answers) < SETTLED:
            break
    by_chance = np.sqrt(answers.n_answered / n_answers) + np.sqrt(used / n_answers)
    return place if correlation > min(2 * by_chance, 0.9) and correlation > 0.2 else None


def _sum_of_places(answers: Answers, place: np.ndarray) -> np.ndarray:
    """Sum, for each item over those persons who have it, the mean place of their items."""
    lists = answers.lists
    totals = spread(
        lambda low, high, total: _sum_over_persons(low, high, lists, place, total),
        chunks(answers.start),
        lambda: np.zeros_like(place),
    )
    return np.sum(totals, axis=0)


@kernel
def _sum_over_persons(low: int, high: int, answers: AnswerLists, place: np.ndarray, total: np.ndarray) -> None:
    start, code = answers.start, answers.code
    for p in range(low, high):
        mean = 0.0
        for k in range(start[p], start[p + 1]):
            mean += place[answers.item[code[k]]]
        mean /= max(start[p + 1] - start[p], 1)
        for k in range(start[p], start[p + 1]):
            total[answers.item[code[k]]] += mean


class _Residuals(NamedTuple):
    """Share of right answers, as observed and as expected, and whether it is counted, [n_groups, n_items]; P [n_items,
    n_nodes]."""

    share: np.ndarray
    expected: np.ndarray
    p: np.ndarray
    counted: np.ndarray


@kernel
def _products(answers: AnswerLists, tables: _Residuals, weight: np.ndarray) -> tuple[float, float]:
    """Sum the products of the residuals of two answers of a person over all pairs, and what is expected of the sum."""
    start, code = answers.start, answers.code
    n_nodes = tables.p.shape[1]
    observed, expected = 0.0, 0.0
    total, squares = np.empty(n_nodes), np.empty(n_nodes)
    for p in range(start.size - 1):
        g = answers.group[p]
        total[:], squares[:] = 0.0, 0.0
        residuals = 0.0
        for k in range(start[p], start[p + 1]):
            j = answers.item[code[k]]
            if tables.counted[g, j]:
                residual = answers.share[code[k]] - tables.share[g, j]
                residuals += residual
                observed -= residual * residual
                for q in range(n_nodes):
                    x = tables.p[j, q] - tables.expected[g, j]
                    total[q] += x
                    squares[q] += x * x
        observed += residuals * residuals
        for q in range(n_nodes):
            expected += weight[g, q] * (total[q] * total[q] - squares[q])
    return observed, expected


@kernel
def _person_places(answers: AnswerLists, place: np.ndarray) -> np.ndarray:
    """Place each person at the mean of their items."""
    start, code = answers.start, answers.code
    out = np.zeros(start.size - 1)
    for p in range(start.size - 1):
        for k in range(start[p], start[p + 1]):
            out[p] += place[answers.item[code[k]]]
        out[p] /= max(start[p + 1] - start[p], 1)
    return out
