"""The priors of all items, as kernels take them."""

from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.models import Model, model_facts
from seedtest_assets.irt.parallel import kernel
from seedtest_assets.irt.priors import GUESSING_MEAN, GUESSING_SD, Priors, mean_and_precision


class ItemPriors(NamedTuple):
    """Means and precisions of each item's log a and b, float64 [n_items], and of every logit c, as kernels take them; a
    precision of 0 is no prior. c_free: whether c is estimated."""

    a_mean: np.ndarray
    a_precision: np.ndarray
    b_mean: np.ndarray
    b_precision: np.ndarray
    c_mean: float
    c_precision: float
    c_free: bool

    @property
    def of_scale(self) -> bool:
        """Whether an item has a prior of a or b."""
        return bool(self.a_precision.any() or self.b_precision.any())


class ItemPrior(NamedTuple):
    """The same of one item."""

    a_mean: float
    a_precision: float
    b_mean: float
    b_precision: float
    c_mean: float
    c_precision: float
    c_free: bool


@kernel
def prior_of(priors: ItemPriors, j: int) -> ItemPrior:
    """Select the prior of one item."""
    return ItemPrior(
        priors.a_mean[j],
        priors.a_precision[j],
        priors.b_mean[j],
        priors.b_precision[j],
        priors.c_mean,
        priors.c_precision,
        priors.c_free,
    )


def item_priors(priors: Priors, model: Model, fitted: np.ndarray, common_slope: np.ndarray) -> ItemPriors:
    """Give the priors that each item has to itself; a common slope is not among them.

    fitted: codes of the items, ascending; common_slope: which have a slope in common, bool [n_items].
    """
    facts, n = model_facts(model), len(fitted)
    a_mean, a_precision = _filled(priors.prior_a, n)
    b_mean, b_precision = _filled(priors.prior_b, n)
    if priors.by_item is not None:
        known = np.isin(priors.by_item.item, fitted)
        row = np.searchsorted(fitted, priors.by_item.item[known])
        b_mean[row], b_precision[row] = priors.by_item.b_mean[known], 1 / priors.by_item.b_sd[known] ** 2
        a_mean[row], a_precision[row] = priors.by_item.log_a_mean[known], 1 / priors.by_item.log_a_sd[known] ** 2
    a_mean[common_slope], a_precision[common_slope] = 0.0, 0.0
    guessing = facts.guessing and priors.fixed_c is None
    of_c = mean_and_precision((priors.prior_c or (GUESSING_MEAN, GUESSING_SD)) if guessing else None)
    return ItemPriors(a_mean, a_precision, b_mean, b_precision, *of_c, guessing)


def _filled(prior: tuple[float, float] | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    mean, precision = mean_and_precision(prior)
    return np.full(n, mean), np.full(n, precision)
