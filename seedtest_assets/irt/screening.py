"""Which items can be fitted, and what the list of answers can say about their scale."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.item_scores import item_scores, right_or_wrong
from seedtest_assets.irt.kernel_arguments import AnswerLists, ItemScores
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.responses import Responses

# In place of codes: an item that is not wanted, and a score that a wanted one does not have.
NOT_CHOSEN, NO_SUCH_SCORE = -1, -2

LeftOut = list[tuple[int, int, str]]
"""(item code, number of answers, reason) of items that have answers but no parameters."""


def fittable_items(
    count: np.ndarray, min_responses: int, one_kind: bool = False, with_prior: ArrayLike = ()
) -> tuple[np.ndarray, LeftOut]:
    """Find the codes of the items that can be fitted, int32, and list the others that have answers.

    count: of answers with each score, see score_counts; one_kind: whether an item with only right or only wrong answers can be fitted; with_prior: codes of items with a prior
    of their own, for which one answer is enough. An item with partial credit needs two scores in any case.
    Raises DataError when there is none.
    """
    if not count.any():
        raise DataError("there are no answers to calibrate")
    n_answers, partial_credit = count.sum(axis=1), count[:, 2:].any(axis=1)
    few, known = (n_answers > 0) & (n_answers < min_responses), np.zeros(len(n_answers), bool)
    known[np.intersect1d(with_prior, np.arange(len(known))).astype(np.int64)] = True
    determined = (known if not one_kind else np.ones_like(known)) & ~partial_credit
    alike = (np.count_nonzero(count, axis=1) == 1) & ~determined
    reasons = np.select(
        [few & ~known, alike & partial_credit, alike & (count[:, 0] == 0), alike],
        [
            f"fewer than {min_responses} answers",
            "all answers have the same score",
            "all answers right",
            "all answers wrong",
        ],
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


def score_counts(responses: Responses) -> np.ndarray:
    """Count the answers with each score, int64 [n_items, highest score + 1]."""
    count = np.zeros((responses.n_items, responses.n_scores), np.int64)
    _count(responses.item, responses.score, count)
    return count


def scores_given(count: np.ndarray, items: np.ndarray, models: np.ndarray) -> ItemScores:
    """Find the scores that answers to some items have, by their codes, int32 [n].

    count: of answers with each score, see score_counts; models: object [n], "GRM", "GPCM" or "PCM" of items with partial credit, "" of the others, which are right or wrong.
    """
    used = count[items] > 0
    used[models == "", :2] = True
    return item_scores(used, models)


def answers_to(
    responses: Responses,
    items: np.ndarray,
    scores: ItemScores | None = None,
    group: np.ndarray | None = None,
    n_groups: int = 1,
) -> Answers:
    """Select the answers to some items, recoded to their positions in `items` (int32 [n_items]).

    scores: of the items; by default they are right or wrong. Raises DataError for an answer with another score.
    """
    scores = right_or_wrong(len(items)) if scores is None else scores
    group = np.zeros(responses.n_persons, np.int32) if group is None else group
    code_of = np.full(
        (max(responses.n_items, int(items.max(initial=-1)) + 1), responses.n_scores), NOT_CHOSEN, np.int32
    )
    code_of[items] = NO_SUCH_SCORE
    placed = np.flatnonzero(scores.score < responses.n_scores)
    code_of[items[scores.item[placed]], scores.score[placed].astype(np.int64)] = placed
    recoded = Answers(
        start=np.empty_like(responses.person_start),
        code=np.empty(responses.n_answers, np.int32),
        count=np.zeros(len(scores.item), np.int64),
        scores=scores,
        group=group,
        n_groups=n_groups,
        order=responses.order,
    )
    given = (responses.person_start, responses.item, responses.score)
    n, refused = _recode(given, code_of, (recoded.start, recoded.code), recoded.count)
    if refused >= 0:
        item, score = responses.item[refused], responses.score[refused]
        name = item if responses.item_ids is None else responses.item_ids[item]
        raise DataError(f"an answer to item {name} has the score {score}, which its parameters do not have")
    if n == responses.n_answers:  # not copied: times are as many as answers
        return recoded
    chosen = code_of[responses.item, responses.score] >= 0
    order = responses.order[chosen] if len(responses.order) else responses.order
    return replace(recoded, code=recoded.code[:n].copy(), order=order)


def unconnected_blocks(answers: AnswerShards) -> np.ndarray:
    """Number the block of each item, int64 [n_items].

    Items are in one block when persons who answered both, or a chain of such, connect them.
    """
    return np.unique(answers.shards.total(_blocks_of, add=_joined), return_inverse=True)[1]


def _blocks_of(answers: Answers) -> np.ndarray:
    """Name the block of each item by one of its items, int64 [n_items]."""
    return _blocks(answers.lists, answers.n_items)


def _joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Join blocks that have an item in common in one of two lists of them."""
    root = one.copy()
    _join(root, other)
    return root


@kernel
def _count(item: np.ndarray, score: np.ndarray, count: np.ndarray) -> None:
    for k in range(item.size):
        count[item[k], score[k]] += 1


@kernel
def _recode(given: tuple, code_of: np.ndarray, recoded: tuple, count: np.ndarray) -> tuple[int, int]:
    """Copy the answers to items that are chosen; returns how many, and the last one whose score is none of its item."""
    person_start, item, score = given
    start, code = recoded
    n, refused = 0, -1
    for p in range(person_start.size - 1):
        start[p] = n
        for k in range(person_start[p], person_start[p + 1]):
            to = code_of[item[k], score[k]]
            if to >= 0:
                code[n] = to
                count[to] += 1
                n += 1
            elif to == NO_SUCH_SCORE:
                refused = k
    start[person_start.size - 1] = n
    return n, refused


@kernel
def _root(root: np.ndarray, item: int) -> int:
    while root[item] != item:
        root[item] = root[root[item]]
        item = root[item]
    return item


@kernel
def _join(root: np.ndarray, other: np.ndarray) -> None:
    for j in range(root.size):
        first, second = _root(root, j), _root(root, other[j])
        if first != second:
            root[max(first, second)] = min(first, second)
    for j in range(root.size):
        root[j] = _root(root, j)


@kernel
def _blocks(answers: AnswerLists, n_items: int) -> np.ndarray:
    """Find connected items by union-find; stops as soon as everything is one block."""
    start, code, item = answers.start, answers.code, answers.item
    root = np.arange(n_items)
    n_blocks = n_items
    for p in range(start.size - 1):
        for k in range(start[p] + 1, start[p + 1]):
            first, second = _root(root, np.int64(item[code[start[p]]])), _root(root, np.int64(item[code[k]]))
            if first != second:
                root[max(first, second)] = min(first, second)
                n_blocks -= 1
        if n_blocks == 1:
            break
    for j in range(n_items):
        root[j] = _root(root, j)
    return root
