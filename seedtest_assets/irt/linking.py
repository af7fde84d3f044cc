"""Linking: the line that puts a calibration's scale on the bank's, from the items both know.

theta_to = A theta_from + B, so a_to = a_from / A, b_to = A b_from + B, and c stays.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.parameters import ItemParameters, probability

METHODS = ("stocking_lord", "haebara", "mean_sigma", "mean_mean")
DRIFT_LIMIT = 3.5  # robust z above which an anchor has drifted (Iglewicz & Hoaglin, 1993)
DRIFT_SIZE = (0.25, 0.2)
"""In b on the bank's scale, and in log a: what moved by less does no harm, however alike the others are."""


@dataclass(frozen=True)
class Linking:
    """Linking constants and what they rest on.

    A, B: theta_to = A theta_from + B; method: how; source: "anchors" or "previous"; used: item codes int32;
    screened_out: (item code, reason) of each common item that was not used.
    """

    A: float
    B: float
    method: str
    source: str
    used: np.ndarray
    screened_out: tuple[tuple[int, str], ...] = ()

    def apply(self, items: ItemParameters) -> ItemParameters:
        """Items of the from-scale, on the to-scale."""
        return ItemParameters(items.item, items.a / self.A, self.A * items.b + self.B, items.c)


def link(
    from_items: ItemParameters,
    to_items: ItemParameters,
    method: str = "stocking_lord",
    *,
    symmetric: bool = False,
    screen: bool = True,
    source: str = "anchors",
    grid: Grid | None = None,
) -> Linking:
    """Link two sets of item parameters through their common items.

    method: mean_mean (Loyd & Hoover, 1980), mean_sigma (Marco, 1977), haebara (Haebara, 1980), stocking_lord
    (Stocking & Lord, 1983).
    symmetric: add the criterion on the from-scale to that on the to-scale (the last two only).
    screen: leave out items whose a or b moved unlike the others'; see drifted.

    Raises DataError when fewer than 2 common items remain, or the method is unknown.
    """
    if method not in METHODS:
        raise DataError(f"linking method {method!r} is none of {', '.join(METHODS)}")
    _, in_from, in_to = np.intersect1d(from_items.item, to_items.item, return_indices=True)
    new, bank = from_items.take(in_from), to_items.take(in_to)
    screened: list[tuple[int, str]] = []
    opposed = (new.a > 0) != (bank.a > 0)
    if screen and opposed.any():
        screened += [(int(item), "its discrimination changed sign") for item in new.item[opposed]]
        new, bank = new.take(~opposed), bank.take(~opposed)
    while True:
        if len(new) < 2:
            raise DataError(
                f"{len(new)} common items remain to link by, 2 are needed"
                + (f" ({len(screened)} were screened out for drift)" if screened else "")
            )
        A, B = _CONSTANTS[method](new, bank, grid or normal_grid(), symmetric)
        item, reason = drifted(new, bank) if screen else (None, "")
        if item is None:
            return Linking(float(A), float(B), method, source, new.item.copy(), tuple(screened))
        screened.append((int(new.item[item]), reason))
        keep = np.arange(len(new)) != item
        new, bank = new.take(keep), bank.take(keep)


def drifted(new: ItemParameters, bank: ItemParameters) -> tuple[int | None, str]:
    """The common item that moved most unlike the others, and how; None when none did.

    Robust z (Huynh & Meyer, 2010): of log(a_new / a_bank), and of b_bank - A b_new with A = exp(median log ratio),
    each around its median, by 0.74 of its interquartile range. Only a move of DRIFT_SIZE or more is drift: a
    handful of stable anchors has a small spread, and each one left out makes it smaller. Needs at least 5 items to tell.
    """
    if len(new) < 5:
        return None, ""
    log_ratio = np.log(np.abs(new.a) / np.abs(bank.a))
    shift = bank.b - np.exp(np.median(log_ratio)) * new.b
    moved = np.array([shift - np.median(shift), log_ratio - np.median(log_ratio)])
    spread = np.array([[_robust_sd(shift)], [_robust_sd(log_ratio)]])
    z = np.where(np.abs(moved) >= np.array(DRIFT_SIZE)[:, None], moved / np.maximum(spread, 1e-9), 0.0)
    which, item = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    if abs(z[which, item]) <= DRIFT_LIMIT:
        return None, ""
    return int(item), f"its {('difficulty', 'discrimination')[which]} drifted, robust z {z[which, item]:+.1f}"


def _robust_sd(x: np.ndarray) -> float:
    low, high = np.percentile(x, [25, 75])
    return float(0.74 * (high - low))


def _mean_mean(new, bank, grid, symmetric):
    A = new.a.mean() / bank.a.mean()
    return A, bank.b.mean() - A * new.b.mean()


def _mean_sigma(new, bank, grid, symmetric):
    spread = new.b.std()
    if spread <= 0 or bank.b.std() <= 0:
        raise DataError("mean_sigma needs common items of different difficulty; use stocking_lord")
    A = bank.b.std() / spread
    return A, bank.b.mean() - A * new.b.mean()


def _by_curves(total: bool):
    def constants(new, bank, grid, symmetric):
        weight = np.exp(grid.log_weight)
        bank_curve, new_curve = probability(grid.node, bank), probability(grid.node, new)

        def loss(x):
            A, B = np.exp(x[0]), x[1]
            moved = ItemParameters(new.item, new.a / A, A * new.b + B, new.c)
            difference = bank_curve - probability(grid.node, moved)
            value = weight @ (difference.sum(axis=0) ** 2 if total else (difference**2).sum(axis=0))
            if symmetric:
                back = ItemParameters(bank.item, bank.a * A, (bank.b - B) / A, bank.c)
                difference = new_curve - probability(grid.node, back)
                value += weight @ (difference.sum(axis=0) ** 2 if total else (difference**2).sum(axis=0))
            return value

        A, B = _mean_mean(new, bank, grid, symmetric)
        first = np.array([np.log(A) if A > 0 else 0.0, B])
        options = {"xatol": 1e-10, "fatol": 1e-18, "maxiter": 2000}
        best = minimize(loss, first, method="Nelder-Mead", options=options).x
        return np.exp(best[0]), best[1]

    return constants


_CONSTANTS = {
    "mean_mean": _mean_mean,
    "mean_sigma": _mean_sigma,
    "haebara": _by_curves(total=False),
    "stocking_lord": _by_curves(total=True),
}
