"""What is computed of the parts of a window is the same on workers and in this process."""

import os
import pickle
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.parts_at_work import at_work
from seedtest_assets.features.daily import ANSWER_COLUMNS, features_of_parts
from seedtest_assets.features.item_exposure import ANSWER_COLUMNS as EXPOSURE_COLUMNS
from seedtest_assets.features.item_exposure import exposure_of_items
from seedtest_assets.features.item_statistics import CalibratedItems, item_statistics_of_window
from seedtest_assets.features.person_fit import person_fit
from seedtest_assets.features.topic_theta import topic_theta
from seedtest_assets.score_categories import FIRST_ANSWER_COLUMNS
from seedtest_assets.settings import Settings
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.abilities import OVERALL_THETA_SCHEMA, TOPIC_THETA_SCHEMA
from seedtest_assets.storage.questions import no_parameters
from seedtest_assets.storage.window import read_window
from seedtest_assets.storage.window_parts import newest_answers
from seedtest_assets.table_shards import TableShards
from seedtest_assets_tests.school import LAST


@pytest.fixture
def calibrated(window) -> CalibratedItems:
    result = InProcessEngine().calibrate(CalibrationRequest(window.to_calibrate))
    return CalibratedItems(
        items=result.items, abilities=result.abilities, model_spec=result.model_spec, anchors=no_parameters()
    )


@pytest.fixture
def active(lake) -> pa.Table:
    return lake.read_observations([LAST], ["student_id", "topic_id"])


@pytest.fixture
def by_both(dask_cluster):
    """Compute something of parts here and on workers; gives both and what the workers did."""

    def compute(tables, of_parts):
        settings = Settings(seedtest_dask=dask_cluster.scheduler_address)
        with at_work(settings, tables) as work:
            far = of_parts(work.parts)
        return of_parts(TableShards.here(tables)), far, {row["function"]: row for row in work.cluster["work"]}

    return compute


def test_topic_abilities(by_both, window, active, calibrated):
    def of_parts(parts):
        return topic_theta(parts, active, calibrated.items, 0.1, 1.1)

    here, far, work = by_both(window.buckets, of_parts)
    assert len(here.rows) > 100
    assert far.rows.equals(here.rows)
    assert far.spread.tau == here.spread.tau
    assert work["_group_part"]["seconds_computing"] > 0


def test_item_statistics(by_both, lake, window, calibrated):
    exposure = exposure_of_items(LAST, newest_answers(lake, [LAST], EXPOSURE_COLUMNS))

    def of_parts(parts):
        return item_statistics_of_window(parts, calibrated, exposure, None, Settings())

    here, far, work = by_both(window.buckets, of_parts)
    assert here["infit"].notna().sum() > 30
    pd.testing.assert_frame_equal(far, here)
    assert work["_fit_of_part"]["calls"] == 1


def test_person_fit(by_both, window, active, calibrated):
    here, far, _ = by_both(
        window.buckets, lambda parts: person_fit(parts, active, calibrated.items, calibrated.model_spec)
    )
    assert here["lz_star"].notna().sum() > 50
    pd.testing.assert_frame_equal(far, here)


def test_daily_features(by_both, lake, active, window, calibrated):
    rows = topic_theta(TableShards.here(window.buckets), active, calibrated.items, 0.0, 1.0).rows
    abilities = rows.append_column("partition_date", pa.repeat(LAST, len(rows)))
    abilities = abilities.select(TOPIC_THETA_SCHEMA.names).cast(TOPIC_THETA_SCHEMA)
    answers = newest_answers(lake, lake.all_days(), ANSWER_COLUMNS)

    def of_parts(parts):
        return features_of_parts(LAST, parts, abilities, OVERALL_THETA_SCHEMA.empty_table())

    here, far, _ = by_both(answers, of_parts)
    assert here["theta_estimate"].null_count == 0
    assert far == here


@pytest.mark.parametrize("policy", ["keep", "ignore"])
def test_a_window_that_begins_within_a_day(by_both, lake, calibrated, active, policy):
    n_answers = len(lake.read_observations(lake.all_days(), ["student_id"]))
    settings = Settings(mirt_lookback_days=5, mirt_max_obs=n_answers - 100, seedtest_rapid_guesses=policy)
    tables = read_window(lake, LAST, settings).buckets
    here, far, work = by_both(tables, lambda parts: person_fit(parts, active, calibrated.items, calibrated.model_spec))
    pd.testing.assert_frame_equal(far, here)
    assert here["n_answers"].sum() > 100
    assert work["_distinct_answers"]["calls"] == 1


def test_a_worker_that_dies_is_replaced(dask_cluster, window, tmp_path):
    with at_work(Settings(seedtest_dask=dask_cluster.scheduler_address), window.buckets) as work:
        assert work.parts.each(_end_once, tmp_path / "ended") == [len(part) for part in window.buckets]
    assert (tmp_path / "ended").exists()


def test_a_window_of_one_part_stays_in_this_process(lake, monkeypatch, window):
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1_000_000)
    one = newest_answers(lake, [LAST], ["student_id"])
    for tables in (one, [window.given[0]]):
        with at_work(Settings(seedtest_dask="tcp://nobody:1"), tables) as work:
            assert work.parts.each(len) == [len(tables[0])]
        assert not work.cluster


def test_a_part_gets_the_rows_of_its_students_and_no_others(window):
    students = pa.concat_tables(window.given.select(["student_id"])).column(0).unique()
    rows = pa.table({"user_id": students.cast(pa.string()), "place": range(len(students))})
    parts = TableShards.here(window.buckets)
    of_parts = parts.of_students(rows, "user_id")
    assert sorted(place for part in of_parts.each(_places) for place in part) == list(range(len(students)))
    assert all(parts.each(_has_only, of_parts))
    assert sum(len(pickle.dumps(part)) for part in of_parts.held) < 1.5 * len(pickle.dumps(rows))


def test_of_a_day_that_is_cut_only_the_rest_is_sent(lake):
    n_answers = len(lake.read_observations([LAST], ["student_id"]))
    uncut, cut = (newest_answers(lake, [LAST], FIRST_ANSWER_COLUMNS, most) for most in (0, 5))
    assert n_answers > 500
    assert len(pickle.dumps(cut.select(["item_id"]))) < len(pickle.dumps(uncut)) + 20_000


def _end_once(answers: pa.Table, mark: Path) -> int:
    if not mark.exists():
        mark.touch()
        os._exit(1)
    return len(answers)


def _places(rows: pa.Table) -> list[int]:
    return rows["place"].to_pylist()


def _has_only(answers: pa.Table, rows: pa.Table) -> bool:
    return set(answers["student_id"].to_pylist()) == set(rows["user_id"].to_pylist())
