"""Linking: the line that puts a calibration's scale on the bank's, from the items both have.

theta_to = A theta_from + B, so a_to = a_from / A, b_to = A b_from + B, as every step of an item with partial credit, and c
stays.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.linking_curves import (
    LinkingCurves,
    difficulties,
    like_right_or_wrong,
    of_missing_scores,
    pooled,
    unlike,
    upright,
)
from seedtest_assets.irt.linking_errors import UNKNOWN, LinkingErrors, linking_errors
from seedtest_assets.irt.models import SCALE_TRANSFORMATIONS, LinkingMethod, ScaleTransformation
from seedtest_assets.irt.parameters import SAME_SCALE, ItemParameters, Line, probability
from seedtest_assets.irt.remarks import names_of
from seedtest_assets.irt.robust import robust_sd

# Robust z above which an anchor has drifted (Iglewicz & Hoaglin, 1993).
DRIFT_LIMIT = 3.5
# In b on the scale that is computed on (`near_standard`), and in log a: smaller moves do no harm, however close together the others are.
DRIFT_SIZE = (0.25, 0.2)
# Fewer common items give no spread to judge one of them by.
FEWEST_TO_SCREEN = 5
# Anchors contradict each other when their residuals are wider than their errors allow, in z, ...
MOST_RESIDUAL_Z = 2.5
# ... and this matters: the error of A or B, in SDs of ability, reaches this.
MOST_ERROR = 0.1
# Units by a and by b differ when the logarithm of their ratio is beyond both, the second in its standard errors.
MOST_LOG_SLOPE_RATIO, MOST_SLOPE_RATIO_Z = 0.3, 4.0
# Their ratio where the bank's a are for the normal metric, P = logistic(1.7 a (theta - b)), and how near a log ratio counts.
NORMAL_METRIC, NEAR_NORMAL_METRIC = 1.7, 0.2
# Rounds after which the curves without guessing that are nearest to the bank's change no more.
ROUNDS_WITHOUT_GUESSING = 8
# Steps of least squares in each, from the curve itself.
STEPS_WITHOUT_GUESSING = 10
# Where the persons are further from 0, in their SDs, or their SD differs from 1 by a larger factor, the scale is another one
# than N(0, 1), such as 500 +- 100, and is brought near it before anything is computed.
FAR_FROM_ZERO, FAR_FROM_ONE = 3.0, 5.0
# Why an item that discriminates with another sign than in the bank does not link.
SIGN_CHANGED = "its discrimination changed sign"


class TooFewCommonItems(DataError):
    """Fewer than 2 common items remain to link by. screened_out: (item code, reason) of those that do not remain."""

    def __init__(self, n: int, screened_out: tuple[tuple[int, str], ...]) -> None:
        self.screened_out = screened_out
        super().__init__(
            f"{n} common items remain to link by, 2 are needed"
            + (f" ({len(screened_out)} were screened out)" if screened_out else "")
        )


@dataclass(frozen=True)
class Linking:
    """Linking constants and what they rest on.

    Parameters
    ----------
    A, B : float
        theta_to = A theta_from + B.
    method : str
        How they were computed.
    source : str
        What was linked to: "anchors" or "previous".
    used : int32 [n]
        Codes of the common items that were used.
    screened_out : tuple of (item code, reason)
        Common items that were not used.
    errors : LinkingErrors
        Standard errors se_A and se_B by the delta method, and residual_z, the SD of the common items' residuals in
        their standard errors; NaN where no standard errors were given.
    others : tuple of Linking
        Linkings of further blocks of items, which no person connects with those that this one is of.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> linking = irt.Linking(1.2, 0.5, "stocking_lord", "anchors", used=[0, 1])
    >>> linking
    Linking(theta_to = 1.2 theta_from + 0.5, stocking_lord, 2 anchors used, 0 screened out)
    >>> linking.apply(irt.ItemParameters([0], a=[1.2], b=[1.0], c=[0.0])).b
    array([1.7])
    """

    A: float
    B: float
    method: str
    source: str
    used: np.ndarray
    screened_out: tuple[tuple[int, str], ...] = ()
    errors: LinkingErrors = UNKNOWN
    others: tuple["Linking", ...] = ()

    @property
    def contradictory(self) -> bool:
        """Whether the common items contradict each other by more than their errors allow."""
        largest = max(self.errors.se_A, self.errors.se_B) / self.A
        return bool(self.errors.residual_z > MOST_RESIDUAL_Z and largest > MOST_ERROR) or self.units_differ

    @property
    def units_differ(self) -> bool:
        """Whether a and b of the common items say that the unit of the scale is another, by more than their errors allow."""
        ratio, z = self.errors.slope_ratio, self.errors.slope_ratio_z
        return bool(abs(np.log(ratio)) > MOST_LOG_SLOPE_RATIO and abs(z) > MOST_SLOPE_RATIO_Z)

    def apply(self, items: ItemParameters) -> ItemParameters:
        """Transform items of the from-scale to the to-scale."""
        return Line(self.A, self.B).apply(items)

    def onto(self, line: Line) -> "Linking":
        """Link to the scale that `line` leads to from the to-scale."""
        return replace(self, A=line.A * self.A, B=line.A * self.B + line.B, errors=self.errors.onto(line.A))

    def __repr__(self) -> str:
        items = "anchors" if self.source == "anchors" else f"items of {self.source}"
        return (
            f"Linking(theta_to = {self.A:.6g} theta_from {'-' if self.B < 0 else '+'} {abs(self.B):.6g}, {self.method}, "
            f"{len(self.used)} {items} used, {len(self.screened_out)} screened out)"
        )


def link(
    from_items: ItemParameters,
    to_items: ItemParameters,
    method: ScaleTransformation = "stocking_lord",
    *,
    symmetric: bool = False,
    screen: bool = True,
    source: str = "anchors",
    errors: ArrayLike | None = None,
) -> Linking:
    """Link two sets of item parameters through their common items.

    Parameters
    ----------
    from_items, to_items : ItemParameters
    method : {"stocking_lord", "haebara", "mean_sigma", "mean_mean"}
        Stocking & Lord [1]_, Haebara [2]_, Marco [3]_, Loyd & Hoover [4]_.
    symmetric : bool
        Add the criterion on the from-scale to that on the to-scale (stocking_lord and haebara only).
    screen : bool
        Leave out, one at a time, items that changed sign or moved most unlike the others; see `drifted`. Items with
        other scores, or a GRM on one side only, cannot be compared and are left out in any case.
    source : str
        What the to-items are, for `Linking.source`.
    errors : float64 [2 + n_steps, n_from], optional
        Standard errors of a, b and, where items have steps, b_1, b_2, ... of the from-items, for the errors of the constants.

    Returns
    -------
    Linking

    Raises
    ------
    DataError
        Fewer than 2 common items remain, or the method is unknown.

    References
    ----------
    .. [1] Stocking, M. L., & Lord, F. M. (1983). Developing a common metric in item response theory. Applied
       Psychological Measurement, 7(2), 201-210.
    .. [2] Haebara, T. (1980). Equating logistic ability scales by a weighted least squares method. Japanese
       Psychological Research, 22(3), 144-149.
    .. [3] Marco, G. L. (1977). Item characteristic curve solutions to three intractable testing problems. Journal of
       Educational Measurement, 14(2), 139-160.
    .. [4] Loyd, B. H., & Hoover, H. D. (1980). Vertical equating using the Rasch model. Journal of Educational
       Measurement, 17(3), 179-193.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> new = irt.ItemParameters([0, 1, 2], a=[0.8, 1.0, 1.4], b=[-1.0, 0.0, 1.5], c=[0.0, 0.0, 0.0])
    >>> bank = irt.ItemParameters([0, 1, 2], a=new.a / 1.25, b=1.25 * new.b + 0.4, c=new.c)
    >>> irt.link(new, bank)
    Linking(theta_to = 1.25 theta_from + 0.4, stocking_lord, 3 anchors used, 0 screened out)
    """
    if method not in SCALE_TRANSFORMATIONS:
        raise DataError(f"linking method {method!r} is not one of {', '.join(SCALE_TRANSFORMATIONS)}")
    criterion = _Criterion(method, normal_grid(), symmetric)
    return _link_by(criterion, from_items, to_items, screen, source, errors)


def _link_by(
    criterion: "_Criterion",
    from_items: ItemParameters,
    to_items: ItemParameters,
    screen: bool,
    source: str,
    errors: ArrayLike | None,
) -> Linking:
    """Link through the common items by a criterion, on a scale near N(0, 1)."""
    _, in_from, in_to = np.intersect1d(from_items.item, to_items.item, return_indices=True)
    new, bank = (like_right_or_wrong(items.take(rows)) for items, rows in ((from_items, in_from), (to_items, in_to)))
    near = near_standard(_rough_line(new, bank))
    bank = near.undo(bank)
    unknown = np.full((2, len(from_items)), np.nan)
    of_places = _errors_in_places(np.asarray(unknown if errors is None else errors)[:, in_from], new)
    linking = _link_common(new, bank, of_places, criterion, screen, source)
    if errors is not None:
        linking = _with_errors(linking, new, bank, of_places, criterion)
    return linking.onto(near)


def near_standard(line: Line) -> Line:
    """Choose the scale to compute on: the bank's, or where persons are far from N(0, 1) there, that of the persons.

    Weights and limits suppose a scale near N(0, 1). line: from the persons' scale to the bank's; returns that from the
    chosen scale to the bank's.
    """
    A, B = line
    far = abs(B) > FAR_FROM_ZERO * A or not 1 / FAR_FROM_ONE <= A <= FAR_FROM_ONE
    return line if far else SAME_SCALE


def _rough_line(new: ItemParameters, bank: ItemParameters) -> Line:
    """Link by medians."""
    if not len(new):
        return SAME_SCALE
    A = float(np.exp(np.median(np.log(np.abs(new.a) / np.abs(bank.a)))))
    return Line(A, float(np.median(bank.b - A * new.b)))


def _with_errors(
    linking: Linking, new: ItemParameters, bank: ItemParameters, errors: np.ndarray, criterion: "_Criterion"
) -> Linking:
    """Add the standard errors of the constants. errors: as `_errors_in_places` gives them."""
    used = np.isin(new.item, linking.used)
    new, errors = upright(new.take(used)), errors[:, used]
    bank = _in_the_model_of(new, upright(bank.take(used)), criterion)
    of_constants = linking_errors(new, bank, (linking.A, linking.B), errors, criterion.method, criterion.grid)
    return replace(linking, errors=of_constants)


def _errors_in_places(errors: np.ndarray, items: ItemParameters) -> np.ndarray:
    """Put errors of a, b and steps where `difficulties` of the upright items has each b, float64 [1 + n_places, n_items].

    NaN where there is no b and where no error is known.
    """
    n_steps = items.steps.shape[1]
    if not n_steps:
        return errors[:2]
    of_steps = np.full((len(items), n_steps), np.nan)
    known = errors[2 : 2 + n_steps].T
    of_steps[:, : known.shape[1]] = np.where(np.isfinite(items.steps)[:, : known.shape[1]], known, np.nan)
    falling = items.polytomous & (items.a < 0)
    of_steps[falling] = of_missing_scores(of_steps[falling], items.steps[falling])
    of_steps[~items.polytomous, 0] = errors[1, ~items.polytomous]
    return np.concatenate([errors[:1], of_steps.T])


@dataclass(frozen=True)
class _Criterion:
    """What the constants minimise."""

    method: ScaleTransformation
    grid: Grid
    symmetric: bool

    def constants(self, new: ItemParameters, bank: ItemParameters) -> tuple[float, float]:
        A, B = _CONSTANTS[self.method](new, bank, self.grid, self.symmetric)
        return float(A), float(B)


def _link_common(
    new: ItemParameters,
    bank: ItemParameters,
    errors: np.ndarray,
    criterion: _Criterion,
    screen: bool,
    source: str,
) -> Linking:
    """Link the common items of both scales, in the same order, leaving out what drifted one at a time.

    errors: of the new items, as `_errors_in_places` gives them.
    """
    screened: list[tuple[int, str]] = []
    opposed = (new.a > 0) != (bank.a > 0)
    if screen and opposed.any():
        screened += [(int(item), SIGN_CHANGED) for item in new.item[opposed]]
        new, bank, errors = new.take(~opposed), bank.take(~opposed), errors[:, ~opposed]
    new, bank = upright(new), upright(bank)
    reasons = unlike(new, bank)
    if (reasons != "").any():
        screened += [(int(item), reason) for item, reason in zip(new.item, reasons, strict=True) if reason]
        new, bank, errors = new.take(reasons == ""), bank.take(reasons == ""), errors[:, reasons == ""]
    bank = _in_the_model_of(new, bank, criterion)
    while True:
        if len(new) < 2:
            raise TooFewCommonItems(len(new), tuple(screened))
        item, reason = drifted(new, bank, errors) if screen else (None, "")
        if item is None:
            A, B = criterion.constants(new, bank)
            return Linking(A, B, criterion.method, source, new.item.copy(), tuple(screened))
        screened.append((int(new.item[item]), reason))
        keep = np.arange(len(new)) != item
        new, bank, errors = new.take(keep), bank.take(keep), errors[:, keep]


def _in_the_model_of(new: ItemParameters, bank: ItemParameters, criterion: _Criterion) -> ItemParameters:
    """Replace bank curves with guessing by the nearest ones without, for items that were fitted without.

    Nearest is what a calibration of the linked population, N(B, A^2), would find: the maximum of the expected
    log-likelihood. Without that, a and b of a 3PL would be compared with those of a 2PL, which mean something else.
    """
    guessed = (bank.c > 0) & (new.c == 0)
    if not guessed.any() or len(new) < 2:
        return bank
    nearest = bank
    for _ in range(ROUNDS_WITHOUT_GUESSING):
        A, B = criterion.constants(new, nearest)
        a, b = _without_guessing(bank.take(guessed), normal_grid(B, A))
        all_a, all_b = bank.a.copy(), bank.b.copy()
        all_a[guessed], all_b[guessed] = a, b
        c = np.where(guessed, 0.0, bank.c)
        nearest = ItemParameters(bank.item, all_a, all_b, c, bank.steps, bank.model)
    return nearest


def _without_guessing(items: ItemParameters, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Fit a and b of the logistic curves nearest to curves with guessing, by iteratively reweighted least squares."""
    theta, expected = grid.node, np.clip(probability(grid.node, items), 1e-9, 1 - 1e-9)
    line, p = logit(expected), expected
    for _ in range(STEPS_WITHOUT_GUESSING):
        information = np.maximum(p * (1 - p), 1e-9)
        weight, aim = grid.weight * information, line + (expected - p) / information
        total = weight.sum(axis=1, keepdims=True)
        from_mean = theta - weight @ theta[:, None] / total
        a = (weight * from_mean * aim).sum(axis=1) / (weight * from_mean**2).sum(axis=1)
        d = ((weight * aim).sum(axis=1) - a * (weight @ theta)) / total[:, 0]
        line = a[:, None] * theta + d[:, None]
        p = expit(line)
    return a, -d / a


def linking_items(source: str) -> str:
    """Name what a linking rests on."""
    return "anchors" if source == "anchors" else f"items of the {source} calibration"


def linking_warnings(linking: Linking, item_ids: np.ndarray | None = None) -> list[str]:
    """List what makes linking constants doubtful."""
    warnings = []
    name, n, listed = linking_items(linking.source), len(linking.used), names_of(linking.used, item_ids)
    if linking.source == "anchors" and n < FEWEST_TO_SCREEN:
        warnings.append(
            f"{n} anchors link to the bank's scale: {listed}. With fewer than {FEWEST_TO_SCREEN} a wrong one cannot be "
            "told from the others. Add anchors"
        )
    if linking.units_differ:
        ratio = linking.errors.slope_ratio
        normal_metric = abs(np.log(ratio / NORMAL_METRIC)) < NEAR_NORMAL_METRIC
        warnings.append(
            f"by a of the {n} {name} ({listed}) A is {ratio:.2f} times what it is by their b. "
            + (
                "That is what a for the normal metric give: multiply the bank's by 1.7"
                if normal_metric
                else "Correct the parameters of the wrong ones"
            )
        )
    elif linking.contradictory:
        warnings.append(
            f"the {n} {name} contradict each other ({listed}): their residuals are {linking.errors.residual_z:.1f} times as "
            f"wide as their standard errors, so A = {linking.A:.2f} has a standard error of {linking.errors.se_A:.2f} and "
            f"B = {linking.B:.2f} of {linking.errors.se_B:.2f}. Correct the parameters of the wrong ones"
        )
    return warnings


def link_target(
    anchors: ItemParameters | None, previous: ItemParameters | None, fitted: np.ndarray, method: LinkingMethod
) -> tuple[ItemParameters | None, str, list[str]]:
    """Choose what to link to: the anchors among the fitted items, else the previous calibration's.

    Returns the items (None when there is nothing to link to), what they are ("anchors", "previous" or ""), warnings.
    """
    warnings: list[str] = []
    for items, source, name in (
        (anchors, "anchors", "anchors"),
        (previous, "previous", "items of the previous calibration"),
    ):
        if method != "none" and items is not None and len(items):
            common = items.among(fitted)
            if len(common) >= 2:
                return common, source, warnings
            warnings.append(
                f"{len(common)} of {len(items)} {name} can be fitted, but 2 are needed to link to the bank's scale"
            )
    return None, "", warnings


def drifted(new: ItemParameters, bank: ItemParameters, errors: np.ndarray | None = None) -> tuple[int | None, str]:
    """Find the common item that moved most unlike the others, and say how; None when none did.

    Robust z (Huynh & Meyer, 2010): of log(a_new / a_bank), and of b_bank - A b_new with A = exp(median log ratio),
    each around its median, by its robust SD; and of the moves of steps, see `_moved_steps`. Only a move of DRIFT_SIZE or
    more is drift: a handful of stable anchors has a small spread, and each item left out makes it smaller. errors: of the
    new items' steps, see `linking_errors`.
    """
    if len(new) < FEWEST_TO_SCREEN:
        return None, ""
    log_ratio = np.log(np.abs(new.a) / np.abs(bank.a))
    A = _rough_line(new, bank).A
    shift = bank.b - A * new.b
    moved = np.array([shift - np.median(shift), log_ratio - np.median(log_ratio)])
    spread = np.array([[robust_sd(shift)], [robust_sd(log_ratio)]])
    z = np.where(np.abs(moved) >= np.array(DRIFT_SIZE)[:, None], moved / np.maximum(spread, 1e-9), 0.0)
    if new.steps.shape[1]:
        z = np.concatenate([z, _moved_steps(new, bank, A, errors)])
    which, item = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    if abs(z[which, item]) <= DRIFT_LIMIT:
        return None, ""
    what = ("difficulty", "discrimination")[which] if which < 2 else f"step {which - 1}"
    return int(item), f"its {what} drifted, robust z {z[which, item]:+.1f}"


def _moved_steps(new: ItemParameters, bank: ItemParameters, A: float, errors: np.ndarray | None) -> np.ndarray:
    """Compute the z of the move of each step against the mean of its item's steps, float64 [n_steps, n_items].

    In robust SDs of all moves, or where that is wider in the step's own error: steps of rare scores are known badly. 0 where
    there is no step, and where fewer than FEWEST_TO_SCREEN items have several.
    """
    several = np.isfinite(new.steps).sum(axis=1) > 1
    if several.sum() < FEWEST_TO_SCREEN:
        return np.zeros(new.steps.T.shape)
    judged = np.isfinite(new.steps) & several[:, None]
    of_new, of_bank = (np.where(judged, items.steps, np.nan) - items.b[:, None] for items in (new, bank))
    apart = of_bank - A * of_new
    spread = np.full(apart.shape, max(robust_sd(apart[judged]), 1e-9))
    if errors is not None:
        spread = np.fmax(spread, A * errors[1:].T[:, : apart.shape[1]])
    return np.where(judged & (np.abs(apart) >= DRIFT_SIZE[0]), apart / spread, 0.0).T


_Constants = Callable[[ItemParameters, ItemParameters, Grid, bool], tuple[float, float]]


def _mean_mean(new: ItemParameters, bank: ItemParameters, grid: Grid, symmetric: bool) -> tuple[float, float]:
    b, bank_b = pooled(difficulties(new)), pooled(difficulties(bank))
    A = new.a.mean() / bank.a.mean()
    return A, bank_b.mean() - A * b.mean()


def _mean_sigma(new: ItemParameters, bank: ItemParameters, grid: Grid, symmetric: bool) -> tuple[float, float]:
    b, bank_b = pooled(difficulties(new)), pooled(difficulties(bank))
    spread = b.std()
    if spread <= 0 or bank_b.std() <= 0:
        raise DataError("mean_sigma needs common items of different difficulty. Use stocking_lord")
    A = bank_b.std() / spread
    return A, bank_b.mean() - A * b.mean()


def _by_curves(total: bool) -> _Constants:
    """Minimise the squared distance of test curves (`total`) or of item curves."""

    def distance(curve: np.ndarray, other: np.ndarray, weight: np.ndarray) -> float:
        difference = curve - other
        return weight @ (difference.sum(axis=0) ** 2 if total else (difference**2).sum(axis=0))

    def constants(new: ItemParameters, bank: ItemParameters, grid: Grid, symmetric: bool) -> tuple[float, float]:
        weight, node = grid.weight, grid.node
        of_new, of_bank = (LinkingCurves.of(items, total=total) for items in (new, bank))
        bank_curve, new_curve = of_bank.after(SAME_SCALE, node), of_new.after(SAME_SCALE, node)

        def loss(x: np.ndarray) -> float:
            line = Line(np.exp(x[0]), x[1])
            value = distance(bank_curve, of_new.after(line, node), weight)
            if symmetric:
                value += distance(new_curve, of_bank.before(line, node), weight)
            return value

        from scipy.optimize import minimize  # a third of a second, and a calibration without anchors needs it not

        A, B = _mean_mean(new, bank, grid, symmetric)
        first = np.array([np.log(A) if A > 0 else 0.0, B])
        # Below its rounding the loss goes up and down from point to point, and would be followed to the last iteration.
        rounding = 16 * np.finfo(float).eps * loss(first)
        options = {"xatol": 1e-10, "fatol": max(1e-18, rounding), "maxiter": 2000}
        best = minimize(loss, first, method="Nelder-Mead", options=options).x
        return np.exp(best[0]), best[1]

    return constants


_CONSTANTS: dict[ScaleTransformation, _Constants] = {
    "mean_mean": _mean_mean,
    "mean_sigma": _mean_sigma,
    "haebara": _by_curves(total=False),
    "stocking_lord": _by_curves(total=True),
}
