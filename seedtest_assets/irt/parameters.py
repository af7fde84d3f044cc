"""Item parameters, and the chance of a right answer they give."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.errors import DataError


@dataclass(frozen=True)
class ItemParameters:
    """Parameters of some items of the bank, P = c + (1 - c) / (1 + exp(-a (theta - b))).

    item: int32 [n], item codes, each once; a: discrimination, b: difficulty, c: guessing, float64 [n].

    Raises DataError for arrays of different length, a code that comes twice, or values that no item can have.
    """

    item: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "item", np.ascontiguousarray(self.item, dtype=np.int32))
        for name in ("a", "b", "c"):
            values = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if len(values) != len(self.item):
                raise DataError(f"{len(values)} values of {name} for {len(self.item)} items")
            if not np.isfinite(values).all():
                raise DataError(f"parameter {name} of item {self.item[~np.isfinite(values)][0]} is not a finite number")
            object.__setattr__(self, name, values)
        if len(np.unique(self.item)) != len(self.item):
            raise DataError("an item has more than one row of parameters")
        if ((self.c < 0) | (self.c >= 1)).any():
            raise DataError(f"parameter c of item {self.item[(self.c < 0) | (self.c >= 1)][0]} is outside [0, 1)")

    @property
    def d(self) -> np.ndarray:
        """Intercept d = -a b, float64 [n]."""
        return -self.a * self.b

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows) -> "ItemParameters":
        """The same for some rows, by position or mask."""
        return ItemParameters(self.item[rows], self.a[rows], self.b[rows], self.c[rows])

    @classmethod
    def none(cls) -> "ItemParameters":
        return cls(np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0))


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def probability(theta, items: ItemParameters) -> np.ndarray:
    """Item characteristic curves: chance of a right answer, float64 [n_items, n_theta] (Birnbaum, 1968)."""
    theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    a, b, c = (values[:, None] for values in (items.a, items.b, items.c))
    return c + (1 - c) * logistic(a * (theta[None, :] - b))


def information(theta, items: ItemParameters) -> np.ndarray:
    """Fisher information of each item about theta, float64 [n_items, n_theta]; their sum is the test information.

    I = a^2 (1 - P) / P ((P - c) / (1 - c))^2 (Lord, 1980, eq. 5-9).
    """
    p = probability(theta, items)
    a, c = items.a[:, None], items.c[:, None]
    return a**2 * (1 - p) / np.maximum(p, 1e-300) * ((p - c) / (1 - c)) ** 2
