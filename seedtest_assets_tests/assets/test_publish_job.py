"""The job publish: an earlier day again, the newest, and what it refuses."""

from datetime import timedelta

import dagster as dg
import pytest

from seedtest_assets.checks.dagster_checks import published_check
from seedtest_assets.resources import resources_from
from seedtest_assets.schedules import publish_job
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.publications import publication_state
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.storage.nights import DAY, calibrate

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def two_days(platform):
    calibrate(platform, DAY, items={"i0": 0.0, "i1": 1.0})
    calibrate(platform, NEXT, items={"i0": 0.5, "i1": 1.5})
    return platform


def run(instance, **config):
    return publish_job.execute_in_process(
        instance=instance,
        resources=resources_from(load_settings()),
        run_config={"ops": {"publish_day_op": {"config": config}}},
        raise_on_error=False,
    )


def difficulty(database):
    return rows_of(database, "SELECT (params->>'b')::float8 FROM mirt_item_params WHERE item_id = 'i0'")


def test_an_earlier_day_is_published_and_pinned_and_the_newest_unpins(instance, two_days):
    assert difficulty(two_days) == [(0.5,)]
    done = run(instance, date=str(DAY), reason="wrong keys on Monday")
    assert done.success
    assert difficulty(two_days) == [(0.0,)]
    state = publication_state(two_days)
    assert (state.pinned, state.published_by, state.reason) == (
        DAY,
        f"run {done.run_id[:8]}",
        "wrong keys on Monday",
    )
    check = published_check(platform=resources_from(load_settings())["platform"])
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)

    assert run(instance).success
    assert difficulty(two_days) == [(0.5,)]
    assert publication_state(two_days).pinned is None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"date": "2025-02-30"}, "'2025-02-30' is not a day"),
        ({"date": str(DAY - timedelta(days=9))}, "history has no accepted calibration of 2025-02-28"),
    ],
)
def test_a_day_that_history_does_not_have_is_refused_in_one_line(instance, two_days, config, reason):
    done = run(instance, **config)
    (failure,) = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    assert failure.user_failure_data.description.startswith(reason)
    assert difficulty(two_days) == [(0.5,)]
