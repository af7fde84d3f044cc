"""POST /irt/score: abilities of persons whose items are known."""

from typing import Any, TypeGuard

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.service.given_parameters import given_parameters, mentions_steps
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.person_answers import answers_of_person, unknown_score
from seedtest_assets.service.reading import NOT_ANSWERED, matrix, read_scoring
from seedtest_assets.service.wire import (
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
    answers, with_steps = parsed.responses, mentions_steps(body)
    if _all_of_one_person(answers) and (answers or isinstance(parsed.item_params, dict)):
        return _score_person(parsed.item_params, answers, with_steps)
    if isinstance(parsed.item_params, dict):
        raise Refusal(400, "rows of `responses` need `item_params` as a list, in the order of the columns")
    mixed = next((number for number, row in enumerate(answers) if isinstance(row, PersonAnswer)), None)
    if mixed is not None:
        raise Refusal(400, f"responses[{mixed}] is an answer, but others are rows. Send one kind")
    return _score_rows(parsed.item_params, answers, with_steps)


def _all_of_one_person(answers: list[Any]) -> TypeGuard[list[PersonAnswer]]:
    return all(isinstance(answer, PersonAnswer) for answer in answers)


def _score_rows(
    item_params: list[ScoredItem], rows: list[Any], with_steps: bool
) -> tuple[ScoringReply, dict[str, Any]]:
    """Score a row for each person."""
    parameters = given_parameters(((item.params or item, item.model) for item in item_params), with_steps=with_steps)
    for number, reason in enumerate(parameters.reasons(unusable_parameters)):
        if reason:
            raise Refusal(400, f"item_params[{number}]: {reason}")
    marks = matrix(rows, len(item_params))
    person, item = np.nonzero(marks != NOT_ANSWERED)
    items = parameters.items(np.arange(len(item_params)))
    unknown = unknown_score(items, item, marks[person, item])
    if unknown:
        place, score, scores = unknown
        raise Refusal(
            400, f"responses[{person[place]}][{item[place]}] is {score}, but its item has the scores {scores}"
        )
    responses = irt.Responses.from_answers(
        person, item, marks[person, item], n_persons=len(marks), n_items=len(item_params)
    )
    reply = ScoringReply(_abilities(responses, items))
    return reply, {"answers": len(person), "persons": len(marks), "items": len(item_params)}


def _score_person(
    item_params: list[ScoredItem] | dict[str, Parameters], answers: list[PersonAnswer], with_steps: bool
) -> tuple[PersonScoringReply, dict[str, Any]]:
    """Score the answers of one person."""
    person = answers_of_person(item_params, answers, with_steps)
    abilities = _abilities(person.responses, person.items)
    scored = person.responses.n_answers > 0
    theta, se = (abilities[0].theta, abilities[0].se) if scored else (None, None)
    reply = PersonScoringReply(
        abilities=abilities,
        theta=theta,
        se=se,
        standard_error=se,
        n_responses=person.responses.n_answers,
        left_out=person.left_out,
    )
    return reply, person.facts


def _abilities(responses: irt.Responses, items: irt.ItemParameters) -> list[Score]:
    """Estimate EAP under N(0, 1)."""
    theta, se = irt.expected_a_posteriori(responses, items)
    unseen = np.diff(responses.person_start) == 0
    # The grid gives these but for rounding.
    theta[unseen], se[unseen] = 0.0, 1.0
    return [Score(*values) for values in zip(theta.tolist(), se.tolist(), strict=True)]
