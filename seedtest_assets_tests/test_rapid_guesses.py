"""Rapid guesses: thresholds and shares against a count by DuckDB, and what is never a guess."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.rapid_guesses import (
    LEAST_TIMED_ANSWERS,
    apply_policy,
    find_rapid_guesses,
    is_rapid,
    rapid_thresholds,
)
from seedtest_assets_tests.irt.simulate import simulate


def log_of_times(n: int = 20_000, n_items: int = 300) -> pd.DataFrame:
    """Answers with items of very different numbers of answers, some times missing or 0, some of a few milliseconds."""
    rng = np.random.default_rng(4)
    item = np.sort(rng.integers(0, n_items, (2, n)), axis=0)[0]
    times = np.round(np.exp(rng.normal(9.5, 1.5, n)) * np.where(item < 20, 30, 1))
    times[rng.random(n) < 0.1] = 0
    times[rng.random(n) < 0.1] = np.nan
    guessed = rng.random(n) < 0.1
    times[guessed] = rng.integers(1, 900, guessed.sum())
    return pd.DataFrame({"item": item, "ms": times})


def test_thresholds_and_rapid_answers_are_those_that_duckdb_counts():
    log = log_of_times()
    counted = duckdb.sql(
        f"""
        WITH threshold AS (
            SELECT item, least(median(ms) / 10, 10000) AS threshold FROM log WHERE ms > 0 AND NOT isnan(ms)
            GROUP BY item HAVING count(*) >= {LEAST_TIMED_ANSWERS}
        )
        SELECT item, any_value(threshold) AS threshold, count(*) FILTER (WHERE ms > 0 AND ms < threshold) AS n_rapid
        FROM log LEFT JOIN threshold USING (item) GROUP BY item ORDER BY item
        """
    ).df()
    n_items = 301
    thresholds = rapid_thresholds(log["item"].to_numpy(), log["ms"].to_numpy(), n_items)
    rapid = is_rapid(log["item"].to_numpy(), log["ms"].to_numpy(), thresholds)
    np.testing.assert_array_equal(thresholds[counted["item"]], counted["threshold"])
    np.testing.assert_array_equal(
        np.bincount(log["item"][rapid], minlength=n_items)[counted["item"]], counted["n_rapid"]
    )
    assert 0 < np.isnan(thresholds).sum() < n_items - 1
    assert (thresholds == 10_000).any()
    assert rapid.sum() > 100


def test_arrow_columns_are_read_like_arrays():
    log = log_of_times()
    item, array = log["item"].to_numpy(), log["ms"].to_numpy()
    column = pa.chunked_array([pa.array(part, pa.int32(), from_pandas=True) for part in np.array_split(array, 3)])
    thresholds = rapid_thresholds(item, column, 300)
    np.testing.assert_array_equal(thresholds, rapid_thresholds(item, array, 300))
    np.testing.assert_array_equal(is_rapid(item, column, thresholds), is_rapid(item, array, thresholds))


@pytest.mark.parametrize(("median", "threshold"), [(70, 7.0), (30_000, 3_000.0), (100_001, 10_000.0)])
def test_a_threshold_is_a_tenth_of_the_median_and_at_most_ten_seconds(median, threshold):
    times = np.full(LEAST_TIMED_ANSWERS, median)
    assert rapid_thresholds(np.zeros(len(times), int), times, 1) == [threshold]


def test_an_answer_at_the_threshold_is_no_rapid_guess():
    item, times = np.zeros(62, int), np.array([*[70] * 60, 7, 6])
    assert np.flatnonzero(is_rapid(item, times, rapid_thresholds(item, times, 1))).tolist() == [61]


def test_answers_without_time_or_item_or_threshold_are_no_rapid_guesses():
    thresholds = np.array([500.0, np.nan])
    item, times = np.array([0, 0, 0, 1, -1, 0]), np.array([np.nan, 0, -5, 1, 1, 1])
    assert is_rapid(item, times, thresholds).tolist() == [False, False, False, False, False, True]


def test_an_item_needs_some_dozens_of_answers_with_a_time():
    few, times = np.zeros(LEAST_TIMED_ANSWERS, int), np.array([*[1000] * (LEAST_TIMED_ANSWERS - 1), 0])
    assert np.isnan(rapid_thresholds(few, times, 1)).all()
    assert rapid_thresholds(few, np.where(times, times, 1000), 1) == [100.0]
    assert np.isnan(rapid_thresholds(few[:0], times[:0], 2)).tolist() == [True, True]


def exam_with_guessers(n_persons: int = 2000, n_items: int = 30) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """An exam whose last ten items every fourth person guesses within a second, right by one in five; true b; who guessed."""
    truth = simulate(n_persons, n_items, seed=12)
    rng = np.random.default_rng(5)
    person, item = (codes.ravel() for codes in np.indices((n_persons, n_items)))
    guessed = (person % 4 == 0) & (item >= n_items - 10)
    correct = np.where(guessed, rng.random(len(item)) < 0.2, truth.right.ravel() == 1)
    times = np.where(guessed, rng.integers(300, 1000, len(item)), rng.lognormal(10, 0.4, len(item)))
    answers = pa.table(
        {
            "student_id": np.char.add("s", person.astype(str)),
            "item_id": np.char.add("i", np.char.zfill(item.astype(str), 2)),
            "correct": correct,
            "response_time_ms": pa.array(times.astype(np.int32)),
            "completed_at": pa.array(item.astype("datetime64[us]"), pa.timestamp("us", tz="UTC")),
        }
    )
    return answers, truth.items.b, guessed


def test_rapid_guesses_make_items_look_harder_and_ignoring_them_recovers_the_truth():
    answers, b, guessed = exam_with_guessers()
    rapid = find_rapid_guesses([answers])
    assert (rapid.among(answers) == guessed).all()
    bias = {}
    for policy in ("keep", "ignore"):
        treated, count = apply_policy(answers, rapid, policy)
        items = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(treated))).items
        bias[policy] = (items.sort_values("item_id")["b"].to_numpy() - b)[-10:]
    assert count.n_left_out == guessed.sum()
    assert (bias["keep"] > 0.15).all()
    assert bias["keep"].mean() > 0.3
    assert abs(bias["ignore"].mean()) < 0.05
    assert np.abs(bias["ignore"]).max() < 0.15
