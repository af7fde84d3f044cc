"""From the bytes of a request to checked arrays, or a Refusal that says what is wrong."""

import zlib
from itertools import chain
from typing import Any, cast

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import ANSWER_SCHEMA, PARAMETER_COLUMNS, CalibrationRequest
from seedtest_assets.irt.choices import LINKING_METHODS, MODELS, LinkingMethod, Model
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.wire import (
    NOT_AVAILABLE,
    Anchor,
    CalibrationBody,
    Observation,
    ScoringBody,
    calibration_decoder,
    scoring_decoder,
)

NOT_ANSWERED, NEITHER = -1, -2


class _Codes(dict[Any, int]):
    """1 for right, 0 for wrong, NOT_ANSWERED, NEITHER for anything else (True, 1 and 1.0 are one key)."""

    def __missing__(self, key: object) -> int:
        return NEITHER


_CODES = _Codes({1: 1, 0: 0, None: NOT_ANSWERED, NOT_AVAILABLE: NOT_ANSWERED})


def unpacked(body: bytes, encoding: str, limits: Limits) -> bytes:
    """The body without its gzip, if it has one; refused before it grows above the limit."""
    if encoding == "gzip":
        inflater = zlib.decompressobj(wbits=31)
        try:
            body = inflater.decompress(body, limits.bytes + 1)
        except zlib.error as error:
            raise Refusal(400, f"the body is announced as gzip but is not: {error}") from None
        if len(body) <= limits.bytes and not inflater.eof:
            raise Refusal(400, "the body's gzip stops before its end")
    if len(body) > limits.bytes:
        raise Refusal(413, f"the body holds more than {limits.bytes:,} bytes; send fewer answers or raise the limit")
    return body


def calibration_body(body: bytes) -> CalibrationBody:
    """Parse a calibration request."""
    asked: CalibrationBody = _parsed(calibration_decoder, body)
    if (asked.observations is None) == (asked.responses is None):
        raise Refusal(400, "send either `observations` or `responses`")
    if asked.model not in MODELS:
        raise Refusal(400, f"model {asked.model!r} is not one of {', '.join(MODELS)}")
    if asked.linking_method not in LINKING_METHODS:
        raise Refusal(400, f"linking_method {asked.linking_method!r} is not one of {', '.join(LINKING_METHODS)}")
    return asked


def scoring_body(body: bytes) -> ScoringBody:
    """Parse a scoring request."""
    asked: ScoringBody = _parsed(scoring_decoder, body)
    return asked


def calibration_request(asked: CalibrationBody, limits: Limits) -> tuple[CalibrationRequest, list[str], list[str]]:
    """What the engine is asked, every person and every item that was named, in the order they came."""
    if asked.observations is not None:
        table, users, items = _from_observations(asked.observations)
    else:
        table, users, items = _from_rows(asked.responses or [])
    _at_most(limits.items, items, "items")
    _at_most(limits.persons, users, "persons")
    anchors, starts = _anchors(asked.anchors or [])
    model, method = cast(Model, asked.model), cast(LinkingMethod, asked.linking_method)  # checked by calibration_body
    request = CalibrationRequest(table, model, anchors, starts, linking_method=method)
    return request, users, items


def matrix(rows: list[list[Any]], n_columns: int) -> np.ndarray:
    """Answers as int8 [n_rows, n_columns] of 1, 0 and NOT_ANSWERED."""
    uneven = next((number for number, row in enumerate(rows) if len(row) != n_columns), None)
    if uneven is not None:
        found = len(rows[uneven])
        raise Refusal(400, f"responses[{uneven}] has {found} answers, expected {n_columns}, one per item")
    codes = _coded(chain.from_iterable(rows), len(rows) * n_columns)
    if (codes == NEITHER).any():
        row, column = divmod(int(np.argmax(codes == NEITHER)), n_columns)
        raise Refusal(400, f"responses[{row}][{column}] is {rows[row][column]:g}; an answer is 1, 0 or null")
    return codes.reshape(len(rows), n_columns)


def _parsed(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise Refusal(400, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"the body is not valid JSON: {error}") from None


def _from_observations(observations: list[Observation]) -> tuple[pa.Table, list[str], list[str]]:
    correct = _coded((o.is_correct for o in observations), len(observations))
    if (correct == NEITHER).any():
        row = int(np.argmax(correct == NEITHER))
        raise Refusal(
            400, f"observations[{row}].is_correct is {observations[row].is_correct:g}; an answer is 1, 0 or null"
        )
    users = _text([o.user_id for o in observations], "user_id")
    items = _text([o.item_id for o in observations], "item_id")
    try:
        times = pa.array([o.responded_at for o in observations], ANSWER_SCHEMA.field("responded_at").type)
    except (pa.ArrowInvalid, OverflowError):
        raise Refusal(400, "a responded_at is outside the years 1 to 9999 in UTC") from None
    table = pa.table([users, items, pa.array(correct == 1), times], ANSWER_SCHEMA)
    return table.filter(pa.array(correct != NOT_ANSWERED)), users.unique().to_pylist(), items.unique().to_pylist()


def _from_rows(rows: list[list[Any]]) -> tuple[pa.Table, list[str], list[str]]:
    codes = matrix(rows, len(rows[0]) if rows else 0)
    users = [str(number) for number in range(1, len(codes) + 1)]
    items = [f"I{number}" for number in range(1, codes.shape[1] + 1)]
    person, item = np.nonzero(codes != NOT_ANSWERED)
    columns = [
        pa.array(users, pa.string()).take(pa.array(person)),
        pa.array(items, pa.string()).take(pa.array(item)),
        pa.array(codes[person, item] == 1),
        pa.nulls(len(person), ANSWER_SCHEMA.field("responded_at").type),
    ]
    return pa.table(columns, ANSWER_SCHEMA), users, items


def _anchors(anchors: list[Anchor]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """True anchors, and values that only start the estimation, as PARAMETER_COLUMNS."""
    rows: dict[bool, list[tuple[str, float, float, float]]] = {True: [], False: []}
    seen = set()
    for number, anchor in enumerate(anchors):
        item, p = str(anchor.item_id), anchor.params
        c = 0.0 if p.c is None or p.c == NOT_AVAILABLE else float(p.c)
        if item in seen:
            raise Refusal(400, f"anchors[{number}]: item {item!r} comes twice")
        if not (0 < p.a <= 100 and abs(p.b) <= 1000 and 0 <= c < 1):
            raise Refusal(400, f"anchors[{number}]: a must be in (0, 100], b in [-1000, 1000], c in [0, 1)")
        seen.add(item)
        rows[anchor.fixed].append((item, p.a, p.b, c))
    fixed, starting = (pd.DataFrame(rows[kind], columns=PARAMETER_COLUMNS) for kind in (True, False))
    return fixed, starting


def _coded(answers: Any, count: int) -> np.ndarray:
    return np.fromiter(map(_CODES.__getitem__, answers), np.int8, count)


def _text(ids: list[Any], name: str) -> pa.Array:
    try:
        return pa.array(ids, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([str(value) for value in ids], pa.string())
    except UnicodeEncodeError:
        raise Refusal(400, f"a {name} is not valid text: it holds half of a surrogate pair") from None


def _at_most(limit: int, names: list[str], what: str) -> None:
    if len(names) > limit:
        raise Refusal(413, f"{len(names):,} {what}; one request may hold {limit:,}")
