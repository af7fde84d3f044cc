"""How exact linking constants are: the delta method, widened where the anchors contradict each other."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from seedtest_assets.irt.grid import Grid
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
    """Compute the errors of linking constants from the standard errors of a and b of the new items, float64 [2, n].

    The bank's parameters count as known, the new items' errors as independent. Where the residuals are wider than their
    errors, the constants' errors grow in proportion (Birge, 1932).
    """
    known = np.isfinite(errors).all(axis=0) & (errors > 0).all(axis=0)
    if known.sum() < 2 or not constants[0] > 0:
        return UNKNOWN
    slopes = _DERIVATIVES[method](new, bank, constants, grid)[known]
    variance = np.einsum("nkp,pn->k", slopes**2, errors[:, known] ** 2)
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
    n, deviation = len(new), new.b - new.b.mean()
    if np.ptp(new.b) == 0 or np.ptp(bank.b) == 0:
        return np.nan, np.nan
    log_a, unit = np.log(np.abs(new.a / bank.a)), bank.b.std() / new.b.std()
    of_a, of_b = errors[0] / np.abs(new.a), errors[1] * deviation / (deviation @ deviation)
    from_a = of_a[0] ** 2 if np.ptp(new.a) == 0 else of_a @ of_a / n**2  # Rasch has one slope, with one error
    apart = (bank.b - bank.b.mean()) / unit - deviation
    scatter_a, scatter_b = log_a.var() / max(n - 1, 1), apart @ apart / max(n - 2, 1) / (deviation @ deviation)
    log_ratio = log_a.mean() - np.log(unit)
    return float(np.exp(log_ratio)), float(log_ratio / np.sqrt(max(from_a, scatter_a) + max(of_b @ of_b, scatter_b)))


def _residuals(
    new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], errors: np.ndarray
) -> np.ndarray:
    """Compute residuals of b and, where items have slopes of their own, of log a, in their standard errors."""
    A, B = constants
    of_b = (bank.b - A * new.b - B) / (A * errors[1])
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
        p = expit(new.a[:, None] * (theta - new.b[:, None]))
        slope = (1 - new.c[:, None]) * p * (1 - p)
        by_item = np.stack([slope * (theta - new.b[:, None]), -slope * new.a[:, None]])
        by_constant = np.stack([-slope * new.a[:, None] * theta / A, -slope * new.a[:, None] / A])
        if total:
            by_constant = np.broadcast_to(by_constant.sum(axis=1, keepdims=True), by_constant.shape)
            normal = np.einsum("kq,lq,q->kl", by_constant[:, 0], by_constant[:, 0], grid.weight)
        else:
            normal = np.einsum("knq,lnq,q->kl", by_constant, by_constant, grid.weight)
        return -np.einsum("kl,lnq,pnq,q->nkp", np.linalg.inv(normal), by_constant, by_item, grid.weight, optimize=True)

    return derivatives


def _of_mean_mean(new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], grid: Grid) -> np.ndarray:
    n = len(new)
    A_by_a = 1 / bank.a.sum()
    return np.broadcast_to(np.array([[A_by_a, 0.0], [-new.b.mean() * A_by_a, -constants[0] / n]]), (n, 2, 2))


def _of_mean_sigma(new: ItemParameters, bank: ItemParameters, constants: tuple[float, float], grid: Grid) -> np.ndarray:
    n, A, mean = len(new), constants[0], new.b.mean()
    A_by_b = -A * (new.b - mean) / (n * new.b.var())
    zero = np.zeros(n)
    return np.stack([np.stack([zero, A_by_b], -1), np.stack([zero, -A / n - mean * A_by_b], -1)], 1)


# [n_items, (A, B), (a, b)]: what the constants change by with a and b of each new item.
_DERIVATIVES: dict[ScaleTransformation, _Derivatives] = {
    "mean_mean": _of_mean_mean,
    "mean_sigma": _of_mean_sigma,
    "haebara": _of_curves(total=False),
    "stocking_lord": _of_curves(total=True),
}
