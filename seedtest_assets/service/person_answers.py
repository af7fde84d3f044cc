"""The answers of one person, as /irt/score and /irt/update take them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.score_categories import known_scores
from seedtest_assets.service.given_parameters import given_parameters
from seedtest_assets.service.limits import Refusal
from seedtest_assets.service.reading import NOT_ANSWERED, column_of_times, marks_and_scores
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
    item_params: list[ScoredItem] | dict[str, Parameters], answers: list[PersonAnswer], with_steps: bool
) -> AnswersOfPerson:
    """Read answers of one person; leave out and list those to items without usable parameters.

    with_steps: as in `given_parameters`.
    """
    known = item_params if isinstance(item_params, dict) else _by_id(item_params)
    parameters = given_parameters(map(_with_model, known.values()), with_steps=with_steps)
    reason_of = dict(zip(known, parameters.reasons(unusable_parameters), strict=True))
    code_of = {item_id: code for code, item_id in enumerate(known) if not reason_of[item_id]}
    items = parameters.items(np.array(sorted(code_of.values()), int))

    marks, unscored = _scores(answers)
    given = np.flatnonzero(marks != NOT_ANSWERED)
    ids = [str(answer.item_id) for answer in answers]
    scored = np.array([row for row in given if ids[row] in code_of], int)
    codes = np.array([code_of[ids[row]] for row in scored], int)
    if items.steps.shape[1] and unscored[scored].any():
        ends = np.tile(np.array([0, 1], np.int8), (len(known), 1))
        ends[items.item] = np.column_stack([np.isneginf(items.steps).sum(axis=1), items.max_score])
        marks[scored] = np.where(unscored[scored], ends[codes, np.minimum(marks[scored], 1)], marks[scored])
    unknown = unknown_score(items, codes, marks[scored])
    if unknown:
        place, score, scores = unknown
        row = scored[place]
        raise Refusal(400, f"responses[{row}].score is {score}, but {ids[row]!r} has the scores {scores}")
    responses = irt.Responses.from_answers(
        np.zeros(len(scored), int),
        codes,
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


def unknown_score(items: irt.ItemParameters, codes: np.ndarray, scores: np.ndarray) -> tuple[int, int, str] | None:
    """Find the first answer whose score its item does not have: its position, the score, and those that the item has.

    codes: int [n], of the items of the answers; scores: int [n].
    """
    if not items.steps.shape[1] and scores.max(initial=0) <= 1:
        return None
    unknown = ~known_scores(items, codes, scores)
    if not unknown.any():
        return None
    place = int(np.argmax(unknown))
    of_item = items.scores.score[items.item[items.scores.item] == codes[place]]
    return place, int(scores[place]), ", ".join(f"{score:.0f}" for score in of_item)


def _scores(answers: list[PersonAnswer]) -> tuple[np.ndarray, np.ndarray]:
    """Read scores, and marks as 1 and 0 where there are none, int8 [n], NOT_ANSWERED where there is neither.

    Also gives which answers have no score, bool [n]: of partial credit these have the item's lowest or highest score.
    """
    marks, score = marks_and_scores(answers, "responses")
    if score is None:
        return marks, np.ones(len(marks), bool)
    parts = (score != np.rint(score)) & ~np.isnan(score) | (score >= MOST_CATEGORIES)
    if parts.any():
        row = int(np.argmax(parts))
        raise Refusal(
            400, f"responses[{row}].score is {score[row]:g}, but a score is an integer up to {MOST_CATEGORIES - 1}"
        )
    unscored = np.isnan(score)
    return np.where(unscored, marks, np.nan_to_num(score)).astype(np.int8), unscored


def _by_id(items: list[ScoredItem]) -> dict[str, ScoredItem]:
    """Key items by id; without an id no answer can name them."""
    named = ((item.item_id if item.item_id is not None else item.item, item) for item in items)
    return {str(item_id): item for item_id, item in named if item_id is not None}


def _with_model(item: ScoredItem | Parameters) -> tuple[Any, str | None]:
    return (item.params or item if isinstance(item, ScoredItem) else item), item.model


def _times(answers: list[PersonAnswer]) -> np.ndarray:
    """Order the answers in time, int64 [n]; without times the list begins with the newest."""
    if all(answer.responded_at is None for answer in answers):
        return np.arange(len(answers), 0, -1)
    times = column_of_times([answer.responded_at for answer in answers])
    return times.cast("int64").fill_null(np.iinfo(np.int64).max).to_numpy()
