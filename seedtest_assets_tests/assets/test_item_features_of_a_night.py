"""Features of items give a night's items priors, from the night before; without the setting nothing changes."""

from datetime import timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.observations import observations
from seedtest_assets.cli.simulated_school import School, load_school
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.school import DAY_BEFORE, LAST, small_school

pytestmark = pytest.mark.usefixtures("without_pictures")

NEW = "18"
"""An item that is first answered on the last day, five times."""


def school_with_a_new_item():
    school = small_school()
    of_item, day = pc.equal(school.answers["item_id"], NEW), pc.cast(school.answers["completed_at"], pa.date32())
    first_five = pa.array(range(len(of_item)), pa.int64())
    on_last_day = pc.and_(of_item, pc.equal(day, LAST))
    chosen = pc.indices_nonzero(on_last_day)[:5]
    kept = pc.or_(pc.invert(of_item), pc.is_in(first_five, chosen.cast(pa.int64())))
    return School(school.answers.filter(kept), school.questions)


def night(instance, day):
    done = dg.materialize(
        [observations, calibrate],
        partition_key=day.isoformat(),
        instance=instance,
        resources=resources_from(load_settings()),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success
    return done


def extract_window(instance, day):
    """The observations of the days before, as a backfill extracts them."""
    for back in range(11, 0, -1):
        dg.materialize(
            [observations],
            partition_key=(day - timedelta(days=back)).isoformat(),
            instance=instance,
            resources=resources_from(load_settings()),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def fit_of(platform, day):
    [(specification, metrics)] = rows_of(
        platform, f"SELECT model_spec, metrics FROM fit_history WHERE partition_date = '{day}'"
    )
    return specification, metrics


def test_a_new_item_is_calibrated_from_its_first_answers(instance, platform, monkeypatch):
    load_school(platform, school_with_a_new_item())
    extract_window(instance, LAST)
    monkeypatch.setenv("SEEDTEST_ITEM_FEATURES", "topic_id,author")
    night(instance, DAY_BEFORE)
    specification, metrics = fit_of(platform, DAY_BEFORE)
    assert "item_priors" not in specification
    assert any("there is no earlier calibration to learn from" in line for line in metrics["warnings"])
    assert any("no question has a number, text or list 'author'" in line for line in metrics["warnings"])

    done = night(instance, LAST)
    specification, _ = fit_of(platform, LAST)
    priors = specification["item_priors"]
    assert priors["bank_day"] == str(DAY_BEFORE)
    assert priors["features"] == ["topic_id"]
    assert priors["n_items"] == 40 - 12  # all but the anchors
    assert priors["b"]["residual_sd"] > 0.1
    [(se_b, n_responses, flags, published)] = rows_of(
        platform,
        f"""SELECT item.se_b, item.n_responses, item.flags, params -> 'b' IS NOT NULL
        FROM item_history AS item JOIN mirt_item_params USING (item_id)
        WHERE item_id = '{NEW}' AND partition_date = '{LAST}'""",
    )
    assert 1 <= n_responses <= 5
    assert 0.3 < se_b < 1.2
    assert flags[-1] == f"provisional: the standard error of b is {se_b:.2f}, above 0.3"
    assert published
    [check] = [check for check in done.get_asset_check_evaluations() if check.check_name == "discrimination"]
    assert check.passed
    metadata = done.asset_materializations_for_node("calibrate")
    assert metadata[0].metadata["provisional"].value >= 1
    assert metadata[2].metadata["items_with_priors"].value == 28


def test_without_features_or_a_bank_to_learn_from_nothing_changes(instance, platform, monkeypatch):
    load_school(platform, school_with_a_new_item())
    extract_window(instance, LAST)
    query = "SELECT item_id, a, b, se_a, se_b FROM item_history ORDER BY item_id"
    night(instance, LAST)
    without = rows_of(platform, query)
    assert "item_priors" not in fit_of(platform, LAST)[0]
    assert NEW not in [row[0] for row in without]
    assert not rows_of(platform, "SELECT 1 FROM item_history WHERE array_to_string(flags, '') LIKE '%provisional%'")
    monkeypatch.setenv("SEEDTEST_ITEM_FEATURES", "topic_id")
    night(instance, LAST)
    assert rows_of(platform, query) == without
