"""The requests of the platform's own Python: the nightly job, the drift monitor, the update after a session."""

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from seedtest_assets import irt

BANK = {
    "201": (1.3, -0.8),
    "202": (1.1, 0.4),
    "203": (0.9, 1.2),
    "204": (1.4, -0.2),
    "205": (1.0, 0.7),
    "206": (1.2, 0.1),
}


def simulated_marks(n_persons, parameters, seed=4):
    """Rows of True and False under a 2PL."""
    rng = np.random.default_rng(seed)
    a, b = np.array(parameters).T
    probability = 1 / (1 + np.exp(-a * (rng.normal(size=(n_persons, 1)) - b)))
    return rng.random((n_persons, len(parameters))) < probability


def nightly_observations(n_persons=120):
    """Answers as the nightly job writes them: texts, and Python's str of a time."""
    start = datetime(2026, 3, 1, 9, tzinfo=timezone.utc)
    return [
        {
            "user_id": f"student-{person}",
            "item_id": item_id,
            "is_correct": bool(correct),
            "responded_at": str(start + timedelta(minutes=person, microseconds=column % 2)),
        }
        for person, row in enumerate(simulated_marks(n_persons, list(BANK.values())))
        for column, (item_id, correct) in enumerate(zip(BANK, row, strict=True))
    ]


def anchor(item_id, fixed=True, **params):
    return {"item_id": item_id, "params": params, "fixed": fixed}


def answered(service, path, body):
    response = service.post(path, body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def nightly(service):
    """The reply to a night whose anchors are every tagged question, whatever is known of it."""
    anchors = [
        anchor("201", a=1.3, b=-0.8, model="2PL"),
        anchor("202", a=1.1, b=0.4, c=0.0),
        anchor("203", a=0.9, b=1.2, c=None),
        anchor("204"),
        anchor("205", b=0.7),
        anchor("206", fixed=False, model="2PL"),
        anchor("999", a=1.0, b=0.0),
        anchor("201", a=0.5, b=2.0),
    ]
    observations = nightly_observations()
    assert {observation["responded_at"][10] for observation in observations} == {" "}
    assert observations[0]["responded_at"].endswith("+00:00")
    return answered(service, "/irt/calibrate", {"model": "2PL", "observations": observations, "anchors": anchors})


def test_night_links_by_the_usable_anchors(nightly):
    assert nightly["fit_meta"]["linking_constants"]["n_anchors_used"] == 3
    assert nightly["fit_meta"]["model_spec"]["linked_to"] == "anchors"
    assert [item["item_id"] for item in nightly["item_params"] if item["is_anchor"]] == ["201", "202", "203"]


def test_anchors_that_cannot_be_used_are_named_with_the_reason(nightly):
    left_out = {(a["item_id"], a["fixed"]): a["reason"] for a in nightly["fit_meta"]["anchors_left_out"]}
    assert left_out == {
        ("204", True): "a and b are missing",
        ("205", True): "a is missing",
        ("206", False): "a and b are missing",
        ("999", True): "no answer names this item",
        ("201", True): "listed twice, and the first entry counts",
    }
    assert nightly["fit_meta"]["warnings"][0].startswith("fixed anchors left out (4 of 7)")


def test_night_finds_every_student_and_every_parameter_that_it_stores(nightly):
    assert {ability["user_id"] for ability in nightly["abilities"]} == {f"student-{n}" for n in range(120)}
    assert all(isinstance(ability[key], float) for ability in nightly["abilities"] for key in ("theta", "se"))
    assert {item["version"] for item in nightly["item_params"]} == {"v1"}
    assert all(isinstance(item["params"][key], float) for item in nightly["item_params"] for key in "ab")


@pytest.mark.parametrize(
    "params", [{"a": -1e5, "b": 0}, {"a": 0, "b": 0}, {"a": 1, "b": 0, "c": 1}, {"a": "NA", "b": 1}]
)
def test_night_goes_on_with_an_anchor_of_impossible_values(service, params):
    body = {"observations": nightly_observations(30), "anchors": [anchor("201", **params)]}
    reply = answered(service, "/irt/calibrate", body)
    assert [left_out["item_id"] for left_out in reply["fit_meta"]["anchors_left_out"]] == ["201"]
    assert reply["fit_meta"]["linking_constants"] is None


def monitored(n_persons=80, model="3PL"):
    """Answers as the drift monitor writes them: a row for each person, item ids beside them."""
    rows = [[int(correct) for correct in row] for row in simulated_marks(n_persons, list(BANK.values()))]
    for number, row in enumerate(rows):
        row[number % len(row)] = None
    return {"model": model, "item_ids": [int(item_id) for item_id in BANK], "responses": rows}


def test_drift_monitor_finds_the_items_by_the_ids_that_it_sent(service):
    reply = answered(service, "/irt/calibrate", monitored(model="2PL"))
    assert [item["item_id"] for item in reply["item_params"]] == list(BANK)
    for item, other in zip(reply["items"], reply["item_params"], strict=True):
        assert item == {
            "item_id": other["item_id"],
            "a": other["params"]["a"],
            "b": other["params"]["b"],
            "c": 0.0,
            "a_se": other["se"]["a"],
            "b_se": other["se"]["b"],
        }


def test_drift_monitor_also_finds_items_whose_answers_have_no_maximum(service):
    body = monitored()
    steep = [0, 0, 0, 1, 1, 1, 1, 1]
    for number, row in enumerate(body["responses"]):
        row[5] = steep[sum(mark or 0 for mark in row[:5]) + (number % 2)]
    reply = answered(service, "/irt/calibrate", body)
    fitted = {item["item_id"] for item in reply["item_params"]}
    assert "206" not in fitted
    assert {item["item_id"] for item in reply["items"]} == set(BANK)
    assert all(np.isfinite([item["a"], item["b"], item["c"], item["a_se"]]).all() for item in reply["items"])
    assert any("206" in warning and "prior worth 10 answers" in warning for warning in reply["fit_meta"]["warnings"])


def test_gaps_as_the_bare_word_nan_are_gaps(service):
    body = monitored(model="Rasch")
    with_nan = json.dumps(body).replace("null", "NaN").encode()
    assert b"NaN" in with_nan
    reply, expected = answered(service, "/irt/calibrate", with_nan), answered(service, "/irt/calibrate", body)
    assert reply["item_params"] == expected["item_params"]


@pytest.mark.parametrize(
    ("item_ids", "message"),
    [
        ([1, 2], "item_ids holds 2 ids, but responses has 6 columns"),
        ([1, 2, 3, 4, 5, "1"], "item_ids names '1' 2 times"),
        ([1, 2, 3, 4, 5, None], "$.item_ids[5]"),
    ],
)
def test_item_ids_that_do_not_name_the_columns_are_refused(service, item_ids, message):
    response = service.post("/irt/calibrate", monitored(20) | {"item_ids": item_ids})
    assert response.status_code == 400
    assert message in response.json()["error"]


PARAMETERS = {
    "201": {"a": 1.3, "b": -0.8, "c": 0.0},
    "202": {"a": 1.1, "b": 0.4, "c": None},
    "203": {"a": 0.9, "b": 1.2, "c": 0.2},
}


def answer(item_id, correct, **more):
    return {"item_id": item_id, "is_correct": correct, **more}


def expected_ability(*answers):
    """EAP of (item id, correct)."""
    a, b, c = np.array([[p["a"], p["b"], p["c"] or 0.0] for p in PARAMETERS.values()]).T
    codes = [list(PARAMETERS).index(item_id) for item_id, _ in answers]
    responses = irt.Responses.from_answers([0] * len(codes), codes, [correct for _, correct in answers], n_items=3)
    theta, se = irt.expected_a_posteriori(responses, irt.ItemParameters([0, 1, 2], a, b, c))
    return theta[0], se[0]


def test_update_after_a_session_finds_theta_and_its_error_at_the_top_level(service):
    answers = [answer("203", False), answer("202", True), answer("201", True)]
    reply = answered(service, "/irt/score", {"item_params": PARAMETERS, "responses": answers})
    theta, se = expected_ability(("201", True), ("202", True), ("203", False))
    assert (reply["theta"], reply["se"]) == pytest.approx((theta, se))
    assert reply["standard_error"] == reply["se"]
    assert reply["abilities"] == [{"theta": reply["theta"], "se": reply["se"]}]
    assert (reply["status"], reply["n_responses"], reply["left_out"]) == ("ok", 3, [])


def test_list_of_items_serves_the_answers_of_one_person_as_well(service):
    answers = [answer("202", 1), answer("201", 0), answer("203", None)]
    items = [{"item_id": "201", **PARAMETERS["201"]}, {"item": "202", "params": PARAMETERS["202"]}]
    reply = answered(service, "/irt/score", {"item_params": items, "responses": answers})
    assert (reply["theta"], reply["se"]) == pytest.approx(expected_ability(("201", False), ("202", True)))


def test_first_answer_to_an_item_counts(service):
    newest_first = [answer("201", True), answer("202", True), answer("201", False)]
    timed = [
        answer("201", False, responded_at="2026-03-01 09:00:00+00:00"),
        answer("202", True, responded_at="2026-03-01 09:01:00+00:00"),
        answer("201", True, responded_at="2026-03-01 10:00:00+00:00"),
    ]
    expected = expected_ability(("201", False), ("202", True))
    for answers in (newest_first, timed):
        reply = answered(service, "/irt/score", {"item_params": PARAMETERS, "responses": answers})
        assert (reply["theta"], reply["se"]) == pytest.approx(expected)
        assert reply["n_responses"] == 2


def test_answers_to_items_without_usable_parameters_are_left_out_and_named(service):
    items = PARAMETERS | {"204": {"a": None, "b": 0.1}}
    answers = [answer("201", True), answer("204", True), answer("888", False), answer("888", True)]
    reply = answered(service, "/irt/score", {"item_params": items, "responses": answers})
    assert (reply["theta"], reply["se"]) == pytest.approx(expected_ability(("201", True)))
    assert reply["left_out"] == [
        {"item_id": "204", "reason": "a is missing"},
        {"item_id": "888", "reason": "no parameters were sent"},
    ]


@pytest.mark.parametrize("responses", [[], [answer("888", True)], [answer("201", None)]])
def test_without_an_answer_that_can_be_scored_theta_is_null_so_that_nothing_is_updated(service, responses):
    reply = answered(service, "/irt/score", {"item_params": PARAMETERS, "responses": responses})
    assert (reply["theta"], reply["se"], reply["standard_error"]) == (None, None, None)
    assert reply["abilities"] == [{"theta": 0, "se": 1}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"item_params": PARAMETERS, "responses": [[1, 0, 1]]}, "rows of `responses` need `item_params` as a list"),
        ({"item_params": [], "responses": [[], answer("201", True)]}, "responses[1] is an answer, but others are rows"),
        ({"item_params": PARAMETERS, "responses": [answer("201", 0.5)]}, "responses[0].is_correct is 0.5"),
        (
            {"item_params": PARAMETERS, "responses": [{"item_id": "201"}]},
            "responses[0] has neither is_correct nor score",
        ),
    ],
)
def test_scoring_requests_that_mix_the_forms_are_refused(service, body, message):
    response = service.post("/irt/score", body)
    assert response.status_code == 400
    assert message in response.json()["error"]


def test_rows_are_answered_as_before(service):
    items = [{"item_id": item_id, **params} for item_id, params in PARAMETERS.items()]
    reply = answered(service, "/irt/score", {"item_params": items, "responses": [[1, 1, 0], [None, None, None]]})
    assert reply.keys() == {"abilities", "status"}
    assert [set(ability) for ability in reply["abilities"]] == [{"theta", "se"}] * 2
