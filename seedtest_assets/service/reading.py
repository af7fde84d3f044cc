"""Turn the body of a request into checked arrays, or a Refusal that says what is wrong."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.irt.models import LINKING_METHODS, MODELS, MOST_CATEGORIES, POLYTOMOUS_MODELS, PolytomousModel
from seedtest_assets.irt.usable_parameters import unusable_anchors, unusable_parameters
from seedtest_assets.score_categories import NEAR
from seedtest_assets.service.given_parameters import given_parameters, value_or_nan
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.parsing import parsed_body
from seedtest_assets.service.wire import (
    NOT_AVAILABLE,
    Anchor,
    CalibrationBody,
    LeftOutAnchor,
    Observation,
    ScoringBody,
    UpdatingBody,
    calibration_decoder,
    scoring_decoder,
    updating_decoder,
)
from seedtest_assets.usable_answers import BLANKS, MAX_ID_BYTES, trimmed, why_unusable_id

NOT_ANSWERED, NEITHER, ABSENT = -1, -2, -3
TIME = ANSWER_SCHEMA.field("answered_at").type
SCORED_SCHEMA = pa.schema([*ANSWER_SCHEMA, *SCORE_SCHEMA])


class _Marks(dict[Any, int]):
    """Scores, 1 for correct and 0 for incorrect; NOT_ANSWERED, ABSENT without a field, NEITHER for the rest (True, 1 and 1.0 are one key)."""

    def __missing__(self, key: object) -> int:
        return NEITHER


_MARKS = _Marks({score: score for score in range(MOST_CATEGORIES)})
_MARKS.update({None: NOT_ANSWERED, NOT_AVAILABLE: NOT_ANSWERED, UNSET: ABSENT})


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
    item_models = _item_models(parsed)
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
            item_models=item_models,
        ),
        user_ids=users,
        item_ids=items,
        users_named=parsed.observations is not None,
        columns_named=parsed.observations is None and parsed.item_ids is not None,
        anchors_left_out=left_out,
    )


def _item_models(parsed: CalibrationBody) -> dict[str, PolytomousModel]:
    """Check the models of items with partial credit; give those of single items by trimmed id."""
    models = {item_id.strip(BLANKS): model for item_id, model in (parsed.item_models or {}).items()}
    places = {"polytomous_model": parsed.polytomous_model} | {f"item_models[{item!r}]": models[item] for item in models}
    for place, model in places.items():
        if model not in POLYTOMOUS_MODELS:
            raise Refusal(400, f"{place} is {model!r}, which is not one of {', '.join(POLYTOMOUS_MODELS)}")
    return cast(dict[str, PolytomousModel], models)


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
            f"responses[{row}][{column}] is {rows[row][column]:g}, but an answer is 1, 0 or null, or an integer score of partial credit "
            f"up to {MOST_CATEGORIES - 1}",
        )
    return marks.reshape(len(rows), n_columns)


def marks_and_scores(answers: list[Any], name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read `is_correct` and `score` of answers.

    name: of the list, for messages. An answer needs one of the two; null in both, or in the only one, is an item not answered.

    Returns int8 [n] of 1, 0 and NOT_ANSWERED, and float64 [n] of scores, NaN where there is none; None where no answer has one.
    """
    marks = _marks((answer.is_correct for answer in answers), len(answers))
    wrong = (marks == NEITHER) | (marks > 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        given = f"{name}[{row}].is_correct is {answers[row].is_correct:g}"
        raise Refusal(400, f"{given}, but an answer is 1, 0 or null. Send points as score")
    scores = [answer.score for answer in answers]
    unscored = scores.count(UNSET) + scores.count(None) == len(scores)
    score = None if unscored else np.array(list(map(value_or_nan, scores)), float)
    absent = marks == ABSENT
    if absent.any():
        absent &= np.fromiter((given is UNSET for given in scores), bool, len(scores))
        if absent.any():
            raise Refusal(400, f"{name}[{int(np.argmax(absent))}] has neither is_correct nor score")
        marks[marks == ABSENT] = NOT_ANSWERED
    if score is not None and (score < 0).any():
        row = int(np.argmax(score < 0))
        raise Refusal(400, f"{name}[{row}].score is {score[row]:g}, but a score is a number from 0")
    return marks, score


def column_of_times(times: list[datetime | None]) -> pa.Array:
    """Read times; without an offset they are UTC."""
    try:
        return pa.array(times, TIME)
    except (pa.ArrowInvalid, OverflowError):
        raise Refusal(400, "a responded_at is outside the years 1 to 9999 in UTC") from None


def _from_observations(observations: list[Observation]) -> tuple[pa.Table, list[str], list[str]]:
    marks, score = marks_and_scores(observations, "observations")
    users = _ids([o.user_id for o in observations], "user_id", "observations[{row}].user_id")
    items = _ids([o.item_id for o in observations], "item_id", "observations[{row}].item_id")
    times = column_of_times([o.responded_at for o in observations])
    given = marks != NOT_ANSWERED
    columns = {
        "student_id": users,
        "item_id": items,
        "correct": pa.array(marks == 1, mask=~given),
        "answered_at": times,
    }
    schema = ANSWER_SCHEMA
    if score is not None:
        given |= ~np.isnan(score)
        columns |= {"score": pa.array(score, from_pandas=True), "max_score": _highest_scores(observations, score)}
        schema = SCORED_SCHEMA
    table = pa.table(columns, schema)
    return table.filter(pa.array(given)), users.unique().to_pylist(), items.unique().to_pylist()


def _highest_scores(observations: list[Observation], score: np.ndarray) -> pa.Array:
    """Read `max_score`, float64 [n]; null where there is none."""
    highest = np.array([value_or_nan(o.max_score) for o in observations], float)
    for wrong, expected in (
        (highest <= 0, "a number above 0"),
        (score > highest + NEAR, "at least the score, {score:g}"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            given = f"observations[{row}].max_score is {highest[row]:g}"
            raise Refusal(400, f"{given}, but the most that an item gives is {expected.format(score=score[row])}")
    return pa.array(highest, from_pandas=True)


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
    given = given_parameters((x.params, x.model) for x in anchors)
    known = given.table([str(x.item_id).strip(BLANKS) for x in anchors])
    fixed = np.array([x.fixed for x in anchors], bool)
    reasons = np.where(fixed, given.reasons(unusable_anchors), given.reasons(unusable_parameters))
    reasons[known["item_id"].duplicated().to_numpy(bool)] = "listed twice, and the first entry counts"
    reasons[~known["item_id"].isin(item_ids).to_numpy(bool)] = "no answer names this item"
    usable = reasons == ""
    left_out = [
        LeftOutAnchor(item, bool(is_fixed), reason)
        for item, is_fixed, reason in zip(known["item_id"], fixed, reasons, strict=True)
        if reason
    ]
    return known[usable & fixed], known[usable & ~fixed], left_out


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
