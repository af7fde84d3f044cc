"""The OpenAPI description: schemas from the msgspec types, and examples that can be sent unchanged."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from seedtest_assets.service.wire import (
    CalibrationBody,
    CalibrationReply,
    ErrorReply,
    Health,
    PersonScoringReply,
    ScoringBody,
    ScoringReply,
    UpdatingBody,
    UpdatingReply,
)

DESCRIPTION = """Calibrates item banks and scores persons: Rasch, 2PL and 3PL,
P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))), and items with partial credit, scores 0, 1, ..., m: GRM, GPCM and PCM.

With partial credit answers have a `score`, rows integers above 1; parameters have a, b_1, ..., b_m and their `model`. With D = 1,
P(score >= k) = 1 / (1 + exp(-a (theta - b_k))) of a GRM; P_k / P_(k-1) = exp(a (theta - b_k)) of a GPCM or PCM, where k - 1 is a score
that somebody has. Null is the b_k of a score that nobody has, -Infinity those up to the lowest score that anybody has.

Bodies are JSON, gzip is supported both ways. Errors are `{"error": "…"}`; after a 503, wait Retry-After seconds."""

_REF = "#/components/schemas/{name}"
_STRUCTS = (
    CalibrationBody,
    CalibrationReply,
    ScoringBody,
    ScoringReply,
    PersonScoringReply,
    UpdatingBody,
    UpdatingReply,
    ErrorReply,
    Health,
)

# Eleven persons and four items: enough answers an item to calibrate, few enough to read.
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
# The last item has partial credit.
_ROWS_OF_SCORES = [[*row[:3], score] for row, score in zip(_ROWS, [2, 0, 1, 2, 0, 2, 1, None, 0, 1, 2], strict=True)]
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
    {"item_id": "i4", "params": {}, "fixed": True},
]
_PARAMETERS_BY_ITEM = {"i1": {"a": 1.0, "b": -1.2, "c": 0.0}, "i2": {"a": 1.2, "b": -0.5, "c": None}}
_ANSWERS_OF_ONE = [{"item_id": "i2", "is_correct": True}, {"item_id": "i1", "is_correct": False}]
_PARTIAL_CREDIT = {"a": 1.1, "b_1": -0.5, "b_2": 0.7, "model": "GPCM"}
_ANSWERS_WITH_SCORE = [{"item_id": "i1", "is_correct": True}, {"item_id": "i3", "score": 2}]
_PARAMETERS = [{"item_id": "i1", "a": 1.0, "b": -1.2, "c": 0.0}, {"item_id": "i2", "params": {"a": 1.2, "b": -0.5}}]


def document(app: FastAPI) -> dict[str, Any]:
    """Make the whole description, once."""
    if app.openapi_schema is None:
        description = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, shapes = msgspec.json.schema_components(_STRUCTS, ref_template=_REF)
        components = description.setdefault("components", {})
        components.setdefault("schemas", {}).update(shapes)
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = description
    return app.openapi_schema


def _json(*structs: type, **more: Any) -> dict[str, Any]:
    schemas = [{"$ref": _REF.format(name=struct.__name__)} for struct in structs]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"application/json": {"schema": schema, **more}}


def _answers(description: str, *structs: type) -> dict[int | str, dict[str, Any]]:
    errors: dict[int | str, str] = {
        400: "The request is wrong, or holds nothing to fit.",
        401: "The token is missing or wrong.",
        408: "The head or the body of the request took too long to arrive.",
        413: "More bytes, items or persons than one request may hold.",
        415: "A content-encoding other than gzip.",
        503: "Busy or stopping: try again after Retry-After seconds.",
        504: "The work took longer than it may, and was ended.",
    }
    responses: dict[int | str, dict[str, Any]] = {200: {"description": description, "content": _json(*structs)}}
    for status, text in errors.items():
        responses[status] = {"description": text, "content": _json(ErrorReply)}
    return responses


def _request(struct: type, examples: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    summarized = {name: {"summary": summary, "value": value} for name, (summary, value) in examples.items()}
    body = {"required": True, "content": _json(struct, examples=summarized)}
    return {"requestBody": body, "security": [{"bearer": []}, {}]}


HEALTH: dict[str, Any] = {
    "summary": "Health of the service",
    "description": "Answers at once, also while a calibration runs.",
    "responses": {200: {"description": "The service answers.", "content": _json(Health)}},
}
METRICS: dict[str, Any] = {
    "summary": "Counters for Prometheus",
    "description": "Requests, failures, seconds, answers, items, anchors, linking; no ids and no answers.",
    "responses": {200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
}
CALIBRATE: dict[str, Any] = {
    "summary": "Calibrate items and estimate abilities",
    "description": "Parameters and abilities come back on the bank's scale: with anchors, theta_bank = A theta + B.",
    "responses": _answers("The calibration.", CalibrationReply),
    "openapi_extra": _request(
        CalibrationBody,
        {
            "observations": ("An entry for each answer", {"observations": _OBSERVATIONS}),
            "responses": (
                "A row for each person, a column for each item",
                {"responses": _ROWS, "item_ids": [101, 102, 103, 104], "model": "Rasch"},
            ),
            "anchors": (
                "On the scale of the bank, through true anchors (`fixed`)",
                {"observations": _OBSERVATIONS, "model": "2PL", "anchors": _ANCHORS},
            ),
            "partial_credit": (
                "Rows whose last item has the scores 0, 1 and 2",
                {
                    "responses": _ROWS_OF_SCORES,
                    "item_ids": ["i1", "i2", "i3", "i4"],
                    "model": "Rasch",
                    "polytomous_model": "GPCM",
                    "item_models": {"i4": "PCM"},
                },
            ),
        },
    ),
}
SCORE: dict[str, Any] = {
    "summary": "Estimate abilities with known items",
    "description": "EAP under N(0, 1). A row without answers has theta 0 and se 1; for the answers of one person, theta and "
    "se are null where no answer could be scored.",
    "responses": _answers("An ability for each row, or that of one person.", ScoringReply, PersonScoringReply),
    "openapi_extra": _request(
        ScoringBody,
        {
            "score": (
                "Two items, three persons, of whom the last answered nothing",
                {"item_params": _PARAMETERS, "responses": [[1, 0], [1, None], [None, None]]},
            ),
            "person": (
                "The answers of one person by item, the newest first",
                {"item_params": _PARAMETERS_BY_ITEM, "responses": _ANSWERS_OF_ONE},
            ),
            "partial_credit": (
                "One answer right, one with 2 points",
                {"item_params": _PARAMETERS_BY_ITEM | {"i3": _PARTIAL_CREDIT}, "responses": _ANSWERS_WITH_SCORE},
            ),
        },
    ),
}
UPDATE: dict[str, Any] = {
    "summary": "Update an ability after a session",
    "description": "The posterior (EAP and SD) of one person from a normal prior and the answers of a session. With the population as "
    "the prior and all answers of the person it is the full EAP. The prior's own value comes back where no answer could be scored.",
    "responses": _answers("The ability after the session.", UpdatingReply),
    "openapi_extra": _request(
        UpdatingBody,
        {
            "prior": (
                "From the nightly row of the student",
                {
                    "item_params": _PARAMETERS_BY_ITEM,
                    "responses": _ANSWERS_OF_ONE,
                    "prior": {"theta": 0.85, "se": 0.32},
                },
            ),
            "population": (
                "A student without a nightly row, in a population of the bank's scale",
                {
                    "item_params": _PARAMETERS_BY_ITEM,
                    "responses": _ANSWERS_OF_ONE,
                    "population": {"mean": 0.2, "sd": 1.1},
                },
            ),
            "partial_credit": (
                "A session with 2 points of an item with partial credit",
                {
                    "item_params": _PARAMETERS_BY_ITEM | {"i3": _PARTIAL_CREDIT},
                    "responses": _ANSWERS_WITH_SCORE,
                    "prior": {"theta": 0.85, "se": 0.32},
                },
            ),
        },
    ),
}
