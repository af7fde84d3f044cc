"""The same cases asked of our service and of the replies recorded from real R services."""

from typing import Any

import numpy as np
import pytest

from seedtest_assets.engines.remote.reply import number, read_reply, text
from seedtest_assets_tests.engines.remote.recordings import ITEMS, recorded
from seedtest_assets_tests.irt.reference import result_of

OURS, RECORDED = "ours", "recorded"


@pytest.fixture(params=[OURS, RECORDED])
def ask(request, service, lsat7):
    """The parsed reply to a case, from the service or from the recording of that case."""

    def reply(path: str, body: dict[str, Any] | None, recording: str) -> Any:
        if request.param == RECORDED:
            return recorded(recording)
        response = service.get(path) if body is None else service.post(path, body)
        assert response.status_code == 200, response.text
        return response.json()

    return reply


def observations(lsat7):
    users, items, matrix = lsat7
    return [
        {"user_id": user, "item_id": item, "is_correct": bool(answer), "responded_at": "2025-11-02T12:00:00Z"}
        for user, row in zip(users, matrix, strict=True)
        for item, answer in zip(items, row, strict=True)
    ]


def reference_items():
    optimum = result_of("LSAT7_2PL")["optimum"]
    return [{"item": item, "a": a, "b": b} for item, a, b in zip(ITEMS, optimum["a"], optimum["b"], strict=True)]


def test_healthz(ask):
    reply = ask("/healthz", None, "health")
    assert text(reply["status"]) == "ok"
    assert all(text(reply[key]) for key in ("service", "version", "time"))


def test_calibration_of_observations(ask, lsat7):
    users, items, _ = lsat7
    reply = ask("/irt/calibrate", {"observations": observations(lsat7)}, "calibration")
    read = read_reply(reply)
    assert list(read.items) == items
    assert set(read.abilities) == set(users)
    assert read.model == "2PL"
    assert read.linking is None
    assert read.run_id
    expected = [(item["a"], item["b"]) for item in reference_items()]
    np.testing.assert_allclose([(item.a, item.b) for item in read.items.values()], expected, atol=2e-3)
    np.testing.assert_allclose(read.abilities["p00001"], (-1.8699, 0.6927), atol=2e-3)
    assert number(reply["fit_meta"]["model_spec"]["n_items"]) == 5
    assert number(reply["fit_meta"]["model_spec"]["n_persons"]) == 1000


def test_three_anchors_shifted_by_three_tenths_give_that_line(ask, lsat7):
    anchors = [
        {"item_id": item["item"], "params": {"a": item["a"], "b": item["b"] + 0.3, "c": 0.0}, "fixed": True}
        for item in reference_items()[:3]
    ]
    body = {"observations": observations(lsat7), "model": "2PL", "anchors": anchors}
    read = read_reply(ask("/irt/calibrate", body, "calibration_with_anchors"))
    assert read.linking is not None
    assert pytest.approx(1, abs=2e-3) == read.linking.A
    assert pytest.approx(0.3, abs=2e-3) == read.linking.B
    assert read.linking.n_anchors_used == 3
    expected = [(item["a"], item["b"] + 0.3) for item in reference_items()]
    np.testing.assert_allclose([(item.a, item.b) for item in read.items.values()], expected, atol=4e-3)
    np.testing.assert_allclose(read.abilities["p00001"], (-1.5703, 0.6931), atol=3e-3)


def test_score_gives_an_ability_for_each_row(ask):
    items = [{"item": item["item"], "a": item["a"], "b": item["b"], "c": 0} for item in reference_items()]
    rows = [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 1, 1], [1, 1, 1, 1, 1]]
    reply = ask("/irt/score", {"item_params": items, "responses": rows}, "scores")
    thetas = [number(ability["theta"]) for ability in reply["abilities"]]
    assert len(thetas) == 4
    assert thetas == sorted(thetas)
    assert thetas[0] == pytest.approx(-1.8699, abs=5e-3)
    assert thetas[3] == pytest.approx(0.7272, abs=5e-3)
    assert all(0 < number(ability["se"]) < 1 for ability in reply["abilities"])
    assert text(reply["status"]) == "ok"
