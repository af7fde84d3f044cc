"""The client against our service over a real socket: results do not depend on the engine."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest, linked_blocks
from seedtest_assets.engines import engine_for
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.errors import InputError
from seedtest_assets.settings import Settings
from seedtest_assets_tests.engines.remote.service_double import answers_to


@pytest.fixture(scope="module")
def answers():
    """300 persons, 20 items, a third of the answers missing, some given twice, one item without an incorrect answer.

    As the lake gives them: ids dictionary-encoded, a chunk a day.
    """
    rng = np.random.default_rng(11)
    slope, difficulty = rng.lognormal(0, 0.3, 20), rng.normal(0, 1, 20)
    difficulty[7] = -np.inf
    person, item = np.nonzero(rng.random((300, 20)) < 0.66)
    person, item = np.append(person, person[:200]), np.append(item, item[:200])
    chance = 1 / (1 + np.exp(-slope[item] * (rng.normal(size=300)[person] - difficulty[item])))
    frame = pd.DataFrame(
        {
            "student_id": [f"학생 {p}" for p in person],
            "item_id": [f'item "{j}"' for j in item],
            "correct": rng.random(len(person)) < chance,
            "answered_at": pd.Timestamp("2025-11-02", tz="UTC")
            + pd.to_timedelta(rng.permutation(len(person)), unit="s"),
        }
    )
    table = pa.Table.from_pandas(frame, ANSWER_SCHEMA, preserve_index=False)
    days = [_encoded(table.slice(first, 1000)) for first in range(0, len(table), 1000)]
    return pa.concat_tables(days)


def _encoded(table):
    for place, name in enumerate(["student_id", "item_id"]):
        table = table.set_column(place, name, table[name].combine_chunks().dictionary_encode())
    return table


@pytest.fixture
def engine(service):
    return engine_for(Settings(r_irt_base_url=service.url, r_irt_internal_token=service.token))


@pytest.fixture(scope="module")
def bank(answers):
    """Parameters of the first eight items, half a unit harder."""
    items = InProcessEngine().calibrate(CalibrationRequest(answers)).items[["item_id", "a", "b", "c"]]
    return items.assign(b=items["b"] + 0.5).head(8)


def test_address_of_a_service_makes_the_service_the_engine(engine):
    assert isinstance(engine, IrtServiceEngine)
    assert isinstance(engine_for(Settings(r_irt_base_url=None)), InProcessEngine)


@pytest.mark.parametrize("linked_to", ["none", "anchors", "previous"])
@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("2PL", "stocking_lord"),
        ("2PL", "haebara"),
        ("2PL", "fixed"),
        ("2PL", "none"),
        ("Rasch", "stocking_lord"),
        ("3PL", "mean_mean"),
    ],
)
def test_results_are_those_of_the_in_process_engine(answers, bank, engine, model, method, linked_to):
    tables = {} if linked_to == "none" else {linked_to: bank}
    request = CalibrationRequest(answers, model, linking_method=method, **tables)
    expected, result = InProcessEngine().calibrate(request), engine.calibrate(request)
    pd.testing.assert_frame_equal(result.items, expected.items, atol=2e-3)
    pd.testing.assert_frame_equal(result.abilities, expected.abilities, atol=2e-3)
    pd.testing.assert_frame_equal(result.left_out, expected.left_out)
    assert result.warnings == expected.warnings
    assert result.metrics.keys() > expected.metrics.keys()
    same = {"converged", "n_set_aside", "n_items_left_out", "n_parameters"}
    assert {name: result.metrics[name] for name in same} == {name: expected.metrics[name] for name in same}
    assert result.metrics["loglik"] == pytest.approx(expected.metrics["loglik"], abs=0.01)
    local_constants = expected.model_spec.pop("linking_constants", {})
    remote_constants = result.model_spec.pop("linking_constants", {})
    assert remote_constants.keys() == local_constants.keys()
    numbers = {"A", "B", "se_A", "se_B", "residual_z", "slope_ratio", "slope_ratio_z"} & local_constants.keys()
    assert {key: remote_constants[key] for key in local_constants if key not in numbers} == {
        key: local_constants[key] for key in local_constants if key not in numbers
    }
    assert {key: remote_constants[key] for key in numbers} == pytest.approx(
        {key: local_constants[key] for key in numbers}, abs=2e-3
    )
    assert result.model_spec == pytest.approx(expected.model_spec, abs=2e-3)


@pytest.fixture(scope="module")
def forms():
    """Answers to two forms of 12 items that share nothing, by persons of different ability, and the bank."""
    rng = np.random.default_rng(12)
    a, b, form = rng.lognormal(0, 0.25, 24), rng.normal(0, 1, 24), np.repeat([0, 1], 500)
    theta = rng.normal(np.array([-0.8, 0.7])[form], 1.0)
    right = rng.random((1000, 24)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    bank = pd.DataFrame({"item_id": [f"i{item + 1}" for item in range(24)], "a": a, "b": b, "c": 0.0})
    return answers_to(np.where(np.arange(24) // 12 == form[:, None], right, np.nan)), bank


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
@pytest.mark.parametrize("n_of_second", [6, 1])
def test_constants_of_every_block_come_through(forms, engine, method, n_of_second):
    table, bank = forms
    anchors = bank.iloc[[*range(6), *range(12, 12 + n_of_second)]]
    request = CalibrationRequest(table, anchors=anchors, linking_method=method)
    expected, result = InProcessEngine().calibrate(request), engine.calibrate(request)
    assert len(linked_blocks(expected.model_spec)) == (2 if n_of_second > 1 else 1)
    assert expected.model_spec.get("n_items_not_linked", 0) == (0 if n_of_second > 1 else 12)
    assert rounded(result.model_spec) == rounded(expected.model_spec)
    assert result.warnings == expected.warnings
    pd.testing.assert_frame_equal(result.abilities, expected.abilities)


def rounded(facts):
    """The same facts with numbers to ten digits: sums of threads may differ in the last."""
    if isinstance(facts, dict):
        return {name: rounded(value) for name, value in facts.items()}
    if isinstance(facts, list):
        return [rounded(value) for value in facts]
    return float(f"{facts:.10g}") if isinstance(facts, float) else facts


def test_refusal_of_the_service_is_quoted_to_the_caller(service, answers):
    engine = IrtServiceEngine(Settings(r_irt_base_url=service.url, r_irt_internal_token="wrong"))
    with pytest.raises(InputError, match=r"says \"send the service's token.*status 401.*R_IRT_INTERNAL_TOKEN"):
        engine.calibrate(CalibrationRequest(answers))
