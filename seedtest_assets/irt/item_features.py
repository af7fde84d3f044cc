"""Features of items as numbers: numbers are standardised, categories get a column a level, what is missing is a level, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np

Value: TypeAlias = "float | str | bool | Sequence[float | str | bool | None] | None"
Values: TypeAlias = Mapping[str, Sequence[Value]]
"""The values of each feature by its name, a value an item: a number, a category, several categories, or None."""

# Levels of a feature that have a column; the rarest beyond count as one.
MOST_LEVELS = 200
MISSING, RARE = "", "\0rare"


@dataclass(frozen=True, kw_only=True)
class FeatureCoding:
    """How values become columns, as the bank's items have them.

    Parameters
    ----------
    numbers : {name: (low, high, mean, SD)}
        Of features that are numbers. Beyond the bank's lowest and highest nothing is extrapolated.
    levels : {name: levels}
        Of the other features, and MISSING of those numbers that some of the bank's items lack.
    """

    numbers: Mapping[str, tuple[float, float, float, float]]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, bank: Values) -> "FeatureCoding":
        """Choose the columns from the values of the bank's items; a feature that is the same for all has none."""
        numbers: dict[str, tuple[float, float, float, float]] = {}
        levels: dict[str, tuple[str, ...]] = {}
        for name, values in bank.items():
            if any(map(_is_number, values)) and all(value is None or _is_number(value) for value in values):
                known = np.array([value for value in values if value is not None], float)
                if known.std() > 0:
                    numbers[name] = (known.min(), known.max(), known.mean(), known.std())
                if len(known) < len(values):
                    levels[name] = (MISSING,)
            else:
                levels[name] = _frequent(values)
        return cls(numbers=numbers, levels={name: kinds for name, kinds in levels.items() if kinds})

    def columns(self, values: Values, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Code n items: float64 [n, n_columns], and how many of an item's categories no item of the bank has, int64 [n]."""
        columns, n_new = [], np.zeros(n, np.int64)
        for name, (low, high, mean, sd) in self.numbers.items():
            given = np.array([value if _is_number(value) else np.nan for value in values[name]], float)
            columns.append(np.nan_to_num((np.clip(given, low, high) - mean) / sd)[:, None])
        for name, kinds in self.levels.items():
            place = {kind: column for column, kind in enumerate(kinds)}
            member = np.zeros((n, len(kinds)))
            for row, value in enumerate(values[name]):
                if name in self.numbers and _is_number(value):
                    continue
                for kind in _levels_of(value):
                    at = place.get(kind, place.get(RARE))
                    if at is None:
                        n_new[row] += 1
                    else:
                        member[row, at] = 1.0
            columns.append(member)
        return np.hstack(columns) if columns else np.zeros((n, 0)), n_new


def _frequent(values: Sequence[Value]) -> tuple[str, ...]:
    """List the levels that have a column, those of most items first; none where all items have the same."""
    of_items = [_levels_of(value) for value in values]
    if len({tuple(kinds) for kinds in of_items}) < 2:
        return ()
    names, counts = np.unique([kind for kinds in of_items for kind in kinds], return_counts=True)
    ordered = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    return tuple(ordered) if len(ordered) <= MOST_LEVELS else (*ordered[:MOST_LEVELS], RARE)


def _levels_of(value: Value) -> list[str]:
    if value is None:
        return [MISSING]
    if isinstance(value, str | bool | int | float):
        return [str(value).strip()]
    return sorted({str(each).strip() for each in value if each is not None}) or [MISSING]


def _is_number(value: Value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))
