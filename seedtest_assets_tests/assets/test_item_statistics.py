"""item_statistics in real nights: rows of every item, omissions, a night run again, a day without a calibration."""

from datetime import timedelta

import dagster as dg
import pytest

from seedtest_assets.assets.item_statistics import item_statistics
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.school import LAST, N_ANCHORS, N_ITEMS, checks_of, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")


def test_a_night_has_a_row_of_every_item_and_counts_omissions(instance, night):
    execute(night, "ALTER TABLE attempt ALTER correct DROP NOT NULL")
    execute(night, "UPDATE attempt SET correct = NULL WHERE item_id = '9' AND completed_at >= :day", day=LAST)
    result = run_night(instance, LAST)
    assert result.failure is None
    assert rows_of(
        night,
        "SELECT count(*), count(b), count(anchor_drift), min(exposure_60_days) > 0 FROM item_statistics_history "
        "WHERE partition_date = :day",
        day=LAST,
    ) == [(N_ITEMS, N_ITEMS, N_ANCHORS, True)]
    ((share,),) = rows_of(
        night,
        "SELECT omission_share FROM item_statistics_history WHERE partition_date = :day AND item_id = '9'",
        day=LAST,
    )
    ((omitted, n),) = rows_of(
        night,
        "SELECT count(*) FILTER (WHERE correct IS NULL), count(*) FROM attempt "
        "WHERE item_id = '9' AND completed_at >= :first AND completed_at < :end",
        first=LAST - timedelta(days=9),
        end=LAST + timedelta(days=1),
    )
    assert omitted > 0
    assert share == pytest.approx(omitted / n)


def test_a_new_flag_fails_the_check_once(instance, night):
    execute(night, "UPDATE question SET meta = jsonb_set(meta, '{irt,b}', '2.9') WHERE id = :id", id=_an_anchor(night))
    check = checks_of(instance, run_night(instance, LAST).run_id)["item_statistics", "flagged_items"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert f"{_an_anchor(night)} (drifting)" in check.description
    again = checks_of(instance, run_night(instance, LAST + timedelta(days=1)).run_id)
    assert again["item_statistics", "flagged_items"].passed


def test_a_day_without_a_calibration_has_no_statistics(instance, night):
    empty = LAST + timedelta(days=40)
    done = dg.materialize(
        [item_statistics],
        instance=instance,
        partition_key=empty.isoformat(),
        resources=resources_from(load_settings()),
    )
    (event,) = done.get_asset_materialization_events()
    assert event.materialization.metadata["nothing_to_do"].value == "no calibration of this day"


def _an_anchor(database) -> int:
    ((anchor,),) = rows_of(database, "SELECT min(id) FROM question WHERE meta->'tags' ? 'anchor'")
    return anchor
