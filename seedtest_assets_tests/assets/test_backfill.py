"""A backfill of the whole graph: run again it gives the same tables, and one day run again changes its own rows at most."""

from datetime import date

import dagster as dg
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.features_topic_daily import features_topic_daily
from seedtest_assets.assets.item_statistics import item_statistics
from seedtest_assets.assets.observations import observations
from seedtest_assets.assets.person_fit import person_fit
from seedtest_assets.assets.student_topic_theta import student_topic_theta
from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.days import days_up_to
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.history_tables import HISTORY_TABLES
from seedtest_assets_tests.checksums import checksums
from seedtest_assets_tests.conftest import rows_of

pytestmark = pytest.mark.usefixtures("without_pictures")

LAST = date(2025, 3, 14)
ANSWERED = days_up_to(LAST, 30)
DAYS = [ANSWERED[11], *ANSWERED[28:]]
"""The last two look back to abilities of the first for their improvement."""


def run(instance, day):
    done = dg.materialize(
        [observations, calibrate, item_statistics, person_fit, student_topic_theta, features_topic_daily],
        partition_key=day.isoformat(),
        instance=instance,
        resources=resources_from(load_settings()),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success


def fill_lake(instance, first, last):
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    resources = resources_from(load_settings())
    assert dg.materialize([observations], instance=instance, resources=resources, tags=tags).success


def test_backfilling_days_twice_gives_the_same_tables_and_a_day_in_the_middle_changes_its_own(
    platform, monkeypatch, instance
):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "20")
    monkeypatch.setenv("MIRT_LINKING_METHOD", "mean_sigma")
    load_school(
        platform, simulate_school(LAST, SimulatedBank(n_items=24, n_topics=4, n_anchors=0), n_days=30, n_students=250)
    )
    fill_lake(instance, ANSWERED[0], LAST)
    for day in DAYS:
        run(instance, day)
    once = checksums(platform)
    daily = set(HISTORY_TABLES) - {"dif_history"}
    assert len(once) == len(daily) * len(DAYS)
    assert rows_of(platform, "SELECT DISTINCT improvement_basis FROM feature_history ORDER BY 1") == [
        ("accuracy",), ("theta",), (None,),
    ]  # fmt: skip

    run(instance, DAYS[1])
    after_one = checksums(platform)
    assert {key for key in once if after_one[key] != once[key]} <= {(table, DAYS[1]) for table in HISTORY_TABLES}

    for day in DAYS:
        run(instance, day)
    assert checksums(platform) == once
