"""The client against replies recorded from real R services, and the results it makes of them."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.engines.remote.reply import number, read_reply, text
from seedtest_assets.errors import IrtServiceError, IrtServiceRefusal
from seedtest_assets_tests.engines.remote.recordings import ITEMS, USERS, recorded
from seedtest_assets_tests.engines.remote.service_double import (
    answers,
    answers_to,
    double,
    simulated,
)
from seedtest_assets_tests.irt.reference import answers_of, result_of


def calibrate_with(reply, request, status=200):
    """Calibrate with a service that sends this reply; the result, and the body that the client sent."""
    with double(answers(status, reply)) as service:
        result = IrtServiceEngine(service.settings()).calibrate(request)
    return result, json.loads(service.requests[0][2])


@pytest.fixture(scope="module")
def lsat7():
    return answers_to(answers_of("LSAT7"), ITEMS, USERS)


@pytest.fixture(scope="module")
def in_process(lsat7):
    return InProcessEngine().calibrate(CalibrationRequest(lsat7))


def test_recorded_calibration_is_stored_like_one_of_our_own(lsat7, in_process):
    result, sent = calibrate_with(recorded("calibration"), CalibrationRequest(lsat7))
    assert len(sent["observations"]) == 5000
    assert sent["observations"][0].keys() == {"user_id", "item_id", "is_correct", "responded_at"}
    assert sent["observations"][0]["responded_at"] == "2025-11-02T12:00:00Z"
    assert "anchors" not in sent
    expected, items = in_process.items, result.items
    assert list(items.columns) == list(expected.columns)
    assert (items.dtypes == expected.dtypes).all()
    pd.testing.assert_frame_equal(
        items[["item_id", "n_responses", "is_anchor"]], expected[["item_id", "n_responses", "is_anchor"]]
    )
    np.testing.assert_allclose(items[["a", "b", "c"]], expected[["a", "b", "c"]], atol=2e-3)
    assert items[["se_a", "se_b", "se_c"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(result.abilities, in_process.abilities, atol=2e-3)
    assert result.model_spec == in_process.model_spec
    assert result.metrics.keys() >= in_process.metrics.keys()
    not_given = {name: result.metrics[name] for name in ("loglik", "aic", "bic", "iterations", "converged")}
    assert not_given == dict.fromkeys(not_given)
    assert result.warnings == ("the IRT service does not say whether the calibration converged",)


def shifted_anchors(in_process, by=0.3):
    return in_process.items[["item_id", "a", "b", "c"]].head(3).assign(b=lambda items: items["b"] + by)


def test_recorded_linking_is_taken_as_it_is(lsat7, in_process):
    request = CalibrationRequest(lsat7, anchors=shifted_anchors(in_process))
    result, sent = calibrate_with(recorded("calibration_with_anchors"), request)
    assert [(anchor["item_id"], anchor["fixed"]) for anchor in sent["anchors"]] == [
        ("Item.1", True),
        ("Item.2", True),
        ("Item.3", True),
    ]
    assert result.model_spec["linking_constants"] == {
        "A": 1.0006,
        "B": 0.3007,
        "method": "stocking_lord",
        "n_anchors_used": 3,
        "screened_out": {},
    }
    assert result.model_spec["linked_to"] == "anchors"
    assert result.items["b"].tolist() == [-1.5792, -0.4473, -0.7576, -0.3348, -2.2212]
    assert result.abilities["theta"][0] == -1.5703


def test_anchors_without_constants_in_the_reply_are_linked_here_with_a_warning(lsat7, in_process):
    request = CalibrationRequest(lsat7, anchors=shifted_anchors(in_process))
    result, _ = calibrate_with(recorded("calibration"), request)
    expected = InProcessEngine().calibrate(request)
    constants = result.model_spec["linking_constants"]
    assert constants["A"] == pytest.approx(1, abs=2e-3)
    assert constants["B"] == pytest.approx(0.3, abs=2e-3)
    assert constants["n_anchors_used"] == 3
    np.testing.assert_allclose(result.items[["a", "b"]], expected.items[["a", "b"]], atol=3e-3)
    np.testing.assert_allclose(result.abilities[["theta", "se"]], expected.abilities[["theta", "se"]], atol=3e-3)
    assert "answered no linking constants, so linked here by stocking_lord through 3 anchors" in "; ".join(
        result.warnings
    )


def test_constants_that_were_not_applied_are_replaced(lsat7, in_process):
    reply = recorded("calibration")
    reply["fit_meta"]["linking_constants"] = {"A": [1.0006], "B": [0.3007], "n_anchors_used": [3]}
    request = CalibrationRequest(lsat7, anchors=shifted_anchors(in_process))
    result, _ = calibrate_with(reply, request)
    assert result.items["b"][0] == pytest.approx(-1.5792, abs=3e-3)
    assert "not on the bank's scale, so linked here" in "; ".join(result.warnings)


def test_previous_calibration_is_linked_to_here(lsat7, in_process):
    request = CalibrationRequest(
        lsat7, previous=in_process.items[["item_id", "a", "b", "c"]].assign(b=lambda i: i["b"] - 1)
    )
    result, sent = calibrate_with(recorded("calibration"), request)
    assert "anchors" not in sent
    assert result.model_spec["linked_to"] == "previous"
    assert result.model_spec["linking_constants"]["B"] == pytest.approx(-1, abs=5e-3)
    assert result.model_spec["group_mean"] == result.model_spec["linking_constants"]["B"]


def test_linking_to_values_that_were_no_anchors_is_undone(lsat7, in_process):
    request = CalibrationRequest(lsat7, starts=shifted_anchors(in_process))
    result, sent = calibrate_with(recorded("calibration_with_anchors"), request)
    assert [anchor["fixed"] for anchor in sent["anchors"]] == [False] * 3
    assert result.model_spec["linked_to"] == "none"
    np.testing.assert_allclose(result.items[["a", "b"]], in_process.items[["a", "b"]], atol=2e-3)
    assert "its linking was undone" in "; ".join(result.warnings)


def test_rasch_of_r_is_stored_on_the_scale_of_the_calibrated_group(lsat7):
    reference = result_of("LSAT7_Rasch")
    rows = [
        {"item_id": [item], "params": {"a": [1], "b": [round(b, 4)], "c": [0]}}
        for item, b in zip(ITEMS, reference["optimum"]["b"], strict=True)
    ]
    result, _ = calibrate_with(
        {"status": ["ok"], "item_params": rows, "fit_meta": {}}, CalibrationRequest(lsat7, "Rasch")
    )
    expected = InProcessEngine().calibrate(CalibrationRequest(lsat7, "Rasch"))
    assert result.items["a"][0] == pytest.approx(reference["group_sd"], abs=2e-4)
    np.testing.assert_allclose(result.items[["a", "b"]], expected.items[["a", "b"]], atol=2e-3)
    np.testing.assert_allclose(result.abilities[["theta", "se"]], expected.abilities[["theta", "se"]], atol=2e-3)
    assert "gave no ability for 1000 of 1000 persons, so their abilities were estimated here" in "; ".join(
        result.warnings
    )


def test_recorded_reply_without_parameters_is_refused_with_what_it_holds(lsat7):
    with pytest.raises(
        IrtServiceRefusal, match=r"3 items named 'items', 'means', 'cov', none with finite a and b.*R_IRT_BASE_URL"
    ):
        calibrate_with(recorded("calibration_without_parameters"), CalibrationRequest(lsat7))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("error_of_the_payload", 'argument "payload" is missing'),
        ("error_of_an_item", "only one response category"),
    ],
)
def test_recorded_errors_are_quoted(lsat7, name, message):
    with pytest.raises(IrtServiceError, match=message):
        calibrate_with(recorded(name), CalibrationRequest(lsat7), status=500)
    with pytest.raises(IrtServiceRefusal, match=message):
        calibrate_with(recorded(name), CalibrationRequest(lsat7))


MATRIX = simulated(200, 4)


def minimal(items=("i1", "i2", "i3", "i4"), abilities=(), meta=None):
    rows = [{"item_id": item, "params": {"a": 1.2, "b": 0.5}} for item in items]
    return {"item_params": rows, "abilities": list(abilities), "fit_meta": meta or {}}


def test_only_first_answers_to_items_that_can_be_fitted_are_sent():
    matrix = np.column_stack([MATRIX, np.ones(200), np.where(np.arange(200) < 3, 1.0, np.nan)])
    table = answers_to(matrix)
    later = table.slice(0, 50).set_column(
        2, "correct", [[not correct for correct in table["correct"].to_pylist()[:50]]]
    )
    at = table.schema.get_field_index("answered_at")
    later = later.set_column(
        at, table.schema.field(at), [[time.replace(hour=13) for time in later["answered_at"].to_pylist()]]
    )
    both = type(table).from_batches([*later.to_batches(), *table.to_batches()])
    result, sent = calibrate_with(minimal(), CalibrationRequest(both))
    marks = {(o["user_id"], o["item_id"]): o["is_correct"] for o in sent["observations"]}
    assert len(marks) == len(sent["observations"]) == 800
    assert all(marks[f"u{p + 1}", f"i{j + 1}"] == bool(MATRIX[p, j]) for p in range(200) for j in range(4))
    assert result.metrics["n_set_aside"] == 50
    assert result.left_out.to_dict("records") == [
        {"item_id": "i5", "n_responses": 200, "reason": "all answers right"},
        {"item_id": "i6", "n_responses": 3, "reason": "fewer than 10 answers"},
    ]


def test_anchors_without_usable_values_are_not_sent_and_are_named():
    anchors = pd.DataFrame(
        {
            "item_id": ["i1", "i2", "i3", "i4", "elsewhere"],
            "a": [1.0, 1.1, None, 0.9, 1.0],
            "b": [0.1, 0.2, 0.3, 0.4, 0.0],
            "c": [None, 0.0, 0.0, 1.0, 0.0],
        }
    )
    request = CalibrationRequest(answers_to(MATRIX), anchors=anchors)
    result, sent = calibrate_with(minimal(), request)
    assert [(anchor["item_id"], anchor["fixed"]) for anchor in sent["anchors"]] == [("i1", True), ("i2", True)]
    assert result.items.set_index("item_id")["is_anchor"].to_dict() == {
        "i1": True,
        "i2": True,
        "i3": False,
        "i4": False,
    }
    warning = "anchors without usable parameters left out (2 of 5): i3 (a is missing), i4 (c is not from 0"
    assert warning in result.warnings[0]
    assert InProcessEngine().calibrate(request).warnings[0] == result.warnings[0]


def test_item_without_parameters_in_the_reply_is_left_out_and_named():
    reply = minimal(items=("i1", "i2", "i4"))
    reply["item_params"].append({"item_id": "i3", "params": {"a": "NA", "b": "NA"}})
    result, _ = calibrate_with(reply, CalibrationRequest(answers_to(MATRIX)))
    assert result.items["item_id"].tolist() == ["i1", "i2", "i4"]
    assert result.left_out.to_dict("records") == [
        {"item_id": "i3", "n_responses": 200, "reason": "no parameters from the IRT service"}
    ]
    assert "no parameters for 1 of the 4 items" in "; ".join(result.warnings)


def test_missing_abilities_are_estimated_and_given_ones_kept():
    given_ability = {"user_id": ["u1"], "theta": ["0.25"], "se": [0.5]}
    unusable = {"user_id": "u2", "theta": "NA", "se": "NA"}
    result, _ = calibrate_with(
        minimal(abilities=[given_ability, unusable, {"theta": 1, "se": 1}]), CalibrationRequest(answers_to(MATRIX))
    )
    assert tuple(result.abilities.loc[0, ["theta", "se"]]) == (0.25, 0.5)
    assert np.isfinite(result.abilities["theta"]).all()
    assert "no ability for 199 of 200 persons" in "; ".join(result.warnings)


def test_not_converged_is_passed_on():
    meta = {"metrics": {"converged": [False], "loglik": ["-12.5"], "aic": "NA"}}
    result, _ = calibrate_with(minimal(meta=meta), CalibrationRequest(answers_to(MATRIX)))
    assert result.metrics["converged"] is False
    assert result.metrics["loglik"] == -12.5
    assert result.metrics["aic"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1), ([0.5], 0.5), ([["2"]], 2)],
)
def test_numbers_are_read_boxed_or_as_text(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize("value", ["NA", "NaN", "Inf", "1e999", 10**400, {}, [], [1, 2], None, True])
def test_anything_but_a_finite_number_is_none(value):
    assert number(value) is None


@pytest.mark.parametrize(
    ("value", "expected"), [(["i1"], "i1"), (7, "7"), ("", None), ({}, None), ([], None), (True, None)]
)
def test_texts_are_read_boxed(value, expected):
    assert text(value) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["NA", "ok", "i1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "error", "item_params", "abilities", "fit_meta", "linking_constants", "metrics"])
            | st.sampled_from(
                ["item_id", "params", "a", "b", "c", "se", "user_id", "theta", "A", "B", "model_spec", "left_out"]
            )
            | st.text(max_size=3),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@pytest.mark.slow
@given(json_values)
@settings(max_examples=400, deadline=None)
def test_any_json_is_read_or_refused_in_one_line(reply):
    try:
        read = read_reply(reply)
    except IrtServiceRefusal:
        return
    assert read.items


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_reply_with_anything_in_any_place_is_read_or_refused(data):
    reply = minimal(abilities=[{"user_id": "u1", "theta": 0.1, "se": 0.3}])
    reply["fit_meta"] = {
        "linking_constants": {"A": 1, "B": 0},
        "metrics": {"loglik": 1},
        "model_spec": {"model": "2PL"},
    }
    place, steps = reply, data.draw(st.integers(1, 5))
    for _ in range(steps):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        parent, place = place, place[key]
    else:
        place = parent
    place[key] = data.draw(json_values)
    try:
        read = read_reply(reply)
    except IrtServiceRefusal:
        return
    assert all(
        np.isfinite([item.a, item.b, item.c]).all() and item.a != 0 and 0 <= item.c < 1 for item in read.items.values()
    )
    assert all(np.isfinite(ability).all() for ability in read.abilities.values())
