"""What linking compares of items that both scales have: their difficulties, and their curves.

An item that is right or wrong has one b, and P(correct) as its curve. An item with partial credit has the b of each of its
steps, and the probability of each of its scores, or its expected score, as curves.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from seedtest_assets.irt.category_curves import GRADED, jumps
from seedtest_assets.irt.parameters import ItemParameters, Line, category_probabilities, probability

# How the reasons of `unlike` begin.
_SCORES_CHANGED, _MODEL_CHANGED = "its scores changed", "its model changed"


def difficulties(items: ItemParameters) -> np.ndarray:
    """Put all b that count into rows, float64 [n_items, n_places]: b of an item that is right or wrong in the first place.

    An item with partial credit has its steps there, one in the place of its score; NaN where there is none.
    """
    places = items.b[:, None]
    if items.steps.shape[1]:
        places = np.where(np.isfinite(items.steps), items.steps, np.nan)
        places[~items.polytomous, 0] = items.b[~items.polytomous]
    return places


def pooled(places: np.ndarray) -> np.ndarray:
    """List the values that there are in rows of `difficulties`, float64 [n]."""
    return places[~np.isnan(places)]


def like_right_or_wrong(items: ItemParameters) -> ItemParameters:
    """Make an item with the scores 0 and 1 what it is: its only step is its b, whichever model it has."""
    single = items.polytomous & (items.max_score == 1)
    if not single.any():
        return items
    steps, model = items.steps.copy(), items.model.copy()
    steps[single], model[single] = np.nan, ""
    return ItemParameters(items.item, items.a, items.b, items.c, steps, model)


def upright(items: ItemParameters) -> ItemParameters:
    """Turn the curves that fall: on both scales alike, so that they do not take from test curves and means of a.

    Of an item with partial credit they are the curves of the scores that are missing to its highest one.
    """
    falling = items.polytomous & (items.a < 0)
    steps = items.steps
    if falling.any():
        steps = steps.copy()
        steps[falling] = of_missing_scores(steps[falling], steps[falling])
    return ItemParameters(items.item, np.abs(items.a), items.b, items.c, steps, items.model)


def of_missing_scores(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Put values of steps where these are of m - score, m the highest score: a step between two scores stays between them."""
    out = np.full_like(steps, np.nan)
    row, place = np.nonzero(np.isfinite(steps))
    below = place + 1 - jumps(steps)[row, place].astype(np.int64)
    highest = np.max(np.where(np.isfinite(steps), np.arange(1, steps.shape[1] + 1), 0), axis=1)
    out[row, highest[row] - below - 1] = values[row, place]
    return out


def unlike(new: ItemParameters, bank: ItemParameters) -> np.ndarray:
    """Say why the curves of an item cannot be compared: other scores, or a GRM on one side only; object [n_items].

    An empty text for the others. new, bank: the same items in the same order.
    """
    reasons = np.full(len(new), "", object)
    if not new.steps.shape[1] and not bank.steps.shape[1]:
        return reasons
    for row in np.flatnonzero(new.polytomous | bank.polytomous).tolist():
        scores, in_bank = (_scores(items, row) for items in (new, bank))
        model, model_in_bank = new.model[row], bank.model[row]
        if scores != in_bank:
            reasons[row] = f"{_SCORES_CHANGED}: {in_bank} in the bank, {scores} now"
        elif (model == GRADED) != (model_in_bank == GRADED):
            reasons[row] = f"{_MODEL_CHANGED}: {model_in_bank} in the bank, {model} now"
    return reasons


def is_unlike(reason: str) -> bool:
    """Tell whether a reason is one of `unlike`: an item that cannot be compared, not one that moved."""
    return reason.startswith((_SCORES_CHANGED, _MODEL_CHANGED))


def _scores(items: ItemParameters, row: int) -> str:
    steps = items.steps[row]
    used = [int(np.isneginf(steps).sum()), *(1 + np.flatnonzero(np.isfinite(steps))).tolist()]
    return ", ".join(map(str, used if items.polytomous[row] else (0, 1)))


@dataclass(frozen=True)
class LinkingCurves:
    """The curves of items after a change of scale.

    right_or_wrong, graded, partial_credit: the items of each kind; total: whether the curve of an item with partial credit is
    its expected score, else it has one for each score. What does not depend on ability is left out of both.
    """

    right_or_wrong: ItemParameters
    graded: ItemParameters
    partial_credit: ItemParameters
    total: bool

    @classmethod
    def of(cls, items: ItemParameters, *, total: bool) -> "LinkingCurves":
        """Divide items by kind."""
        partial = items.polytomous
        marked = items.take(~partial) if partial.any() else items
        return cls(marked, items.take(items.graded & partial), items.take(partial & ~items.graded), total)

    def after(self, line: Line, node: np.ndarray) -> np.ndarray:
        """Compute the curves on the scale that `line` leads to, float64 [n_curves, n_nodes]."""
        return self._with_partial(probability(node, line.apply(self.right_or_wrong)), (node - line.B) / line.A)

    def before(self, line: Line, node: np.ndarray) -> np.ndarray:
        """Compute the curves on the scale from which `line` leads to theirs."""
        return self._with_partial(probability(node, line.undo(self.right_or_wrong)), line.A * node + line.B)

    def _with_partial(self, curve: np.ndarray, theta: np.ndarray) -> np.ndarray:
        parts = [curve]
        if len(self.graded):
            parts.append(_graded_curves(theta, self.graded, self.total))
        if len(self.partial_credit):
            parts.append(_partial_credit_curves(theta, self.partial_credit, self.total))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _graded_curves(theta: np.ndarray, items: ItemParameters, total: bool) -> np.ndarray:
    """P(score >= k) is one logistic curve a step; the expected score counts it as often as scores that it goes up by."""
    above = expit(items.a[:, None, None] * (theta - _finite(items.steps)[:, :, None]))
    if total:
        return np.einsum("jk,jkq->jq", jumps(items.steps), above)
    return np.matmul(_ends_of_steps(items.steps), above).reshape(-1, len(theta))


def _partial_credit_curves(theta: np.ndarray, items: ItemParameters, total: bool) -> np.ndarray:
    """log P(k) is a line in theta, but for what makes the sum 1."""
    rise, first = jumps(items.steps), np.zeros((len(items), 1))
    up = np.concatenate([first, np.cumsum(rise, axis=1)], axis=1)
    down = np.concatenate([first, np.cumsum(rise * _finite(items.steps), axis=1)], axis=1)
    has = np.concatenate([first, rise], axis=1) > 0
    has[np.arange(len(items)), np.isneginf(items.steps).sum(axis=1)] = True
    line = items.a[:, None, None] * (up[:, :, None] * theta - down[:, :, None])
    line[~has] = -np.inf
    p = np.exp(line - line.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return np.einsum("jc,jcq->jq", up, p) if total else p.reshape(-1, len(theta))


def _finite(steps: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(steps), steps, 0.0)


def _ends_of_steps(steps: np.ndarray) -> np.ndarray:
    """Mark the score that a step leads to by 1, that from which it leads by -1: float64 [n_items, n_steps + 1, n_steps]."""
    row, place = np.nonzero(np.isfinite(steps))
    ends = np.zeros((len(steps), steps.shape[1] + 1, steps.shape[1]))
    ends[row, place + 1, place] = 1.0
    ends[row, place + 1 - jumps(steps)[row, place].astype(np.int64), place] = -1.0
    return ends


@dataclass(frozen=True)
class CurveSlopes:
    """Derivatives of curves by what they depend on, at abilities on the items' scale.

    item: the row of each curve's item, int64 [n_curves]; by_theta: float64 [n_curves, n_theta]; by_item: by a, and by the b
    of each place of `difficulties`, float64 [1 + n_places, n_curves, n_theta].
    """

    item: np.ndarray
    by_theta: np.ndarray
    by_item: np.ndarray


def curve_slopes(theta: np.ndarray, items: ItemParameters, *, total: bool) -> CurveSlopes:
    """Differentiate the curves of `LinkingCurves`."""
    partial = np.flatnonzero(items.polytomous)
    if not len(partial):
        return _slopes_right_or_wrong(theta, items)
    marks = np.flatnonzero(~items.polytomous)
    one, other = _slopes_right_or_wrong(theta, items.take(marks)), _slopes_partial(theta, items.take(partial), total)
    by_item = np.zeros((1 + items.steps.shape[1], *one.by_item.shape[1:]))
    by_item[:2] = one.by_item
    return CurveSlopes(
        np.concatenate([marks[one.item], partial[other.item]]),
        np.concatenate([one.by_theta, other.by_theta]),
        np.concatenate([by_item, other.by_item], axis=1),
    )


def _slopes_right_or_wrong(theta: np.ndarray, items: ItemParameters) -> CurveSlopes:
    a, b, c = (values[:, None] for values in (items.a, items.b, items.c))
    p = expit(a * (theta - b))
    slope = (1 - c) * p * (1 - p)
    return CurveSlopes(np.arange(len(items)), slope * a, np.stack([slope * (theta - b), -slope * a]))


def _slopes_partial(theta: np.ndarray, items: ItemParameters, total: bool) -> CurveSlopes:
    """With z_k = a (theta - b_k) of each step."""
    p = category_probabilities(theta, items)
    n_items, n_scores, n_steps = len(items), p.shape[1], items.steps.shape[1]
    reached = np.cumsum(p[:, ::-1], axis=1)[:, ::-1][:, 1:, None]  # P(score >= k), [n_items, n_steps, 1, n_theta]
    of_graded = np.einsum("jck,jkq->jkcq", _ends_of_steps(items.steps), reached[:, :, 0] * (1 - reached[:, :, 0]))
    beyond = (np.arange(n_scores) > np.arange(n_steps)[:, None])[:, :, None]
    of_others = p[:, None] * jumps(items.steps)[:, :, None, None] * (beyond - reached)
    by_z = np.where(items.graded[:, None, None, None], of_graded, of_others)
    if total:
        by_z = np.einsum("c,jkcq->jkq", np.arange(n_scores, dtype=np.float64), by_z)[:, :, None]
    b = _finite(items.steps)[:, :, None, None]
    a = items.a[:, None, None, None]
    by_item = np.concatenate([np.sum(by_z * (theta - b), axis=1)[None], np.moveaxis(-a * by_z, 1, 0)])
    return CurveSlopes(
        np.repeat(np.arange(n_items), by_z.shape[2]),
        np.sum(a * by_z, axis=1).reshape(-1, len(theta)),
        by_item.reshape(1 + n_steps, -1, len(theta)),
    )
