"""The numbers of a comparison, on results whose relation is known."""

from datetime import date, datetime, timezone

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.report.comparison import Results, agreement, compare_results, log_loss, predict, probabilities
from seedtest_assets.report.comparison_page import comparison_page

DAY = date(2025, 3, 9)


def results(scale=1.0, shift=0.0, n_items=40, n_students=200, fitted_at=None) -> Results:
    """A bank and a group, seen on another scale: theta' = scale * theta + shift."""
    random = np.random.default_rng(1)
    a, b, theta = random.lognormal(0, 0.3, n_items), random.normal(size=n_items), random.normal(size=n_students)
    items = pd.DataFrame({"item_id": np.arange(n_items).astype(str), "a": a / scale, "b": scale * b + shift, "c": 0.0})
    abilities = pd.DataFrame({"student_id": [f"s{n}" for n in range(n_students)], "theta": scale * theta + shift})
    return Results(items=items, abilities=abilities, fitted_at=fitted_at)


def answers(true: Results, n=20_000) -> pd.DataFrame:
    random = np.random.default_rng(2)
    item, student = random.integers(0, len(true.items), n), random.integers(0, len(true.abilities), n)
    a, b = (true.items[name].to_numpy()[item] for name in "ab")
    chance = 1 / (1 + np.exp(-a * (true.abilities["theta"].to_numpy()[student] - b)))
    return pd.DataFrame(
        {
            "student_id": true.abilities["student_id"].to_numpy()[student],
            "item_id": true.items["item_id"].to_numpy()[item],
            "correct": random.random(n) < chance,
            "completed_at": pd.Timestamp("2025-03-10 12:00", tz="UTC"),
        }
    )


def test_another_scale_is_told_by_its_slope_and_intercept():
    comparison = compare_results(DAY, results(), results(scale=1.2, shift=0.5))
    for result in (comparison.difficulty, comparison.ability):
        assert (result.slope, result.intercept) == (pytest.approx(1.2), pytest.approx(0.5))
        assert result.correlation == pytest.approx(1)
        assert result.rest == pytest.approx(0, abs=1e-9)
    assert comparison.discrimination.slope == pytest.approx(1 / 1.2)


def test_only_what_both_have_is_compared():
    old, ours = results(), results()
    result = agreement(old.items.head(30), ours.items.tail(30), key="item_id", value="b")
    assert (result.n_old, result.n_ours, len(result.both)) == (30, 30, 20)


def test_the_largest_differences_come_first_by_name():
    old, ours = results(), results()
    ours.items.loc[7, "b"] += 2.0
    ours.items.loc[3, "b"] -= 1.0
    largest = agreement(old.items, ours.items, key="item_id", value="b").largest
    assert largest["name"].tolist()[:2] == ["7", "3"]
    assert largest["difference"].tolist()[:2] == [pytest.approx(2.0), pytest.approx(-1.0)]


def test_values_that_are_no_numbers_and_too_few_values_give_no_relation():
    old, ours = results(n_items=3), results(n_items=3)
    old.items.loc[0, "b"] = np.nan
    result = agreement(old.items, ours.items, key="item_id", value="b")
    assert (len(result.both), result.slope, result.correlation) == (2, None, None)


def test_log_loss_by_hand():
    assert log_loss(np.array([0.8, 0.3]), np.array([True, False])) == pytest.approx(-(np.log(0.8) + np.log(0.7)) / 2)
    assert np.isfinite(log_loss(np.array([0.0]), np.array([True])))


def test_better_results_predict_better_and_another_scale_predicts_the_same():
    true = results()
    worse = Results(
        items=true.items.assign(b=true.items["b"].sample(frac=1, random_state=1).to_numpy()), abilities=true.abilities
    )
    result = predict(worse, true, answers(true))
    assert result.ours < min(result.base, result.old)
    moved = predict(results(scale=1.3, shift=-0.2), true, answers(true))
    assert moved.old == pytest.approx(moved.ours)


def test_answers_that_the_other_job_has_learnt_from_are_no_prediction():
    old = results(fitted_at=datetime(2025, 3, 10, 3, tzinfo=timezone.utc))
    later = answers(results())
    later.loc[later.index % 2 == 0, "completed_at"] = pd.Timestamp("2025-03-10 02:00", tz="UTC")
    n_first = later[later.index % 2 == 1].drop_duplicates(["student_id", "item_id"])
    assert compare_results(DAY, old, results(), predicted=date(2025, 3, 10), answers=later).prediction.n_answers == len(
        n_first
    )


def test_students_and_items_that_one_lacks_are_not_predicted():
    true = results()
    fewer = Results(items=true.items.head(10), abilities=true.abilities.head(50))
    asked = answers(true)
    known = asked[asked["item_id"].astype(int).lt(10) & asked["student_id"].isin(fewer.abilities["student_id"])]
    assert predict(fewer, true, asked).n_answers == len(known.drop_duplicates(["student_id", "item_id"]))


def with_steps(given: Results, n: int, model="GPCM") -> Results:
    """Give the first n items the scores 0 to 2, of steps half a logit below and above b."""
    steps = [[b - 0.5, b + 0.5] if item < n else None for item, b in enumerate(given.items["b"])]
    model = [model if item < n else "2PL" for item in range(len(given.items))]
    return Results(items=given.items.assign(model=model, steps=steps), abilities=given.abilities)


def test_an_answer_to_an_item_with_partial_credit_is_predicted_by_the_chance_of_its_highest_score():
    given = with_steps(results(), 1)
    theta, a, b = given.abilities["theta"][0], given.items["a"][0], given.items["b"][0]
    weights = np.exp(np.cumsum([0, a * (theta - b + 0.5), a * (theta - b - 0.5)]))
    asked = pd.DataFrame({"student_id": ["s0", "nobody", "s0"], "item_id": ["0", "0", "1"]})
    chance = probabilities(given, asked)
    assert chance[0] == pytest.approx(weights[2] / weights.sum())
    assert np.isnan(chance[1])
    assert chance[2] == pytest.approx(probabilities(results(), asked)[2])


def test_steps_that_no_item_can_have_predict_nothing():
    given = with_steps(results(), 2, "GRM")
    given.items["steps"] = [[1.0, 0.0], [0.0, 1.0], *given.items["steps"][2:]]
    asked = pd.DataFrame({"student_id": ["s0"] * 3, "item_id": ["0", "1", "2"]})
    assert np.isnan(probabilities(given, asked)).tolist() == [True, False, False]


def test_items_of_other_scores_are_not_compared_and_named():
    moved = results(scale=1.2, shift=0.5)
    comparison = compare_results(DAY, results(), with_steps(moved, 3))
    assert comparison.other_scores == ("0", "1", "2")
    assert (len(comparison.difficulty.both), comparison.difficulty.n_old) == (37, 40)
    assert "are not compared: 0, 1, 2" in comparison_page(comparison)
    assert not compare_results(DAY, with_steps(results(), 3), with_steps(moved, 3)).other_scores
    assert compare_results(DAY, with_steps(results(), 3, "GRM"), with_steps(moved, 3)).other_scores


def test_the_page_has_the_numbers_in_both_languages_and_fetches_nothing():
    old, ours = results(fitted_at=datetime(2025, 3, 10, 3, tzinfo=timezone.utc)), results(scale=1.2, shift=0.5)
    page = comparison_page(compare_results(DAY, old, ours, predicted=date(2025, 3, 10), answers=answers(results())))
    for text in ("2025-03-09", "1.200", "0.500", "상관", "correlation", "2025-03-10 03:00 UTC", "<svg"):
        assert text in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "Run seedtest compare again" in comparison_page(compare_results(DAY, old, ours))
