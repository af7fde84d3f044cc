"""Priors of the settings reach the night's calibration, and its history records them."""

import dagster as dg
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.observations import observations
from seedtest_assets.cli.simulated_school import load_school
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import rows_of
from seedtest_assets_tests.school import LAST, small_school

pytestmark = pytest.mark.usefixtures("without_pictures")


def test_priors_of_the_settings_are_those_of_the_night(instance, platform, monkeypatch):
    monkeypatch.setenv("SEEDTEST_START_DATE", str(LAST))  # no window to fill
    monkeypatch.setenv("MIRT_PRIOR_A", "0,0.5")
    monkeypatch.setenv("MIRT_PRIOR_B", "0,2")
    load_school(platform, small_school())
    done = dg.materialize(
        [observations, calibrate],
        partition_key=LAST.isoformat(),
        instance=instance,
        resources=resources_from(load_settings()),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success
    [(specification,)] = rows_of(platform, "SELECT model_spec FROM fit_history")
    assert specification["priors"] == {"prior_a": [0, 0.5], "prior_b": [0, 2]}
