"""Steps in params and in columns of tables."""

import json

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.item_steps import kinds_of, steps_as_params, steps_column, steps_matrix, steps_of

STEPS = [None, -0.5, None, 1.25]


def test_params_and_back():
    assert steps_of({"a": 1.0, "b": 0.4}) is None
    assert steps_as_params(None) == {}
    assert steps_as_params(STEPS) == {"b_1": None, "b_2": -0.5, "b_3": None, "b_4": 1.25}
    assert steps_of({"a": 1.0, **steps_as_params(STEPS)}) == STEPS


def test_a_step_that_everybody_passes_is_json():
    text = json.dumps(steps_as_params([-np.inf, 0.5]), allow_nan=False)
    assert steps_of(json.loads(text)) == [-np.inf, 0.5]


@pytest.mark.parametrize("value", [True, "nan", "easy", [0.5]])
def test_a_step_that_is_no_number_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        steps_of({"b_1": -0.5, "b_2": value})


def test_columns_and_back():
    matrix = steps_matrix([None, STEPS, [0.5]])
    assert np.isnan(matrix).tolist() == [[True] * 4, [True, False, True, False], [False, True, True, True]]
    assert steps_column(matrix) == [None, STEPS, [0.5]]
    assert steps_matrix([None]).shape == (1, 0)


def test_a_step_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="easy"):
        steps_of({"b_1": "easy"})


def test_items_of_one_kind_have_the_same_scores_and_a_model_of_the_same_family():
    table = pd.DataFrame(
        {
            "model": ["2PL", "GRM", "GPCM", "PCM", "GPCM", "GRM", "PCM"],
            "steps": [None, STEPS, STEPS, STEPS, [-np.inf, 0.5], [0.5], [None, 0.5]],
        }
    )
    same = "GPCM of scores 0, 2, 4"
    assert kinds_of(table).tolist() == [
        "",
        "GRM of scores 0, 2, 4",
        same,
        same,
        "GPCM of scores 1, 2",
        "",
        "GPCM of scores 0, 2",
    ]
    assert kinds_of(table[["model"]]).tolist() == [""] * 7
