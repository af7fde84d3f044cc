"""Predictive validity: what the numbers are, and when they are worth a warning."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.checks import prediction
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.predicted_answers import PredictedAnswers, predict, residuals_of
from seedtest_assets.checks.prediction import (
    auc,
    log_loss,
    predictive_validity,
    reliability_curve,
    reliability_line,
    surprising_items,
)
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import DAY, calibration, fits

LIMITS = Settings()


def answers(*rows) -> pa.Table:
    """(days ago, student, item, correct) in order."""
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=timezone.utc)
    columns = zip(
        *[(student, item, bool(correct), noon - timedelta(days=ago)) for ago, student, item, correct in rows],
        strict=True,
    )
    names = ["student_id", "item_id", "correct", "completed_at"]
    table = pa.table(dict(zip(names, map(list, columns), strict=True)))
    return table.set_column(3, "completed_at", table["completed_at"].cast(pa.timestamp("us", "UTC")))


ITEMS = pd.DataFrame({"item_id": ["i1", "i2"], "a": [1.0, 2.0], "b": [0.0, 1.0], "c": [0.0, 0.2]})
ABILITIES = pd.DataFrame({"user_id": ["u1", "u2"], "theta": [0.0, 1.0], "se": [0.0, 1.0]})


def test_only_the_days_first_answers_of_known_students_to_known_items_are_predicted():
    judgement = predict(
        answers(
            (2, "u1", "i1", 1), (1, "u3", "i1", 0),
            (0, "u1", "i1", 1), (0, "u1", "i2", 1), (0, "u1", "i2", 0), (0, "u2", "i1", 0), (0, "u3", "i2", 1), (0, "u2", "i9", 1),
        ), DAY, ITEMS, ABILITIES,
    )  # fmt: skip
    assert judgement.item_id.tolist() == ["i2", "i1"]
    assert judgement.correct.tolist() == [True, False]
    assert judgement.by_share.tolist() == [0.5, pytest.approx(1.5 / 3)]


def test_the_chance_is_the_curves_averaged_over_the_error_of_the_ability():
    judgement = predict(answers((0, "u1", "i1", 1), (0, "u1", "i2", 1), (0, "u2", "i1", 1)), DAY, ITEMS, ABILITIES)
    assert judgement.by_model[:2] == pytest.approx([0.5, 0.2 + 0.8 / (1 + np.exp(2))])
    theta = np.random.default_rng(1).normal(1, 1, 400_000)
    assert judgement.by_model[2] == pytest.approx(np.mean(1 / (1 + np.exp(-theta))), abs=0.01)


def test_the_numbers_of_four_answers_by_hand():
    chance, correct = np.array([0.9, 0.8, 0.3, 0.6]), np.array([True, False, False, True])
    assert log_loss(chance, correct.astype(float)) == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean())
    assert auc(chance, correct) == pytest.approx(3 / 4)
    assert auc(np.full(4, 0.5), correct) == 0.5
    assert auc(chance, np.ones(4, bool)) is None


def test_the_reliability_curve_groups_like_predictions():
    chance = np.linspace(0.05, 0.95, 1000)
    curve = reliability_curve(chance, np.random.default_rng(2).random(1000) < chance)
    assert curve["answers"].tolist() == [100] * 10
    assert np.abs(curve["predicted"] - curve["seen"]).max() < 0.15


def night(n=2000, skill=1.0, seed=4, **change) -> PredictedAnswers:
    """n answers to 20 items by students whose abilities the model knows so well."""
    rng = np.random.default_rng(seed)
    item, theta = rng.integers(0, 20, n), rng.normal(size=n)
    b = np.linspace(-1.5, 1.5, 20)[item]
    chance = 1 / (1 + np.exp(-(skill * theta - b)))
    correct = rng.random(n) < 1 / (1 + np.exp(-(theta - b)))
    share = 1 / (1 + np.exp(b / np.sqrt(1 + 1 / 1.702**2)))
    return PredictedAnswers(
        **(
            {"item_id": item.astype(str).astype(object), "correct": correct, "by_model": chance, "by_share": share}
            | change
        )
    )


def judged(predicted, before=()):
    return predictive_validity(predicted, DAY - timedelta(days=1), before, LIMITS)


def test_abilities_that_predict_pass_and_tell_by_how_much():
    judgement = judged(night(), fits(calibration(), predictive_validity={"gain": 0.05}))
    assert judgement.passed
    assert judgement.numbers["log_loss"] < judgement.numbers["log_loss_of_share"]
    assert judgement.numbers["auc"] > judgement.numbers["auc_of_share"]
    assert judgement.numbers["brier"] < judgement.numbers["brier_of_share"]
    assert list(judgement.history.values[:-1]) == [0.05] * 7
    assert len(judgement.curve) == 10


def test_a_model_no_better_than_the_plain_share_warns():
    as_good = night()
    judgement = judged(PredictedAnswers(as_good.item_id, as_good.correct, as_good.by_share, as_good.by_share))
    assert judgement.verdict == Verdict.WARN
    assert judgement.numbers["gain"] == 0.0


def test_abilities_of_other_students_warn():
    mixed = night()
    shuffled = np.random.default_rng(5).permutation(mixed.by_model)
    assert judged(PredictedAnswers(mixed.item_id, mixed.correct, shuffled, mixed.by_share)).verdict == Verdict.WARN


LOG_ODDS = np.random.default_rng(6).normal(0.8, 1, 100_000)


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.0, 0.5), (-0.7, 1.0), (0.3, -0.4)])
def test_the_line_of_seen_on_predicted_is_found(intercept, slope):
    seen = np.random.default_rng(7).random(len(LOG_ODDS)) < 1 / (1 + np.exp(-(intercept + slope * LOG_ODDS)))
    line = reliability_line(1 / (1 + np.exp(-LOG_ODDS)), seen)
    assert line[:2] == pytest.approx([intercept, slope], abs=0.03)
    assert 0.005 < line[2] < 0.02


def test_the_line_of_answers_that_are_all_right_is_a_number():
    assert np.isfinite(reliability_line(np.full(400, 0.5), np.ones(400, bool))).all()


@pytest.mark.parametrize(("inverted", "level"), [(0.0, Verdict.PASS), (0.05, Verdict.PASS), (0.25, Verdict.WARN)])
def test_marks_that_a_client_inverts_warn_though_the_model_still_beats_the_shares(inverted, level):
    fine = night(skill=1.0)
    wrong = np.random.default_rng(8).random(len(fine.correct)) < inverted
    judgement = judged(PredictedAnswers(fine.item_id, fine.correct ^ wrong, fine.by_model, fine.by_share))
    assert judgement.verdict == level
    assert ("do not follow" in judgement.finding) is (level == Verdict.WARN)


@pytest.mark.parametrize(
    ("slope", "z", "level"),
    [(0.59, 4.0, Verdict.WARN), (0.61, 4.0, Verdict.PASS), (0.59, 4.1, Verdict.PASS), (1.5, 4.0, Verdict.PASS)],
)
def test_a_slope_warns_below_its_limit_and_beyond_its_error(slope, z, level, monkeypatch):
    error = abs(1 - slope) / (z + 0.05) if z == 4.0 else abs(1 - slope) / 4.05
    monkeypatch.setattr(prediction, "reliability_line", lambda *_: (0.0, slope, error))
    limits = LIMITS.model_copy(update={"slope_z": z})
    assert predictive_validity(night(), DAY - timedelta(days=1), [], limits).verdict == level


def test_residuals_are_those_of_the_first_answers_of_known_students():
    judgement = residuals_of(
        answers((2, "u1", "i1", 1), (1, "u1", "i1", 0), (1, "u2", "i2", 0), (0, "u3", "i1", 1), (0, "u1", "i9", 1)),
        ITEMS, ABILITIES,
    ).set_index("item_id")  # fmt: skip
    assert judgement["answers"].to_dict() == {"i1": 1, "i2": 1}
    assert judgement.loc["i1", "z"] == pytest.approx(1.0)  # right, of 0.5 predicted
    assert judgement.loc["i2", "z"] < -1
    assert residuals_of(answers((0, "u1", "i1", 1)), ITEMS.head(0), ABILITIES).empty


def test_few_answers_are_not_judged():
    least = LIMITS.prediction_min_answers
    bad = night(least, skill=-1.0)
    assert judged(bad).verdict == Verdict.WARN
    fewer = PredictedAnswers(*(column[1:] for column in (bad.item_id, bad.correct, bad.by_model, bad.by_share)))
    assert judged(fewer).passed


def test_without_an_earlier_partition_there_is_nothing_to_judge():
    judgement = predictive_validity(None, None, [], LIMITS)
    assert judgement.passed
    assert "no earlier partition" in judgement.finding


def test_an_item_whose_key_is_wrong_today_is_named_and_its_neighbours_are_not():
    fine = night()
    wrong = fine.item_id == "2"
    judgement = judged(PredictedAnswers(fine.item_id, fine.correct ^ wrong, fine.by_model, fine.by_share))
    assert judgement.verdict == Verdict.WARN
    assert judgement.worst["item_id"].tolist() == ["2"]
    assert surprising_items(fine, LIMITS).empty
