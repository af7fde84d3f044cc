"""Which scores items have, and how an answer's code follows from item and score."""

import numpy as np

from seedtest_assets.irt.category_curves import GRADED
from seedtest_assets.irt.kernel_arguments import Curves, ItemScores

# Kinds of items, as kernels tell them apart.
RIGHT_OR_WRONG, GRADED_RESPONSE, PARTIAL_CREDIT = 0, 1, 2


def right_or_wrong(n_items: int) -> ItemScores:
    """Make the scores of items without partial credit."""
    mark = np.tile(np.array([0.0, 1.0]), n_items)
    first = 2 * np.arange(n_items + 1, dtype=np.int32)
    item = np.repeat(np.arange(n_items, dtype=np.int32), 2)
    return ItemScores(first, item, mark, mark, np.zeros(n_items, np.int8))


def item_scores(used: np.ndarray, model: np.ndarray) -> ItemScores:
    """Make the scores of items of any kind.

    used: bool [n_items, most scores], whether an item has a score; model: object [n_items], "GRM", "GPCM" or "PCM", "" for
    right or wrong.
    """
    if (model == "").all():
        return right_or_wrong(len(model))
    item, score = np.nonzero(used)
    first = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int32)
    kind = np.select([model == "", model == GRADED], [RIGHT_OR_WRONG, GRADED_RESPONSE], PARTIAL_CREDIT).astype(np.int8)
    weight = np.diff(score, prepend=0).astype(np.float64)
    weight[kind[item] == GRADED_RESPONSE] = 1.0
    weight[first[:-1]] = 0.0
    return ItemScores(first, item.astype(np.int32), score.astype(np.float64), weight, kind)


def has_steps(scores: ItemScores) -> np.ndarray:
    """Tell which items have partial credit, bool [n_items]."""
    return scores.kind != RIGHT_OR_WRONG


def share_of(scores: ItemScores) -> np.ndarray:
    """Place each code's score on the way from the item's lowest score, 0, to the highest, 1: float64 [n_codes]."""
    low, high = scores.score[scores.first[:-1]], scores.score[scores.first[1:] - 1]
    return (scores.score - low[scores.item]) / (high - low)[scores.item]


def heights(scores: ItemScores) -> np.ndarray:
    """Give how many times its slope the log odds of an item's highest and lowest score rise, float64 [n_items]; 1 in a GRM."""
    total = np.bincount(scores.item, scores.weight, minlength=len(scores.kind))
    return np.where(scores.kind == PARTIAL_CREDIT, total, 1.0)


def steepnesses(scores: ItemScores) -> np.ndarray:
    """Give how many times nearer the poles of an item's curves are than those of a logistic curve of its slope, float64 [n_items].

    The poles of a GPCM whose steps coincide are at 2 pi / ((height + 1) a), those of a jump of w scores at pi / (w a).
    """
    jump = np.maximum.reduceat(scores.weight, scores.first[:-1])
    return np.where(scores.kind == PARTIAL_CREDIT, np.maximum(jump, (heights(scores) + 1) / 2), 1.0)


def graded_codes(scores: ItemScores) -> np.ndarray:
    """Tell which codes are of items with a GRM, bool [n_codes]."""
    return scores.kind[scores.item] == GRADED_RESPONSE


def extra_codes(scores: ItemScores) -> np.ndarray:
    """Find the codes whose step has a parameter besides the item's d: all but the lowest two of an item, bool [n_codes]."""
    return np.arange(len(scores.item)) - scores.first[scores.item] >= 2


def intercepts(d: np.ndarray, extra: np.ndarray, scores: ItemScores) -> np.ndarray:
    """Compute the intercept of each step, weight d + e, float64 [n_codes], 0 for lowest scores.

    d: float64 [n_items]; extra: e of `extra_codes`; the e of an item add up to 0.
    """
    e = np.zeros(len(scores.item))
    of_extra = extra_codes(scores)
    e[of_extra] = extra
    e[scores.first[:-1] + 1] = -np.bincount(scores.item[of_extra], extra, minlength=len(d))
    return scores.weight * d[scores.item] + e


def split_intercepts(intercept: np.ndarray, scores: ItemScores) -> tuple[np.ndarray, np.ndarray]:
    """Give d, float64 [n_items], and e of `extra_codes`, for intercepts of steps; see `intercepts`."""
    n_items = len(scores.kind)
    total = np.bincount(scores.item, scores.weight, minlength=n_items)
    d = np.bincount(scores.item, intercept, minlength=n_items) / total
    return d, (intercept - scores.weight * d[scores.item])[extra_codes(scores)]


def rows_of_steps(scores: ItemScores, values: np.ndarray, n_steps: int) -> np.ndarray:
    """Put values of codes, float64 [n_codes], into columns of steps b_1, b_2, ...; NaN where an item has no such step."""
    out = np.full((len(scores.kind), n_steps), np.nan)
    step = np.flatnonzero(has_steps(scores)[scores.item] & (scores.weight > 0))
    out[scores.item[step], scores.score[step].astype(np.int64) - 1] = values[step]
    return out


def steps_to_codes(steps: np.ndarray, scores: ItemScores) -> np.ndarray:
    """Give each code the b of the step that leads to it, float64 [n_codes], NaN for lowest scores; see `rows_of_steps`."""
    out = np.full(len(scores.item), np.nan)
    step = np.flatnonzero(has_steps(scores)[scores.item] & (scores.weight > 0))
    out[step] = steps[scores.item[step], scores.score[step].astype(np.int64) - 1]
    return out


def right_or_wrong_curves(a: np.ndarray, d: np.ndarray, c: np.ndarray) -> Curves:
    """Make the curves of items without partial credit, from a, d and c, float64 [n_items] each."""
    scores = right_or_wrong(len(a))
    return Curves(a, d, c, scores, intercepts(d, np.empty(0), scores))
