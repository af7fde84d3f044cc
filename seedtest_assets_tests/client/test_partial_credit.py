"""Items with partial credit through the client: scores and steps as they are sent and as they come back."""

from datetime import datetime, timezone
from math import inf

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.test_partial_credit import THREE, drawn
from seedtest_assets_tests.service.conftest import TOKEN
from seedtest_client import Anchor, Answer, Client, Item, Models, Observation, Rejected
from seedtest_client.replies import calibration

MATRIX, _ = drawn(300, [*THREE, *THREE], ["GPCM"] * 6, seed=5, seen=0.9)
MATRIX[:, 3] = np.where(MATRIX[:, 3] == 0, np.nan, MATRIX[:, 3])  # nobody has 0
MATRIX[:, 4] = np.where(MATRIX[:, 4] == 1, 2, MATRIX[:, 4])  # nobody has 1
NAMES = [f"q{n}" for n in range(6)]
ROWS = [[None if np.isnan(score) else int(score) for score in row] for row in MATRIX]
MODELS = Models(polytomous_model="GPCM", item_models={"q1": "GRM"})
NOBODY = "http://127.0.0.1:9"

PARTIAL = Item(item_id="p", a=1.2, steps=(-0.5, None, 0.7), model="GPCM")
PLAIN = Item(item_id="x", a=1.0, b=0.2)


@pytest.fixture(scope="module")
def client(service):
    with Client(service.url, token=TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def of_rows(client):
    return client.calibrate(rows=ROWS, item_ids=NAMES, model=MODELS)


def test_models_steps_and_errors_are_those_of_the_engine(of_rows):
    expected = irt.calibrate(
        irt.Responses.from_matrix(MATRIX), irt.Models(polytomous_model="GPCM", item_models={1: "GRM"})
    )
    assert [item.model for item in of_rows.items] == ["GPCM", "GRM", "2PL", "GPCM", "GPCM", "2PL"]
    for row, item in enumerate(of_rows.items):
        for came, made in ((item.steps, expected.items.steps), (item.se_steps, expected.se_steps)):
            np.testing.assert_allclose(np.array(came, float), made[row, : len(came)], err_msg=item.item_id)
    assert [len(item.steps) for item in of_rows.items] == [2, 3, 0, 2, 3, 0]


def test_scores_that_nobody_has_keep_their_place(of_rows):
    assert of_rows.items[3].steps[0] == -inf
    assert of_rows.items[4].steps[0] is None
    assert None not in of_rows.items[4].steps[1:]


def test_steps_without_an_error_have_none_in_its_place():
    params, se = {"a": 1.0, "b": 0.3, "c": None}, {"a": 0.1, "b": 0.1, "c": None, "b_1": None, "b_2": 0.2}
    steps = {"b_1": "-Infinity", "b_2": 0.1, "b_3": 0.5}
    facts = {"item_id": "q", "model": "GRM", "n_responses": 9, "is_anchor": False}
    reply = {"item_params": [{"params": params | steps, "se": se, **facts}], "abilities": [], "fit_meta": {}}
    (item,) = calibration(reply).items
    assert (item.steps, item.se_steps) == ((-inf, 0.1, 0.5), (None, 0.2, None))


def test_observations_give_what_rows_give(client, of_rows):
    observations = [
        Observation(
            user_id=str(person),
            item_id=NAMES[item],
            score=np.float64(MATRIX[person, item]),
            max_score=np.int64(3),
            answered_at=datetime(2025, 1, 1, tzinfo=timezone.utc),
        )
        for person, item in np.argwhere(~np.isnan(MATRIX)).tolist()
    ]
    by_id = {item.item_id: item for item in client.calibrate(observations, model=MODELS).items}
    for item in of_rows.items:
        if item.steps:
            assert by_id[item.item_id].steps == pytest.approx(item.steps)


def test_items_can_be_sent_back_as_they_came(client, of_rows):
    scores = [Answer(item_id=name, score=score) for name, score in zip(NAMES, ROWS[0], strict=True)]
    assert client.score(of_rows.items, scores).theta == pytest.approx(of_rows.abilities[0].theta, abs=1e-4)
    anchors = [
        Anchor(item_id=item.item_id, a=item.a, b=item.b, steps=item.steps, model=item.model) for item in of_rows.items
    ]
    linked = client.calibrate(rows=ROWS, item_ids=NAMES, model=MODELS, anchors=anchors)
    constants = linked.fit_meta["linking_constants"]
    assert (constants["A"], constants["B"]) == pytest.approx((1, 0), abs=1e-4)
    assert constants["n_anchors_used"] == 6


def test_scores_of_one_person_are_those_of_a_row(client):
    answers = [Answer(item_id="p", score=np.int64(3)), Answer(item_id="x", correct=False)]
    alone = client.score([PARTIAL, PLAIN], answers)
    (of_row,) = client.score_rows([PARTIAL, PLAIN], [[3, False]])
    assert (alone.theta, alone.se, alone.n_responses) == (of_row.theta, of_row.se, 2)
    assert client.update([PARTIAL, PLAIN], answers) == alone


def test_what_the_service_says_of_scores_and_steps_is_raised(client):
    with pytest.raises(Rejected, match="the scores 0, 1, 3"):
        client.score([PARTIAL], [Answer(item_id="p", score=2)])
    with pytest.raises(Rejected, match="without a model"):
        client.score_rows([Item(item_id="p", a=1.2, steps=(-0.5, 0.7))], [[1]])
    with pytest.raises(Rejected, match=r"item_models\['q1'\] is '2PL'"):
        client.calibrate(rows=ROWS, item_ids=NAMES, model=Models(item_models={"q1": "2PL"}))


@pytest.mark.parametrize("score", [float("nan"), -1, "2", inf])
def test_a_value_that_is_no_score_is_an_error(score):
    with pytest.raises(ValueError, match="is no score: send a number from 0, or None"):
        Client(NOBODY).update([PARTIAL], [Answer(item_id="p", score=score)])
    with pytest.raises(ValueError, match="is no mark and no score"):
        Client(NOBODY).score_rows([PARTIAL], [[score]])
