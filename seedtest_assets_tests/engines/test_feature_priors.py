"""Priors of a night's items from their features and the bank, by item id."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.engines.feature_priors import CalibratedBank, feature_priors, provisional_items
from seedtest_assets.irt.remarks import REVERSED

IDS = [f"item-{number}" for number in range(60)]


def bank_of(model="2PL", **columns):
    """A bank of two topics, whose difficulties are around 500 and 600, and what is known of its items."""
    rng = np.random.default_rng(1)
    hard = np.arange(60) % 2 == 1
    items = pd.DataFrame(
        {
            "item_id": IDS,
            "a": 0.01 * rng.lognormal(0, 0.2, 60),
            "b": np.where(hard, 600, 500) + rng.normal(0, 30, 60),
            "se_a": 0.001,
            "se_b": 10.0,
            "is_anchor": False,
            "flag": "",
        }
    ).assign(**columns)
    features = pd.DataFrame({"item_id": [*IDS, "new"], "topic_id": [*np.where(hard, "hard", "easy"), "hard"]})
    return CalibratedBank(items=items, model_spec={"model": model, "group_mean": 550.0, "group_sd": 100.0}), features


def test_a_new_item_has_the_prior_of_items_like_it():
    bank, features = bank_of()
    priors = feature_priors(bank, features, [*IDS, "new"], [], "2PL")
    new = priors.table.set_index("item_id").loc["new"]
    assert new["b_mean"] == pytest.approx(600, abs=15)
    assert new["b_sd"] == pytest.approx(30, abs=10)
    assert new["log_a_mean"] == pytest.approx(np.log(0.01), abs=0.1)
    assert priors.population == (550.0, 100.0)
    assert priors.facts["n_items"] == 61
    assert priors.facts["b"]["r_squared"] > 0.6
    assert priors.warnings == ()


def test_anchors_reversed_items_and_items_without_answers_have_none():
    bank, features = bank_of(a=[-0.01, -0.01, *np.linspace(0.007, 0.014, 58)], flag=["", REVERSED, *[""] * 58])
    priors = feature_priors(bank, features, [*IDS[:30], "new"], ["item-2"], "2PL")
    assert set(priors.table["item_id"]) == {"item-0", *IDS[3:30], "new"}


def test_an_item_that_is_not_in_question_has_the_banks_mean():
    bank, features = bank_of()
    priors = feature_priors(bank, features, ["unheard of"], [], "2PL")
    assert priors.table["b_mean"].item() == pytest.approx(550, abs=20)


@pytest.mark.parametrize(
    ("bank", "model", "reason"),
    [
        (bank_of("3PL"), "2PL", "the newest calibration is of model 3PL, not 2PL"),
        (bank_of(se_b=np.nan), "2PL", "fewer than 20 items of the bank have an a above 0 and answers"),
    ],
)
def test_a_bank_that_can_teach_nothing_gives_no_priors_and_says_so(bank, model, reason):
    priors = feature_priors(*bank, IDS, [], model)
    assert priors.table.empty
    assert not priors.facts
    assert len(priors.warnings) == 1
    assert reason in priors.warnings[0]


def test_rasch_predicts_difficulties_only():
    bank, features = bank_of("Rasch", a=0.01, se_a=np.nan)
    priors = feature_priors(bank, features, [*IDS, "new"], [], "Rasch")
    assert "log_a" not in priors.facts
    assert len(priors.table) == 61


def test_items_are_provisional_until_the_error_of_b_is_small():
    items = pd.DataFrame({"item_id": list("abcd"), "se_b": [0.2, 0.5, np.nan, 0.5], "is_anchor": [False] * 3 + [True]})
    assert provisional_items(items, 0.3) == {
        "b": "provisional: the standard error of b is 0.50, above 0.3",
        "c": "provisional: the standard error of b is unknown",
    }
