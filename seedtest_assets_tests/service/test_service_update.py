"""POST /irt/update: a normal prior and a session's answers give the exact posterior."""

import os
import sys

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.service import work

BANK = {"i1": {"a": 1.2, "b": -0.5}, "i2": {"a": 0.8, "b": 0.4, "c": 0.2}, "i3": {"a": 2.1, "b": 1.0, "c": 0.0}}
SESSION = [
    {"item_id": "i3", "is_correct": 0},
    {"item_id": "i2", "is_correct": True},
    {"item_id": "i1", "is_correct": True},
]


def updated(service, body):
    response = service.post("/irt/update", body)
    assert response.status_code == 200, response.text
    return response.json()


def exact(answers, mean, sd) -> tuple[float, float]:
    """Give the posterior mean and SD by adaptive quadrature, in units of the prior."""

    def likelihood(theta):
        product = 1.0
        for answer in answers:
            item = {"c": 0.0} | BANK[answer["item_id"]]
            logit = item["a"] * (theta - item["b"])
            right = item["c"] + (1 - item["c"]) * expit(logit)
            product *= right if answer["is_correct"] else (1 - item["c"]) * expit(-logit)
        return product

    def posterior(z):
        return np.exp(-0.5 * z**2) * likelihood(mean + sd * z) / likelihood(mean)

    def integral(function):
        return quad(function, -40, 40, points=[-6, -3, 0, 3, 6], limit=500, epsabs=1e-12, epsrel=1e-8)[0]

    mass = integral(posterior)
    centre = integral(lambda z: z * posterior(z)) / mass
    variance = integral(lambda z: (z - centre) ** 2 * posterior(z)) / mass
    return mean + sd * centre, sd * np.sqrt(variance)


@pytest.mark.parametrize(
    "prior", [(0.85, 0.32), (-2.5, 0.05), (3.9, 1.4), (0.0, 0.001), (40.0, 0.05), (-15.0, 2.0), (0.0, 30.0)]
)
def test_the_posterior_is_that_of_exact_integration_also_from_a_narrow_or_a_far_off_prior(service, prior):
    reply = updated(
        service, {"item_params": BANK, "responses": SESSION, "prior": dict(zip(("theta", "se"), prior, strict=True))}
    )
    theta, se = exact(SESSION, *prior)
    assert (reply["theta"], reply["se"]) == pytest.approx((theta, se), abs=1e-5 * prior[1])
    assert reply["standard_error"] == reply["se"]
    assert reply["abilities"] == [{"theta": reply["theta"], "se": reply["se"]}]
    assert (reply["n_responses"], reply["left_out"]) == (3, [])


@pytest.mark.parametrize("population", [None, {"mean": 0.3, "sd": 1.2}])
def test_with_the_population_and_all_answers_it_is_the_full_eap(service, population):
    rng = np.random.default_rng(4)
    items = irt.ItemParameters(np.arange(40), rng.lognormal(0, 0.3, 40), rng.normal(size=40), np.zeros(40))
    marks = irt.simulate(np.array([0.7]), items, seed=1)[0]
    mean, sd = (0.0, 1.0) if population is None else (population["mean"], population["sd"])
    theta, se = irt.expected_a_posteriori(irt.Responses.from_matrix([marks]), items, mean, sd)
    body = {
        "item_params": {f"q{j}": {"a": items.a[j], "b": items.b[j]} for j in range(40)},
        "responses": [{"item_id": f"q{j}", "is_correct": int(mark)} for j, mark in enumerate(marks)],
    }
    reply = updated(service, body | ({"population": population} if population else {}))
    assert (reply["theta"], reply["se"]) == pytest.approx((theta[0], se[0]), abs=1e-6)
    assert reply == updated(service, body | {"prior": {"theta": mean, "se": sd}})


def test_two_sessions_in_turn_are_close_to_both_at_once(service):
    first = updated(service, {"item_params": BANK, "responses": SESSION[:1]})
    second = updated(
        service,
        {
            "item_params": BANK,
            "responses": SESSION[1:],
            "prior": {"theta": first["theta"], "se": first["se"]},
        },
    )
    both = updated(service, {"item_params": BANK, "responses": SESSION})
    assert second["theta"] == pytest.approx(both["theta"], abs=0.02)  # the posterior between is not quite normal


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has the priority of its process")
def test_calibrations_give_way_and_the_process_can_score_at_once_after_one():
    def niceness(_=None) -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    before = niceness()
    assert work.at_low_priority(niceness, None) == min(before + 15, 19)
    assert niceness() == before


def test_without_a_scored_answer_the_prior_comes_back(service):
    body = {
        "item_params": {"i1": {"a": 1.0}, "i2": {"a": 1.0, "b": 0.0}},
        "responses": [
            {"item_id": "i1", "is_correct": 1},
            {"item_id": "elsewhere", "is_correct": 0},
            {"item_id": "i2", "is_correct": None},
        ],
        "prior": {"theta": -0.7, "se": 0.4},
    }
    reply = updated(service, body)
    assert (reply["theta"], reply["se"], reply["n_responses"]) == (-0.7, 0.4, 0)
    assert reply["left_out"] == [
        {"item_id": "i1", "reason": "b is missing"},
        {"item_id": "elsewhere", "reason": "no parameters were sent"},
    ]
    assert updated(service, {"item_params": [], "responses": []})["theta"] == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"prior": {"theta": 0.1}}, "missing required field `se`"),
        ({"prior": {"theta": 0.1, "se": 0}}, "$.prior.se"),
        ({"prior": {"theta": 0.1, "se": -1}}, "$.prior.se"),
        ({"prior": {"theta": "high", "se": 1}}, "$.prior.theta"),
        ({"prior": {"theta": 1e9, "se": 1}}, "$.prior.theta"),
        ({"population": {"sd": 0}}, "$.population.sd"),
        ({"prior": {"theta": 0, "se": 1}, "population": {}}, "send `prior` (the person's nightly row) or `population`"),
        ({"responses": [[1, 0]]}, "$.responses[0]"),
        ({"responses": [{"item_id": "i1", "is_correct": 0.5}]}, "responses[0].is_correct is 0.5"),
        ({"item_params": None}, "$.item_params"),
        ({"item_params": {"i1": {"a": "x", "b": 0}}}, "Expected a number, null or \"NA\", got 'x'"),
    ],
)
def test_bad_input_is_refused_in_the_callers_terms(service, more, message):
    response = service.post("/irt/update", {"item_params": BANK, "responses": SESSION} | more)
    assert response.status_code == 400
    assert message in response.json()["error"]


def test_a_prior_that_is_not_a_number_is_refused(service):
    response = service.post("/irt/update", b'{"item_params": {}, "responses": [], "prior": {"theta": NaN, "se": 1}}')
    assert response.status_code == 400
    assert "$.prior.theta" in response.json()["error"]
