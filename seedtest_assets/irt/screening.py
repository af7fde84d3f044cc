"""Which items can be fitted, and what the list of answers can say about their scale."""

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.responses import Responses

LeftOut = list[tuple[int, int, str]]
"""(item code, number of answers, reason) of items that have answers but no parameters."""


def fittable_items(
    responses: Responses, min_responses: int, one_kind: bool = False, with_prior: ArrayLike = ()
) -> tuple[np.ndarray, LeftOut]:
    """Find the codes of the items that can be fitted, int32, and list the others that have answers.

    one_kind: whether an item with only right or only wrong answers can be fitted; with_prior: codes of items with a prior
    of their own, for which one answer is enough.
    Raises DataError when there is none.
    """
    if responses.n_answers == 0:
        raise DataError("there are no answers to calibrate")
    n_wrong, n_right = _wrong_and_right(responses)
    n_answers = n_wrong + n_right
    few, known = (n_answers > 0) & (n_answers < min_responses), np.zeros(len(n_answers), bool)
    known[np.intersect1d(with_prior, np.arange(len(known))).astype(np.int64)] = True
    determined = known if not one_kind else np.ones_like(known)
    reasons = np.select(
        [few & ~known, (n_wrong == 0) & (n_answers > 0) & ~determined, (n_right == 0) & (n_answers > 0) & ~determined],
        [f"fewer than {min_responses} answers", "all answers right", "all answers wrong"],
        "",
    )
    left_out = [(int(j), int(n_answers[j]), str(reasons[j])) for j in np.flatnonzero(reasons != "")]
    fitted = np.flatnonzero((n_answers > 0) & (reasons == "")).astype(np.int32)
    if not len(fitted):
        raise DataError(
            f"no item can be calibrated: each of the {len(left_out)} items has fewer than {min_responses} answers, "
            "or only right ones, or only wrong ones"
        )
    return fitted, left_out


def answers_to(responses: Responses, items: np.ndarray, group: np.ndarray | None = None, n_groups: int = 1) -> Answers:
    """Select the answers to some items, recoded to their positions in `items` (int32 [n_items])."""
    if responses.score.max(initial=0) > 1:
        raise DataError("a score is above 1, but partial credit cannot be calibrated")
    group = np.zeros(responses.n_persons, np.int32) if group is None else group
    position = np.full(max(responses.n_items, int(items.max(initial=-1)) + 1), -1, np.int32)
    position[items] = np.arange(len(items), dtype=np.int32)
    recoded = Answers(
        start=np.empty_like(responses.person_start),
        code=np.empty(responses.n_answers, np.int32),
        count=np.zeros((len(items), 2), np.int64),
        group=group,
        n_groups=n_groups,
        order=np.empty_like(responses.order),
    )
    given = (responses.person_start, responses.item, responses.score, responses.order)
    n = _recode(given, position, (recoded.start, recoded.code, recoded.order), recoded.count)
    return Answers(recoded.start, recoded.code[:n], recoded.count, group, n_groups, recoded.order[:n])


def unconnected_blocks(answers: Answers) -> np.ndarray:
    """Number the block of each item, int64 [n_items].

    Items are in one block when persons who answered both, or a chain of such, connect them.
    """
    return np.unique(_blocks(answers.start, answers.code, answers.n_items), return_inverse=True)[1]


def _wrong_and_right(responses: Responses) -> tuple[np.ndarray, np.ndarray]:
    """Count wrong and right answers to each item, int64 [n_items]."""
    count = np.zeros((responses.n_items, 2), np.int64)
    _count(responses.item, responses.score, count)
    return count[:, 0], count[:, 1]


@kernel
def _count(item: np.ndarray, correct: np.ndarray, count: np.ndarray) -> None:
    for k in range(item.size):
        count[item[k], correct[k]] += 1


@kernel
def _recode(given: tuple, position: np.ndarray, recoded: tuple, count: np.ndarray) -> int:
    """Copy the answers to items that have a position; returns how many."""
    person_start, item, correct, times = given
    start, code, order = recoded
    n = 0
    for p in range(person_start.size - 1):
        start[p] = n
        for k in range(person_start[p], person_start[p + 1]):
            at = position[item[k]]
            if at >= 0:
                code[n] = 2 * at + correct[k]
                if times.size:
                    order[n] = times[k]
                count[at, correct[k]] += 1
                n += 1
    start[person_start.size - 1] = n
    return n


@kernel
def _root(root: np.ndarray, item: int) -> int:
    while root[item] != item:
        root[item] = root[root[item]]
        item = root[item]
    return item


@kernel
def _blocks(start: np.ndarray, code: np.ndarray, n_items: int) -> np.ndarray:
    """Find connected items by union-find; stops as soon as everything is one block."""
    root = np.arange(n_items)
    n_blocks = n_items
    for p in range(start.size - 1):
        for k in range(start[p] + 1, start[p + 1]):
            first, second = _root(root, code[start[p]] >> 1), _root(root, code[k] >> 1)
            if first != second:
                root[max(first, second)] = min(first, second)
                n_blocks -= 1
        if n_blocks == 1:
            break
    for j in range(n_items):
        root[j] = _root(root, j)
    return root
