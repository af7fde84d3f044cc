"""The OpenAPI page: shapes from the msgspec types, and examples that can be sent as they stand."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from seedtest_assets.service.wire import (
    CalibrationBody,
    CalibrationReply,
    ErrorReply,
    Health,
    ScoringBody,
    ScoringReply,
)

DESCRIPTION = """Calibrates item banks and scores persons: Rasch, 2PL and 3PL,
P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))).

Bodies are JSON, gzip is understood both ways. Errors are `{"error": "…"}`; after a 503, wait Retry-After seconds."""

_REF = "#/components/schemas/{name}"
_STRUCTS = (CalibrationBody, CalibrationReply, ScoringBody, ScoringReply, ErrorReply, Health)

# Eleven persons and four items; enough answers an item to calibrate, and small enough to read.
_ROWS: list[list[int | None]] = [
    [1, 1, 1, 0],
    [1, 1, 0, 0],
    [1, 0, 1, 1],
    [1, 1, 1, 1],
    [0, 0, 1, 0],
    [1, 1, 0, 1],
    [1, 0, 0, 0],
    [1, 1, 1, None],
    [0, 1, 0, 0],
    [1, 0, 1, 1],
    [1, 1, 1, 0],
]
_OBSERVATIONS = [
    {"user_id": f"u{person}", "item_id": f"i{item}", "is_correct": answer, "responded_at": "2025-11-02T12:00:00Z"}
    for person, row in enumerate(_ROWS, 1)
    for item, answer in enumerate(row, 1)
    if answer is not None
]
_ANCHORS = [
    {"item_id": "i1", "params": {"a": 1.0, "b": -1.2, "c": 0.0}, "fixed": True},
    {"item_id": "i2", "params": {"a": 1.2, "b": -0.5}, "fixed": True},
    {"item_id": "i3", "params": {"a": 0.9, "b": -0.4}, "fixed": False},
]
_PARAMETERS = [{"item_id": "i1", "a": 1.0, "b": -1.2, "c": 0.0}, {"item_id": "i2", "params": {"a": 1.2, "b": -0.5}}]


def document(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, shapes = msgspec.json.schema_components(_STRUCTS, ref_template=_REF)
        components = described.setdefault("components", {})
        components.setdefault("schemas", {}).update(shapes)
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = described
    return app.openapi_schema


def _json(struct: type, **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=struct.__name__)}, **more}}


def _answers(struct: type, what: str) -> dict[int | str, dict[str, Any]]:
    errors: dict[int | str, str] = {
        400: "What was sent is wrong, or holds nothing to fit.",
        401: "The token is missing or wrong.",
        408: "The body took too long to arrive.",
        413: "More bytes, items or persons than one request may hold.",
        415: "A content-encoding other than gzip.",
        503: "Busy or stopping: try again after Retry-After seconds.",
    }
    told: dict[int | str, dict[str, Any]] = {200: {"description": what, "content": _json(struct)}}
    for status, text in errors.items():
        told[status] = {"description": text, "content": _json(ErrorReply)}
    return told


def _asks(struct: type, examples: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    worked = {name: {"summary": summary, "value": value} for name, (summary, value) in examples.items()}
    body = {"required": True, "content": _json(struct, examples=worked)}
    return {"requestBody": body, "security": [{"bearer": []}, {}]}


HEALTH: dict[str, Any] = {
    "summary": "Is the service there",
    "description": "Answers at once, also while a calibration runs.",
    "responses": {200: {"description": "It is.", "content": _json(Health)}},
}
METRICS: dict[str, Any] = {
    "summary": "Counters for Prometheus",
    "description": "Requests, failures, seconds, answers, items, anchors, linking; no names and no answers.",
    "responses": {200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
}
CALIBRATE: dict[str, Any] = {
    "summary": "Calibrate items and estimate abilities",
    "description": "Parameters and abilities come back on the bank's scale: with anchors, theta_bank = A theta + B.",
    "responses": _answers(CalibrationReply, "The calibration."),
    "openapi_extra": _asks(
        CalibrationBody,
        {
            "observations": ("One entry an answer, as the platform has them", {"observations": _OBSERVATIONS}),
            "responses": ("A row a person, a column an item", {"responses": _ROWS, "model": "Rasch"}),
            "anchors": (
                "On the scale of the bank, through true anchors (`fixed`)",
                {"observations": _OBSERVATIONS, "model": "2PL", "anchors": _ANCHORS},
            ),
        },
    ),
}
SCORE: dict[str, Any] = {
    "summary": "Estimate abilities with known items",
    "description": "EAP under N(0, 1); a row without answers has theta 0 and se 1.",
    "responses": _answers(ScoringReply, "One ability per row."),
    "openapi_extra": _asks(
        ScoringBody,
        {
            "score": (
                "Two items, three persons; the last one answered nothing",
                {"item_params": _PARAMETERS, "responses": [[1, 0], [1, None], [None, None]]},
            )
        },
    ),
}
