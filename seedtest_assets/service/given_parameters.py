"""Item parameters as callers send them: a, b, c, and of items with partial credit b_1, b_2, ... and the model."""

from collections.abc import Callable, Iterable
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from msgspec import UNSET, UnsetType

from seedtest_assets import irt
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, STEP_NAMES
from seedtest_assets.item_steps import reasons_of_steps, steps_column, steps_matrix
from seedtest_assets.service.wire import NOT_AVAILABLE, Number

_NAMED_MODELS = f"{', '.join(POLYTOMOUS_MODELS[:-1])} or {POLYTOMOUS_MODELS[-1]}"
_NOBODY = (None, NOT_AVAILABLE)


class GivenParameters(NamedTuple):
    """Parameters as they were sent.

    a, b, c: float64 [n], NaN where a value is missing; steps: float64 [n, n_steps] as in `irt.ItemParameters`, NaN in the row of an
    item without; model: object [n], "" of an item without steps; faults: what is wrong with the steps of an item, by position.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    steps: np.ndarray
    model: np.ndarray
    faults: dict[int, str]

    def reasons(self, rule: Callable[..., np.ndarray]) -> np.ndarray:
        """Say why parameters cannot be used, object [n], an empty text where they can. rule: as in `reasons_of_steps`."""
        if not self.steps.shape[1]:
            reasons = rule(self.a, self.b, self.c)
        else:
            reasons = reasons_of_steps(self.a, self.b, self.c, self.steps, self.model, rule)
        for row, fault in self.faults.items():
            reasons[row] = fault
        return reasons

    def items(self, rows: np.ndarray) -> irt.ItemParameters:
        """Select usable parameters, whose codes are their positions; a missing c is 0."""
        a, b, c = (np.nan_to_num(values[rows]) for values in (self.a, self.b, self.c))
        if not self.steps.shape[1]:
            return irt.ItemParameters(rows, a, b, c)
        return irt.ItemParameters(rows, a, b, c, self.steps[rows], self.model[rows])

    def table(self, item_ids: list[str]) -> pd.DataFrame:
        """Lay out PARAMETER_COLUMNS."""
        columns = {"a": self.a, "b": self.b, "c": self.c, "steps": pd.Series(steps_column(self.steps), dtype=object)}
        model = pd.Series([name or None for name in self.model], dtype=object)
        return pd.DataFrame({"item_id": pd.Series(item_ids, dtype=object), "model": model, **columns})


def given_parameters(parameters: Iterable[tuple[Any, str | None]], *, with_steps: bool = True) -> GivenParameters:
    """Read parameters.

    parameters: of each item what holds a, b, c and b_1, b_2, ..., and the model that stands beside it, which counts where the
    parameters name none. with_steps: False where no item has b_1, b_2, ..., which saves looking for them.
    """
    parameters = list(parameters)
    rows = [[value_or_nan(value) for value in (item.a, item.b, item.c)] for item, _ in parameters]
    a, b, c = np.array(rows, float).reshape(-1, 3).T
    if not with_steps:
        return GivenParameters(a, b, c, np.empty((len(rows), 0)), np.full(len(rows), "", object), {})
    polytomous = [_with_steps(item, beside) for item, beside in parameters]
    return GivenParameters(
        *(a, b, c),
        steps=steps_matrix([steps for steps, _, _ in polytomous]),
        model=np.array([model for _, model, _ in polytomous], object),
        faults={row: fault for row, (_, _, fault) in enumerate(polytomous) if fault},
    )


def mentions_steps(body: bytes) -> bool:
    """Tell whether any item of a request may have b_1, b_2, ...: without looking at every item."""
    return b'"b_' in body


def value_or_nan(value: Number | UnsetType) -> float:
    """Read a number; NaN for null, "NA" and an absent one."""
    return nan if value is None or value is UNSET or isinstance(value, str) else float(value)


def _with_steps(item: Any, beside: str | None) -> tuple[list[float | None] | None, str, str]:
    """Read steps and model of an item with partial credit, and what is wrong with them; None and "" for another item."""
    values = [getattr(item, name) for name in STEP_NAMES]
    given = [k for k, value in enumerate(values) if value is not UNSET and value not in _NOBODY]
    if not given:
        return None, "", ""
    values, model = values[: given[-1] + 1], item.model or beside
    if UNSET in values:
        absent = STEP_NAMES[values.index(UNSET)]
        return None, "", f"{STEP_NAMES[given[-1]]} is given without {absent}. Send null for a score that nobody has"
    if len(values) == 1:
        return None, "", "b_1 is given without b_2. Send b for an item that is only right or wrong"
    if model is None:
        return None, "", f"b_1, b_2, ... are given without a model. Send {_NAMED_MODELS}"
    if model.upper() not in POLYTOMOUS_MODELS:
        return None, "", f"model {model!r} of an item with b_1, b_2, ... is not {_NAMED_MODELS}"
    steps = [None if value in _NOBODY else float(value) for value in values]
    if steps[-1] == -inf:
        return None, "", f"{STEP_NAMES[given[-1]]} is -Infinity, but the last step is a number"
    return steps, model.upper(), ""
