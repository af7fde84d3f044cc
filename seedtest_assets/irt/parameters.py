"""Item parameters, and the curves they give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import Grid, nodes_with, normal_grid
from seedtest_assets.irt.kernel_arguments import Curves


@dataclass(frozen=True)
class ItemParameters:
    """Parameters of items, P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))).

    Parameters
    ----------
    item : int32 [n]
        Item codes, each once.
    a, b, c : float64 [n]
        Discrimination, difficulty and guessing.

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
    """

    item: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def __init__(self, item: ArrayLike, a: ArrayLike, b: ArrayLike, c: ArrayLike) -> None:
        object.__setattr__(self, "item", np.ascontiguousarray(item, dtype=np.int32))
        for name, given in (("a", a), ("b", b), ("c", c)):
            values = np.ascontiguousarray(given, dtype=np.float64)
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
        """Intercepts d = -a b, float64 [n]."""
        return -self.a * self.b

    @property
    def curves(self) -> Curves:
        """Slopes, intercepts and guessing, as kernels take them."""
        return Curves(self.a, self.d, self.c)

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"ItemParameters({len(self):,} items)"

    def take(self, rows: "slice | ArrayLike") -> "ItemParameters":
        """Select rows, by position or mask."""
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return ItemParameters(self.item[rows], self.a[rows], self.b[rows], self.c[rows])

    def among(self, codes: np.ndarray) -> "ItemParameters":
        """Select the items that are among some codes."""
        return self.take(np.isin(self.item, codes))


def joined(parts: Sequence[ItemParameters]) -> ItemParameters:
    """Put the parameters of different items behind each other."""
    columns = ([getattr(part, name) for part in parts] for name in ("item", "a", "b", "c"))
    return ItemParameters(*map(np.concatenate, columns))


def on_scale(items: ItemParameters, A: float | np.ndarray, B: float | np.ndarray) -> ItemParameters:
    """Transform items to the scale A theta + B; A and B are one for all, or one an item, float64 [n]."""
    return ItemParameters(items.item, items.a / A, A * items.b + B, items.c)


class Line(NamedTuple):
    """A change of scale, theta_to = A theta_from + B: a_to = a_from / A, b_to = A b_from + B, and c stays."""

    A: float
    B: float

    def apply(self, items: ItemParameters) -> ItemParameters:
        """Transform items of the from-scale to the to-scale."""
        return on_scale(items, self.A, self.B)

    def undo(self, items: ItemParameters) -> ItemParameters:
        """Transform items of the to-scale to the from-scale."""
        return ItemParameters(items.item, items.a * self.A, (items.b - self.B) / self.A, items.c)


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
    return c + (1 - c) * expit(a * (theta[None, :] - b))


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
        a^2 (1 - P) / P ((P - c) / (1 - c))^2 ([1]_, eq. 5-9).

    References
    ----------
    .. [1] Lord, F. M. (1980). Applications of item response theory to practical testing problems. Erlbaum.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> items = irt.ItemParameters([0, 1], a=[1.0, 2.0], b=[0.0, 0.0], c=[0.0, 0.0])
    >>> irt.information(0.0, items)
    array([[0.25],
           [1.  ]])
    """
    p = probability(theta, items)
    a, c = items.a[:, None], items.c[:, None]
    return a**2 * (1 - p) / np.maximum(p, 1e-300) * ((p - c) / (1 - c)) ** 2


def grid_of_test(items: ItemParameters, mean: float = 0.0, sd: float = 1.0) -> Grid:
    """Make the grid that resolves what a test of these items says of N(mean, sd^2): 61 nodes for a usual test."""
    largest = information(normal_grid(mean, sd).node, items).sum(axis=0).max()
    step = min(1.2 / np.sqrt(1 / sd**2 + largest), 2 / np.abs(items.a).max(initial=1e-3))
    return normal_grid(mean, sd, nodes_with(step))
