"""The in-process engine: ids in, ids out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ABILITY_COLUMNS, ITEM_COLUMNS, LEFT_OUT_COLUMNS, CalibrationRequest
from seedtest_assets.engines import in_process
from seedtest_assets.engines.codes import codes_and_names
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError
from seedtest_assets_tests.engines.remote.service_double import answers_to, simulated

MATRIX = simulated(150, 5)


@pytest.fixture(scope="module")
def result():
    """Five items that can be fitted, one that everybody answered correctly, one with three answers."""
    rare = np.where(np.arange(150) < 3, 1.0, np.nan)
    matrix = np.column_stack([MATRIX, np.ones(150), rare])
    return InProcessEngine().calibrate(CalibrationRequest(answers_to(matrix)))


def test_tables_have_their_columns_and_the_ids_of_the_request(result):
    assert result.items.columns.tolist() == ITEM_COLUMNS
    assert result.abilities.columns.tolist() == ABILITY_COLUMNS
    assert result.items["item_id"].tolist() == ["i1", "i2", "i3", "i4", "i5"]
    assert set(result.abilities.iloc[:, 0]) == {f"u{number}" for number in range(1, 151)}
    assert result.items["se_c"].isna().all()
    assert not result.items["is_anchor"].any()


def test_items_that_cannot_be_fitted_are_listed_with_the_reason(result):
    assert result.left_out.columns.tolist() == LEFT_OUT_COLUMNS
    assert result.left_out.to_dict("records") == [
        {"item_id": "i6", "n_responses": 150, "reason": "all answers right"},
        {"item_id": "i7", "n_responses": 3, "reason": "fewer than 10 answers"},
    ]
    assert result.model_spec["n_items"] == 5
    assert "linking_constants" not in result.model_spec


def test_answers_without_a_mark_are_no_answers():
    table = answers_to(MATRIX)
    marks = table["correct"].to_pylist()
    without = table.set_column(2, table.schema.field("correct"), [[None if n < 50 else m for n, m in enumerate(marks)]])
    request = CalibrationRequest(without)
    assert InProcessEngine().calibrate(request).model_spec["n_observations"] == 700


def test_linking_names_the_anchors_that_were_screened_out(result):
    bank = result.items[["item_id", "a", "b", "c"]].assign(b=lambda items: items["b"] + 1)
    bank.loc[bank["item_id"] == "i2", "a"] = -1.0
    linked = InProcessEngine().calibrate(CalibrationRequest(answers_to(MATRIX), anchors=bank))
    constants = linked.model_spec["linking_constants"]
    assert constants["B"] == pytest.approx(1, abs=0.05)
    assert constants["n_anchors_used"] == 4
    assert constants["screened_out"] == {"i2": "its discrimination changed sign"}
    assert linked.items["is_anchor"].all()


def test_data_that_cannot_be_calibrated_is_an_input_error():
    with pytest.raises(InputError, match="no item can be calibrated"):
        InProcessEngine().calibrate(CalibrationRequest(answers_to(np.ones((20, 3)))))


def test_only_ids_of_the_rows_get_a_code():
    encoded = pa.chunked_array([pa.array(["a", "b", None, "c", "b"]).dictionary_encode()]).slice(1)
    codes, names = codes_and_names(encoded)
    assert names.to_pylist() == ["b", "c"]
    assert codes.tolist() == [0, -1, 1, 0]
    assert codes_and_names(pa.chunked_array([], pa.string()))[0].tolist() == []


def test_anchors_of_unknown_items_change_nothing(result):
    elsewhere = pd.DataFrame({"item_id": ["x", "y"], "a": [1.0, 1.0], "b": [0.0, 1.0], "c": [0.0, 0.0]})
    unlinked = InProcessEngine().calibrate(CalibrationRequest(answers_to(MATRIX), anchors=elsewhere))
    assert unlinked.model_spec["linked_to"] == "none"
    np.testing.assert_allclose(unlinked.items[["a", "b"]], result.items[["a", "b"]])


def test_without_standard_errors_and_choice_of_items_parameters_are_the_same():
    request = CalibrationRequest(answers_to(MATRIX))
    whole = InProcessEngine().calibrate(request)
    bare = InProcessEngine(standard_errors=False, one_population=True).calibrate(replace(request, starts=whole.items))
    assert whole.metrics["n_populations"] == 1
    assert bare.items["se_b"].isna().all()
    np.testing.assert_allclose(bare.items[["a", "b"]], whole.items[["a", "b"]], atol=1e-3)


def test_a_second_process_compiles_from_before_the_answers_are_coded(monkeypatch):
    done = []
    monkeypatch.setattr(in_process, "start_second_compiler", done.append)
    monkeypatch.setattr(in_process, "code_here", lambda _: done.append("coded"))
    monkeypatch.setattr(in_process, "calibrate_coded", lambda *_, **__: None)
    InProcessEngine().calibrate(CalibrationRequest(answers_to(MATRIX), model="Rasch"))
    assert done == ["Rasch", "coded"]
