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

from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.item_scores import share_of
from seedtest_assets.irt.kernel_arguments import AnswerLists, Curves
from seedtest_assets.irt.parallel import kernel

MOST_GROUPS = 10
LEAST_PERSONS = 200  # in a group
# Nodes that resolve the small spread of ability among persons with like items.
FINE = 121
# Persons that are enough to test whether the choice of items has a direction.
SAMPLE = 4000
# z above which what followed a right answer differs from what came before it.
ADAPTIVE_Z = 5
# Answers to an item that a group needs for its share of right ones to be compared.
LEAST_IN_CELL = 20
# Share of the association that abilities give, below which answers of a group are associated too little.
LEAST_ASSOCIATION = 0.6


def groups_by_items(answers: Answers, difficulty: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Group persons by the items they were given, int32 [n_persons], and place each item on the axis that orders them.

    None when the choice of items has no direction.

    The direction is the first axis of a correspondence analysis of who answered what (reciprocal averaging, Hill,
    1973): an item's place is the mean of its persons', a person's the mean of their items'. It has one when places of
    persons correlate with the places of their items far more than they would if everyone had drawn their items at
    random.

    difficulty: float64 [n_items], from which the search starts.
    """
    n_persons = int(np.count_nonzero(np.diff(answers.start)))
    n_groups = min(MOST_GROUPS, n_persons // LEAST_PERSONS)
    if n_groups < 2:
        return None
    place = np.clip(difficulty, -4, 4)
    if not _has_direction(_spread_over(answers), answers, place, 8):
        return None
    if not _has_direction(np.flatnonzero(answers.answered), answers, place, 60):
        return None
    person = _person_places(answers.lists, place)
    cuts = np.unique(np.quantile(person[answers.answered], np.arange(1, n_groups) / n_groups))
    group = np.searchsorted(cuts, person, side="right")
    return np.unique(group, return_inverse=True)[1].astype(np.int32), place


def harder_after_right(answers: Answers, place: np.ndarray, group: np.ndarray) -> bool:
    """Test whether items after a right answer differ from those before it, as in an adaptive test.

    z of sum y_t (place_(t + 1) - place_(t - 1)) over persons' answers in order of time, both as deviations from their
    means over the persons of the same group (int32 [n_persons]) who had the same item: 0 when the items do not follow
    from the answers. Without the groups, forms handed out by ability would differ after a right answer, too.

    False where times do not tell: without times, at equal times, and where everybody has the items in the same order.
    """
    if not len(answers.order):
        return False
    person, code = _in_time(answers, _spread_over(answers))
    if _same_order(person, answers.scores.item[code], answers.n_items):
        return False
    now = 1 + np.flatnonzero((person[2:] == person[:-2]) & (person[:-2] >= 0))
    item, share = answers.scores.item, share_of(answers.scores)
    place_of = place[item[code]]
    right, change = share[code[now]], place_of[now + 1] - place_of[now - 1]
    _, cell = np.unique(item[code[now]].astype(np.int64) * (group.max() + 1) + group[person[now]], return_inverse=True)
    for values in (right, change):
        values -= (np.bincount(cell, values) / np.bincount(cell))[cell]
    of_person = np.bincount(person[now], right * change)
    return bool(abs(of_person.sum()) > ADAPTIVE_Z * np.sqrt(np.sum(of_person**2)))


def items_follow_answers(answers: Answers, curves: Curves, grid: Grid) -> bool:
    """Test whether answers within a group hang together less than the group's abilities explain, as in a staged test.

    Where ability alone decides who gets which items, answers of a group are as associated as its spread of ability
    makes them (conditional association, Holland & Rosenbaum, 1986). Where a group is made of persons whose earlier
    answers add up to like scores, one right answer makes another less likely. The sum of products of residuals, over
    pairs of a person's answers to items that several groups have, is compared with what the populations give.

    answers: with the groups; curves, grid: estimated with a population for each group.
    """
    group = np.repeat(answers.group, np.diff(answers.start))
    cell = group.astype(np.int64) * answers.n_items + answers.scores.item[answers.code]
    size, of_code = answers.n_groups * answers.n_items, share_of(answers.scores)
    given = np.bincount(cell, minlength=size).reshape(answers.n_groups, -1)
    right = np.bincount(cell, of_code[answers.code], minlength=size).reshape(answers.n_groups, -1)
    shared = (given >= LEAST_IN_CELL) & (np.count_nonzero(given >= LEAST_IN_CELL, axis=0) > 1)
    share = right / np.maximum(given, 1)
    p = np.add.reduceat(of_code[:, None] * np.exp(code_tables(curves, grid.node)), curves.scores.first[:-1], axis=0)
    tables = _Residuals(share, grid.weight @ p.T, p, shared)
    observed, expected = _products(answers.take(_spread_over(answers)).lists, tables, np.atleast_2d(grid.weight))
    return bool(observed < LEAST_ASSOCIATION * expected)


def _spread_over(answers: Answers) -> np.ndarray:
    """Choose at most SAMPLE of the persons with answers, int64, from all over the list: it may be sorted by form."""
    answered = np.flatnonzero(answers.answered)
    return answered[np.linspace(0, len(answered) - 1, min(SAMPLE, len(answered))).astype(np.int64)]


def _in_time(answers: Answers, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the answers of some persons in order of time: person and code, int [n]; person -1 where times are equal."""
    chosen = answers.take(persons)
    person = np.repeat(persons, np.diff(chosen.start))
    at = np.lexsort((chosen.order, person))
    order, person = chosen.order[at], person[at]
    tied = np.zeros(len(at), bool)
    tied[1:] = (order[1:] == order[:-1]) & (person[1:] == person[:-1])
    tied[:-1] |= tied[1:]
    return np.where(tied, -1, person), chosen.code[at]


def _same_order(person: np.ndarray, item: np.ndarray, n_items: int) -> bool:
    """Check whether the items can be put in one order that everybody followed: no item comes before itself."""
    follows = (person[1:] == person[:-1]) & (person[1:] >= 0)
    before, after = item[:-1][follows], item[1:][follows]
    graph = csr_matrix((np.ones(len(before), bool), (before, after)), shape=(n_items, n_items))
    return bool(connected_components(graph, connection="strong", return_labels=False) == n_items)


def _has_direction(persons: np.ndarray, answers: Answers, place: np.ndarray, steps: int) -> bool:
    """Average reciprocally over some persons, from `place` (in place), and test whether the correlation is twice what
    random choice gives."""
    lists = answers.lists
    times = _times_given(persons, lists, answers.n_items)
    n_answers, used = times.sum(), np.count_nonzero(times)
    correlation = 0.0
    for _ in range(steps):
        place -= times @ place / n_answers
        size = np.sqrt(times @ place**2 / n_answers)
        if size < 1e-9:
            return False
        place /= size
        before = place.copy()
        _average(persons, lists, place, times)
        correlation = np.sqrt(max(times @ (before * place) / n_answers, 0.0))
    by_chance = np.sqrt(len(persons) / n_answers) + np.sqrt(used / n_answers)
    return bool(correlation > min(2 * by_chance, 0.9) and correlation > 0.2)


@kernel
def _times_given(persons: np.ndarray, answers: AnswerLists, n_items: int) -> np.ndarray:
    """Count how many of some persons were given each item."""
    start, code = answers.start, answers.code
    times = np.zeros(n_items)
    for p in persons:
        for k in range(start[p], start[p + 1]):
            times[answers.item[code[k]]] += 1
    return times


@kernel
def _average(persons: np.ndarray, answers: AnswerLists, place: np.ndarray, times: np.ndarray) -> None:
    """Move each item to the mean, over those persons who have it, of the mean place of their items."""
    start, code = answers.start, answers.code
    total = np.zeros(place.size)
    for p in persons:
        mean = 0.0
        for k in range(start[p], start[p + 1]):
            mean += place[answers.item[code[k]]]
        mean /= start[p + 1] - start[p]
        for k in range(start[p], start[p + 1]):
            total[answers.item[code[k]]] += mean
    for j in range(place.size):
        place[j] = total[j] / max(times[j], 1)


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
