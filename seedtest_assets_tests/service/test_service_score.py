"""POST /irt/score with a row for each person."""

import numpy as np
import pytest

from seedtest_assets import irt

ITEMS = [{"item": "i1", "a": 1.2, "b": -0.5}, {"item_id": "i2", "params": {"a": 0.8, "b": 0.4, "c": 0.2}}]


def scored(service, body):
    response = service.post("/irt/score", body)
    assert response.status_code == 200, response.text
    return [(ability["theta"], ability["se"]) for ability in response.json()["abilities"]]


def test_abilities_are_those_of_the_engine_in_the_order_of_the_rows(service):
    rows = [[1, 0], [0, 0], [None, 1], [1, 1], [0, None]]
    person, item = np.nonzero([[answer is not None for answer in row] for row in rows])
    correct = [rows[p][j] for p, j in zip(person, item, strict=True)]
    parameters = irt.ItemParameters(np.arange(2), [1.2, 0.8], [-0.5, 0.4], [0, 0.2])
    expected = irt.expected_a_posteriori(irt.Responses.from_answers(person, item, correct, n_persons=5), parameters)
    np.testing.assert_allclose(scored(service, {"item_params": ITEMS, "responses": rows}), np.column_stack(expected))


def test_row_without_answers_has_theta_0_and_se_1(service):
    assert scored(service, {"item_params": ITEMS, "responses": [[1, 1], [None, None]]})[1] == (0, 1)
    assert scored(service, {"item_params": [], "responses": [[], []]}) == [(0, 1), (0, 1)]


def test_no_rows_no_abilities(service):
    assert scored(service, {"item_params": ITEMS, "responses": []}) == []


def test_extreme_items_give_finite_abilities(service):
    items = [{"a": a, "b": b, "c": c} for a in (100, -100, 1e-9) for b in (1e6, -1000, 0) for c in (0, 0.999)]
    rows = [[1] * len(items), [0] * len(items), [1, 0] * (len(items) // 2)]
    assert np.isfinite(scored(service, {"item_params": items, "responses": rows})).all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "missing required field `item_params`"),
        ({"item_params": ITEMS}, "missing required field `responses`"),
        ({"item_params": ITEMS, "responses": [[1]]}, "responses[0] has 1 answers, expected 2"),
        ({"item_params": [{"item": "i1", "a": 1}], "responses": [[1]]}, "item_params[0]: b is missing"),
        ({"item_params": [{"a": 0, "b": 1}], "responses": [[1]]}, "item_params[0]: a is 0"),
        ({"item_params": [{"a": 1, "b": 1, "c": 1}], "responses": [[1]]}, "item_params[0]: c is not from 0 to below 1"),
        ({"item_params": [{"a": "NA", "b": 1}], "responses": [[1]]}, "item_params[0]: a is missing"),
        ({"item_params": [{"a": "x", "b": 1}], "responses": [[1]]}, "$.item_params[0].a"),
        (b'{"item_params": [{"a": NaN, "b": 1}], "responses": [[1]]}', "item_params[0]: a is missing"),
        (b'{"item_params": [{"a": Infinity, "b": NaN}], "responses": [[1]]}', "not valid JSON"),
        (b'{"item_params": [{"a": 1e999, "b": 1}], "responses": [[1]]}', "out of range"),
    ],
)
def test_bad_input_is_refused_in_the_callers_terms(service, body, message):
    response = service.post("/irt/score", body)
    assert response.status_code == 400
    assert message in response.json()["error"]
