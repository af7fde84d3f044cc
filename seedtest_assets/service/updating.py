"""POST /irt/update: the ability of one person after a session, from what was known before and the session's answers."""

from typing import Any

from seedtest_assets import irt
from seedtest_assets.service.given_parameters import mentions_steps
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.person_answers import answers_of_person
from seedtest_assets.service.reading import read_updating
from seedtest_assets.service.wire import Population, Score, UpdatingBody, UpdatingReply


def update(body: bytes, limits: Limits) -> tuple[UpdatingReply, dict[str, Any]]:
    """Give the reply, and the facts that the log and the counters may have."""
    parsed = read_updating(body, limits)
    mean, sd = _known_before(parsed)
    person = answers_of_person(parsed.item_params, parsed.responses, mentions_steps(body))
    theta, se = mean, sd
    if person.responses.n_answers:
        thetas, errors = irt.expected_a_posteriori(person.responses, person.items, mean, sd)
        theta, se = float(thetas[0]), float(errors[0])
    reply = UpdatingReply(
        abilities=[Score(theta, se)],
        theta=theta,
        se=se,
        standard_error=se,
        n_responses=person.responses.n_answers,
        left_out=person.left_out,
    )
    return reply, person.facts


def _known_before(parsed: UpdatingBody) -> tuple[float, float]:
    """Give the mean and SD of the ability before the session."""
    if parsed.prior is not None and parsed.population is not None:
        raise Refusal(400, "send `prior` (the person's nightly row) or `population`, not both")
    if parsed.prior is not None:
        return parsed.prior.theta, parsed.prior.se
    population = parsed.population or Population()
    return population.mean, population.sd
