"""Partial credit over the wire: calibrating, scoring, updating, and what callers send wrongly."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.settings import Settings
from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.irt.test_partial_credit import THREE, drawn
from seedtest_assets_tests.service.conftest import TOKEN

MATRIX, _ = drawn(300, [*THREE, *THREE], ["GPCM"] * 6, seed=5, seen=0.9)
ITEM = {"a": 1.2, "b_1": -0.5, "b_2": 0.7, "model": "GPCM"}


def post(service, path, body) -> tuple[int, dict]:
    answer = service.post(path, body)
    return answer.status_code, answer.json()


def observations():
    return [
        {"user_id": f"u{person}", "item_id": f"q{item}", "score": int(MATRIX[person, item])}
        for person, item in np.argwhere(~np.isnan(MATRIX)).tolist()
    ]


def rows():
    return [[None if np.isnan(score) else int(score) for score in row] for row in MATRIX]


def test_observations_and_rows_give_models_steps_and_errors(service):
    status, reply = post(
        service,
        "/irt/calibrate",
        {"observations": observations(), "polytomous_model": "GPCM", "item_models": {"q1": "GRM"}},
    )
    assert status == 200
    items = {item["item_id"]: item for item in reply["item_params"]}
    assert [items[f"q{n}"]["model"] for n in range(6)] == ["GPCM", "GRM", "2PL", "GPCM", "GPCM", "2PL"]
    assert list(items["q1"]["params"]) == ["a", "b", "c", "b_1", "b_2", "b_3"]
    assert list(items["q1"]["se"]) == ["a", "b", "c", "b_1", "b_2", "b_3"]
    assert list(items["q2"]["params"]) == ["a", "b", "c"]
    monitored = {item["item_id"]: item for item in reply["items"]}
    assert {"b_1_se", "b_3_se", "a_se", "model"} <= monitored["q1"].keys()
    status, by_rows = post(
        service,
        "/irt/calibrate",
        {
            "responses": rows(),
            "item_ids": [f"q{n}" for n in range(6)],
            "polytomous_model": "GPCM",
            "item_models": {"q1": "GRM"},
        },
    )
    assert status == 200
    for item in by_rows["item_params"]:
        assert item["params"] == pytest.approx(items[item["item_id"]]["params"])


def test_models_that_change_nothing_are_named_in_the_warnings(service):
    body = {"observations": observations(), "item_models": {"q1": "GRM", "q2": "GRM", "zz": "PCM", "yy": "GRM"}}
    status, reply = post(service, "/irt/calibrate", body)
    warnings = reply["fit_meta"]["warnings"]
    assert status == 200
    assert "item_models names 2 items that no answer names: yy, zz" in warnings
    line = "1 item has a model of partial credit that changes nothing, since nobody has a score above 1: q2"
    assert warnings.count(line) == 1


def test_scoring_by_rows_and_of_one_person_agree(service):
    plain = {"a": 1.0, "b": 0.2}
    _, by_rows = post(service, "/irt/score", {"item_params": [ITEM, plain], "responses": [[2, 1], [0, None]]})
    _, of_person = post(
        service,
        "/irt/score",
        {
            "item_params": {"x": ITEM, "y": plain},
            "responses": [{"item_id": "x", "score": 2}, {"item_id": "y", "is_correct": True}],
        },
    )
    assert by_rows["abilities"][0]["theta"] == pytest.approx(of_person["theta"])
    assert by_rows["abilities"][0]["theta"] > 0.5 > 0 > by_rows["abilities"][1]["theta"]


def test_the_example_of_the_documentation_gives_its_reply(service):
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    section = page.split("### Partial credit\n")[1].split("\n### ")[0]
    request, reply = map(json.loads, re.findall(r"```json\n(.*?)```", section, re.DOTALL))
    status, given = post(service, "/irt/score", request)
    assert (status, given.keys()) == (200, reply.keys())
    assert given["abilities"] == [pytest.approx(each) for each in reply["abilities"]]
    assert [given[name] for name in ("theta", "se")] == pytest.approx([reply[name] for name in ("theta", "se")])
    assert (given["n_responses"], given["left_out"]) == (reply["n_responses"], reply["left_out"])


def test_the_description_says_how_scores_and_steps_are_sent(service):
    description = service.get("/openapi.json").json()
    assert "b_1, ..., b_m and their `model`" in description["info"]["description"]
    schemas = description["components"]["schemas"]
    assert {"score", "max_score"} <= schemas["Observation"]["properties"].keys()
    assert {"b_1", "b_19", "model"} <= schemas["Parameters"]["properties"].keys()
    for path in ("/irt/calibrate", "/irt/score", "/irt/update"):
        content = description["paths"][path]["post"]["requestBody"]["content"]
        assert "partial_credit" in content["application/json"]["examples"]


@pytest.mark.parametrize("path", ["/irt/score", "/irt/update"])
def test_an_answer_without_a_score_has_the_highest_or_lowest_score_of_its_item(service, path):
    nobody_had_0 = {"a": 1.0, "b_1": "-Infinity", "b_2": 0.1, "model": "GRM"}
    items = {"x": ITEM, "y": {"a": 1.0, "b": 0.2}, "z": nobody_had_0}
    marked = [
        {"item_id": "x", "is_correct": True},
        {"item_id": "y", "is_correct": True},
        {"item_id": "z", "is_correct": False},
    ]
    scored = [{"item_id": "x", "score": 2}, {"item_id": "y", "score": 1}, {"item_id": "z", "score": 1}]
    replies = [post(service, path, {"item_params": items, "responses": given}) for given in (marked, scored)]
    assert replies[0][0] == 200
    assert replies[0] == replies[1]
    mixed = [marked[0], scored[1], marked[2]]
    assert post(service, path, {"item_params": items, "responses": mixed}) == replies[1]


def test_updating_takes_scores(service):
    body = {"item_params": {"x": ITEM}, "prior": {"theta": 0.0, "se": 1.0}}
    thetas = [
        post(service, "/irt/update", body | {"responses": [{"item_id": "x", "score": score}]})[1]["theta"]
        for score in range(3)
    ]
    assert thetas == sorted(thetas)


GRM = {"a": 1, "model": "GRM"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("score", {"item_params": [ITEM], "responses": [[3]]}, "responses[0][0] is 3, but its item has the scores 0, 1, 2"),
        ("score", {"item_params": [ITEM | {"b_1": None}], "responses": [[1]]}, "responses[0][0] is 1, but its item has the scores 0, 2"),
        ("score", {"item_params": [ITEM | {"b_1": "-Infinity"}], "responses": [[0]]}, "responses[0][0] is 0, but its item has the scores 1, 2"),
        ("score", {"item_params": [ITEM, {"a": 1, "b": 0}], "responses": [[1, 2]]}, "responses[0][1] is 2, but its item has the scores 0, 1"),
        ("score", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x", "score": 3}]}, "responses[0].score is 3, but 'x' has the scores 0, 1, 2"),
        ("score", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x", "score": 0.5}]}, "responses[0].score is 0.5, but a score is an integer"),
        ("update", {"item_params": {"x": {"a": 1, "b": 0}}, "responses": [{"item_id": "x", "score": 2}]}, "responses[0].score is 2, but 'x' has the scores 0, 1"),
        ("update", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x", "score": -1}]}, "responses[0].score is -1, but a score is a number from 0"),
        ("score", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x"}]}, "responses[0] has neither is_correct nor score"),
        ("score", {"item_params": [GRM | {"b_1": 1, "b_2": 0}], "responses": [[1]]}, "item_params[0]: thresholds of a GRM must ascend"),
        ("score", {"item_params": [{"a": 1, "b_1": 1, "b_2": 2}], "responses": [[1]]}, "item_params[0]: b_1, b_2, ... are given without a model. Send GRM, GPCM or PCM"),
        ("score", {"item_params": [GRM | {"b_1": 1, "b_2": 2, "model": "NRM"}], "responses": [[1]]}, "item_params[0]: model 'NRM' of an item with b_1, b_2, ... is not GRM, GPCM or PCM"),
        ("score", {"item_params": [GRM | {"b_1": 1, "b": 1}], "responses": [[1]]}, "item_params[0]: b_1 is given without b_2"),
        ("score", {"item_params": [GRM | {"b_2": 1, "b": 1}], "responses": [[1]]}, "item_params[0]: b_2 is given without b_1. Send null"),
        ("score", {"item_params": [GRM | {"b_1": 0, "b_3": 1}], "responses": [[1]]}, "item_params[0]: b_3 is given without b_2. Send null"),
        ("score", {"item_params": [GRM | {"b_1": "-Infinity", "b_2": "-Infinity"}], "responses": [[1]]}, "item_params[0]: b_2 is -Infinity"),
        ("score", {"item_params": [ITEM | {"c": 0.2}], "responses": [[1]]}, "item_params[0]: an item with b_1, b_2, ... has no guessing"),
        ("score", {"item_params": [ITEM | {"b_2": "easy"}], "responses": [[1]]}, 'Expected a number, null, "NA" or "-Infinity", got \'easy\' - at `$.item_params[0].b_2`'),
        ("calibrate", {"observations": [{"user_id": "u", "item_id": "i", "score": -1}]}, "observations[0].score is -1, but a score is a number from 0"),
        ("calibrate", {"observations": [{"user_id": "u", "item_id": "i", "score": 3, "max_score": 2}]}, "observations[0].max_score is 2, but the most that an item gives is at least the score, 3"),
        ("calibrate", {"observations": [{"user_id": "u", "item_id": "i", "score": 0, "max_score": 0}]}, "observations[0].max_score is 0, but the most that an item gives is a number above 0"),
        ("calibrate", {"observations": [{"user_id": "u", "item_id": "i"}]}, "observations[0] has neither is_correct nor score"),
        ("calibrate", {"observations": [{"user_id": "u", "item_id": "i", "is_correct": 2}]}, "observations[0].is_correct is 2, but an answer is 1, 0 or null. Send points as score"),
        ("calibrate", {"observations": [], "polytomous_model": "NRM"}, "polytomous_model is 'NRM', which is not one of GRM, GPCM, PCM"),
        ("calibrate", {"observations": [], "item_models": {"q7": "2PL"}}, "item_models['q7'] is '2PL', which is not one of GRM, GPCM, PCM"),
        ("calibrate", {"responses": [[0.5]]}, "responses[0][0] is 0.5, but an answer is 1, 0 or null, or an integer score of partial credit up to 19"),
        ("calibrate", {"responses": [[20]]}, "responses[0][0] is 20, but an answer is 1, 0 or null, or an integer score of partial credit up to 19"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_400_in_the_callers_terms(service, path, body, message):
    status, reply = post(service, f"/irt/{path}", body)
    assert (status, reply["error"][: len(message)]) == (400, message)
    assert "\n" not in reply["error"]


@pytest.mark.parametrize("not_answered", [{"is_correct": None}, {"score": None}, {"is_correct": None, "score": "NA"}])
def test_null_is_an_item_not_answered_in_either_field(service, not_answered):
    items = {"x": ITEM, "y": {"a": 1, "b": 0}}
    right = {"item_id": "y", "is_correct": True}
    _, expected = post(service, "/irt/score", {"item_params": items, "responses": [right]})
    for path in ("score", "update"):
        body = {"item_params": items, "responses": [right, {"item_id": "x"} | not_answered]}
        status, reply = post(service, f"/irt/{path}", body)
        assert (status, reply["n_responses"], reply["theta"]) == (200, 1, expected["theta"])
    answers = [{"user_id": str(n), "item_id": f"i{n % 3}", "is_correct": n % 7 < 3} for n in range(60)]
    answers += [{"user_id": "0", "item_id": "i1"} | not_answered]
    status, reply = post(service, "/irt/calibrate", {"observations": answers})
    assert (status, reply["abilities"][0]["n_responses"]) == (200, 1)


def test_items_of_a_calibration_can_be_sent_to_score_as_they_came(service):
    """Also with a score that nobody got, and one that everybody passed."""
    scores = MATRIX[:, :2].copy()
    scores[:, 0] = np.where(scores[:, 0] == 1, 2, scores[:, 0])
    scores[:, 1] = np.where(scores[:, 1] == 0, 1, scores[:, 1])
    sent = [[None if np.isnan(score) else int(score) for score in row] for row in scores]
    _, reply = post(service, "/irt/calibrate", {"responses": sent, "item_ids": ["x", "y"]})
    first, second = (item["params"] for item in reply["item_params"])
    assert (first["b_1"], second["b_1"]) == (None, "-Infinity")
    for items in (
        reply["item_params"],
        reply["items"],
        {item["item_id"]: item["params"] | {"model": "GRM"} for item in reply["item_params"]},
    ):
        answers = (
            sent
            if isinstance(items, list)
            else [{"item_id": item, "score": score} for item, score in zip("xy", sent[0], strict=True)]
        )
        status, scored = post(service, "/irt/score", {"item_params": items, "responses": answers})
        assert status == 200
        assert scored["abilities"][0]["theta"] == pytest.approx(reply["abilities"][0]["theta"], abs=1e-6)


def test_anchors_with_steps_link_and_those_that_cannot_be_used_are_named(service):
    _, free = post(service, "/irt/calibrate", {"observations": observations()})
    bank = {item["item_id"]: item for item in free["item_params"]}
    anchors = [
        {"item_id": f"q{n}", "params": bank[f"q{n}"]["params"], "model": bank[f"q{n}"]["model"], "fixed": True}
        for n in range(4)
    ]
    without_model = {"item_id": "q4", "params": bank["q4"]["params"], "fixed": True}
    with_gap = {"item_id": "q5", "params": {"a": 1.0, "b_2": 0.5, "model": "GRM"}}
    body = {"observations": observations(), "anchors": [*anchors, without_model, with_gap]}
    status, reply = post(service, "/irt/calibrate", body | {"linking_method": "fixed"})
    assert status == 200
    held = {item["item_id"]: item["params"] for item in reply["item_params"]}
    assert held["q0"] == pytest.approx(bank["q0"]["params"])
    assert [(left["item_id"], left["reason"]) for left in reply["fit_meta"]["anchors_left_out"]] == [
        ("q4", "b_1, b_2, ... are given without a model. Send GRM, GPCM or PCM"),
        ("q5", "b_2 is given without b_1. Send null for a score that nobody has"),
    ]
    _, linked = post(service, "/irt/calibrate", body)
    assert linked["fit_meta"]["linking_constants"]["A"] == pytest.approx(1, abs=1e-4)
    assert linked["fit_meta"]["linking_constants"]["n_anchors_used"] == 4


def test_parts_of_points_are_counted_in_steps_and_scores_that_are_no_categories_are_left_out(service):
    halves = [
        row | {"score": row["score"] / 2, "max_score": 1.5} if row["item_id"] == "q0" else row for row in observations()
    ]
    many = [{"user_id": f"u{person}", "item_id": "measured", "score": person / 97} for person in range(50)]
    status, reply = post(service, "/irt/calibrate", {"observations": [*halves, *many]})
    assert status == 200
    _, whole = post(service, "/irt/calibrate", {"observations": observations()})
    assert reply["item_params"][0]["params"] == whole["item_params"][0]["params"]
    (left,) = reply["fit_meta"]["left_out"]
    assert left["item_id"] == "measured"
    assert any("q0 (steps of 1/2)" in warning for warning in reply["fit_meta"]["warnings"])


def test_scores_of_0_and_1_are_right_and_wrong_byte_for_byte(service):
    """The reply but for the time and the seconds."""
    rows = [
        (f"u{person}", f"q{item}", int(MATRIX[person, item] > 1))
        for person, item in np.argwhere(~np.isnan(MATRIX)).tolist()
    ]
    marked = [{"user_id": user, "item_id": item, "is_correct": bool(mark)} for user, item, mark in rows]
    scored = [{"user_id": user, "item_id": item, "score": mark} for user, item, mark in rows]
    replies = [service.post("/irt/calibrate", {"observations": sent}).text for sent in (marked, scored)]
    first, second = (re.sub(r'"(run_id|seconds)":[^,}]+', "", reply) for reply in replies)
    assert first == second
    assert "b_1" not in first


def answers_table() -> pa.Table:
    person, item = np.nonzero(~np.isnan(MATRIX))
    score = MATRIX[person, item]
    columns = {
        "student_id": [f"u{n}" for n in person],
        "item_id": [f"q{n}" for n in item],
        "correct": pa.array([None] * len(score), pa.bool_()),
        "answered_at": pa.nulls(len(score), ANSWER_SCHEMA.field("answered_at").type),
        "score": score,
        "max_score": pa.nulls(len(score), pa.float64()),
    }
    return pa.table(columns, pa.schema([*ANSWER_SCHEMA, *SCORE_SCHEMA]))


def test_the_client_engine_gives_what_the_engine_in_this_process_gives(service):
    request = CalibrationRequest(answers_table(), polytomous_model="GPCM", item_models={"q1": "GRM"})
    settings = Settings(r_irt_base_url=service.url, r_irt_internal_token=TOKEN)
    here, there = InProcessEngine().calibrate(request), IrtServiceEngine(settings).calibrate(request)
    for name in ("a", "b", "se_a", "se_b"):
        np.testing.assert_allclose(there.items[name], here.items[name], atol=1e-6)
    for name in ("steps", "se_steps"):
        np.testing.assert_allclose(steps_matrix(there.items[name]), steps_matrix(here.items[name]), atol=1e-6)
    assert there.items["model"].tolist() == here.items["model"].tolist()
    np.testing.assert_allclose(there.abilities["theta"], here.abilities["theta"], atol=1e-6)
    assert there.model_spec["n_items_partial_credit"] == 4
