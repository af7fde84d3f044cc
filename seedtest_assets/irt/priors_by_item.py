"""Priors of single items: what a caller can give instead of those of all items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.parameters import SAME_SCALE, Line


@dataclass(frozen=True)
class PriorsByItem:
    """Priors of a and b of single items, such as what is known of items like them predicts.

    Parameters
    ----------
    item : int32 [n]
        Item codes, each once.
    log_a_mean, log_a_sd : float64 [n]
        Of log a, on the bank's scale. A model with one slope for all items makes no use of them.
    b_mean, b_sd : float64 [n]
        Of b, on the bank's scale.
    population : Line
        Mean B and SD A of the persons' ability on the bank's scale. By it the priors are moved to the scale of the
        calibrated persons where no anchors are held.

    Raises
    ------
    DataError
        Arrays of different length, an item that comes twice, a value that is not finite, or an SD that is not above 0.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> priors = irt.PriorsByItem([4], log_a_mean=[0.0], log_a_sd=[0.3], b_mean=[1.2], b_sd=[0.5])
    >>> irt.Options(by_item=priors).by_item
    PriorsByItem(1 items)
    """

    item: np.ndarray
    log_a_mean: np.ndarray
    log_a_sd: np.ndarray
    b_mean: np.ndarray
    b_sd: np.ndarray
    population: Line = SAME_SCALE

    def __init__(
        self,
        item: ArrayLike,
        log_a_mean: ArrayLike,
        log_a_sd: ArrayLike,
        b_mean: ArrayLike,
        b_sd: ArrayLike,
        population: Line = SAME_SCALE,
    ) -> None:
        object.__setattr__(self, "item", np.ascontiguousarray(item, dtype=np.int32))
        object.__setattr__(self, "population", population)
        given = {"log_a_mean": log_a_mean, "log_a_sd": log_a_sd, "b_mean": b_mean, "b_sd": b_sd}
        for name, numbers in given.items():
            values = np.ascontiguousarray(numbers, dtype=np.float64)
            if len(values) != len(self.item):
                raise DataError(f"{len(values)} values of {name} for {len(self.item)} items")
            wrong = ~np.isfinite(values) | ((values <= 0) & name.endswith("_sd"))
            if wrong.any():
                raise DataError(
                    f"{name} of item {self.item[wrong][0]} is {values[wrong][0]:g}, but must be finite, and an SD above 0"
                )
            object.__setattr__(self, name, values)
        if len(np.unique(self.item)) != len(self.item):
            raise DataError("an item has more than one prior")

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"PriorsByItem({len(self):,} items)"

    def mirrored(self) -> "PriorsByItem":
        """Turn the ability axis around."""
        return self._like(self.log_a_mean, -self.b_mean, self.b_sd)

    def moved_back(self, A: float, B: float) -> "PriorsByItem":
        """Undo a change of scale, A theta + B, that leads to the one of the priors."""
        return self._like(self.log_a_mean + np.log(A), (self.b_mean - B) / A, self.b_sd / A)

    def of_persons(self) -> "PriorsByItem":
        """Move the priors to the scale of the calibrated persons."""
        return self.moved_back(*self.population)

    def _like(self, log_a_mean: np.ndarray, b_mean: np.ndarray, b_sd: np.ndarray) -> "PriorsByItem":
        return PriorsByItem(self.item, log_a_mean, self.log_a_sd, b_mean, b_sd, self.population)
