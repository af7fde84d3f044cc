"""Read the reply of an IRT service to a calibration: ours, or an R one that boxes scalars and writes "NA"."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from seedtest_assets.errors import IrtServiceRefusal
from seedtest_assets.irt.linking_errors import LinkingErrors
from seedtest_assets.irt.models import STEP_NAMES
from seedtest_assets.irt.usable_parameters import unusable_parameters

# How many items a message names.
ITEMS_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class ItemEstimate:
    """Parameters of an item, all finite; a standard error is NaN where the service gives none.

    model, steps, se_steps: of an item with partial credit, steps as in item_steps.py; None for another one.
    """

    a: float
    b: float
    c: float
    se_a: float
    se_b: float
    se_c: float
    model: str | None = None
    steps: list[float | None] | None = None
    se_steps: list[float | None] | None = None


@dataclass(frozen=True, kw_only=True)
class AppliedLinking:
    """Linking constants that the service says it has applied; others: those of further blocks of items.

    anchors: ids of what they rest on, where the service names them.
    """

    A: float
    B: float
    method: str | None
    n_anchors_used: int | None
    screened_out: dict[str, str]
    errors: LinkingErrors
    anchors: tuple[str, ...] = ()
    others: tuple["AppliedLinking", ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceReply:
    """A calibration as a service answered it.

    items: by id, those with usable parameters. abilities: (theta, standard error) by user.
    linking: None when the service did not link. model: what the service says it fitted, if it says so; group: mean and
    SD of the calibrated persons, likewise.
    left_out: reasons by item id. run_id, warnings, metrics: as the service gives them, unboxed.
    """

    items: dict[str, ItemEstimate]
    abilities: dict[str, tuple[float, float]]
    linking: AppliedLinking | None
    model: str | None
    group: tuple[float, float] | None
    left_out: dict[str, str]
    run_id: str | None
    metrics: dict[str, Any]
    warnings: tuple[str, ...]


def read_reply(reply: Any) -> ServiceReply:
    """Read the parsed JSON of a reply.

    Raises IrtServiceRefusal, quoting the service where it gives a reason, for an error and for a reply without usable
    items.
    """
    if not isinstance(reply, dict):
        raise IrtServiceRefusal(f"the IRT service answered {type(reply).__name__} where an object was expected")
    if reply.get("error"):
        raise IrtServiceRefusal(f"the IRT service says {text(reply['error'])!r}")
    status = text(reply.get("status"))
    if status not in (None, "ok"):
        raise IrtServiceRefusal(f"the IRT service answered status {status!r}")
    meta = _object(reply.get("fit_meta"))
    specification = _object(meta.get("model_spec"))
    return ServiceReply(
        items=_items(reply.get("item_params")),
        abilities=_abilities(reply.get("abilities")),
        linking=_linking(_object(meta.get("linking_constants"))),
        model=text(specification.get("model")),
        group=_group(specification),
        left_out=_left_out(meta.get("left_out")),
        run_id=text(meta.get("run_id")),
        metrics=_metrics(_object(meta.get("metrics"))),
        warnings=tuple(warning for warning in map(text, _list(meta.get("warnings"))) if warning),
    )


def number(value: Any) -> float | None:
    """Read a finite number, boxed or not, also written as text; None for "NA" and everything else."""
    value = _unboxed(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if isfinite(result) else None


def text(value: Any) -> str | None:
    """Read a text or a number as text, boxed or not; None for an empty text and everything else."""
    value = _unboxed(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def _items(rows: Any) -> dict[str, ItemEstimate]:
    estimates: dict[str, ItemEstimate] = {}
    for row in _objects(rows):
        item_id = text(row.get("item_id"))
        if item_id is None:
            continue
        if item_id in estimates:
            raise IrtServiceRefusal(f"the IRT service answered item {item_id!r} twice")
        params, errors = _object(row.get("params")), _object(row.get("se"))
        a, b, c = (_number_or_nan(params.get(key)) for key in "abc")
        se_a, se_b, se_c = (_number_or_nan(errors.get(key)) for key in "abc")
        steps, model = _steps(params), None
        if steps is not None and len(steps) == 1:  # the step of an item that is only right or wrong is its b
            b, steps = (float(steps[0] or 0.0) if np.isnan(b) else b), None
        if steps is not None:
            b, c = (0.0 if np.isnan(value) else value for value in (b, c))
            model = text(row.get("model")) or text(params.get("model"))
        of_steps = None if steps is None else [number(errors.get(name)) for name in STEP_NAMES[: len(steps)]]
        estimates[item_id] = ItemEstimate(
            a=a, b=b, c=c, se_a=se_a, se_b=se_b, se_c=se_c, model=model, steps=steps, se_steps=of_steps
        )
    return _usable(estimates)


def _steps(params: dict[str, Any]) -> list[float | None] | None:
    """Read b_1, b_2, ... of an item, None where it has none; "NA" and null are a score that nobody got."""
    steps = [_step(params.get(name)) for name in STEP_NAMES]
    last = max((k for k, step in enumerate(steps, 1) if step is not None and isfinite(step)), default=0)
    return steps[:last] or None


def _step(value: Any) -> float | None:
    return -inf if text(value) in ("-Infinity", "-Inf") else number(value)


def _usable(estimates: dict[str, ItemEstimate]) -> dict[str, ItemEstimate]:
    """Select the items with usable parameters; raise IrtServiceRefusal when there are none."""
    table = np.array([(item.a, item.b, item.c) for item in estimates.values()], float).reshape(-1, 3)
    reasons = unusable_parameters(*table.T)
    if not (reasons == "").any():
        named = ", ".join(map(repr, list(estimates)[:ITEMS_NAMED]))
        raise IrtServiceRefusal(
            "the IRT service answered a calibration without usable parameters: "
            + (f"{len(estimates)} items named {named}, none with finite a and b" if estimates else "no items at all")
            + ". Repair the service, or unset R_IRT_BASE_URL to calibrate in this process"
        )
    c = np.nan_to_num(table[:, 2])
    return {
        item_id: replace(item, c=float(c[row]))
        for row, (item_id, item) in enumerate(estimates.items())
        if reasons[row] == ""
    }


def _abilities(rows: Any) -> dict[str, tuple[float, float]]:
    abilities = {}
    for row in _objects(rows):
        user, theta, se = text(row.get("user_id")), number(row.get("theta")), number(row.get("se"))
        if user is not None and theta is not None and se is not None and se >= 0:
            abilities[user] = theta, se
    return abilities


def _linking(constants: dict[str, Any]) -> AppliedLinking | None:
    """None for null, {} and constants that are not available."""
    A, B = number(constants.get("A")), number(constants.get("B"))
    if A is None or B is None or A <= 0:
        return None
    used = number(constants.get("n_anchors_used"))
    return AppliedLinking(
        A=A,
        B=B,
        method=text(constants.get("method")),
        n_anchors_used=None if used is None else int(used),
        errors=LinkingErrors(*(_number_or_nan(constants.get(name)) for name in LinkingErrors._fields)),
        screened_out={str(item): text(reason) or "" for item, reason in _object(constants.get("screened_out")).items()},
        anchors=tuple(anchor for anchor in map(text, _list(constants.get("anchors"))) if anchor),
        others=tuple(other for other in map(_linking, _objects(constants.get("other_blocks"))) if other),
    )


def _group(specification: dict[str, Any]) -> tuple[float, float] | None:
    mean, sd = number(specification.get("group_mean")), number(specification.get("group_sd"))
    return None if mean is None or sd is None or sd <= 0 else (mean, sd)


def _left_out(rows: Any) -> dict[str, str]:
    reasons = ((text(row.get("item_id")), text(row.get("reason"))) for row in _objects(rows))
    return {item: reason or "left out by the IRT service" for item, reason in reasons if item}


def _metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    """Read numbers, and `converged` also as true or false; leave out "NA" and everything else."""
    values: dict[str, Any] = {name: number(value) for name, value in metrics.items()}
    converged = _unboxed(metrics.get("converged"))
    if isinstance(converged, bool):
        values["converged"] = converged
    return {name: value for name, value in values.items() if value is not None}


def _number_or_nan(value: Any) -> float:
    value = number(value)
    return nan if value is None else value


def _unboxed(value: Any) -> Any:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _object(value: Any) -> dict[str, Any]:
    value = _unboxed(value)
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (row for row in _list(value) if isinstance(row, dict))
