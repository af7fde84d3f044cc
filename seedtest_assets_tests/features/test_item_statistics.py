"""The statistics of items against counts of their own in pandas."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate, no_parameters
from seedtest_assets.cli.simulated_school import SimulatedBank, simulate_school
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.features.item_exposure import exposure_of_items
from seedtest_assets.features.item_statistics import (
    COLUMNS,
    CalibratedItems,
    item_statistics_of_window,
)
from seedtest_assets.features.person_fit import person_fit
from seedtest_assets.settings import Settings
from seedtest_assets.storage.bucket import Bucket
from seedtest_assets.storage.lake import Omissions
from seedtest_assets.storage.student_buckets import answers_in
from seedtest_assets.table_shards import TableShards

DAY = date(2025, 3, 20)
LIMITS = Settings()
ALL_RIGHT = "3"
"""An item that cannot be calibrated."""


@pytest.fixture(scope="module")
def answers() -> pa.Table:
    table = simulate_school(DAY, SimulatedBank(n_items=24, n_topics=4, n_anchors=6), n_days=12, n_students=200).answers
    correct = table["correct"].to_numpy() | (table["item_id"].to_numpy() == ALL_RIGHT)
    return table.set_column(table.column_names.index("correct"), "correct", pa.array(correct)).sort_by("completed_at")


@pytest.fixture(scope="module")
def calibrated(answers) -> CalibratedItems:
    result = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(answers), model="2PL"))
    anchors = result.items[["item_id", "a", "b", "c"]].head(3).assign(b=lambda items: items["b"] - [0.5, 0.0, -0.25])
    return CalibratedItems(
        items=result.items, abilities=result.abilities, model_spec=result.model_spec, anchors=anchors
    )


@pytest.fixture(scope="module")
def statistics(answers, calibrated) -> pd.DataFrame:
    return item_statistics_of_window(
        TableShards.here([answers]), calibrated, exposure_of_items(DAY, [answers]), None, LIMITS
    ).set_index("item_id", drop=False)


def test_every_answered_item_has_a_row_and_calibrated_ones_their_fit(statistics, calibrated, answers):
    assert list(statistics) == COLUMNS
    assert list(statistics["item_id"]) == sorted(set(answers["item_id"].to_pylist()))
    assert ALL_RIGHT not in set(calibrated.items["item_id"])
    row = statistics.loc[ALL_RIGHT]
    assert (row["share_correct"], row["flags"]) == (1.0, [])  # all right, but by too few to be sure
    assert np.isnan(row[["a", "b", "se_b", "infit", "rmsd", "point_biserial", "omission_share"]].astype(float)).all()
    fitted = statistics.drop(ALL_RIGHT)
    assert fitted["infit"].between(0.7, 1.3).all()
    for name in ("a", "b", "se_b"):
        expected = calibrated.items.set_index("item_id").loc[fitted.index, name]
        np.testing.assert_allclose(fitted[name], expected)


def test_the_drift_is_of_the_anchors_only(statistics, calibrated):
    drift = statistics["anchor_drift"].dropna()
    assert drift[calibrated.anchors["item_id"]].round(9).tolist() == [0.5, 0.0, -0.25]
    assert len(drift) == 3


def test_exposure_and_time_are_those_of_a_count_in_pandas(statistics, answers):
    log = answers.to_pandas()
    week = log[log["completed_at"] >= pd.Timestamp(DAY - timedelta(days=6), tz="UTC")]
    for item, row in statistics.iterrows():
        seen = log[log["item_id"] == item]
        assert row["median_time_ms"] == seen["response_time_ms"].median()
        assert row["exposure_60_days"] == pytest.approx(seen["session_id"].nunique() / log["session_id"].nunique())
        in_week = week.loc[week["item_id"] == item, "session_id"].nunique()
        assert row["exposure_7_days"] == pytest.approx(in_week / week["session_id"].nunique())


@pytest.mark.parametrize("n_parts", [3, 16])
def test_in_parts_they_are_the_same(answers, calibrated, statistics, n_parts):
    shared = pa.array([f"class {n % 5}" if n % 4 else name for n, name in enumerate(answers["session_id"].to_pylist())])
    with_classes = answers.set_column(answers.column_names.index("session_id"), "session_id", shared)
    buckets = [Bucket(number=number, n_buckets=n_parts) for number in range(n_parts)]
    for table in (answers, with_classes):
        parts = [answers_in(table, bucket) for bucket in buckets]
        exposure, whole = exposure_of_items(DAY, parts), exposure_of_items(DAY, [table])
        pd.testing.assert_frame_equal(exposure, whole)
    rows = item_statistics_of_window(
        TableShards.here(parts), calibrated, exposure_of_items(DAY, [answers]), None, LIMITS
    )
    pd.testing.assert_frame_equal(rows.set_index("item_id", drop=False), statistics, rtol=1e-9)


def test_a_time_of_0_is_none(answers):
    times = answers["response_time_ms"].to_numpy(zero_copy_only=False).astype("float64")
    times[::2] = 0
    log = answers.set_column(
        answers.column_names.index("response_time_ms"), "response_time_ms", pa.array(times, pa.int32(), safe=False)
    )
    exposure = exposure_of_items(DAY, [log]).set_index("item_id")
    expected = pd.Series(times[1::2]).groupby(log["item_id"].to_pandas()[1::2].to_numpy()).median()
    np.testing.assert_allclose(exposure.loc[expected.index, "median_time_ms"], expected)


def test_without_sessions_a_students_day_is_one(answers):
    of_day = answers.filter(pa.array(answers["completed_at"].to_numpy() >= np.datetime64(DAY)))
    unnamed = of_day.set_column(
        of_day.column_names.index("session_id"), "session_id", pa.nulls(len(of_day), pa.string())
    )
    exposure = exposure_of_items(DAY, [unnamed]).set_index("item_id")
    log = of_day.to_pandas()
    expected = log.groupby("item_id")["student_id"].nunique() / log["student_id"].nunique()
    np.testing.assert_allclose(exposure.loc[expected.index, "exposure_7_days"], expected)
    assert exposure_of_items(DAY, [answers.slice(0, 0)]).empty


def test_omissions_are_a_share_of_the_answers_since_they_are_counted(answers, calibrated):
    omissions = Omissions(
        since=DAY - timedelta(days=2), n_omitted=pd.Series({"1": 7, "2": 5}), n_given=pd.Series({"1": 21, "4": 30})
    )
    rows = item_statistics_of_window(
        TableShards.here([answers]), calibrated, exposure_of_items(DAY, [answers]), omissions, LIMITS
    )
    shares = rows.set_index("item_id")["omission_share"]
    assert shares[["1", "2", "4"]].tolist() == [0.25, 1.0, 0.0]


def test_a_day_without_a_calibrated_item_has_classical_statistics(answers, calibrated):
    none = CalibratedItems(
        items=calibrated.items.head(0),
        abilities=calibrated.abilities,
        model_spec=calibrated.model_spec,
        anchors=no_parameters(),
    )
    rows = item_statistics_of_window(TableShards.here([answers]), none, exposure_of_items(DAY, [answers]), None, LIMITS)
    assert rows["a"].isna().all()
    assert rows["share_correct"].notna().all()


@pytest.mark.parametrize("n_parts", [3, 16])
def test_person_fit_in_parts_is_the_same(answers, calibrated, n_parts):
    active = answers.filter(pa.array(answers["completed_at"].to_numpy() >= np.datetime64(DAY)))
    parts = [answers_in(answers, Bucket(number=number, n_buckets=n_parts)) for number in range(n_parts)]
    in_parts, whole = (
        person_fit(TableShards.here(given), active, calibrated.items, calibrated.model_spec)
        .set_index("student_id")
        .sort_index()
        for given in (parts, [answers])
    )
    assert len(whole) == len(active["student_id"].unique())
    pd.testing.assert_frame_equal(in_parts, whole)
