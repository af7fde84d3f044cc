"""One wrong anchor must not turn or shift the scale; what our own update writes can be read again."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.cli.calibrate_file import read_anchors
from seedtest_assets.engines.coded_request import code_request
from seedtest_assets.errors import InputError
from seedtest_assets.irt.usable_parameters import unusable_anchors, unusable_parameters
from seedtest_assets.service.reading import _anchors
from seedtest_assets.service.wire import Anchor, Parameters
from seedtest_assets_tests.engines.remote.service_double import answers_to, simulated
from seedtest_assets_tests.irt.simulate import responses_of, simulate

ANSWERS = answers_to(simulated(150, 5))
ITEMS = ["i1", "i2"]


@pytest.fixture(scope="module")
def truth():
    return simulate(1500, 20, 4)


@pytest.mark.parametrize("wrong", [-1.0, -20.0])
def test_one_anchor_with_a_negative_discrimination_does_not_turn_the_abilities(truth, wrong):
    items = truth.items
    steepest = int(np.argmax(items.a))
    rows = [steepest, *[item for item in range(4) if item != steepest][:2]]
    a = items.a[rows]
    a[0] *= wrong
    anchors = irt.ItemParameters(rows, np.clip(a, -20, 20), items.b[rows], items.c[rows])
    fit = irt.calibrate(truth.responses, anchors=anchors)
    assert np.corrcoef(fit.theta, truth.theta)[0, 1] > 0.8
    assert dict(fit.linking.screened_out) == {steepest: "its discrimination changed sign"}


def with_signs(items, signs):
    """The first items as anchors, with the signs of a as given."""
    rows = np.arange(len(signs))
    return irt.ItemParameters(rows, items.a[rows] * signs, items.b[rows], items.c[rows])


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
@pytest.mark.parametrize("signs", [[-1, 1], [-1, -1], [-1, -1, 1]])
def test_anchors_of_the_other_sign_leave_too_few_to_link_and_are_named(truth, signs, method):
    anchors = with_signs(truth.items, signs)
    fit = irt.calibrate(truth.responses, anchors=anchors, options=irt.Options(linking_method=method))
    wrong = ", ".join(str(item) for item, sign in enumerate(signs) if sign < 0)
    assert fit.linking is None
    assert fit.converged
    assert np.corrcoef(fit.theta, truth.theta)[0, 1] > 0.85
    assert any("discriminate with the other sign" in line and f": {wrong}. Correct" in line for line in fit.warnings)
    assert any("not linked to the bank's scale" in line for line in fit.warnings)


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
def test_anchors_of_the_right_sign_link_though_they_are_fewer(truth, method):
    anchors = with_signs(truth.items, [-1, -1, -1, 1, 1])
    fit = irt.calibrate(truth.responses, anchors=anchors, options=irt.Options(linking_method=method))
    assert fit.linking.used.tolist() == [3, 4]
    assert np.abs(fit.theta - truth.theta).mean() < 0.5
    assert pytest.approx(0, abs=0.15) == fit.linking.B


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
def test_anchors_turn_the_scale_where_most_keys_are_reversed(truth, method):
    right = truth.right.copy()
    right[:, 8:] = 1 - right[:, 8:]
    anchors = truth.items.take([5, 2, 0, 4, 1, 3])
    fit = irt.calibrate(responses_of(right), anchors=anchors, options=irt.Options(linking_method=method))
    assert sorted(fit.linking.used.tolist()) == [0, 1, 2, 3, 4, 5]
    assert np.corrcoef(fit.theta, truth.theta)[0, 1] > 0.85


@pytest.mark.parametrize(("a", "b"), [(1e6, 0.0), (1.0, 1e6), (np.inf, 0.0), (1.0, -np.inf), (50.0, 0.0)])
def test_anchors_out_of_range_are_left_out_by_name_everywhere(a, b, tmp_path):
    path = tmp_path / "anchors.csv"
    pd.DataFrame({"item_id": ["i1"], "a": [a], "b": [b]}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"row 1, i1 \([ab] "):
        read_anchors(path)
    used, _, left_out = _anchors([Anchor("i1", Parameters(a, b), fixed=True)], ITEMS)
    assert used.empty
    assert left_out[0].item_id == "i1"
    anchors = pd.DataFrame({"item_id": ["i1", "i2"], "a": [a, 1.0], "b": [b, 0.0], "c": 0.0})
    coded = code_request(CalibrationRequest(ANSWERS, anchors=anchors))
    assert any("anchors without usable parameters left out (1 of 2): i1 (" in line for line in coded.warnings)


def test_values_that_a_calibration_writes_can_start_the_next_one():
    assert unusable_parameters([-2.0, 1e-3, 0.5], [0.0, 16094.0, -2000.0], [0.0, 0.0, 0.0]).tolist() == [""] * 3
    assert unusable_anchors([-2.0, 0.01], [0.0, 500.0], [0.0, 0.2]).tolist() == ["", ""]


def test_without_linking_nothing_is_said_of_anchors_that_match_nothing():
    anchors = pd.DataFrame({"item_id": ["x", "y"], "a": 1.0, "b": 0.0, "c": 0.0})
    lines = {
        method: code_request(CalibrationRequest(ANSWERS, anchors=anchors, linking_method=method)).warnings
        for method in ("none", "haebara")
    }
    assert lines["none"] == ()
    assert "none of the 2 anchors has an answer" in lines["haebara"][0]


def test_reversed_keys_are_named_by_id_and_only_beyond_two_errors():
    truth = simulate(800, 12, 5)
    answers = pd.DataFrame(truth.right, columns=[f"Q{item:02d}" for item in range(12)]).rename_axis("student_id")
    answers["Q03"] = 1 - answers["Q03"]
    answers["Q07"] = np.random.default_rng(0).integers(0, 2, len(answers))
    long = answers.reset_index().melt("student_id", var_name="item_id", value_name="correct")
    fit = irt.calibrate(irt.Responses.from_frame(long))
    assert any(line == ("1 item discriminates below 0, its key may be reversed: Q03") for line in fit.warnings)
    assert (7, "discrimination not distinguishable from 0") in fit.flagged
