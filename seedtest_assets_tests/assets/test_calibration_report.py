"""The report of real nights, through Dagster: where it is written, what it knows, when there is none."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from seedtest_assets.assets.calibration_report import calibration_report, report_link
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.dagster_log.calibration_runs import calibration_runs, checks_of_run
from seedtest_assets.definitions import defs
from seedtest_assets.report import page
from seedtest_assets.resources import AnswerLake, resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import fit_history, fit_meta
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.locks import one_calibration_at_a_time
from seedtest_assets_tests.conftest import execute, new_database
from seedtest_assets_tests.school import LAST, run_night, silent

pytestmark = pytest.mark.usefixtures("without_small_pictures")

FIRST, SECOND, THIRD = (date(2025, 3, day) for day in (8, 9, 10))


@dataclass(frozen=True)
class Nights:
    """Three nights of a school: without anchors, linked to the night before, and with anchors after a run that failed."""

    instance: dg.DagsterInstance
    database: Database
    lake: Path

    def page(self, day: date) -> str:
        return (self.lake / f"reports/date={day}/calibration.html").read_text(encoding="utf-8")

    def shown(self, day: date) -> dict[str, dg.MetadataValue]:
        """What the UI shows of the newest report of a day."""
        filters = dg.AssetRecordsFilter(dg.AssetKey("calibration_report"), asset_partitions=[day.isoformat()])
        (event,) = self.instance.fetch_materializations(filters, limit=1).records
        return event.asset_materialization.metadata

    def report_again(self, day: date) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [calibration_report],
            instance=self.instance,
            partition_key=day.isoformat(),
            resources=resources_from(load_settings()),
        )


@pytest.fixture(scope="module")
def nights(template, tmp_path_factory):
    database = new_database(template)
    lake = tmp_path_factory.mktemp("lake")
    load_school(
        database, simulate_school(THIRD, SimulatedBank(n_items=24, n_topics=4, n_anchors=8), n_days=12, n_students=150)
    )
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setenv("DATABASE_URL", database.url)
        environment.setenv("SEEDTEST_LAKE", str(lake))
        environment.setenv("MIRT_LOOKBACK_DAYS", "10")
        execute(database, "CREATE TABLE kept AS SELECT id, meta FROM question")
        execute(database, "UPDATE question SET meta = '{}'")
        for day in (FIRST, SECOND):
            assert run_day(instance, day, silent).failure is None
        execute(database, "UPDATE question SET meta = kept.meta FROM kept WHERE kept.id = question.id")
        with one_calibration_at_a_time(database):
            assert run_day(instance, THIRD, silent).failure
        assert run_day(instance, THIRD, silent).failure is None
        yield Nights(instance, database, lake)


def test_hangs_on_the_fit_and_its_items_and_nothing_hangs_on_it():
    node = defs.resolve_asset_graph().get(dg.AssetKey("calibration_report"))
    assert {key.to_user_string() for key in node.parent_keys} == {"mirt_fit_meta", "item_statistics", "person_fit"}
    assert node.child_keys == set()


def test_every_night_leaves_a_report_that_the_ui_names(nights):
    for day in (FIRST, SECOND, THIRD):
        shown, page, fit = nights.shown(day), nights.page(day), fit_meta(nights.database, day)
        assert shown["report"] == dg.MetadataValue.url(f"http://localhost:3001/date={day}/calibration.html")
        assert shown["file"] == dg.MetadataValue.path(str(nights.lake / f"reports/date={day}/calibration.html"))
        assert shown["bytes"].value == len(page.encode())
        assert f"{-fit['metrics']['loglik']:,.3f}" in page
        assert fit["run_id"] in page


def test_the_first_night_defines_the_scale_the_second_is_linked_to_it_the_third_to_anchors(nights):
    assert "The first calibration: it defines the scale." in nights.page(FIRST)
    assert "points-anchors-b-used" not in nights.page(FIRST)
    assert "items of 2025-03-08" in nights.page(SECOND)
    assert 'id="points-anchors-b-used"' in nights.page(SECOND)
    used = fit_meta(nights.database, THIRD)["model_spec"]["linking_constants"]["n_anchors_used"]
    assert f"through {used} anchors" in nights.page(THIRD)


def test_history_ends_with_the_day_and_has_nulls_where_nothing_was_linked(nights):
    history = fit_history(nights.database, THIRD, 90)
    assert list(history["partition_date"]) == [FIRST, SECOND, THIRD]
    assert list(history["linked_to"]) == ["none", "previous", "anchors"]
    assert fit_meta(nights.database, SECOND)["model_spec"]["linked_to_partition"] == str(FIRST)
    assert list(history["A"].isna()) == [True, False, False]
    assert list(history["n_items"]) == [24, 24, 24]
    assert list(fit_history(nights.database, SECOND, 90)["partition_date"]) == [FIRST, SECOND]
    assert list(fit_history(nights.database, THIRD, 1)["partition_date"]) == [THIRD]


def test_runs_are_those_that_calibrate_with_their_retries(nights):
    before = [run for run in calibration_runs(nights.instance, 10) if run.partition != THIRD.isoformat()]
    assert [run.partition for run in before] == [FIRST.isoformat(), SECOND.isoformat()]
    failed, succeeded = (run for run in calibration_runs(nights.instance, 10) if run.partition == THIRD.isoformat())
    assert (failed.status, failed.retries, failed.service_errors) == ("FAILURE", 3, 0)
    assert (succeeded.status, succeeded.retries) == ("SUCCESS", 0)
    assert failed.started_at < succeeded.started_at
    assert succeeded.seconds > 0
    assert calibration_runs(nights.instance, 1) == [succeeded]
    assert nights.shown(THIRD)["runs_shown"].value == 4


def test_a_report_made_again_shows_the_checks_of_the_calibrations_own_run(nights):
    again = nights.report_again(SECOND)
    assert again.success
    assert checks_of_run(nights.instance, again.run_id) == []
    checks = checks_of_run(nights.instance, fit_meta(nights.database, SECOND)["metrics"]["dagster_run_id"])
    assert "item_count_drop" in {check.name for check in checks}
    for check in checks:
        assert f"<td>{check.name}</td>" in nights.page(SECOND)


def test_the_ui_links_to_the_report_where_a_browser_can_open_it(nights, monkeypatch):
    monkeypatch.setenv("SEEDTEST_REPORTS_URL", "http://reports.example/nightly/")
    assert nights.report_again(FIRST).success
    link = f"http://reports.example/nightly/date={FIRST}/calibration.html"
    assert nights.shown(FIRST)["report"] == dg.MetadataValue.url(link)


def test_without_a_calibration_there_is_no_report_and_an_old_one_goes(nights):
    day = THIRD + timedelta(days=1)
    path = Lake(str(nights.lake)).write_report(day, "an old one")
    assert nights.report_again(day).success
    assert nights.shown(day)["nothing_to_do"].value == "no calibration of this day"
    assert not Path(path).exists()


@pytest.mark.parametrize("protocol", ["gs", "gcs"])
def test_a_report_in_a_bucket_of_google_cloud_has_a_link(protocol):
    """The path is what gcsfs gives: bucket and name, without the protocol."""
    lake = AnswerLake(seedtest_lake=f"{protocol}://school/lake", seedtest_reports_url=None)
    link = report_link(lake, "school/lake/reports/date=2025-03-20/calibration.html")
    assert link == dg.MetadataValue.url(
        "https://storage.cloud.google.com/school/lake/reports/date=2025-03-20/calibration.html"
    )


def test_the_report_of_a_night_shows_what_the_other_policy_for_rapid_guesses_gives(school, instance, monkeypatch):
    """The page is made again after the setting changed: it goes by the policy of the fit."""
    taken = []
    monkeypatch.setattr(
        page, "calibration_page", lambda data, rapid=None: taken.append((data, rapid)) or "<!doctype html>"
    )
    execute(
        school,
        "UPDATE attempt SET response_time_ms = 400, correct = false WHERE student_id LIKE '%3' AND item_id IN ('1', '2', '3')",
    )
    monkeypatch.setenv("SEEDTEST_RAPID_GUESSES", "ignore")
    assert run_night(instance, LAST).failure is None
    monkeypatch.setenv("SEEDTEST_RAPID_GUESSES", "keep")
    again = dg.materialize(
        [calibration_report],
        instance=instance,
        partition_key=LAST.isoformat(),
        resources=resources_from(load_settings()),
    )
    assert again.success
    n_given = AnswerLake().window_as_given(LAST).n_answers
    for data, rapid in taken:
        assert rapid.count.policy == "ignore"
        assert len(data.answers) == n_given - rapid.count.n_left_out
        assert rapid.other.policy == "keep"
        kept, fitted = rapid.other.result, data.items.set_index("item_id")["b"]
        assert kept.model_spec["n_observations"] > data.model_spec["n_observations"]
        assert (kept.items.set_index("item_id")["b"] - fitted)[["1", "2", "3"]].min() > 0.05
    assert len(taken) == 2
