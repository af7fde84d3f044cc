"""A calibration of a day whose look-back window the lake does not have."""

import dagster as dg
import pytest

from seedtest_assets.assets.calibrate import calibrate
from seedtest_assets.assets.observations import observations
from seedtest_assets.days import days_up_to
from seedtest_assets.resources import AnswerLake, AnswerSource, PlatformDatabase, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.school import LAST, checks_of

pytestmark = pytest.mark.usefixtures("without_pictures")

ANSWERED = days_up_to(LAST, 12)
"""The days that the school has answers of; the window has 10."""


def run_alone(instance, day):
    """Materialise a day from the UI, without the run that fills the window."""
    done = dg.materialize(
        [observations, calibrate],
        instance=instance,
        partition_key=str(day),
        resources=resources_from(load_settings()),
        raise_on_error=False,
    )
    return done.success, checks_of(instance, done.run_id)["mirt_item_params", "window_complete"]


def test_a_day_alone_on_an_empty_lake_is_not_written(instance, school):
    success, check = run_alone(instance, LAST)
    assert (success, check.passed, check.severity) == (False, False, dg.AssetCheckSeverity.ERROR)
    assert check.description.startswith("the lake lacks 9 of the 10 days of the window since 2025-03-11: 2025-03-11, ")
    assert rows_of(school, "SELECT count(*) FROM fit_history") == [(0,)]


def test_the_first_day_of_a_platform_is_complete_alone(instance, school):
    _, check = run_alone(instance, ANSWERED[0])
    assert check.passed
    assert check.description == "the lake has every day of the window since 2025-03-09"


def test_a_day_that_the_lake_lost_is_a_warning_and_the_night_is_written(instance, night):
    lake = AnswerLake().storage
    lake.filesystem.rm(lake.day_folder(ANSWERED[-3]), recursive=True)
    success, check = run_alone(instance, LAST)
    assert (success, check.passed, check.severity) == (True, False, dg.AssetCheckSeverity.WARN)
    assert check.description == "the lake lacks 1 of the 10 days of the window since 2025-03-11: 2025-03-18"


@pytest.mark.parametrize("statement", ["DROP TABLE attempt CASCADE", "DELETE FROM attempt"])
def test_where_the_source_forgot_the_days_the_lake_says_since_when_there_are_answers(night, statement):
    execute(night, statement)
    resource, platform = AnswerLake(), PlatformDatabase()
    lake = resource.storage
    for day in ANSWERED[6:8]:
        lake.filesystem.rm(lake.day_folder(day), recursive=True)
    execute(night, "DROP TABLE IF EXISTS responses, exam_results CASCADE")
    window = resource.window(LAST)
    assert window.missing == [*ANSWERED[6:8], LAST]
    assert resource.answers_since(window, lambda: AnswerSource().find(platform)) == window.first
