"""The report of a real night, through Dagster: where it is written, what it knows, when there is none."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from seedtest_assets.definitions import defs
from seedtest_assets.demo import load_school, simulate_school
from seedtest_assets.nightly import run_day
from seedtest_assets.run_history import calibration_runs, checks_of_run
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.results import fit_history, fit_meta, one_calibration_at_a_time
from seedtest_assets_tests.conftest import execute
from seedtest_assets_tests.engines.irt_service_double import double, hangs

LAST = date(2025, 3, 10)


@pytest.fixture
def instance(monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "10")
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def school(platform):
    load_school(platform, simulate_school(LAST, n_days=11, n_students=200, n_items=24, n_topics=4, n_anchors=8))
    return platform


def night(instance, day=LAST):
    return run_day(instance, day, lambda line: None)


def metadata(instance) -> dict[str, object]:
    """What the UI shows of the newest report."""
    (event,) = instance.fetch_materializations(dg.AssetKey("calibration_report"), limit=1).records
    return event.asset_materialization.metadata


def test_hangs_on_the_fit_alone_and_on_nothing_that_comes_after():
    node = defs.resolve_asset_graph().get(dg.AssetKey("calibration_report"))
    assert {key.to_user_string() for key in node.parent_keys} == {"mirt_fit_meta"}
    assert node.child_keys == set()


def test_a_night_leaves_a_report_that_the_ui_names(instance, school):
    assert night(instance).failure is None
    shown = metadata(instance)
    path = Path(shown["report"].value)
    assert path == Path(load_settings().seedtest_lake) / "reports/date=2025-03-10/calibration.html"
    page = path.read_text(encoding="utf-8")
    assert shown["bytes"].value == len(page.encode())
    fit = fit_meta(school, LAST)
    assert f"{-fit['metrics']['loglik']:,.3f}" in page
    assert fit["run_id"] in page
    assert "item_count_drop" in page
    assert "no earlier partition to compare with" in page


def test_the_report_of_the_next_night_knows_the_night_before(instance, school):
    assert night(instance, LAST - timedelta(days=1)).failure is None
    assert night(instance).failure is None
    history = fit_history(school, LAST, 90)
    assert list(history["partition_date"]) == [LAST - timedelta(days=1), LAST]
    assert list(history["n_items"]) == [24, 24]
    assert history["A"].between(0.7, 1.5).all()
    assert len(fit_history(school, LAST - timedelta(days=1), 90)) == 1
    assert len(fit_history(school, LAST, 1)) == 1
    assert metadata(instance)["runs_shown"].value == 2


def test_linked_to_the_night_before_it_shows_the_items_of_that_night(instance, school):
    execute(school, "UPDATE question SET meta = '{}'")
    assert night(instance, LAST - timedelta(days=1)).failure is None
    assert night(instance).failure is None
    page = Path(metadata(instance)["report"].value).read_text(encoding="utf-8")
    assert "items of 2025-03-09" in page
    assert page.count('id="points-anchors-b-used"') == 1


def test_retries_and_failures_of_the_runs_are_counted(instance, school):
    with one_calibration_at_a_time(school):
        assert night(instance).failure
    assert night(instance).failure is None
    failed, succeeded = calibration_runs(instance, 10)
    assert (failed.status, failed.retries, failed.service_errors) == ("FAILURE", 3, 0)
    assert (succeeded.status, succeeded.retries) == ("SUCCESS", 0)
    assert failed.partition == succeeded.partition == "2025-03-10"
    assert failed.started_at < succeeded.started_at
    assert succeeded.seconds > 0
    assert calibration_runs(instance, 1) == [succeeded]


def test_time_outs_of_the_irt_service_are_told_from_other_retries(instance, school, monkeypatch):
    with double(hangs) as service:
        monkeypatch.setenv("R_IRT_BASE_URL", service.url)
        monkeypatch.setenv("R_IRT_TIMEOUT_SECS", "0.2")
        assert "did not answer in full" in night(instance).failure
    assert "is not reached" in night(instance).failure
    timed_out, not_there = calibration_runs(instance, 10)
    assert (timed_out.retries, timed_out.service_errors, timed_out.service_timeouts) == (3, 4, 4)
    assert (not_there.retries, not_there.service_errors, not_there.service_timeouts) == (3, 4, 0)


def test_the_checks_are_those_of_the_calibrations_own_run(instance, school):
    assert night(instance).failure is None
    run_id = fit_meta(school, LAST)["metrics"]["dagster_run_id"]
    again = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance, partition_key=LAST.isoformat(), asset_selection=[dg.AssetKey("calibration_report")]
    )
    assert again.success
    assert checks_of_run(instance, again.run_id) == []
    assert "item_count_drop" in {check.name for check in checks_of_run(instance, run_id)}
    assert "item_count_drop" in Path(metadata(instance)["report"].value).read_text(encoding="utf-8")


def test_without_a_calibration_there_is_no_report_and_an_old_one_goes(instance, school):
    assert night(instance).failure is None
    path = Path(metadata(instance)["report"].value)
    execute(school, "DELETE FROM mirt_fit_meta")
    again = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance, partition_key=LAST.isoformat(), asset_selection=[dg.AssetKey("calibration_report")]
    )
    assert again.success
    assert metadata(instance)["nothing_to_do"].value == "no calibration of this day"
    assert not path.exists()
