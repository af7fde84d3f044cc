"""Drift: large moves beyond their sampling error are found, everything else is left alone."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.checks.drift import anchor_drift, item_drift
from seedtest_assets.checks.judgement import Level
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import DAY, item_table

LIMITS = Settings()
PASS, WARN, ERROR = Level.PASS, Level.WARN, Level.ERROR


def published(items: pd.DataFrame, n: int = 7) -> pd.DataFrame:
    """The same values in the n partitions before."""
    return pd.concat([items.assign(partition_date=DAY - timedelta(days=k)) for k in range(n, 0, -1)])


def moved(parameter: str, by: float, **columns) -> pd.DataFrame:
    items = item_table(**columns)
    items.loc[3, parameter] += by
    return items


def drift_of(items: pd.DataFrame, **columns):
    return item_drift(DAY, items, published(item_table(**columns)), 60, LIMITS)


@pytest.mark.parametrize(
    ("parameter", "by", "level"),
    [("b", 0.24, PASS), ("b", 0.26, WARN), ("b", -0.26, WARN), ("b", 0.49, WARN), ("b", 0.51, ERROR), ("b", -0.51, ERROR),
     ("a", 0.19, PASS), ("a", 0.21, WARN), ("a", -0.21, WARN), ("a", 0.39, WARN), ("a", 0.41, ERROR)],
)  # fmt: skip
def test_one_item_that_moves(parameter, by, level):
    told = drift_of(moved(parameter, by))
    assert told.level == level
    if level > PASS:
        assert told.worst["item_id"].tolist() == ["i3"]
        assert "1 of 100 items moved" in told.said
    assert len(told.history) == 8


def test_a_large_move_within_its_sampling_error_is_left_alone():
    assert drift_of(moved("b", 0.6, se_b=0.1), se_b=0.1).level == ERROR
    assert drift_of(moved("b", 0.6, se_b=0.4), se_b=0.4).passed


def test_the_shared_answers_of_two_nights_are_known_to_move_less():
    items = moved("b", 0.6, se_b=0.2)
    assert drift_of(items, se_b=0.2).level == ERROR
    months_ago = published(item_table(se_b=0.2)).assign(partition_date=DAY - timedelta(days=90))
    assert item_drift(DAY, items, months_ago, 60, LIMITS).passed


def test_items_with_few_answers_or_no_standard_error_are_not_judged():
    for columns, n_judged in (({"n_responses": 49}, 0), ({"n_responses": 50}, 100), ({"se_b": np.nan}, 0)):
        told = drift_of(moved("b", 3.0, **columns), **columns)
        assert told.numbers.get("judged", 0) == n_judged
        assert told.passed is (n_judged == 0)


def test_a_noisy_night_does_not_accuse_its_items():
    noise = np.random.default_rng(3).normal(0, 0.3, 100)
    quiet = drift_of(item_table(b=item_table()["b"] + noise * 0.1))
    noisy = drift_of(item_table(b=item_table()["b"] + noise))
    assert quiet.passed
    assert noisy.passed
    assert noisy.numbers["largest_change_b"] > 0.5


@pytest.mark.parametrize(("shift", "level"), [(0.24, PASS), (0.26, WARN), (-0.51, ERROR)])
def test_a_scale_that_moves_as_a_whole_is_told_as_such(shift, level):
    told = drift_of(item_table(b=item_table()["b"] + shift))
    assert told.level == level
    assert ("the whole scale moved" in told.said) is (level > PASS)


def test_items_without_history_pass():
    told = item_drift(DAY, item_table(), published(item_table(0)), 60, LIMITS)
    assert told.passed
    assert "no earlier partition" in told.said
    new = item_table(item_id=[f"new{n}" for n in range(100)])
    assert item_drift(DAY, new, published(item_table()), 60, LIMITS).passed


@pytest.mark.parametrize(("by", "level"), [(0.24, PASS), (0.45, WARN), (0.55, ERROR)])
def test_an_anchor_against_its_bank_value(by, level):
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    told = anchor_drift(moved("b", by), anchors, LIMITS)
    assert told.level == level
    assert told.numbers["judged"] == 20


def test_an_anchor_off_its_bank_value_by_chance_is_left_alone():
    anchors = item_table()[["item_id", "a", "b", "c"]].head(20)
    assert anchor_drift(moved("b", 0.39), anchors, LIMITS).passed  # 3.9 standard errors


def test_a_bank_without_anchors_has_none_that_drift():
    assert anchor_drift(item_table(), item_table(0)[["item_id", "a", "b", "c"]], LIMITS).passed
