"""Design of the data: whether the choice of items depends on ability, over and above the answers.

Maximum likelihood may ignore how items were chosen when the choice follows from the answers themselves (a
computerised adaptive test), or from nothing (Mislevy & Wu, 1996). Where persons were given items near an ability
known otherwise (a grade, an earlier test), one population for all pulls the ends of the scale together, and b with
them (Eggen & Verhelst, 2011). Separate populations for persons with like items undo that.
"""

import numpy as np

from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.kernel_arguments import AnswerLists
from seedtest_assets.irt.parallel import kernel

MOST_GROUPS = 10
LEAST_PERSONS = 200  # in a group
# SD of ability among persons with like items, below which the items followed from the answers.
LEAST_SPREAD = 0.08
# Nodes that resolve such spreads.
FINE = 121
# Persons that are enough to test whether the choice of items has a direction.
SAMPLE = 4000
# z above which what followed a right answer differs from what came before it.
ADAPTIVE_Z = 5


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
    sample = answers.start[: 1 + int(np.searchsorted(np.cumsum(np.diff(answers.start) > 0), SAMPLE)) + 1]
    place = np.clip(difficulty, -4, 4)
    if not _has_direction(sample, answers, place, 8):
        return None
    if not _has_direction(answers.start, answers, place, 60):
        return None
    person = _person_places(answers.start, answers.code, place)
    cuts = np.unique(np.quantile(person[answers.answered], np.arange(1, n_groups) / n_groups))
    group = np.searchsorted(cuts, person, side="right")
    return np.unique(group, return_inverse=True)[1].astype(np.int32), place


def harder_after_right(answers: Answers, place: np.ndarray) -> bool:
    """Test whether items after a right answer differ from those before it, as in an adaptive test; False without times.

    z of sum (y_t - share right of the item) (place_(t + 1) - place_(t - 1)) over persons' answers in order of time,
    which is 0 when the items do not follow from the answers.
    """
    if not len(answers.order):
        return False
    share = answers.count[:, 1] / answers.count.sum(axis=1)
    total, square = _followed(answers.lists, answers.order, share, place)
    return bool(abs(total) > ADAPTIVE_Z * np.sqrt(square))


def hardly_any_spread(sd: np.ndarray) -> bool:
    """Check whether persons with like items come out (nearly) equally able, float64 [n_groups] SDs.

    This is a sign of an adaptive test, too: there the choice of items undoes deviations of the answers, so that persons
    with like items answer more alike than independent answers can. It may fail where items followed the answers loosely.
    """
    return bool(np.median(sd) < LEAST_SPREAD)


def _has_direction(start: np.ndarray, answers: Answers, place: np.ndarray, steps: int) -> bool:
    """Average reciprocally from `place` (in place) and test whether the correlation is twice what random choice gives."""
    n_answers = start[-1] - start[0]
    times = np.bincount(answers.code[start[0] : start[-1]] >> 1, minlength=answers.n_items)
    used = max(int(np.count_nonzero(times)), 1)
    persons = max(int(np.count_nonzero(np.diff(start))), 1)
    correlation = 0.0
    for _ in range(steps):
        place -= times @ place / n_answers
        size = np.sqrt(times @ place**2 / n_answers)
        if size < 1e-9:
            return False
        place /= size
        before = place.copy()
        _average(start, answers.code, place, times)
        correlation = np.sqrt(max(times @ (before * place) / n_answers, 0.0))
    by_chance = np.sqrt(persons / n_answers) + np.sqrt(used / n_answers)
    return bool(correlation > min(2 * by_chance, 0.9) and correlation > 0.2)


@kernel
def _average(start: np.ndarray, code: np.ndarray, place: np.ndarray, times: np.ndarray) -> None:
    """Move each item to the mean, over its persons, of the mean place of their items."""
    total = np.zeros(place.size)
    for p in range(start.size - 1):
        if start[p] == start[p + 1]:
            continue
        mean = 0.0
        for k in range(start[p], start[p + 1]):
            mean += place[code[k] >> 1]
        mean /= start[p + 1] - start[p]
        for k in range(start[p], start[p + 1]):
            total[code[k] >> 1] += mean
    for j in range(place.size):
        place[j] = total[j] / max(times[j], 1)


@kernel
def _followed(answers: AnswerLists, order: np.ndarray, share: np.ndarray, place: np.ndarray) -> tuple[float, float]:
    """Sum over persons, and sum of squares, of what `harder_after_right` tests."""
    start, code = answers.start, answers.code
    total, square = 0.0, 0.0
    for p in range(min(start.size - 1, SAMPLE)):
        in_time = start[p] + np.argsort(order[start[p] : start[p + 1]])
        of_person = 0.0
        for t in range(1, in_time.size - 1):
            now = code[in_time[t]]
            later, earlier = place[code[in_time[t + 1]] >> 1], place[code[in_time[t - 1]] >> 1]
            of_person += ((now & 1) - share[now >> 1]) * (later - earlier)
        total += of_person
        square += of_person * of_person
    return total, square


@kernel
def _person_places(start: np.ndarray, code: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Place each person at the mean of their items."""
    out = np.zeros(start.size - 1)
    for p in range(start.size - 1):
        for k in range(start[p], start[p + 1]):
            out[p] += place[code[k] >> 1]
        out[p] /= max(start[p + 1] - start[p], 1)
    return out
