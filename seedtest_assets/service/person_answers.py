"""The answers of one person, as /irt/score and /irt/update take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.item_steps import reasons_of, steps_matrix
from seedtest_assets.service.limits import Refusal
from seedtest_assets.service.reading import (
    NOT_ANSWERED,
    column_of_marks,
    column_of_scores,
    column_of_times,
    parameter_table,
)
from seedtest_assets.service.wire import LeftOutAnswers, Parameters, PersonAnswer, ScoredItem


@dataclass(frozen=True, kw_only=True)
class AnswersOfPerson:
    """responses: of the one person, to items with usable parameters; items: those; left_out: items whose answers are not used.

    facts: for the log and the counters.
    """

    responses: irt.Responses
    items: irt.ItemParameters
    left_out: list[LeftOutAnswers]
    facts: dict[str, Any]


def answers_of_person(
    item_params: list[ScoredItem] | dict[str, Parameters], answers: list[PersonAnswer]
) -> AnswersOfPerson:
    """Read answers of one person; leave out and list those to items without usable parameters."""
    known = item_params if isinstance(item_params, dict) else _by_id(item_params)
    parameters = parameter_table(list(known.values()))
    reason_of = dict(zip(known, reasons_of(parameters, unusable_parameters), strict=True))
    code_of = {item_id: code for code, item_id in enumerate(known) if not reason_of[item_id]}
    items = items_of(np.array(sorted(code_of.values()), int), parameters)

    marks = _scores(answers)
    given = np.flatnonzero(marks != NOT_ANSWERED)
    ids = [str(answer.item_id) for answer in answers]
    scored = np.array([row for row in given if ids[row] in code_of], int)
    check_scores(
        items, [code_of[ids[row]] for row in scored], marks[scored], [f"responses[{row}].score" for row in scored]
    )
    responses = irt.Responses.from_answers(
        np.zeros(len(scored), int),
        np.array([code_of[ids[row]] for row in scored], int),
        marks[scored],
        time=_times(answers)[scored],
        n_persons=1,
        n_items=len(known),
    )
    left_out = dict.fromkeys(ids[row] for row in given if ids[row] not in code_of)
    return AnswersOfPerson(
        responses=responses,
        items=items,
        left_out=[LeftOutAnswers(item_id, reason_of.get(item_id, "no parameters were sent")) for item_id in left_out],
        facts={"answers": len(given), "persons": 1, "items": len(known)},
    )


def items_of(codes: np.ndarray, parameters: pd.DataFrame) -> irt.ItemParameters:
    """Select the parameters of items with these codes; a missing c is 0. parameters: of `parameter_table`."""
    chosen = parameters.iloc[codes]
    a, b, c = (np.nan_to_num(chosen[name].to_numpy()) for name in "abc")
    if chosen["steps"].isna().all():
        return irt.ItemParameters(codes, a, b, c)
    steps = steps_matrix(chosen["steps"])
    model = np.where(np.isfinite(steps).any(axis=1), chosen["model"].to_numpy(object), "")
    return irt.ItemParameters(codes, a, b, c, steps, model)


def check_scores(items: irt.ItemParameters, codes: Sequence[int], scores: np.ndarray, places: Sequence[str]) -> None:
    """Refuse the first score that its item does not have. codes: of the items of the answers; places: where each score stands."""
    of_items = items.scores
    given: dict[int, set[int]] = {code: set() for code in items.item.tolist()}
    for item, score in zip(items.item[of_items.item].tolist(), of_items.score.astype(int).tolist(), strict=True):
        given[item].add(score)
    for code, score, place in zip(codes, scores.tolist(), places, strict=True):
        if score not in given[code]:
            listed = ", ".join(map(str, sorted(given[code])))
            raise Refusal(400, f"{place} is {score}, but the parameters of the item are for the scores {listed}")


def _scores(answers: list[PersonAnswer]) -> np.ndarray:
    """Read scores, and marks as 1 and 0 where there are none, int8 [n], NOT_ANSWERED where there is neither."""
    marks, score = column_of_marks(answers, "responses"), column_of_scores(answers, "responses")
    if score is None:
        return marks
    parts = (score != np.rint(score)) & ~np.isnan(score) | (score >= MOST_CATEGORIES)
    if parts.any():
        row = int(np.argmax(parts))
        raise Refusal(
            400, f"responses[{row}].score is {score[row]:g}, but a score is an integer up to {MOST_CATEGORIES - 1}"
        )
    return np.where(np.isnan(score), marks, np.nan_to_num(score)).astype(np.int8)


def _by_id(items: list[ScoredItem]) -> dict[str, Parameters | ScoredItem]:
    """Key items by id; without an id no answer can name them."""
    named = ((item.item_id if item.item_id is not None else item.item, item) for item in items)
    return {str(item_id): item.params or item for item_id, item in named if item_id is not None}


def _times(answers: list[PersonAnswer]) -> np.ndarray:
    """Order the answers in time, int64 [n]; without times the list begins with the newest."""
    if all(answer.responded_at is None for answer in answers):
        return np.arange(len(answers), 0, -1)
    times = column_of_times([answer.responded_at for answer in answers])
    return times.cast("int64").fill_null(np.iinfo(np.int64).max).to_numpy()
