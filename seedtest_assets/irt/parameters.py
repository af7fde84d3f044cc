"""Item parameters, and the curves they give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from seedtest_assets.irt.category_curves import GRADED, location, log_category_probabilities
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import Grid, nodes_with, normal_grid
from seedtest_assets.irt.item_scores import (
    heights,
    item_scores,
    right_or_wrong,
    right_or_wrong_curves,
    steps_to_codes,
)
from seedtest_assets.irt.kernel_arguments import Curves, ItemScores
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, Model, model_facts
from seedtest_assets.irt.usable_parameters import unusable_steps


@dataclass(frozen=True)
class ItemParameters:
    """Parameters of items, P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))), or of scores 0..m.

    Parameters
    ----------
    item : int32 [n]
        Item codes, each once.
    a, b, c : float64 [n]
        Discrimination, difficulty and guessing. Of an item with partial credit b is computed: the mean of its steps.
    steps : float64 [n, n_steps], optional
        b_1, b_2, ... of items with partial credit: thresholds of a GRM, steps of a GPCM or PCM; see `category_curves`. NaN
        where there is none: in the whole row of an item that is only right or wrong, and at a score that nobody has. The
        steps up to the lowest score that anybody has are -inf, unless that is 0.
    model : object [n], optional
        "GRM", "GPCM" or "PCM" of items with steps, "" of the others.

    Raises
    ------
    DataError
        Arrays of different length, a code that comes twice, or values that no item can have.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters(item=[0, 1], a=[1.0, 1.5], b=[-0.5, 0.8], c=[0.0, 0.2])
    >>> items
    ItemParameters(2 items)
    >>> items.d
    array([ 0.5, -1.2])

    The second of these has scores 0, 1 and 2.

    >>> none = float("nan")
    >>> items = irt.ItemParameters(
    ...     [0, 1], [1.0, 1.5], [-0.5, 0.0], [0.0, 0.0], steps=[[none, none], [0.2, 1.0]], model=["", "GPCM"]
    ... )
    >>> items.b, items.max_score
    (array([-0.5,  0.6]), array([1, 2]))
    """

    item: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    steps: np.ndarray
    model: np.ndarray

    def __init__(
        self,
        item: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        steps: ArrayLike | None = None,
        model: ArrayLike | None = None,
    ) -> None:
        # Writable, though nobody writes: kernels are compiled apart for what is read-only, as columns of Arrow and pandas are.
        object.__setattr__(self, "item", np.require(item, np.int32, ["C", "W"]))
        n = len(self.item)
        self._set_steps(
            np.empty((n, 0)) if steps is None else steps, np.full(n, "", object) if model is None else model
        )
        if self.steps.shape[1]:
            self._check_steps(np.asarray(a, np.float64))
            b = np.where(self.polytomous, location(self.steps, self.graded), np.asarray(b, np.float64))
        for name, given in (("a", a), ("b", b), ("c", c)):
            values = np.require(given, np.float64, ["C", "W"])
            if len(values) != n:
                raise DataError(f"{len(values)} values of {name} for {n} items")
            if not np.isfinite(values).all():
                raise DataError(f"parameter {name} of item {self.item[~np.isfinite(values)][0]} is not a finite number")
            object.__setattr__(self, name, values)
        if len(np.unique(self.item)) != n:
            raise DataError("an item has more than one row of parameters")
        if ((self.c < 0) | (self.c >= 1)).any():
            raise DataError(f"parameter c of item {self.item[(self.c < 0) | (self.c >= 1)][0]} is outside [0, 1)")
        if self.c[self.polytomous].any():
            raise DataError(
                f"item {self.item[self.polytomous & (self.c > 0)][0]} has steps and guessing, not one of them"
            )

    def _set_steps(self, steps: ArrayLike, model: ArrayLike) -> None:
        steps, model = np.asarray(steps, dtype=np.float64), np.asarray(model, dtype=object)
        if steps.ndim != 2 or len(steps) != len(self.item) or len(model) != len(self.item):
            raise DataError(f"steps and models must have a row for each of {len(self.item)} items")
        n_steps = int(np.flatnonzero(~np.isnan(steps).all(axis=0)).max(initial=-1)) + 1
        object.__setattr__(self, "steps", np.ascontiguousarray(steps[:, :n_steps]))
        object.__setattr__(self, "model", model)
        unknown = self.polytomous & ~np.isin(model, POLYTOMOUS_MODELS)
        if unknown.any():
            raise DataError(
                f"model {model[unknown][0]!r} of item {self.item[unknown][0]}, which has steps, is not one of "
                f"{', '.join(POLYTOMOUS_MODELS)}"
            )

    def _check_steps(self, a: np.ndarray) -> None:
        """Raise DataError for steps that no item can have."""
        reasons = unusable_steps(a, self.steps, self.model) if len(a) == len(self.item) else np.empty(0, object)
        if (reasons != "").any():
            raise DataError(f"item {self.item[reasons != ''][0]}: {reasons[reasons != ''][0]}")

    @property
    def polytomous(self) -> np.ndarray:
        """Whether each item has steps, bool [n]."""
        return np.isfinite(self.steps).any(axis=1)

    @property
    def graded(self) -> np.ndarray:
        """Whether each item's model is GRM, bool [n]."""
        return self.model == GRADED

    @property
    def max_score(self) -> np.ndarray:
        """Highest score of each item, int64 [n]: 1 of one that is only right or wrong."""
        score = np.arange(1, self.steps.shape[1] + 1)
        return np.maximum(np.max(np.where(np.isfinite(self.steps), score, 0), axis=1, initial=0), 1)

    @property
    def d(self) -> np.ndarray:
        """Intercepts d = -a b, float64 [n]."""
        return -self.a * self.b

    @property
    def curves(self) -> Curves:
        """Slopes, intercepts and guessing, as kernels take them."""
        if not self.steps.shape[1]:
            return right_or_wrong_curves(self.a, self.d, self.c)
        scores = self.scores
        steps = steps_to_codes(self.steps, scores)
        steps[scores.first[:-1] + 1] = np.where(self.polytomous, steps[scores.first[:-1] + 1], self.b)
        intercept = np.where(scores.weight > 0, -scores.weight * self.a[scores.item] * steps, 0.0)
        return Curves(self.a, self.d, self.c, scores, intercept)

    @property
    def scores(self) -> ItemScores:
        """The scores that the items have."""
        polytomous, passed = self.polytomous, np.isneginf(self.steps)
        used = np.zeros((len(self), self.steps.shape[1] + 1), bool)
        used[:, 1:] = np.isfinite(self.steps)
        used[np.arange(len(self)), passed.sum(axis=1)] = True
        if not used.shape[1] > 1:
            return right_or_wrong(len(self))
        used[~polytomous, :2] = True
        return item_scores(used, np.where(polytomous, self.model, ""))

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"ItemParameters({len(self):,} items)"

    def take(self, rows: "slice | ArrayLike") -> "ItemParameters":
        """Select rows, by position or mask."""
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return ItemParameters(
            self.item[rows], self.a[rows], self.b[rows], self.c[rows], self.steps[rows], self.model[rows]
        )

    def among(self, codes: np.ndarray) -> "ItemParameters":
        """Select the items that are among some codes."""
        return self.take(np.isin(self.item, codes))


def joined(parts: Sequence[ItemParameters]) -> ItemParameters:
    """Put the parameters of different items behind each other."""
    columns = ([getattr(part, name) for part in parts] for name in ("item", "a", "b", "c", "model"))
    item, a, b, c, model = map(np.concatenate, columns)
    most = max(part.steps.shape[1] for part in parts)
    steps = [np.pad(part.steps, ((0, 0), (0, most - part.steps.shape[1])), constant_values=np.nan) for part in parts]
    return ItemParameters(item, a, b, c, np.concatenate(steps), model)


def on_scale(items: ItemParameters, A: float | np.ndarray, B: float | np.ndarray) -> ItemParameters:
    """Transform items to the scale A theta + B; A and B are one for all, or one an item, float64 [n]."""
    steps = np.reshape(A, (-1, 1)) * items.steps + np.reshape(B, (-1, 1))
    return ItemParameters(items.item, items.a / A, A * items.b + B, items.c, steps, items.model)


class Line(NamedTuple):
    """A change of scale, theta_to = A theta_from + B: a_to = a_from / A, b_to = A b_from + B, and c stays."""

    A: float
    B: float

    def apply(self, items: ItemParameters) -> ItemParameters:
        """Transform items of the from-scale to the to-scale."""
        return on_scale(items, self.A, self.B)

    def undo(self, items: ItemParameters) -> ItemParameters:
        """Transform items of the to-scale to the from-scale."""
        steps = (items.steps - self.B) / self.A
        return ItemParameters(items.item, items.a * self.A, (items.b - self.B) / self.A, items.c, steps, items.model)


SAME_SCALE = Line(1.0, 0.0)


def probability(theta: ArrayLike, items: ItemParameters) -> np.ndarray:
    """Compute item characteristic curves: the probability of a correct answer.

    Parameters
    ----------
    theta : float or float64 [n_theta]
        Abilities.
    items : ItemParameters

    Returns
    -------
    float64 [n_items, n_theta]
        Of an item with partial credit the expected share of its highest score.

    References
    ----------
    .. [1] Birnbaum, A. (1968). Some latent trait models and their use in inferring an examinee's ability. In
       F. M. Lord & M. R. Novick, Statistical theories of mental test scores (pp. 397-479). Addison-Wesley.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1], a=[1.0, 1.0], b=[0.0, 0.0], c=[0.0, 0.2])
    >>> irt.probability(0.0, items)
    array([[0.5],
           [0.6]])
    """
    theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    a, b, c = (values[:, None] for values in (items.a, items.b, items.c))
    chance = c + (1 - c) * expit(a * (theta[None, :] - b))
    with_steps = items.polytomous
    if with_steps.any():
        chance[with_steps] = _expected(theta, items.take(with_steps)) / items.max_score[with_steps, None]
    return chance


def category_probabilities(theta: ArrayLike, items: ItemParameters) -> np.ndarray:
    """Compute category response curves: the probability of each score.

    Parameters
    ----------
    theta : float or float64 [n_theta]
        Abilities.
    items : ItemParameters

    Returns
    -------
    float64 [n_items, highest score of all items + 1, n_theta]
        0 for scores that an item does not have.

    References
    ----------
    .. [1] Samejima, F. (1969). Estimation of latent ability using a response pattern of graded scores. Psychometrika
       Monograph Supplement, 17.
    .. [2] Masters, G. N. (1982). A Rasch model for partial credit scoring. Psychometrika, 47(2), 149-174.
    .. [3] Muraki, E. (1992). A generalized partial credit model: Application of an EM algorithm. Applied Psychological
       Measurement, 16(2), 159-176.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0], a=[1.0], b=[0.0], c=[0.0], steps=[[-1.0, 1.0]], model=["GPCM"])
    >>> irt.category_probabilities(0.0, items)[0, :, 0].round(2)
    array([0.21, 0.58, 0.21])
    """
    theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    out = np.zeros((len(items), max(items.steps.shape[1], 1) + 1, len(theta)))
    with_steps = items.polytomous
    right = probability(theta, items.take(~with_steps))
    out[~with_steps, 0], out[~with_steps, 1] = 1 - right, right
    if with_steps.any():
        some = items.take(with_steps)
        log_p = log_category_probabilities(some.a, some.steps, some.graded, theta)
        out[with_steps, : log_p.shape[1]] = np.exp(log_p)
    return out


def expected_score(theta: ArrayLike, items: ItemParameters) -> np.ndarray:
    """Compute the expected score of each item.

    Parameters
    ----------
    theta : float or float64 [n_theta]
        Abilities.
    items : ItemParameters

    Returns
    -------
    float64 [n_items, n_theta]
        From 0 to the item's highest score.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0], a=[1.0], b=[0.0], c=[0.0], steps=[[-1.0, 1.0]], model=["GRM"])
    >>> irt.expected_score(0.0, items)
    array([[1.]])
    """
    return probability(theta, items) * items.max_score[:, None]


def _expected(theta: np.ndarray, items: ItemParameters) -> np.ndarray:
    """Compute the expected score of items with steps."""
    p = np.exp(log_category_probabilities(items.a, items.steps, items.graded, theta))
    return np.einsum("k,jkq->jq", np.arange(p.shape[1], dtype=np.float64), p)


def information(theta: ArrayLike, items: ItemParameters) -> np.ndarray:
    """Compute the Fisher information of each item about theta; the sum over items is the test information.

    Parameters
    ----------
    theta : float or float64 [n_theta]
        Abilities.
    items : ItemParameters

    Returns
    -------
    float64 [n_items, n_theta]
        a^2 (1 - P) / P ((P - c) / (1 - c))^2 ([1]_, eq. 5-9); of a GPCM a^2 times the variance of the score [2]_, of a GRM
        sum_k (dP_k / dtheta)^2 / P_k [3]_.

    References
    ----------
    .. [1] Lord, F. M. (1980). Applications of item response theory to practical testing problems. Erlbaum.
    .. [2] Muraki, E. (1993). Information functions of the generalized partial credit model. Applied Psychological
       Measurement, 17(4), 351-363.
    .. [3] Samejima, F. (1969). Estimation of latent ability using a response pattern of graded scores. Psychometrika
       Monograph Supplement, 17.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1], a=[1.0, 2.0], b=[0.0, 0.0], c=[0.0, 0.0])
    >>> irt.information(0.0, items)
    array([[0.25],
           [1.  ]])
    """
    theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    p = probability(theta, items)
    a, c = items.a[:, None], items.c[:, None]
    out = a**2 * (1 - p) / np.maximum(p, 1e-300) * ((p - c) / (1 - c)) ** 2
    for some, of_model in ((items.graded, _information_graded), (items.polytomous & ~items.graded, _information_gpcm)):
        if some.any():
            out[some] = of_model(theta, items.take(some))
    return out


def _information_gpcm(theta: np.ndarray, items: ItemParameters) -> np.ndarray:
    p = category_probabilities(theta, items)
    score = np.arange(p.shape[1], dtype=np.float64)
    mean = np.einsum("k,jkq->jq", score, p)
    return items.a[:, None] ** 2 * np.einsum("jkq,jkq->jq", p, (score[:, None] - mean[:, None]) ** 2)


def _information_graded(theta: np.ndarray, items: ItemParameters) -> np.ndarray:
    """With S_k = P(score >= k), dP_k / dtheta = a P_k (1 - S_k - S_next): the two logistic curves that P_k lies between."""
    p = category_probabilities(theta, items)
    at_least = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]
    above = at_least - p
    return items.a[:, None] ** 2 * np.sum(p * (1 - at_least - above) ** 2, axis=1)


def free_parameters(items: ItemParameters, model: Model = "2PL") -> np.ndarray:
    """Count the parameters that a calibration estimates of each item alone.

    Parameters
    ----------
    items : ItemParameters
    model : {"Rasch", "2PL", "3PL"}
        Of the items that are only right or wrong.

    Returns
    -------
    int64 [n_items]
        With partial credit the steps and, but for a PCM, the slope.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> none = float("nan")
    >>> steps = [[none, none], [0.2, 1.0], [0.2, 1.0]]
    >>> irt.free_parameters(irt.ItemParameters([0, 1, 2], [1.0] * 3, [0.0] * 3, [0.0] * 3, steps, ["", "GRM", "PCM"]))
    array([2, 3, 2])
    """
    n_steps = np.isfinite(items.steps).sum(axis=1)
    own_slope = (items.model != "PCM").astype(np.int64)
    return np.where(items.polytomous, n_steps + own_slope, model_facts(model).parameters_per_item)


def grid_of_test(items: ItemParameters, mean: float = 0.0, sd: float = 1.0) -> Grid:
    """Make the grid that resolves what a test of these items says of N(mean, sd^2): 61 nodes for a usual test."""
    largest = information(normal_grid(mean, sd).node, items).sum(axis=0).max()
    steepness = np.abs(items.a) * heights(items.scores)
    step = min(1.2 / np.sqrt(1 / sd**2 + largest), 2 / steepness.max(initial=1e-3))
    return normal_grid(mean, sd, nodes_with(step))
