"""Read what an IRT service answers to a calibration: ours, or an R one that boxes scalars and writes "NA"."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from seedtest_assets.errors import IrtServiceRefusal


@dataclass(frozen=True)
class FittedItem:
    """An item with numbers; c is 0 and a standard error None where the service gives none."""

    a: float
    b: float
    c: float
    se_a: float | None
    se_b: float | None
    se_c: float | None


@dataclass(frozen=True)
class Constants:
    """Linking constants that the service has applied already."""

    A: float
    B: float
    method: str | None
    n_anchors_used: int | None
    screened_out: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """A calibration as a service answered it.

    items: by id, those with finite a and b; unusable: ids without. abilities: (theta, standard error) by user.
    constants: None when the service did not link. model: what the service says it fitted, if it does.
    left_out: reasons by item id. run_id, warnings, metrics: as the service tells them, unboxed.
    """

    items: dict[str, FittedItem]
    unusable: list[str]
    abilities: dict[str, tuple[float, float]]
    constants: Constants | None
    model: str | None
    left_out: dict[str, str]
    run_id: str | None
    metrics: dict[str, Any]
    warnings: tuple[str, ...]


def read_reply(reply: Any) -> Reply:
    """Make sense of the parsed JSON of a reply.

    Raises IrtServiceRefusal, in the service's own words where it has any, for a reply that says no or has no usable items.
    """
    if not isinstance(reply, dict):
        raise IrtServiceRefusal(f"the IRT service answered {type(reply).__name__} where an object was expected")
    if reply.get("error"):
        raise IrtServiceRefusal(f"the IRT service says {text(reply['error'])!r}")
    status = text(reply.get("status"))
    if status not in (None, "ok"):
        raise IrtServiceRefusal(f"the IRT service answered status {status!r}")
    items, unusable = _items(reply.get("item_params"))
    if not items:
        named = ", ".join(map(repr, unusable[:5]))
        raise IrtServiceRefusal(
            "the IRT service answered a calibration without usable parameters: "
            + (f"{len(unusable)} items named {named}, none with finite a and b" if unusable else "no items at all")
            + "; repair the service, or unset R_IRT_BASE_URL to calibrate in this process"
        )
    meta = _object(reply.get("fit_meta"))
    return Reply(
        items,
        unusable,
        _abilities(reply.get("abilities")),
        _constants(_object(meta.get("linking_constants"))),
        text(_object(meta.get("model_spec")).get("model")),
        _left_out(meta.get("left_out")),
        text(meta.get("run_id")),
        _facts(_object(meta.get("metrics"))),
        tuple(words for words in map(text, _list(meta.get("warnings"))) if words),
    )


def number(value: Any) -> float | None:
    """A finite number, boxed or not, also written as text; None for "NA" and everything else."""
    value = _unboxed(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if isfinite(result) else None


def text(value: Any) -> str | None:
    """A text or a number as text, boxed or not; None for an empty one and everything else."""
    value = _unboxed(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def _items(rows: Any) -> tuple[dict[str, FittedItem], list[str]]:
    items, unusable = {}, []
    for row in _objects(rows):
        name = text(row.get("item_id"))
        if name is None:
            continue
        if name in items:
            raise IrtServiceRefusal(f"the IRT service answered item {name!r} twice")
        p, se = _object(row.get("params")), _object(row.get("se"))
        a, b, c = (number(p.get(key)) for key in "abc")
        if a is None or b is None or a == 0 or not 0 <= (c or 0.0) < 1:
            unusable.append(name)
        else:
            items[name] = FittedItem(a, b, c or 0.0, *(number(se.get(key)) for key in "abc"))
    return items, unusable


def _abilities(rows: Any) -> dict[str, tuple[float, float]]:
    abilities = {}
    for row in _objects(rows):
        user, theta, se = text(row.get("user_id")), number(row.get("theta")), number(row.get("se"))
        if user is not None and theta is not None and se is not None and se >= 0:
            abilities[user] = theta, se
    return abilities


def _constants(told: dict[str, Any]) -> Constants | None:
    """None for null, {} and constants that are not available."""
    A, B = number(told.get("A")), number(told.get("B"))
    if A is None or B is None or A <= 0:
        return None
    used = number(told.get("n_anchors_used"))
    screened = {str(item): text(reason) or "" for item, reason in _object(told.get("screened_out")).items()}
    return Constants(A, B, text(told.get("method")), None if used is None else int(used), screened)


def _left_out(rows: Any) -> dict[str, str]:
    told = ((text(row.get("item_id")), text(row.get("reason"))) for row in _objects(rows))
    return {item: reason or "left out by the IRT service" for item, reason in told if item}


def _facts(told: dict[str, Any]) -> dict[str, Any]:
    """Numbers as numbers, yes and no as such, "NA" and nested things not at all."""
    facts: dict[str, Any] = {}
    for name, value in told.items():
        value = _unboxed(value)
        found = value if isinstance(value, bool) else number(value)
        if found is not None:
            facts[name] = found
    return facts


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
