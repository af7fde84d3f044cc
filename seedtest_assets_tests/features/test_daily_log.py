"""Counts and times of whole answer logs, a simulated one and, where it is, a real one, against pandas."""

from datetime import date

import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.cli.simulated_school import SimulatedBank, simulate_school
from seedtest_assets.days import feature_windows
from seedtest_assets.features.daily import (
    ANSWER_COLUMNS,
    OVERALL_THETA_SCHEMA,
    TOPIC_THETA_SCHEMA,
    features_for_day,
    features_of_parts,
)
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import FileSource
from seedtest_assets.storage.window_parts import newest_answers
from seedtest_assets.table_shards import TableShards
from seedtest_assets_tests.conftest import NO_REAL_LOG, SHARED

REAL_LOG = SHARED / "data" / "lkt_cloze_attempts.parquet"
LOGS = ["simulated", pytest.param("real", marks=pytest.mark.skipif(not REAL_LOG.is_file(), reason=NO_REAL_LOG))]


@pytest.fixture(scope="module", params=LOGS)
def path(request, tmp_path_factory):
    """A log of answers as a file: with answers whose time or hints nobody knows, and days on which students return."""
    if request.param == "real":
        return REAL_LOG
    school = simulate_school(
        date(2025, 3, 9), SimulatedBank(n_items=24, n_topics=3, n_anchors=0), n_days=35, n_students=50
    )
    log = school.answers.to_pandas().drop_duplicates(["student_id", "item_id", "completed_at"])
    log["response_time_ms"] = log["response_time_ms"].astype("Int32").mask(log.index % 11 == 0)
    log["hint_used"] = log["hint_used"].astype("boolean").mask(log.index % 13 == 0)
    path = tmp_path_factory.mktemp("log") / "simulated.parquet"
    log.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def log(path):
    return pd.read_parquet(path).rename(columns={"student_id": "user_id"}).sort_values("completed_at")


@pytest.fixture(scope="module")
def lake(path, log, tmp_path_factory):
    lake, source = Lake(str(tmp_path_factory.mktemp("lake")), 3), FileSource(str(path))
    days = log["completed_at"].dt.date
    for day, answers in source.answers_by_day(days.min(), days.max()):
        if len(answers.table):
            lake.write_observations(day, answers.table)
    return lake


def by_pandas(log, day):
    age = (pd.Timestamp(day, tz="UTC") - log["completed_at"].dt.tz_convert("UTC").dt.floor("D")).dt.days
    groups = log[age == 0].groupby(["user_id", "topic_id"])
    rows = pd.DataFrame(
        {
            "attempts": groups.size(),
            "correct": groups["correct"].sum(),
            "avg_time_ms": groups["response_time_ms"].mean(),
            "rt_median": groups["response_time_ms"].median(),
            "hints": groups["hint_used"].sum(),
            "last_seen_at": groups["completed_at"].max().astype("datetime64[us, UTC]"),
        }
    )
    for name, ages in (("recent", age.between(0, 13)), ("previous", age.between(14, 27))):
        marks = log[ages].groupby(["user_id", "topic_id"])["correct"]
        rows[f"n_{name}"], rows[f"p_{name}"] = marks.size(), marks.mean()
    p, n = rows["p_recent"], rows["n_recent"]
    shrunken = (n / 30).clip(upper=1) * (1 - (1.96 * (p * (1 - p) / n) ** 0.5).clip(upper=0.5))
    rows["improvement"] = ((p - rows["p_previous"]) * shrunken).clip(-1, 1)
    return rows.drop(columns=["n_recent", "p_recent", "n_previous", "p_previous"]).sort_index()


@pytest.mark.slow
def test_every_day_agrees_with_pandas_and_every_monday_in_parts_with_the_whole(log, lake, monkeypatch):
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1)
    no_theta = TOPIC_THETA_SCHEMA.empty_table(), OVERALL_THETA_SCHEMA.empty_table()
    n_answers = n_improvements = 0
    for day in lake.all_days():
        days = lake.days(feature_windows(day)[0], day)
        parts = TableShards.here(newest_answers(lake, days, ANSWER_COLUMNS))
        assert len(parts) == 3
        rows = features_for_day(day, pa.concat_tables(parts.tables), *no_theta)
        if day.weekday() == 0:
            assert rows == features_of_parts(day, parts, *no_theta)
        got = rows.to_pandas().set_index(["user_id", "topic_id"])
        expected = by_pandas(log, day)
        columns = list(expected.columns)
        pd.testing.assert_frame_equal(got[columns], expected, check_dtype=False, check_index_type=False, rtol=1e-12)
        n_answers += int(got["attempts"].sum())
        n_improvements += int((got["improvement_basis"] == "accuracy").sum())
    assert n_answers == len(log)
    assert n_improvements > 0
