"""What is sent, as the service reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from seedtest_client.types import Answer, Item

Rows = Sequence[Sequence[bool | int | None]]


def item_json(item: Item) -> dict[str, Any]:
    """Write a known item."""
    return {"item_id": item.item_id, "a": item.a, "b": item.b, "c": item.c}


def answer_json(item_id: str, correct: bool | None, answered_at: datetime | None) -> dict[str, Any]:
    """Write an answer; without a time there is no field for it."""
    entry: dict[str, Any] = {"item_id": item_id, "is_correct": _mark(correct)}
    return entry if answered_at is None else entry | {"responded_at": answered_at.isoformat()}


def marks_json(rows: Rows) -> list[list[bool | None]]:
    """Write rows of marks, also those of NumPy."""
    return [[_mark(mark) for mark in row] for row in rows]


def person_json(items: Sequence[Item], answers: Sequence[Answer]) -> dict[str, Any]:
    """Write the items and answers of one person."""
    return {
        "item_params": {each.item_id: {"a": each.a, "b": each.b, "c": each.c} for each in items},
        "responses": [answer_json(each.item_id, each.correct, each.answered_at) for each in answers],
    }


def _mark(mark: Any) -> bool | None:
    """Write a mark, also one of NumPy. Raises ValueError for any other value, which bool() would take for correct."""
    if mark is None:
        return None
    if mark == 1 or mark == 0:
        return bool(mark)
    raise ValueError(f"{mark!r} is no mark: send True, False or None")
