"""POST /irt/calibrate with what callers send."""

import gzip
import json
import re

import numpy as np
import pytest

from seedtest_assets_tests.irt.reference import answers_of, result_of


def pattern(n_persons=300, n_items=6, seed=5):
    """Rows of 1 and 0 under a Rasch model."""
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(np.linspace(-1, 1, n_items) - rng.normal(size=(n_persons, 1))))
    return (rng.random((n_persons, n_items)) < chance).astype(int).tolist()


def as_observations(rows):
    return [
        {"user_id": f"u{p}", "item_id": f"I{j}", "is_correct": answer}
        for p, row in enumerate(rows, 1)
        for j, answer in enumerate(row, 1)
        if answer is not None
    ]


def calibrated(service, body):
    response = service.post("/irt/calibrate", body)
    assert response.status_code == 200, response.text
    return response.json()


def parameters(reply):
    return {item["item_id"]: item["params"] for item in reply["item_params"]}


def test_nulls_in_responses_keep_their_place(service):
    rows = pattern()
    for number, row in enumerate(rows):
        row[number % 6] = None
    dense = calibrated(service, {"responses": rows})
    sparse = calibrated(service, {"observations": as_observations(rows)})
    assert list(parameters(dense)) == [f"I{n}" for n in range(1, 7)]
    assert parameters(dense) == parameters(sparse)
    assert [a["theta"] for a in dense["abilities"]] == [a["theta"] for a in sparse["abilities"]]
    assert all("user_id" not in ability for ability in dense["abilities"])


@pytest.mark.parametrize(("correct", "incorrect", "absent"), [(1.0, 0.0, None), (True, False, "NA")])
def test_every_way_to_write_an_answer_means_the_same(service, correct, incorrect, absent):
    rows = pattern()
    rows[0][2] = None
    written = [[{1: correct, 0: incorrect, None: absent}[answer] for answer in row] for row in rows]
    assert (
        calibrated(service, {"responses": written})["item_params"]
        == calibrated(service, {"responses": rows})["item_params"]
    )


def test_person_who_answered_nothing_has_the_populations_ability_in_place(service):
    rows = pattern()
    rows.insert(1, [None] * 6)
    abilities = calibrated(service, {"responses": rows})["abilities"]
    assert len(abilities) == 301
    assert (abilities[1]["theta"], abilities[1]["se"], abilities[1]["n_responses"]) == (0, 1, 0)


def test_rasch_is_rasch(service):
    reply = calibrated(service, {"responses": pattern(), "model": "Rasch"})
    assert len({params["a"] for params in parameters(reply).values()}) == 1
    assert {params["c"] for params in parameters(reply).values()} == {None}
    assert reply["fit_meta"]["model_spec"]["model"] == "Rasch"


def test_three_parameters_have_a_lower_asymptote(service):
    reply = calibrated(service, {"responses": pattern(), "model": "3PL"})
    assert all(0 < params["c"] < 0.6 for params in parameters(reply).values())


def test_item_that_everybody_got_right_is_reported_and_left_out(service):
    rows = [[*row, 1, None] for row in pattern()]
    reply = calibrated(service, {"responses": rows})
    assert list(parameters(reply)) == [f"I{n}" for n in range(1, 7)]
    assert reply["fit_meta"]["left_out"] == [
        {"item_id": "I7", "n_responses": 300, "reason": "all answers right"},
        {"item_id": "I8", "n_responses": 0, "reason": "nobody answered it"},
    ]


def test_later_answers_to_an_item_are_set_aside_and_numbers_are_ids_too(service):
    rows = pattern()
    first = [o | {"responded_at": "2025-11-02T12:00:00+09:00"} for o in as_observations(rows)]
    later = [o | {"is_correct": 1 - o["is_correct"], "responded_at": "2025-11-02T12:00:01"} for o in first[:40]]
    reply = calibrated(service, {"observations": [o | {"user_id": int(o["user_id"][1:])} for o in later + first]})
    assert reply["fit_meta"]["metrics"]["n_set_aside"] == 40
    assert parameters(reply) == parameters(calibrated(service, {"observations": as_observations(rows)}))
    assert {ability["user_id"] for ability in reply["abilities"]} == {str(n) for n in range(1, 301)}


def test_anchors_that_are_not_fixed_only_start_the_estimation(service):
    rows = pattern()
    anchors = [{"item_id": f"I{n}", "params": {"a": 1, "b": 2}} for n in range(1, 4)]
    reply = calibrated(service, {"responses": rows, "anchors": anchors})
    assert reply["fit_meta"]["linking_constants"] is None
    assert reply["fit_meta"]["model_spec"]["linked_to"] == "none"
    plain = parameters(calibrated(service, {"responses": rows}))
    assert all(params["b"] == pytest.approx(plain[item]["b"], abs=1e-3) for item, params in parameters(reply).items())


def test_fixed_item_calibration_holds_the_anchors(service):
    anchors = [{"item_id": f"I{n}", "params": {"a": 1.1, "b": 0.1 * n}, "fixed": True} for n in range(1, 4)]
    reply = calibrated(service, {"responses": pattern(), "anchors": anchors, "linking_method": "fixed"})
    assert parameters(reply)["I3"] == {"a": pytest.approx(1.1), "b": pytest.approx(0.3), "c": None}
    assert reply["fit_meta"]["linking_constants"]["method"] == "fixed"
    assert [item["is_anchor"] for item in reply["item_params"]] == [True] * 3 + [False] * 3


def test_linking_finds_the_scale_of_simulated_answers(service):
    """2,000 persons with abilities of N(0.5, 1.2^2) on the bank's scale; some of the anchors may be screened out by chance."""
    bank = result_of("held_anchors")["anchors"]
    names = [f"I{number:02d}" for number in range(1, 31)]
    anchors = [
        {"item_id": names[item], "params": {"a": a, "b": b}, "fixed": True}
        for item, a, b in zip(bank["item"], bank["a"], bank["b"], strict=True)
    ]
    body = {"responses": answers_of("held_anchors").astype(int).tolist(), "item_ids": names, "anchors": anchors}
    for method in ("stocking_lord", "haebara"):
        constants = calibrated(service, body | {"linking_method": method})["fit_meta"]["linking_constants"]
        assert constants["n_anchors_used"] + len(constants["screened_out"]) == len(anchors)
        assert constants["A"] == pytest.approx(1.2, abs=0.1)
        assert constants["B"] == pytest.approx(0.5, abs=0.1)


def test_gzip_both_ways(service):
    body = json.dumps({"responses": pattern(1000)}).encode()
    plain = service.post("/irt/calibrate", body, **{"Accept-Encoding": "identity"})
    packed = service.post(
        "/irt/calibrate", gzip.compress(body), **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    )
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json()["item_params"] == plain.json()["item_params"]


OBSERVATION = {"user_id": "u1", "item_id": "i1", "is_correct": True}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"observations": [', "not valid JSON"),
        (b"[]", "Expected `object`"),
        ({}, "send either `observations` or `responses`"),
        ({"observations": [], "responses": []}, "send either `observations` or `responses`"),
        ({"observations": []}, "no answers"),
        ({"responses": []}, "no answers"),
        ({"responses": [[], []]}, "no answers"),
        ({"responses": [[None, None]]}, "no answers"),
        ({"responses": [[1, 0]] * 5}, "no item can be calibrated"),
        ({"responses": [[1, 0], [1]]}, r"responses\[1\] has 1 answers, expected 2"),
        ({"responses": [[1, 0], [2.5, 1]]}, r"responses\[1\]\[0\] is 2.5, but an answer is 1, 0 or null"),
        ({"responses": [[1, "yes"]]}, r"\$\.responses\[0\]\[1\]"),
        ({"observations": [OBSERVATION | {"is_correct": 0.5}]}, r"observations\[0\]\.is_correct is 0\.5"),
        ({"observations": [{"user_id": "u1", "is_correct": True}]}, "missing required field `item_id`"),
        ({"observations": [OBSERVATION | {"user_id": None}]}, r"\$\.observations\[0\]\.user_id"),
        ({"observations": [OBSERVATION | {"responded_at": "yesterday"}]}, "responded_at"),
        ({"observations": [OBSERVATION | {"responded_at": "0001-01-01T00:00:00+14:00"}]}, "years 1 to 9999|no item"),
        ({"observations": [OBSERVATION | {"user_id": "\ud800"}]}, "surrogate"),
        ({"responses": pattern(), "model": "4PL"}, "model '4PL' is not one of Rasch, 2PL, 3PL"),
        ({"responses": pattern(), "linking_method": "magic"}, "linking_method 'magic' is not one of"),
        ({"responses": pattern(), "anchors": [{"item_id": "I1"}]}, "missing required field `params`"),
        (
            {"responses": pattern(), "anchors": [{"item_id": "I1", "params": {"a": "x"}}]},
            r"\$\.anchors\[0\]\.params\.a",
        ),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_bad_input_is_refused_in_the_callers_terms(service, body, message):
    response = service.post("/irt/calibrate", body)
    assert response.status_code == 400
    assert response.json().keys() == {"error"}
    assert "Traceback" not in response.text
    assert re.search(message, response.json()["error"]), response.text
