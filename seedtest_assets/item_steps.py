"""Steps of items with partial credit outside the engine: b_1, b_2, ... in `params`, and lists in a column of a table.

None stands for a score that nobody has, `-Infinity` for a step that everybody passes; see irt/category_curves.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, STEP_NAMES
from seedtest_assets.irt.usable_parameters import unusable_steps


def steps_of(params: Mapping[str, Any]) -> list[float | None] | None:
    """Read b_1, b_2, ... of an item's params; None where it has none.

    Raises ValueError for a value that is no number.
    """
    given = [k for k, name in enumerate(STEP_NAMES) if params.get(name) is not None]
    if not given:
        return None
    values = [params.get(name) for name in STEP_NAMES[: given[-1] + 1]]
    return [None if value is None else _number(value) for value in values]


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or np.isnan(number):
        raise ValueError(f"{value!r} is no number")
    return number


def steps_as_params(steps: Sequence[float | None] | None) -> dict[str, float | str | None]:
    """Write steps as b_1, b_2, ... of an item's params; nothing for an item without steps. JSON has no number -Infinity."""
    return {
        name: "-Infinity" if value == -np.inf else value for name, value in zip(STEP_NAMES, steps or (), strict=False)
    }


def steps_matrix(column: Sequence[Sequence[float | None] | None] | pd.Series) -> np.ndarray:
    """Put lists of steps, None for an item without, into float64 [n, n_steps], NaN where there is none."""
    lists = [steps if isinstance(steps, (list, tuple, np.ndarray)) else () for steps in column]
    matrix = np.full((len(lists), max(map(len, lists), default=0)), np.nan)
    for row, steps in zip(matrix, lists, strict=True):
        row[: len(steps)] = [np.nan if value is None else value for value in steps]
    return matrix


def steps_column(matrix: np.ndarray, polytomous: np.ndarray | None = None) -> list[list[float | None] | None]:
    """Make lists of steps from float64 [n, n_steps], None for an item without.

    polytomous: bool [n], which items have steps; by default those with a finite value.
    """
    with_steps = np.isfinite(matrix).any(axis=1) if polytomous is None else polytomous
    if not with_steps.any():
        return [None] * len(matrix)
    return [_list(row) if some else None for row, some in zip(matrix, with_steps, strict=True)]


def _list(row: np.ndarray) -> list[float | None]:
    length = int(np.flatnonzero(np.isfinite(row)).max(initial=-1)) + 1
    return [None if np.isnan(value) else float(value) for value in row[:length]]


def kinds_of(parameters: pd.DataFrame) -> np.ndarray:
    """Name what the parameters of items can be compared with, object [n]: the same scores, of a GRM or of the other models.

    parameters: with the columns model and steps, else all are right or wrong; an empty text for these.
    """
    kinds = np.full(len(parameters), "", object)
    if "steps" not in parameters.columns or parameters["steps"].isna().all():
        return kinds
    steps, graded = steps_matrix(parameters["steps"]), (parameters["model"] == "GRM").to_numpy()
    passed, finite = np.isneginf(steps).sum(axis=1), np.isfinite(steps)
    for row in np.flatnonzero(finite.any(axis=1) & ((finite.sum(axis=1) > 1) | ~finite[:, 0])).tolist():
        scores = ", ".join(map(str, [int(passed[row]), *(1 + np.flatnonzero(finite[row])).tolist()]))
        kinds[row] = f"{'GRM' if graded[row] else 'GPCM'} of scores {scores}"
    return kinds


def reasons_of(parameters: pd.DataFrame, rule: Callable[..., np.ndarray]) -> np.ndarray:
    """Say why parameters (PARAMETER_COLUMNS) cannot be used, object [n], an empty text where they can.

    rule: `unusable_anchors` or `unusable_parameters`.
    """
    a, b, c = (parameters[name].to_numpy(float) for name in "abc")
    if "steps" not in parameters.columns or parameters["steps"].isna().all():
        return rule(a, b, c)
    return reasons_of_steps(a, b, c, steps_matrix(parameters["steps"]), parameters["model"].to_numpy(object), rule)


def reasons_of_steps(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, steps: np.ndarray, model: np.ndarray, rule: Callable[..., np.ndarray]
) -> np.ndarray:
    """Say the same of float64 [n], steps [n, n_steps] and model, object [n].

    b of an item with steps follows from them, so that it may be missing.
    """
    with_steps = np.isfinite(steps).any(axis=1)
    reasons = rule(a, np.where(with_steps, 0.0, b), c)
    more = {
        "b_1 is given, but model is not GRM, GPCM or PCM": with_steps & ~np.isin(model, POLYTOMOUS_MODELS),
        "an item with b_1, b_2, ... has no guessing, and c is not 0": with_steps & (np.nan_to_num(c) != 0),
    }
    of_steps = np.select(list(more.values()), list(more), unusable_steps(a, steps, model))
    return np.where(reasons == "", of_steps, reasons).astype(object)


def parameters_by_position(items: pd.DataFrame) -> irt.ItemParameters:
    """Make the parameters of items (PARAMETER_COLUMNS), whose codes are their positions."""
    a, b, c = (items[name].to_numpy(float) for name in "abc")
    steps = steps_matrix(items["steps"]) if "steps" in items.columns else np.empty((len(items), 0))
    if not steps.shape[1]:
        return irt.ItemParameters(np.arange(len(items)), a, b, c)
    model = np.where(np.isfinite(steps).any(axis=1), items["model"].to_numpy(object), "")
    return irt.ItemParameters(np.arange(len(items)), a, b, c, steps, model)
