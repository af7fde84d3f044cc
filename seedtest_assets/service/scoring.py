"""POST /irt/score: abilities of persons whose items are known."""

from typing import Any, TypeGuard

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.reading import (
    NOT_ANSWERED,
    column_of_marks,
    column_of_times,
    matrix,
    read_scoring,
    value_or_nan,
)
from seedtest_assets.service.wire import (
    LeftOutAnswers,
    Parameters,
    PersonAnswer,
    PersonScoringReply,
    Score,
    ScoredItem,
    ScoringReply,
)


def score(body: bytes, limits: Limits) -> tuple[ScoringReply | PersonScoringReply, dict[str, Any]]:
    """Give the reply, and the facts that the log and the counters may have."""
    parsed = read_scoring(body, limits)
    answers = parsed.responses
    if _all_of_one_person(answers) and (answers or isinstance(parsed.item_params, dict)):
        return _score_person(parsed.item_params, answers)
    if isinstance(parsed.item_params, dict):
        raise Refusal(400, "rows of `responses` need `item_params` as a list, in the order of the columns")
    mixed = next((number for number, row in enumerate(answers) if isinstance(row, PersonAnswer)), None)
    if mixed is not None:
        raise Refusal(400, f"responses[{mixed}] is an answer, but others are rows. Send one kind")
    return _score_rows(parsed.item_params, answers)


def _all_of_one_person(answers: list[Any]) -> TypeGuard[list[PersonAnswer]]:
    return all(isinstance(answer, PersonAnswer) for answer in answers)


def _score_rows(item_params: list[ScoredItem], rows: list[Any]) -> tuple[ScoringReply, dict[str, Any]]:
    """Score a row for each person."""
    parameters = _table([item.params or item for item in item_params])
    for number, reason in enumerate(unusable_parameters(*parameters.T)):
        if reason:
            raise Refusal(400, f"item_params[{number}]: {reason}")
    marks = matrix(rows, len(item_params))
    person, item = np.nonzero(marks != NOT_ANSWERED)
    responses = irt.Responses.from_answers(
        person, item, marks[person, item], n_persons=len(marks), n_items=len(item_params)
    )
    reply = ScoringReply(_abilities(responses, np.arange(len(item_params)), parameters))
    return reply, {"answers": len(person), "persons": len(marks), "items": len(item_params)}


def _score_person(
    item_params: list[ScoredItem] | dict[str, Parameters], answers: list[PersonAnswer]
) -> tuple[PersonScoringReply, dict[str, Any]]:
    """Score the answers of one person; leave out and list those to items without usable parameters."""
    known = item_params if isinstance(item_params, dict) else _by_id(item_params)
    parameters = _table(list(known.values()))
    reason_of = dict(zip(known, unusable_parameters(*parameters.T), strict=True))
    code_of = {item_id: code for code, item_id in enumerate(known) if not reason_of[item_id]}

    marks = column_of_marks(answers, "responses")
    given = np.flatnonzero(marks != NOT_ANSWERED)
    ids = [str(answer.item_id) for answer in answers]
    scored = np.array([row for row in given if ids[row] in code_of], int)
    responses = irt.Responses.from_answers(
        np.zeros(len(scored), int),
        np.array([code_of[ids[row]] for row in scored], int),
        marks[scored],
        time=_times(answers)[scored],
        n_persons=1,
        n_items=len(known),
    )
    usable = np.array(sorted(code_of.values()), int)
    abilities = _abilities(responses, usable, parameters[usable])
    left_out = dict.fromkeys(ids[row] for row in given if ids[row] not in code_of)
    theta, se = (abilities[0].theta, abilities[0].se) if len(scored) else (None, None)
    reply = PersonScoringReply(
        abilities=abilities,
        theta=theta,
        se=se,
        standard_error=se,
        n_responses=responses.n_answers,
        left_out=[LeftOutAnswers(item_id, reason_of.get(item_id, "no parameters were sent")) for item_id in left_out],
    )
    return reply, {"answers": len(given), "persons": 1, "items": len(known)}


def _abilities(responses: irt.Responses, codes: np.ndarray, parameters: np.ndarray) -> list[Score]:
    """Estimate EAP under N(0, 1). parameters: a, b and c of the items with these codes, float64 [n, 3]."""
    theta, se = irt.expected_a_posteriori(responses, irt.ItemParameters(codes, *np.nan_to_num(parameters).T))
    unseen = np.diff(responses.person_start) == 0
    # The grid gives these but for rounding.
    theta[unseen], se[unseen] = 0.0, 1.0
    return [Score(*values) for values in zip(theta.tolist(), se.tolist(), strict=True)]


def _by_id(items: list[ScoredItem]) -> dict[str, Parameters | ScoredItem]:
    """Key items by id; without an id no answer can name them."""
    named = ((item.item_id if item.item_id is not None else item.item, item) for item in items)
    return {str(item_id): item.params or item for item_id, item in named if item_id is not None}


def _table(parameters: list[Any]) -> np.ndarray:
    """Lay out a, b and c, float64 [n, 3]; NaN where a value is missing."""
    rows = [[value_or_nan(value) for value in (item.a, item.b, item.c)] for item in parameters]
    return np.array(rows, float).reshape(-1, 3)


def _times(answers: list[PersonAnswer]) -> np.ndarray:
    """Order the answers in time, int64 [n]; without times the list begins with the newest."""
    if all(answer.responded_at is None for answer in answers):
        return np.arange(len(answers), 0, -1)
    times = column_of_times([answer.responded_at for answer in answers])
    return times.cast("int64").fill_null(np.iinfo(np.int64).max).to_numpy()
