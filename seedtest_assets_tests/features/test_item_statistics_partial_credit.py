"""The statistics of items with partial credit, from calibration to flags."""

from datetime import date, datetime, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate, as_parameters
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.features.item_exposure import exposure_of_items
from seedtest_assets.features.item_statistics import CalibratedItems, item_statistics_of_window
from seedtest_assets.settings import Settings
from seedtest_assets.storage.bucket import Bucket
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.student_buckets import answers_in
from seedtest_assets.table_shards import TableShards

DAY = date(2025, 3, 20)
N_STUDENTS, N_ITEMS, HIGHEST = 800, 12, 3
NO_EXPOSURE = exposure_of_items(DAY, [OBSERVATION_SCHEMA.empty_table()])
REVERSED, NEVER_FULL, RIGHT_OR_WRONG = 0, 1, 2


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    """Scores of students x items: graded, but for one that is marked with 0 or 3, and some with faults."""
    rng = np.random.default_rng(3)
    b = np.linspace(-0.6, 0.6, N_ITEMS)
    steps = b[:, None] + [-1.0, 0.0, 1.0]
    items = irt.ItemParameters(
        np.arange(N_ITEMS), np.full(N_ITEMS, 1.4), b, np.zeros(N_ITEMS), steps, ["GRM"] * N_ITEMS
    )
    below = np.cumsum(irt.category_probabilities(rng.normal(size=N_STUDENTS), items), axis=1)
    score = (rng.random((N_ITEMS, 1, N_STUDENTS)) > below[:, :-1]).sum(axis=1).T
    score[:, REVERSED] = HIGHEST - score[:, REVERSED]
    score[:, NEVER_FULL] = np.minimum(score[:, NEVER_FULL], 2)
    score[:, RIGHT_OR_WRONG] = np.where(score[:, RIGHT_OR_WRONG] > 1, HIGHEST, 0)
    return score


@pytest.fixture(scope="module")
def answers(scores) -> pa.Table:
    student, item = (code.ravel() for code in np.indices(scores.shape))
    n = scores.size
    return pa.table(
        {
            "student_id": [f"s{code}" for code in student],
            "item_id": [f"i{code}" for code in item],
            "correct": scores.ravel() == HIGHEST,
            "completed_at": pa.array([datetime(2025, 3, 20, 9, tzinfo=timezone.utc)] * n, pa.timestamp("us", "UTC")),
            "score": scores.ravel().astype(float),
            "max_score": np.full(n, float(HIGHEST)),
        }
    )


@pytest.fixture(scope="module")
def calibrated(answers) -> CalibratedItems:
    result = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(answers)))
    anchors = as_parameters(result.items[result.items["item_id"].isin(["i4", "i5"])])
    other_scores = anchors["steps"].map(lambda steps: [steps[0], None, steps[2]])
    anchors = anchors.assign(
        b=anchors["b"] - 0.6, steps=anchors["steps"].where(anchors["item_id"] == "i4", other_scores)
    )
    return CalibratedItems(
        items=result.items, abilities=result.abilities, model_spec=result.model_spec, anchors=anchors
    )


@pytest.fixture(scope="module")
def statistics(answers, calibrated) -> pd.DataFrame:
    rows = item_statistics_of_window(TableShards.here([answers]), calibrated, NO_EXPOSURE, None, Settings())
    return rows.set_index("item_id")


@pytest.mark.slow
def test_the_share_correct_is_the_mean_score_of_all_points(statistics, scores):
    expected = {f"i{item}": share for item, share in enumerate(scores.mean(axis=0) / HIGHEST)}
    assert statistics["share_correct"].to_dict() == pytest.approx(expected)
    assert (statistics["n_answers"] == N_STUDENTS).all()


def test_the_correlation_is_that_of_the_score_with_the_rest(statistics, scores):
    rest = scores.sum(axis=1) - scores[:, 5]
    assert statistics.loc["i5", "point_biserial"] == pytest.approx(np.corrcoef(scores[:, 5], rest)[0, 1])


def test_a_reversed_marking_scheme_is_a_suspect_key(statistics):
    assert statistics.loc["i0", "flags"] == ["key_suspect"]
    assert statistics.loc["i0", "a"] < 0


def test_a_score_that_nobody_has_is_a_rare_one(statistics):
    assert statistics.loc["i1", "flags"] == ["rare_score"]
    sound = statistics.drop(["i0", "i1"])
    assert [flag for flags in sound["flags"] for flag in flags] in ([], ["drifting"])
    assert statistics.loc["i2", "flags"] == []  # 0 or 3 points are right or wrong


def test_an_anchor_drifts_by_the_mean_of_the_same_steps(statistics):
    assert statistics.loc["i4", "anchor_drift"] == pytest.approx(0.6)
    assert np.isnan(statistics.loc["i5", "anchor_drift"])  # its bank value is the mean of other steps


def test_fit_is_known_of_either_kind(statistics):
    assert statistics["infit"].between(0.8, 1.25).all()
    assert (statistics["rmsd"].drop("i0") < 0.1).all()


def test_scores_of_which_the_calibration_knows_nothing_do_not_count(answers, calibrated, statistics):
    """As where the calibration rests on the window of another hour."""
    other = calibrated.items.copy()
    row = int(np.flatnonzero(other["item_id"] == "i6")[0])
    steps = other["steps"].tolist()
    steps[row] = [steps[row][0], None, steps[row][2]]
    other["steps"] = steps
    known = CalibratedItems(
        items=other, abilities=calibrated.abilities, model_spec=calibrated.model_spec, anchors=calibrated.anchors
    )
    rows = item_statistics_of_window(TableShards.here([answers]), known, NO_EXPOSURE, None, Settings()).set_index(
        "item_id"
    )
    assert 0 < rows.loc["i6", "n_answers"] < N_STUDENTS
    assert rows.loc["i7", "n_answers"] == N_STUDENTS


@pytest.mark.slow
def test_in_parts_they_are_the_same(answers, calibrated, statistics):
    """Most parts have no right answer for full marks, and some no score that says what a step is."""
    halves = answers.set_column(
        answers.column_names.index("score"), "score", pa.compute.divide(answers["score"], 2.0)
    ).set_column(answers.column_names.index("max_score"), "max_score", pa.compute.divide(answers["max_score"], 2.0))
    for table in (answers, halves):
        parts = [answers_in(table, Bucket(number=number, n_buckets=160)) for number in range(160)]
        rows = item_statistics_of_window(TableShards.here(parts), calibrated, NO_EXPOSURE, None, Settings()).set_index(
            "item_id"
        )
        pd.testing.assert_frame_equal(rows, statistics, rtol=1e-9)
