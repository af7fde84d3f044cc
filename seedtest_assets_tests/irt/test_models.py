"""What tells models from each other is in one place, and a model that has no place there or in the M-step is an error."""

import pytest

from seedtest_assets import irt
from seedtest_assets.irt import models
from seedtest_assets_tests.irt.test_topics import some_items


def test_each_model_has_its_facts():
    assert tuple(models._FACTS) == irt.MODELS
    assert [irt.model_facts(model).parameters_per_item for model in irt.MODELS] == [1, 2, 3]


def test_an_unknown_model_is_an_error_that_names_the_models():
    with pytest.raises(irt.DataError, match="model '4PL' is not one of Rasch, 2PL, 3PL"):
        irt.model_facts("4PL")


def test_a_model_without_a_maximisation_step_does_not_get_that_of_another(monkeypatch):
    monkeypatch.setitem(models._FACTS, "2PN", irt.ModelFacts(own_slopes=True, guessing=False))
    answers = irt.simulate([-1.0, -0.5, 0.0, 0.5, 1.0] * 20, some_items(4, seed=1), seed=1)
    with pytest.raises(ValueError, match="no maximisation step for the model '2PN'"):
        irt.calibrate(irt.Responses.from_matrix(answers), "2PN")
