"""How exact linking constants are: the delta method, widened where the anchors contradict each other."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.grid import Grid
from seedtest_assets.irt.linking_curves import curve_slopes, difficulties, pooled
from seedtest_assets.irt.models import ScaleTransformation
from seedtest_assets.irt.parameters import ItemParameters


class LinkingErrors(NamedTuple):
    """Standard errors of A and B, and the SD of the common items' residuals in z; NaN where they are not known.

    slope_ratio: what A would be by a alone, to what it would be by b alone; slope_ratio_z: its logarithm in standard errors.
    """

    se_A: float
    se_B: float
    residual_z: float
    slope_ratio: float = np.nan
    slope_ratio_z: float = np.nan

    def onto(self, A: float) -> "LinkingErrors":
        """Give the errors on a scale with a unit A times as small."""
        return self._replace(se_A=self.se_A * A, se_B=self.se_B * A)


_Derivatives = Callable[[ItemParameters, ItemParameters, tuple[float, float], Grid], np.ndarray]

UNKNOWN = LinkingErrors(np.nan, np.nan, np.nan)


def linking_errors(
    new: ItemParameters,
    bank: ItemParameters,
    constants: tuple[float, float],
    errors: np.ndarray,
    method: ScaleTransformation,
    grid: Grid,
) -> LinkingErrors:
    """Compute the errors of linking constants from the standard errors of the new items.

    errors: of a and of each b in the places of `difficulties`, float64 [1 + n_places, n_items] or with more rows, NaN where
    not known and where there is no b. The bank's parameters count as known, the new items' errors as independent. Where the residuals are wider
    than their errors, the constants' errors grow in proportion (Birge, 1932).
    """
    there = np.concatenate([np.ones((1, len(new)), bool), ~np.isnan(difficulties(new)).T])
    errors = errors[: len(there)]
    known = (~there | (np.isfinite(errors) & (errors > 0))).all(axis=0)
    if known.sum() < 2 or not constants[0] > 0:
        return UNKNOWN
    slopes = _DERIVATIVES[method](new, bank, constants, grid)[known]
    variance = np.einsum("nkp,pn->k", slopes**2, np.nan_to_num(errors[:, known]) ** 2)
    z = _residuals(new.take(known), bank.take(known), constants, errors[:, known])
    residual_z = float(np.sqrt((z**2).sum() / max(z.size - 2, 1)))
    se_A, se_B = np.sqrt(variance) * max(residual_z, 1.0)
    ratio, ratio_z = _slope_ratio(new.take(known), bank.take(known), errors[:, known])
    return LinkingErrors(float(se_A), float(se_B), residual_z, ratio, ratio_z)


def _slope_ratio(new: ItemParameters, bank: ItemParameters, errors: np.ndarray) -> tuple[float, float]:
    """Compare the geometric mean of a_new / a_bank with SD(b_bank) / SD(b_new), which both estimate A.

    Returns the ratio, and its logarithm in standard errors: those of the new items' parameters, or where it is wider, the
    scatter of the items around either.
    """
    b, bank_b = pooled(difficulties(new)), pooled(difficulties(bank))
    n, n_b, deviation = len(new), len(b), b - b.mean()
    if np.ptp(b) == 0 or np.ptp(bank_b) == 0:
        return np.nan, np.nan
    log_a, unit = np.log(np.abs(new.a / bank.a)), bank_b.std() / b.std()
    of_a, of_b = errors[0] / np.abs(new.a), pooled(errors[1:].T) * deviation / (deviation @ deviation)
    from_a = of_a[0] ** 2 if np.ptp(new.a) == 0 else of_a @ of_a / n**2  # Rasch has one slope, with one error
    apart = (bank_b - bank_b.mean()) / unit - deviation
    scatter_a, scatter_b = log_a.var() / max(n - 1, 1), apart @ apart / max(n_b - 2, 1) / (deviation @ deviation)
    log_ratio = log_a.mean() - np.log(unit)
    return float(np.exp(log_ratio)), float(log_ratio / np.sqrt(max(from_a, scatter_a) + max(of_b @ of_b, scatter_b)))


def _residuals(
    new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], errors: np.ndarray
) -> np.ndarray:
    """Compute residuals of every b and, where items have slopes of their own, of log a, in their standard errors."""
    A, B = constants
    of_b = (pooled(difficulties(bank)) - A * pooled(difficulties(new)) - B) / (A * pooled(errors[1:].T))
    if np.ptp(new.a) == 0:
        return of_b
    return np.concatenate([of_b, np.log(np.abs(bank.a * A / new.a)) / (errors[0] / np.abs(new.a))])


def _of_curves(total: bool) -> _Derivatives:
    """Differentiate the minimum of the squared distance of test curves (`total`) or item curves, by Gauss-Newton."""

    def derivatives(
        new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], grid: Grid
    ) -> np.ndarray:
        A, B = constants
        theta = (grid.node - B) / A
        slopes = curve_slopes(theta, new, total=total)
        by_constant = np.stack([-slopes.by_theta * theta / A, -slopes.by_theta / A])
        if total:
            by_constant = np.broadcast_to(by_constant.sum(axis=1, keepdims=True), by_constant.shape)
            normal = np.einsum("kq,lq,q->kl", by_constant[:, 0], by_constant[:, 0], grid.weight)
        else:
            normal = np.einsum("knq,lnq,q->kl", by_constant, by_constant, grid.weight)
        inverse = np.linalg.inv(normal)
        by_curve = -np.einsum("kl,lnq,pnq,q->nkp", inverse, by_constant, slopes.by_item, grid.weight, optimize=True)
        if not new.polytomous.any():
            return by_curve
        by_item = np.zeros((len(new), *by_curve.shape[1:]))
        np.add.at(by_item, slopes.item, by_curve)
        return by_item

    return derivatives


def _of_mean_mean(new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], grid: Grid) -> np.ndarray:
    places = difficulties(new)
    b, A_by_a = pooled(places), 1 / bank.a.sum()
    out = np.zeros((len(new), 2, 1 + places.shape[1]))
    out[:, 0, 0], out[:, 1, 0] = A_by_a, -b.mean() * A_by_a
    out[:, 1, 1:] = np.where(np.isnan(places), 0.0, -constants[0] / len(b))
    return out


def _of_mean_sigma(new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], grid: Grid) -> np.ndarray:
    places, A = difficulties(new), constants[0]
    b = pooled(places)
    n, mean = len(b), b.mean()
    A_by_b = -A * (places - mean) / (n * b.var())
    out = np.zeros((len(new), 2, 1 + places.shape[1]))
    out[:, 0, 1:], out[:, 1, 1:] = A_by_b, -A / n - mean * A_by_b
    return np.nan_to_num(out)


# [n_items, (A, B), (a, places of b)]: what the constants change by with a and each b of each new item.
_DERIVATIVES: dict[ScaleTransformation, _Derivatives] = {
    "mean_mean": _of_mean_mean,
    "mean_sigma": _of_mean_sigma,
    "haebara": _of_curves(total=False),
    "stocking_lord": _of_curves(total=True),
}
