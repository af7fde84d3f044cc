"""What is sent, as the service reads it."""

from collections.abc import Sequence
from math import inf
from numbers import Real
from typing import Any

from seedtest_client.types import Anchor, Answer, KnownItem, Models, Observation

Rows = Sequence[Sequence[bool | int | None]]


def item_json(item: KnownItem) -> dict[str, Any]:
    """Write a known item."""
    return {"item_id": item.item_id, **_parameters(item)}


def anchor_json(anchor: Anchor) -> dict[str, Any]:
    """Write an anchor."""
    return {"item_id": anchor.item_id, "params": _parameters(anchor), "fixed": anchor.fixed}


def models_json(model: str | Models) -> dict[str, Any]:
    """Write the models of a calibration; a name is the model of the items that are right or wrong."""
    models = model if isinstance(model, Models) else Models(model=model)
    named = {"model": models.model, "polytomous_model": models.polytomous_model}
    return named | {"item_models": dict(models.item_models)} if models.item_models else named


def observation_json(answer: Observation) -> dict[str, Any]:
    """Write an answer of one of the persons of a calibration."""
    entry = {"user_id": answer.user_id, **_answer(answer)}
    return entry if answer.max_score is None else entry | {"max_score": _score(answer.max_score)}


def rows_json(rows: Rows) -> list[list[bool | int | None]]:
    """Write rows of marks and scores, also those of NumPy."""
    return [[_cell(cell) for cell in row] for row in rows]


def person_json(items: Sequence[KnownItem], answers: Sequence[Answer]) -> dict[str, Any]:
    """Write the items and answers of one person."""
    return {
        "item_params": {each.item_id: _parameters(each) for each in items},
        "responses": [_answer(each) for each in answers],
    }


def _parameters(item: KnownItem | Anchor) -> dict[str, Any]:
    """Write a, b, c, and of an item with partial credit b_1, b_2, ... and the model. JSON has no number -Infinity."""
    params: dict[str, Any] = {"a": item.a, "b": item.b, "c": item.c}
    for k, step in enumerate(item.steps, 1):
        params[f"b_{k}"] = "-Infinity" if step == -inf else step
    return params | {"model": item.model} if item.steps else params


def _answer(answer: Answer | Observation) -> dict[str, Any]:
    """Write an answer; what it does not have has no field. Raises ValueError where it has neither a mark nor a score."""
    if answer.correct is None and answer.score is None:
        raise ValueError(
            f"the answer to item {answer.item_id!r} has neither correct nor score: leave out answers that were not given"
        )
    entry: dict[str, Any] = {"item_id": answer.item_id}
    if answer.correct is not None:
        entry["is_correct"] = _mark(answer.correct)
    if answer.score is not None:
        entry["score"] = _score(answer.score)
    if answer.answered_at is not None:
        entry["responded_at"] = answer.answered_at.isoformat()
    return entry


def _mark(mark: Any) -> bool:
    """Write a mark, also one of NumPy. Raises ValueError for any other value, which bool() would take for correct."""
    if mark == 1 or mark == 0:
        return bool(mark)
    raise ValueError(f"{mark!r} is no mark: send True or False, and points as score")


def _cell(cell: Any) -> bool | int | None:
    """Write a mark or an integer score of a row. Raises ValueError for any other value."""
    if cell is None:
        return None
    if cell == 1 or cell == 0:
        return bool(cell)
    if isinstance(cell, Real) and float(cell) > 1 and float(cell).is_integer():
        return int(float(cell))
    raise ValueError(f"{cell!r} is no mark and no score: send True, False, None or an integer from 0")


def _score(score: Any) -> float:
    """Write points, also those of NumPy. Raises ValueError for what is no finite number from 0."""
    if isinstance(score, Real) and 0 <= float(score) < inf:
        return float(score)
    raise ValueError(f"{score!r} is no score: send a number from 0, or None")
