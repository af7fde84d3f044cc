"""Which items can be fitted, and what the list of answers can tell about their scale."""

import numpy as np

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.responses import Responses

LeftOut = list[tuple[int, int, str]]


def fittable_items(responses: Responses, min_responses: int) -> tuple[np.ndarray, LeftOut]:
    """Codes of the items that can be fitted, int32, and (item, number of answers, reason) of the others that have
    answers.

    Raises DataError when there is none.
    """
    if responses.n_answers == 0:
        raise DataError("there are no answers to calibrate")
    n_wrong, n_right = wrong_and_right(responses)
    n_answers = n_wrong + n_right
    few = (n_answers > 0) & (n_answers < min_responses)
    reasons = np.select(
        [few, (n_answers > 0) & (n_wrong == 0), (n_answers > 0) & (n_right == 0)],
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


def wrong_and_right(responses: Responses) -> tuple[np.ndarray, np.ndarray]:
    """Wrong and right answers to each item, int64 [n_items]."""
    count = np.zeros((responses.n_items, 2), np.int64)
    _count(responses.item, responses.correct, count)
    return count[:, 0], count[:, 1]


def answers_to(responses: Responses, items: np.ndarray, group: np.ndarray | None = None, n_groups: int = 1) -> Answers:
    """The answers to some items, recoded to their positions in `items` (int32 [n_items])."""
    group = np.zeros(responses.n_persons, np.int32) if group is None else group
    position = np.full(max(responses.n_items, int(items.max(initial=-1)) + 1), -1, np.int32)
    position[items] = np.arange(len(items), dtype=np.int32)
    start = np.empty_like(responses.person_start)
    code = np.empty(responses.n_answers, np.int32)
    count = np.zeros(2 * len(items), np.int64)
    order = np.empty_like(responses.order)
    n = _recode(
        responses.person_start, responses.item, responses.correct, responses.order, position, start, code, order, count
    )
    return Answers(start, code[:n], count.reshape(-1, 2), group, n_groups, order[:n])


def unconnected_blocks(answers: Answers) -> np.ndarray:
    """Block of each item, int64 [n_items]: items are in one block when persons who answered both, or a chain of such,
    tie them."""
    return np.unique(_blocks(answers.start, answers.code, answers.n_items), return_inverse=True)[1]


@kernel
def _count(item, correct, count):
    for k in range(item.size):
        count[item[k], correct[k]] += 1


@kernel
def _recode(person_start, item, correct, times, position, start, code, order, count):
    n = 0
    for p in range(person_start.size - 1):
        start[p] = n
        for k in range(person_start[p], person_start[p + 1]):
            at = position[item[k]]
            if at >= 0:
                code[n] = 2 * at + correct[k]
                if times.size:
                    order[n] = times[k]
                count[code[n]] += 1
                n += 1
    start[person_start.size - 1] = n
    return n


@kernel
def _blocks(start, code, n_items):
    """Union-find; stops as soon as everything is one block."""
    root = np.arange(n_items)
    left = n_items
    for p in range(start.size - 1):
        for k in range(start[p] + 1, start[p + 1]):
            one, other = code[start[p]] >> 1, code[k] >> 1
            while root[one] != one:
                root[one] = root[root[one]]
                one = root[one]
            while root[other] != other:
                root[other] = root[root[other]]
                other = root[other]
            if one != other:
                root[max(one, other)] = min(one, other)
                left -= 1
        if left == 1:
            break
    for j in range(n_items):
        one = j
        while root[one] != one:
            one = root[one]
        root[j] = one
    return root
