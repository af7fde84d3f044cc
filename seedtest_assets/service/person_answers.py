"""The answers of one person, as /irt/score and /irt/update take them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.service.reading import NOT_ANSWERED, column_of_marks, column_of_times, value_or_nan
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
    left_out = dict.fromkeys(ids[row] for row in given if ids[row] not in code_of)
    return AnswersOfPerson(
        responses=responses,
        items=items_of(np.array(sorted(code_of.values()), int), parameters),
        left_out=[LeftOutAnswers(item_id, reason_of.get(item_id, "no parameters were sent")) for item_id in left_out],
        facts={"answers": len(given), "persons": 1, "items": len(known)},
    )


def parameter_table(parameters: list[Any]) -> np.ndarray:
    """Lay out a, b and c, float64 [n, 3]; NaN where a value is missing."""
    rows = [[value_or_nan(value) for value in (item.a, item.b, item.c)] for item in parameters]
    return np.array(rows, float).reshape(-1, 3)


def items_of(codes: np.ndarray, parameters: np.ndarray) -> irt.ItemParameters:
    """Select the parameters of items with these codes; a missing c is 0."""
    return irt.ItemParameters(codes, *np.nan_to_num(parameters[codes]).T)


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
