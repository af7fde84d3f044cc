"""Predictive validity: what the numbers are, and when they are worth a warning."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets import irt
from seedtest_assets.checks import predicted_answers, prediction
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.predicted_answers import PredictedAnswers, Prediction, item_residuals
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


def predict(answers: pa.Table, *arguments) -> PredictedAnswers:
    return predicted_answers.predict([answers], *arguments)


def residuals_of(answers: pa.Table, *arguments) -> pd.DataFrame:
    return predicted_answers.residuals_of([answers], *arguments)


def test_parts_of_students_are_predicted_as_all_together():
    rows = [(n % 3, f"s{n % 40}", f"i{n % 7}", n * n % 3, 2) for n in range(600)]
    whole = scored(*rows)
    students = pd.DataFrame({"user_id": [f"s{n}" for n in range(35)], "theta": np.linspace(-2, 2, 35), "se": 0.4})
    items = pd.concat([PARTIAL.head(1).assign(item_id=f"i{n}") for n in range(5)], ignore_index=True)
    even = np.array([int(name[1:]) % 2 == 0 for name in whole["student_id"].to_pylist()])
    parts = [whole.filter(pa.array(even)), whole.filter(pa.array(~even))]
    one, other = predict(whole, DAY, items, students), predicted_answers.predict(parts, DAY, items, students)
    assert len(one.share) > 50
    for field in ("expected", "variance", "of_answer"):
        for by in ("by_model", "by_share"):
            assert np.sort(getattr(getattr(other, by), field)) == pytest.approx(
                np.sort(getattr(getattr(one, by), field))
            )
    pd.testing.assert_frame_equal(
        predicted_answers.residuals_of(parts, items, students), residuals_of(whole, items, students)
    )


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
    assert judgement.share.tolist() == [1.0, 0.0]
    assert judgement.by_share.expected.tolist() == [0.5, pytest.approx(1.5 / 3)]


def test_the_chance_is_the_curves_averaged_over_the_error_of_the_ability():
    judgement = predict(answers((0, "u1", "i1", 1), (0, "u1", "i2", 1), (0, "u2", "i1", 1)), DAY, ITEMS, ABILITIES)
    assert judgement.by_model.expected[:2] == pytest.approx([0.5, 0.2 + 0.8 / (1 + np.exp(2))])
    theta = np.random.default_rng(1).normal(1, 1, 400_000)
    assert judgement.by_model.expected[2] == pytest.approx(np.mean(1 / (1 + np.exp(-theta))), abs=0.01)


def test_the_numbers_of_four_answers_by_hand():
    chance, correct = np.array([0.9, 0.8, 0.3, 0.6]), np.array([True, False, False, True])
    assert log_loss(of_marks(chance, correct).of_answer) == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean())
    assert auc(chance, correct) == pytest.approx(3 / 4)
    assert auc(np.full(4, 0.5), correct) == 0.5
    assert auc(chance, np.ones(4, bool)) is None


def test_the_reliability_curve_groups_like_predictions():
    chance = np.linspace(0.05, 0.95, 1000)
    curve = reliability_curve(chance, np.random.default_rng(2).random(1000) < chance)
    assert curve["answers"].tolist() == [100] * 10
    assert np.abs(curve["predicted"] - curve["seen"]).max() < 0.15


def night(n=2000, skill=1.0, seed=4) -> PredictedAnswers:
    """n answers to 20 items by students whose abilities the model knows so well."""
    rng = np.random.default_rng(seed)
    item, theta = rng.integers(0, 20, n), rng.normal(size=n)
    b = np.linspace(-1.5, 1.5, 20)[item]
    chance = 1 / (1 + np.exp(-(skill * theta - b)))
    correct = rng.random(n) < 1 / (1 + np.exp(-(theta - b)))
    share = 1 / (1 + np.exp(b / np.sqrt(1 + 1 / 1.702**2)))
    return marked(item.astype(str).astype(object), correct, chance, share)


def of_marks(chance, correct) -> Prediction:
    """Sum up the chances that answers are right."""
    return Prediction.of_scores(np.column_stack([1 - chance, chance]), correct.astype(int), np.ones(len(chance)))


def marked(item_id, correct, chance, share) -> PredictedAnswers:
    """Right and wrong answers with the chances of a right one."""
    predictions = (of_marks(p, correct) for p in (chance, share))
    return PredictedAnswers(item_id, correct.astype(float), *predictions)


def parts(predicted) -> tuple:
    """What `marked` makes of it."""
    return predicted.item_id, predicted.share > 0, predicted.by_model.expected, predicted.by_share.expected


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
    item_id, correct, _, share = parts(night())
    judgement = judged(marked(item_id, correct, share, share))
    assert judgement.verdict == Verdict.WARN
    assert judgement.numbers["gain"] == 0.0


def test_abilities_of_other_students_warn():
    item_id, correct, chance, share = parts(night())
    shuffled = np.random.default_rng(5).permutation(chance)
    assert judged(marked(item_id, correct, shuffled, share)).verdict == Verdict.WARN


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
    item_id, correct, *chances = parts(night(skill=1.0))
    wrong = np.random.default_rng(8).random(len(correct)) < inverted
    judgement = judged(marked(item_id, correct ^ wrong, *chances))
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
    assert judged(marked(*(column[1:] for column in parts(bad)))).passed


def test_without_an_earlier_partition_there_is_nothing_to_judge():
    judgement = predictive_validity(None, None, [], LIMITS)
    assert judgement.passed
    assert "no earlier partition" in judgement.finding


def test_an_item_whose_key_is_wrong_today_is_named_and_its_neighbours_are_not():
    fine = night()
    item_id, correct, *chances = parts(fine)
    judgement = judged(marked(item_id, correct ^ (item_id == "2"), *chances))
    assert judgement.verdict == Verdict.WARN
    assert judgement.worst["item_id"].tolist() == ["2"]
    assert surprising_items(fine, LIMITS).empty


PARTIAL = pd.DataFrame(
    {
        "item_id": ["i1", "g", "p"],
        "model": ["2PL", "GRM", "GPCM"],
        "a": [1.0, 1.5, 0.8],
        "b": [0.0, 0.25, 0.1],
        "c": [0.0, 0.0, 0.0],
        "steps": [None, [-0.5, 1.0], [-0.4, None, 0.35]],
    }
)


def scored(*rows) -> pa.Table:
    """(days ago, student, item, score, highest) in order; a mark where the highest is None."""
    marks = answers(*[(ago, student, item, score == (highest or 1)) for ago, student, item, score, highest in rows])
    columns = {"score": [float(row[3]) if row[4] else None for row in rows], "max_score": [row[4] for row in rows]}
    for name, values in columns.items():
        marks = marks.append_column(name, pa.array(values, pa.float64()))
    return marks


def test_scores_are_predicted_by_the_curves_of_their_categories_averaged_over_the_error():
    predicted = predict(
        scored((0, "u1", "g", 1, 2), (0, "u2", "g", 2, 2), (0, "u2", "p", 1, 3), (0, "u1", "p", 3, 3), (0, "u1", "i1", 1, None)),
        DAY, PARTIAL, ABILITIES,
    )  # fmt: skip
    # Nobody had a 2 of 3, nor does the item have one; a 1 is one of its scores.
    assert predicted.item_id.tolist() == ["g", "g", "p", "p", "i1"]
    assert predicted.share.tolist() == [0.5, 1.0, 1 / 3, 1.0, 1.0]
    items = irt.ItemParameters(
        [0, 1], [1.5, 0.8], [0, 0], [0, 0], [[-0.5, 1.0, np.nan], [-0.4, np.nan, 0.35]], ["GRM", "GPCM"]
    )
    at_0 = irt.category_probabilities(0.0, items)[:, :, 0]
    theta = np.random.default_rng(1).normal(1, 1, 400_000)
    about_1 = irt.category_probabilities(theta, items).mean(axis=2)
    expected = [at_0[0, 1], about_1[0, 2], about_1[1, 1], at_0[1, 3], 0.5]
    assert predicted.by_model.of_answer == pytest.approx(expected, abs=0.002)
    assert predicted.by_model.expected[0] == pytest.approx(at_0[0] @ np.arange(4) / 2)
    variance = at_0[0] @ np.arange(4) ** 2 / 4 - (at_0[0] @ np.arange(4) / 2) ** 2
    assert predicted.by_model.variance[0] == pytest.approx(variance)


def test_an_item_with_a_score_that_it_did_not_have_is_not_predicted_from_its_lower_scores():
    before = [(1, "u3", item, 1, 3) for item in ("p", "g", "i1")]
    today = [
        (0, "u1", "p", 2, 3),
        (0, "u2", "p", 0, 3),
        (0, "u1", "g", 2, 3),
        (0, "u1", "i1", 2, 3),
        (0, "u2", "i1", 0, 3),
    ]
    predicted = predict(scored(*before, *today), DAY, PARTIAL, ABILITIES)
    assert (predicted.item_id.tolist(), predicted.share.tolist()) == (["g"], [1.0])


def test_an_item_whose_last_parts_of_points_left_the_window_is_not_predicted():
    # All or nothing, these answers count as right and wrong; score 1 of its parameters is another one.
    whole = [(1, "u3", "g", 0, 2), (0, "u1", "g", 2, 2), (0, "u1", "i1", 1, None)]
    assert predict(scored(*whole), DAY, PARTIAL, ABILITIES).item_id.tolist() == ["i1"]
    parts = [(1, "u3", "g", 1, 2), *whole]
    assert predict(scored(*parts), DAY, PARTIAL, ABILITIES).item_id.tolist() == ["g", "i1"]


def test_the_plain_shares_are_those_of_the_scores_before():
    earlier = [(1, f"s{n}", "g", score, 2) for n, score in enumerate([0, 1, 1, 2, 2])]
    predicted = predict(scored(*earlier, (0, "u1", "g", 2, 2)), DAY, PARTIAL, ABILITIES)
    assert predicted.by_share.of_answer == pytest.approx([(2 + 1 / 3) / 6])
    assert predicted.by_share.expected == pytest.approx([((2 + 1 / 3) / 2 + 2 + 1 / 3) / 6])


def test_log_loss_and_auc_of_scores_by_hand():
    assert log_loss(np.array([0.5, 0.25])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    # Pairs of a right and a wrong part of different answers: 1 with 0 and 0.5, 0.5 with 0.
    expected, share = np.array([0.9, 0.2, 0.4]), np.array([1.0, 0.5, 0.0])
    assert auc(expected, share) == pytest.approx((1 * 0.5 + 1 * 1 + 0.5 * 0) / (1 * 0.5 + 1 * 1 + 0.5 * 1))
    assert auc(np.full(2, 0.3), np.full(2, 0.5)) == 0.5


def graded_night(n=3000, seed=9, reversed_item=None) -> PredictedAnswers:
    """Answers to 12 items with three steps, as the model expects them; the scores of one may be turned round."""
    rng = np.random.default_rng(seed)
    names = [f"g{k}" for k in range(12)]
    b = np.linspace(-1, 1, 12)
    items = pd.DataFrame(
        {"item_id": names, "model": "GRM", "a": 1.5, "b": b, "c": 0.0, "steps": [[x - 0.8, x, x + 0.8] for x in b]}
    )
    curves = irt.ItemParameters(
        np.arange(12), np.full(12, 1.5), b, np.zeros(12), np.vstack(items["steps"]), ["GRM"] * 12
    )
    item, student = rng.integers(0, 12, n), np.arange(n)
    theta = rng.normal(size=n)
    p = irt.category_probabilities(theta, curves)[item, :, student]
    score = (rng.random((n, 1)) > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
    score = np.where(item == reversed_item, 3 - score, score)
    abilities = pd.DataFrame({"user_id": [f"u{k}" for k in student], "theta": theta, "se": 0.0})
    rows = [(0, f"u{k}", names[j], int(x), 3) for k, j, x in zip(student, item, score, strict=True)]
    return predict(scored(*rows), DAY, items, abilities)


def test_scores_that_follow_the_curves_pass_and_a_reversed_item_is_named():
    healthy = judged(graded_night())
    assert healthy.passed
    assert healthy.numbers["gain"] > 0.05
    assert healthy.numbers["slope"] == pytest.approx(1, abs=0.1)
    judgement = judged(graded_night(reversed_item=0))
    assert judgement.verdict == Verdict.WARN
    assert judgement.worst["item_id"].tolist() == ["g0"]
    assert "of the points" in judgement.finding


def test_residuals_of_scores_are_standard_normal_under_the_model():
    predicted = graded_night(6000)
    z = item_residuals(predicted.item_id, predicted.share, predicted.by_model)["z"]
    assert abs(z.mean()) < 1
    assert 0.5 < z.std() < 1.5
