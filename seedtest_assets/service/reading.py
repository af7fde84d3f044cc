"""Turn the body of a request into checked arrays, or a Refusal that says what is wrong."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from math import nan
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, CalibrationRequest, as_parameters
from seedtest_assets.irt.models import LINKING_METHODS, MODELS, MOST_CATEGORIES, POLYTOMOUS_MODELS, PolytomousModel
from seedtest_assets.irt.usable_parameters import unusable_anchors, unusable_parameters
from seedtest_assets.item_steps import STEP_NAMES, reasons_of
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.parsing import parsed_body
from seedtest_assets.service.wire import (
    NOT_AVAILABLE,
    Anchor,
    CalibrationBody,
    LeftOutAnchor,
    Number,
    Observation,
    ScoringBody,
    UpdatingBody,
    calibration_decoder,
    scoring_decoder,
    updating_decoder,
)
from seedtest_assets.usable_answers import BLANKS, MAX_ID_BYTES, trimmed, why_unusable_id

NOT_ANSWERED, NEITHER = -1, -2
TIME = ANSWER_SCHEMA.field("answered_at").type
SCORED_SCHEMA = pa.schema([*ANSWER_SCHEMA, *SCORE_SCHEMA])


class _Marks(dict[Any, int]):
    """Scores, which are 1 for correct and 0 for incorrect; NOT_ANSWERED, NEITHER for anything else (True, 1 and 1.0 are one key)."""

    def __missing__(self, key: object) -> int:
        return NEITHER


_MARKS = _Marks(dict.fromkeys((None, NOT_AVAILABLE, UNSET), NOT_ANSWERED))
_MARKS.update((score, score) for score in range(MOST_CATEGORIES))


@dataclass(frozen=True, kw_only=True)
class ParsedCalibration:
    """A calibration request as the engine takes it, and what its reply has to mention.

    user_ids, item_ids: every person and item that was named, in that order.
    users_named: False for `responses`, whose rows have no user ids.
    columns_named: True for `responses` with `item_ids`, which is what the drift monitor sends.
    """

    request: CalibrationRequest
    user_ids: list[str]
    item_ids: list[str]
    users_named: bool
    columns_named: bool
    anchors_left_out: list[LeftOutAnchor]


def read_calibration(body: bytes, limits: Limits) -> ParsedCalibration:
    """Parse and check a calibration request."""
    parsed: CalibrationBody = parsed_body(calibration_decoder, body)
    if (parsed.observations is None) == (parsed.responses is None):
        raise Refusal(400, "send either `observations` or `responses`")
    if parsed.model not in MODELS:
        raise Refusal(400, f"model {parsed.model!r} is not one of {', '.join(MODELS)}")
    for name in (parsed.polytomous_model, *(parsed.item_models or {}).values()):
        if name not in POLYTOMOUS_MODELS:
            raise Refusal(
                400, f"model {name!r} of items with partial credit is not one of {', '.join(POLYTOMOUS_MODELS)}"
            )
    if parsed.linking_method not in LINKING_METHODS:
        raise Refusal(400, f"linking_method {parsed.linking_method!r} is not one of {', '.join(LINKING_METHODS)}")
    if parsed.observations is not None:
        answers, users, items = _from_observations(parsed.observations)
    else:
        answers, users, items = _from_rows(parsed.responses or [], parsed.item_ids)
    _at_most(limits.items, items, "items")
    _at_most(limits.persons, users, "persons")
    anchors, starts, left_out = _anchors(parsed.anchors or [], items)
    return ParsedCalibration(
        request=CalibrationRequest(
            answers,
            parsed.model,
            anchors,
            starts,
            linking_method=parsed.linking_method,
            polytomous_model=cast(PolytomousModel, parsed.polytomous_model),
            item_models=cast(dict[str, PolytomousModel], parsed.item_models or {}),
        ),
        user_ids=users,
        item_ids=items,
        users_named=parsed.observations is not None,
        columns_named=parsed.observations is None and parsed.item_ids is not None,
        anchors_left_out=left_out,
    )


def read_scoring(body: bytes, limits: Limits) -> ScoringBody:
    """Parse a scoring request."""
    parsed: ScoringBody = parsed_body(scoring_decoder, body)
    _at_most_rows(parsed, limits)
    return parsed


def read_updating(body: bytes, limits: Limits) -> UpdatingBody:
    """Parse a request for an ability after a session."""
    parsed: UpdatingBody = parsed_body(updating_decoder, body)
    _at_most_rows(parsed, limits)
    return parsed


def _at_most_rows(parsed: ScoringBody | UpdatingBody, limits: Limits) -> None:
    if len(parsed.item_params) > limits.items:
        raise Refusal(413, f"{len(parsed.item_params):,} items, and one request may hold {limits.items:,}")
    if len(parsed.responses) > limits.persons:
        raise Refusal(413, f"{len(parsed.responses):,} rows, and one request may hold {limits.persons:,}")


def matrix(rows: list[Any], n_columns: int) -> np.ndarray:
    """Read rows of answers as int8 [n_rows, n_columns] of scores, which are 1 and 0 for right and wrong, and NOT_ANSWERED."""
    uneven = next((number for number, row in enumerate(rows) if len(row) != n_columns), None)
    if uneven is not None:
        raise Refusal(400, f"responses[{uneven}] has {len(rows[uneven])} answers, expected {n_columns}, one per item")
    marks = _marks(chain.from_iterable(rows), len(rows) * n_columns)
    if (marks == NEITHER).any():
        row, column = divmod(int(np.argmax(marks == NEITHER)), n_columns)
        raise Refusal(
            400,
            f"responses[{row}][{column}] is {rows[row][column]:g}, but an answer is 1, 0 or null, or a score of partial credit up to "
            f"{MOST_CATEGORIES - 1}",
        )
    return marks.reshape(len(rows), n_columns)


def column_of_marks(answers: list[Any], name: str) -> np.ndarray:
    """Read `is_correct` of answers as int8 [n] of 1, 0 and NOT_ANSWERED. name: of the list, for the message."""
    marks = _marks((answer.is_correct for answer in answers), len(answers))
    wrong = (marks == NEITHER) | (marks > 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise Refusal(
            400,
            f"{name}[{row}].is_correct is {answers[row].is_correct:g}, but an answer is 1, 0 or null. Points belong into score",
        )
    return marks


def column_of_scores(answers: list[Any], name: str) -> np.ndarray | None:
    """Read `score` of answers as float64 [n], NaN where there is none; None where no answer has one.

    name: of the list, for the message. An answer needs a score or is_correct, which may be null.
    """
    score = np.array([value_or_nan(answer.score) for answer in answers], float)
    absent = np.fromiter((answer.is_correct is UNSET for answer in answers), bool, len(answers)) & np.isnan(score)
    if absent.any():
        raise Refusal(400, f"{name}[{int(np.argmax(absent))}] has neither is_correct nor score")
    if (score < 0).any() or np.isinf(score).any():
        row = int(np.argmax((score < 0) | np.isinf(score)))
        raise Refusal(400, f"{name}[{row}].score is {score[row]:g}, but a score is a number from 0")
    return None if np.isnan(score).all() else score


def column_of_times(times: list[datetime | None]) -> pa.Array:
    """Read times; without an offset they are UTC."""
    try:
        return pa.array(times, TIME)
    except (pa.ArrowInvalid, OverflowError):
        raise Refusal(400, "a responded_at is outside the years 1 to 9999 in UTC") from None


def value_or_nan(value: Number) -> float:
    """Read a number; NaN for null and "NA"."""
    return nan if value is None or isinstance(value, str) else float(value)


def _from_observations(observations: list[Observation]) -> tuple[pa.Table, list[str], list[str]]:
    marks = column_of_marks(observations, "observations")
    users = _ids([o.user_id for o in observations], "user_id", "observations[{row}].user_id")
    items = _ids([o.item_id for o in observations], "item_id", "observations[{row}].item_id")
    times = column_of_times([o.responded_at for o in observations])
    score = column_of_scores(observations, "observations")
    correct, given = pa.array(marks == 1, mask=marks == NOT_ANSWERED), marks != NOT_ANSWERED
    columns = {"student_id": users, "item_id": items, "correct": correct, "answered_at": times}
    schema = ANSWER_SCHEMA
    if score is not None:
        highest = np.array([value_or_nan(o.max_score) for o in observations], float)
        beyond = score > highest
        if beyond.any():
            row = int(np.argmax(beyond))
            raise Refusal(400, f"observations[{row}].score is {score[row]:g}, but its max_score is {highest[row]:g}")
        given |= ~np.isnan(score)
        columns |= {"score": pa.array(score, from_pandas=True), "max_score": pa.array(highest, from_pandas=True)}
        schema = SCORED_SCHEMA
    table = pa.table(columns, schema)
    return table.filter(pa.array(given)), users.unique().to_pylist(), items.unique().to_pylist()


def _from_rows(rows: list[list[Any]], item_ids: list[str | int] | None) -> tuple[pa.Table, list[str], list[str]]:
    marks = matrix(rows, len(rows[0]) if rows else 0)
    users = [str(number) for number in range(1, len(marks) + 1)]
    items = _column_names(item_ids, marks.shape[1])
    names = pa.array(items, pa.string())
    person, item = np.nonzero(marks != NOT_ANSWERED)
    columns = {
        "student_id": pa.array(users, pa.string()).take(pa.array(person)),
        "item_id": names.take(pa.array(item)),
        "correct": pa.array(marks[person, item] == 1),
        "answered_at": pa.nulls(len(person), TIME),
    }
    if marks.max(initial=0) <= 1:
        return pa.table(columns, ANSWER_SCHEMA), users, items
    scores = pa.array(marks[person, item].astype(np.float64))
    columns |= {"score": scores, "max_score": pa.nulls(len(person), pa.float64())}
    return pa.table(columns, SCORED_SCHEMA), users, items


def _column_names(item_ids: list[str | int] | None, n_columns: int) -> list[str]:
    if item_ids is None:
        return [f"I{number}" for number in range(1, n_columns + 1)]
    names = _ids(item_ids, "item_id", "item_ids[{row}]").to_pylist()
    if len(names) != n_columns:
        raise Refusal(400, f"item_ids holds {len(names)} ids, but responses has {n_columns} columns")
    for name, count in Counter(names).items():
        if count > 1:
            raise Refusal(400, f"item_ids names {name!r} {count} times, but each column needs an id of its own")
    return names


def _anchors(anchors: list[Anchor], item_ids: list[str]) -> tuple[pd.DataFrame, pd.DataFrame, list[LeftOutAnchor]]:
    """Split usable anchors into true ones and values to start from, PARAMETER_COLUMNS each; list the others."""
    table = parameter_table([x.params for x in anchors]).assign(
        item_id=[str(x.item_id).strip(BLANKS) for x in anchors], fixed=[x.fixed for x in anchors]
    )
    fixed = table["fixed"].to_numpy(bool)
    reasons = np.where(fixed, reasons_of(table, unusable_anchors), reasons_of(table, unusable_parameters))
    reasons[table["item_id"].duplicated().to_numpy(bool)] = "listed twice, and the first entry counts"
    reasons[~table["item_id"].isin(item_ids).to_numpy(bool)] = "no answer names this item"
    usable = reasons == ""
    left_out = [
        LeftOutAnchor(item, bool(is_fixed), reason)
        for item, is_fixed, reason in zip(table["item_id"], fixed, reasons, strict=True)
        if reason
    ]
    known = as_parameters(table)
    return known[usable & fixed], known[usable & ~fixed], left_out


def parameter_table(parameters: Sequence[Any]) -> pd.DataFrame:
    """Lay out model, a, b, c and steps of parameters; NaN or None where a value is missing, a missing c too."""
    columns = {name: np.array([value_or_nan(getattr(item, name)) for item in parameters], float) for name in "abc"}
    first = [item.b_1 for item in parameters]
    with_steps = [item if step is not None else None for item, step in zip(parameters, first, strict=True)]
    steps = [None if item is None else _steps(item) for item in with_steps]
    models = [None if item is None or item.model is None else item.model.upper() for item in with_steps]
    return pd.DataFrame(columns).assign(model=pd.Series(models, dtype=object), steps=pd.Series(steps, dtype=object))


def _steps(item: Any) -> list[float | None]:
    """List b_1, b_2, ... of an item, None for a score that nobody has."""
    values = [None if (value := getattr(item, name)) == NOT_AVAILABLE else value for name in STEP_NAMES]
    last = max((k for k, value in enumerate(values, 1) if value is not None), default=0)
    return [None if value is None else float(value) for value in values[:last]]


def _marks(answers: Iterable[Any], count: int) -> np.ndarray:
    return np.fromiter(map(_MARKS.__getitem__, answers), np.int8, count)


def _ids(ids: list[Any], name: str, place: str) -> pa.Array:
    """Read ids, trimmed; refuse the first that cannot be used. place: where it stands, with its {row}."""
    encoded = _text(ids, name).dictionary_encode()
    distinct = trimmed(encoded.dictionary)
    faults = why_unusable_id(distinct, name)
    if faults.null_count < len(faults):
        reasons = faults.take(encoded.indices)
        row = pc.index(reasons.is_valid(), True).as_py()
        raise Refusal(400, f"{place.format(row=row)}: {reasons[row]}. An id is text of 1 to {MAX_ID_BYTES:,} bytes")
    return distinct.take(encoded.indices)


def _text(ids: list[Any], name: str) -> pa.Array:
    try:
        return pa.array(ids, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([str(value) for value in ids], pa.string())
    except UnicodeEncodeError:
        raise Refusal(400, f"a {name} is not valid text: it holds half of a surrogate pair") from None


def _at_most(limit: int, names: list[str], what: str) -> None:
    if len(names) > limit:
        raise Refusal(413, f"{len(names):,} {what}, and one request may hold {limit:,}")
