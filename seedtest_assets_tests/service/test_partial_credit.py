"""Partial credit over the wire: calibrating, scoring, updating, and what callers send wrongly."""

import numpy as np
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.settings import Settings
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


def test_updating_takes_scores(service):
    body = {"item_params": {"x": ITEM}, "prior": {"theta": 0.0, "se": 1.0}}
    thetas = [
        post(service, "/irt/update", body | {"responses": [{"item_id": "x", "score": score}]})[1]["theta"]
        for score in range(3)
    ]
    assert thetas == sorted(thetas)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/irt/score", {"item_params": [ITEM], "responses": [[3]]}, "responses[0][0] is 3, but the parameters of the item are for the scores 0, 1, 2"),
        ("/irt/score", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x", "score": 0.5}]}, "responses[0].score is 0.5, but a score is an integer"),
        ("/irt/score", {"item_params": [{"a": 1, "b_1": 1, "b_2": 0, "model": "GRM"}], "responses": [[1]]}, "item_params[0]: thresholds of a GRM must ascend"),
        ("/irt/score", {"item_params": [{"a": 1, "b_1": 1, "b_2": 2}], "responses": [[1]]}, "item_params[0]: b_1 is given, but model is not GRM, GPCM or PCM"),
        ("/irt/score", {"item_params": {"x": ITEM}, "responses": [{"item_id": "x"}]}, "responses[0] has neither is_correct nor score"),
        ("/irt/calibrate", {"observations": [{"user_id": "u", "item_id": "i", "score": -1}]}, "observations[0].score is -1, but a score is a number from 0"),
        ("/irt/calibrate", {"observations": [{"user_id": "u", "item_id": "i", "score": 3, "max_score": 2}]}, "observations[0].score is 3, but its max_score is 2"),
        ("/irt/calibrate", {"observations": [{"user_id": "u", "item_id": "i"}]}, "observations[0] has neither is_correct nor score"),
        ("/irt/calibrate", {"observations": [], "polytomous_model": "NRM"}, "model 'NRM' of items with partial credit is not one of GRM, GPCM, PCM"),
        ("/irt/calibrate", {"responses": [[0.5]]}, "responses[0][0] is 0.5, but an answer is 1, 0 or null, or a score of partial credit up to 19"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_callers_terms(service, path, body, message):
    status, reply = post(service, path, body)
    assert status == 400
    assert reply["error"].startswith(message)


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
