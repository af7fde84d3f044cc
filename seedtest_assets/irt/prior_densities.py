"""Log densities of the priors of item parameters, and their derivatives by (a, d, logit c).

The log-normal density is that of a itself, log p = -log a - (log a - m)^2 / (2 s^2), as in R mirt's `lnorm`; the prior of b is
one of the parameters' function -d / a, without a Jacobian.
"""

import math

import numpy as np

from seedtest_assets.irt.item_priors import ItemPrior, ItemPriors, prior_of
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.state import LEAST_SLOPE, State


@kernel
def log_prior_of_item(a: float, d: float, g: float, prior: ItemPrior) -> float:
    """Compute the log density of an item's parameters, up to a constant; -inf for a slope that the prior excludes."""
    total = 0.0
    if prior.a_precision > 0:
        if a <= 0:
            return -np.inf
        total -= math.log(a) + 0.5 * prior.a_precision * (math.log(a) - prior.a_mean) ** 2
    if prior.b_precision > 0:
        slope = a if abs(a) > LEAST_SLOPE else (-LEAST_SLOPE if a < 0 else LEAST_SLOPE)
        total -= 0.5 * prior.b_precision * (-d / slope - prior.b_mean) ** 2
    if prior.c_precision > 0:
        total -= 0.5 * prior.c_precision * (g - prior.c_mean) ** 2
    return total


@kernel
def add_prior(item: tuple, prior: ItemPrior, gradient: np.ndarray, information: np.ndarray) -> None:
    """Add the score of an item's (a, d, g) under the prior, and its information, without what may be negative."""
    a, d, g = item
    if prior.a_precision > 0:
        gradient[0] -= (1 + prior.a_precision * (math.log(a) - prior.a_mean)) / a
        information[0, 0] += prior.a_precision / a**2
    if prior.b_precision > 0:
        slope = a if abs(a) > LEAST_SLOPE else (-LEAST_SLOPE if a < 0 else LEAST_SLOPE)
        b = -d / slope
        by_a, by_d = -b / slope, -1 / slope
        away = prior.b_precision * (b - prior.b_mean)
        gradient[0] -= away * by_a
        gradient[1] -= away * by_d
        information[0, 0] += prior.b_precision * by_a * by_a
        information[0, 1] += prior.b_precision * by_a * by_d
        information[1, 0] += prior.b_precision * by_a * by_d
        information[1, 1] += prior.b_precision * by_d * by_d
    if prior.c_precision > 0:
        gradient[2] -= prior.c_precision * (g - prior.c_mean)
        information[2, 2] += prior.c_precision


def log_prior(
    of_items: ItemPriors, of_common_slope: tuple[float, float, int] | None, state: State, free: np.ndarray
) -> float:
    """Compute the log density of the free items' parameters, up to a constant.

    of_common_slope: mean and precision of the log of the common slope, and an item that has it; None where it has no prior.
    """
    total = _sum(state.a, state.d, state.g, free, of_items)
    if of_common_slope is not None:
        mean, precision, item = of_common_slope
        total += log_prior_of_item(state.a[item], 0.0, 0.0, ItemPrior(mean, precision, 0.0, 0.0, 0.0, 0.0, False))
    return float(total)


def prior_information(
    of_items: ItemPriors, of_common_slope: tuple[float, float, int] | None, state: State, free: np.ndarray
) -> np.ndarray:
    """Compute minus the second derivatives of the log density, [n_items, 3, 3]; the common slope is with the item named for it."""
    information = np.zeros((len(free), 3, 3))
    a, b = state.discrimination_and_difficulty
    mean, precision = of_items.a_mean.copy(), np.where(free, of_items.a_precision, 0.0)
    if of_common_slope is not None:
        *of_slope, item = of_common_slope
        mean[item], precision[item] = of_slope
    log_slope = np.log(np.abs(a))
    information[:, 0, 0] = np.where(precision > 0, (precision * (1 + mean - log_slope) - 1) / a**2, 0.0)
    by = np.stack([-b / a, -1 / a], axis=1)
    second = np.zeros((len(a), 2, 2))
    second[:, 0, 0], second[:, 0, 1], second[:, 1, 0] = 2 * b / a**2, 1 / a**2, 1 / a**2
    of_b = by[:, :, None] * by[:, None, :] + (b - of_items.b_mean)[:, None, None] * second
    information[:, :2, :2] += np.where(free, of_items.b_precision, 0.0)[:, None, None] * of_b
    information[:, 2, 2] = np.where(free, of_items.c_precision, 0.0)
    return information


@kernel
def _sum(a: np.ndarray, d: np.ndarray, g: np.ndarray, free: np.ndarray, priors: ItemPriors) -> float:
    total = 0.0
    for j in range(a.size):
        if free[j]:
            total += log_prior_of_item(a[j], d[j], g[j], prior_of(priors, j))
    return total
