"""The checks through Dagster: which there are, what the UI shows, what is kept for the next night."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import dagster as dg
import numpy as np
import pytest

from seedtest_assets.assets.observations import observations
from seedtest_assets.checks import drift
from seedtest_assets.checks.dagster_checks import observations_checks
from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.definitions import defs
from seedtest_assets.resources import IrtEngine, resources_from
from seedtest_assets.schedules import ALERTS_SENT, freshness_job, freshness_schedule
from seedtest_assets.settings import load_settings
from seedtest_assets.step.metadata import rounded
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import ensure_month
from seedtest_assets_tests.conftest import ROOT, SCHOOL, deploy, execute, new_database, rows_of
from seedtest_assets_tests.school import DAY_BEFORE, LAST, checks_of, run_night

pytestmark = pytest.mark.usefixtures("undrawn", "without_report")

OF_WEEKS = dg.AssetCheckKey(dg.AssetKey("item_dif"), "dif")
OF_TABLES = {"theta_coverage", "keys_unique", "no_nulls", "values_in_range"}
EXPECTED = {
    "observations": {"answer_volume", "source_matches_lake"},
    "mirt_item_params": {
        "window_complete",
        "item_count_drop",
        "converged",
        "finite",
        "plausible_ranges",
        "discrimination",
        "anchor_drift",
        "item_drift",
    },
    "mirt_ability": {"ability_distribution"},
    "mirt_fit_meta": {"anchors_present", "linking_constants", "predictive_validity", "freshness", "published"},
    "student_topic_theta": OF_TABLES,
    "features_topic_daily": OF_TABLES,
    "item_statistics": {"flagged_items"},
}
BLOCKING = {"window_complete", "item_count_drop", "converged", "finite", "plausible_ranges"}


@dataclass(frozen=True)
class Nights:
    """A night, the run that filled its window, and the night after it."""

    database: Database
    filling: dict[tuple[str, str], dg.AssetCheckEvaluation]
    first: dict[tuple[str, str], dg.AssetCheckEvaluation]
    second: dict[tuple[str, str], dg.AssetCheckEvaluation]


@pytest.fixture(scope="module")
def nights(school_template, tmp_path_factory) -> Nights:
    database = new_database(school_template, like=SCHOOL)
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        deploy(environment, database, tmp_path_factory.mktemp("lake"))
        first, second = run_night(instance, DAY_BEFORE), run_night(instance, LAST)
        assert (first.failure, second.failure) == (None, None)
        (filling,) = instance.get_runs(dg.RunsFilter(job_name="extract"))
        return Nights(database, *(checks_of(instance, run) for run in (filling.run_id, first.run_id, second.run_id)))


def extract(instance, first, last, *, judged=True) -> list[dg.AssetCheckEvaluation]:
    """Extract a range of days in one run, as a backfill from the UI does; gives the evaluated checks."""
    done = dg.materialize(
        [observations, observations_checks] if judged else [observations],
        instance=instance,
        resources=resources_from(load_settings()),
        tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
    )
    return [
        event.asset_check_evaluation_data
        for event in done.all_events
        if event.event_type_value[6:] == "CHECK_EVALUATION"
    ]


def test_every_check_is_there_daily_and_only_a_bad_calibration_blocks():
    graph = defs.resolve_asset_graph()
    names = {}
    for key in graph.asset_check_keys:
        if key in (ALERTS_SENT, OF_WEEKS):
            continue
        names.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), key
        assert node.description, key
        assert node.blocking is (key.name in BLOCKING), key
    assert names == EXPECTED


def test_two_nights_judge_everything_and_show_numbers_limits_and_a_picture(nights):
    first, second = nights.first, nights.second
    assert set(first) == set(second) == {(asset, name) for asset, names in EXPECTED.items() for name in names}
    for checks in (first, second):
        assert [(check.check_name, check.description) for check in checks.values() if not check.passed] == []
    for (_, name), check in second.items():
        assert check.partition == str(LAST)
        assert len(check.metadata) > 2, name
        assert "what_to_do" in check.metadata, name
        assert isinstance(check.metadata["limits"], dg.TextMetadataValue), name  # the UI plots numbers
        assert check.metadata["history"].value.startswith("!["), name
        for number in (value.value for value in check.metadata.values() if isinstance(value, dg.FloatMetadataValue)):
            assert number == rounded(number), name
    validity = second["mirt_fit_meta", "predictive_validity"]
    assert validity.metadata["gain"].value > 0
    assert "data:image/png" in validity.metadata["reliability_curve"].value
    ((kept,),) = rows_of(
        nights.database, "SELECT metrics->'checks' FROM fit_history WHERE partition_date = :day", day=LAST
    )
    assert kept["item_count_drop"] == {
        "level": "PASS", "items": 40, "usual_items": 40, "share": 1.0,
    }  # fmt: skip


def test_the_days_of_a_range_are_judged_one_by_one_but_none_long_past(instance, platform):
    """Long past is more than 27 days ago: in the first range the first three days, in the second none."""
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    first = yesterday - timedelta(days=30)
    load_school(
        platform,
        simulate_school(yesterday, SimulatedBank(n_items=20, n_topics=4, n_anchors=4), n_days=31, n_students=100),
    )
    execute(
        platform,
        "DELETE FROM attempt WHERE completed_at < :second OR completed_at >= :last",
        second=first + timedelta(days=1),
        last=yesterday,
    )
    early = extract(instance, first, first + timedelta(days=3))
    extract(instance, first + timedelta(days=4), yesterday - timedelta(days=3), judged=False)
    late = extract(instance, yesterday - timedelta(days=2), yesterday)
    days = [first + timedelta(days=n) for n in (0, 1, 2, 3, 28, 29, 30)]
    assert {(check.check_name, check.partition) for check in early + late} == {
        (name, str(day)) for name in EXPECTED["observations"] for day in days
    }
    for checks in (early, late):
        assert len({check.target_materialization_data.run_id for check in checks}) == 1
    assert [(check.check_name, check.partition) for check in early + late if not check.passed] == [
        ("answer_volume", str(yesterday))
    ]
    assert {check.partition for check in early + late if "not judged" in check.description} == set(map(str, days[:3]))


def test_the_run_that_fills_the_window_judges_nothing(nights):
    assert nights.filling == {}


def test_one_check_of_observations_runs_by_itself_also_for_a_day_that_is_not_extracted(instance, school):
    of_volume = dg.AssetCheckKey(dg.AssetKey("observations"), "answer_volume")
    job = defs.resolve_job_def("nightly").get_subset(asset_check_selection={of_volume})
    done = job.execute_in_process(instance=instance, resources=resources_from(load_settings()), partition_key=str(LAST))
    checks = checks_of(instance, done.run_id)
    assert list(checks) == [("observations", "answer_volume")]
    assert "is not extracted yet" in checks["observations", "answer_volume"].description


@pytest.mark.usefixtures("without_small_pictures")
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_an_engine_that_gives_no_numbers_is_rejected_with_its_reason_and_kept(instance, night, number):
    class Broken(IrtEngine):
        def calibrate(self, request, progress=None):
            sound = super().calibrate(request, progress)
            spec = sound.model_spec | {"linking_constants": sound.model_spec["linking_constants"] | {"B": number}}
            abilities = sound.abilities.assign(theta=sound.abilities["theta"].mask(sound.abilities.index == 3, number))
            return replace(sound, model_spec=spec, abilities=abilities)

    done = run_night(instance, resources={"engine": Broken()})
    assert "rejected, nothing written: 0 items and 1 abilities are not finite numbers" in done.failure
    assert checks_of(instance, done.run_id)["mirt_item_params", "finite"].severity == dg.AssetCheckSeverity.ERROR
    assert rows_of(night, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=LAST) == [(0,)]


@pytest.mark.usefixtures("without_small_pictures")
def test_an_anchor_of_an_engine_without_standard_errors_is_judged_by_its_answers(instance, night):
    class WithoutErrors(IrtEngine):
        def calibrate(self, request, progress=None):
            sound = super().calibrate(request, progress)
            return replace(sound, items=sound.items.assign(se_a=np.nan, se_b=np.nan, se_c=np.nan))

    ((anchor,),) = rows_of(
        night, "SELECT id FROM question WHERE meta->'tags' ? 'anchor' ORDER BY abs((meta#>>'{irt,b}')::float8) LIMIT 1"
    )
    execute(
        night,
        "UPDATE question SET meta = jsonb_set(meta, '{irt,b}', to_jsonb((meta#>>'{irt,b}')::float8 + 1.5)) WHERE id = :id",
        id=anchor,
    )
    done = run_night(instance, resources={"engine": WithoutErrors()})
    assert done.failure is None
    check = checks_of(instance, done.run_id)["mirt_item_params", "anchor_drift"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert f"severely: {anchor} (b -1." in check.description


@pytest.mark.usefixtures("without_small_pictures")
def test_a_check_that_breaks_is_told_and_costs_no_calibration(instance, night, monkeypatch):
    def breaks(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(drift, "item_drift", breaks)
    done = run_night(instance)
    assert done.failure is None
    check = checks_of(instance, done.run_id)["mirt_item_params", "item_drift"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "the check itself broke: ZeroDivisionError: division by zero" in check.description
    assert rows_of(night, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=LAST) == [(40,)]


@pytest.mark.usefixtures("without_small_pictures")
def test_parameters_that_no_sound_item_has_are_not_written_until_an_operator_accepts_them(instance, night):
    execute(night, "UPDATE attempt SET correct = NOT correct WHERE item_id::int % 3 = 0")
    execute(night, "UPDATE question SET meta = '{}' WHERE id % 3 = 0")
    extract(instance, LAST - timedelta(days=9), DAY_BEFORE, judged=False)
    done = run_night(instance)
    assert "lie outside a 0.2 to 4" in done.failure
    assert rows_of(night, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=LAST) == [(0,)]
    checks = checks_of(instance, done.run_id)
    assert checks["mirt_item_params", "plausible_ranges"].severity == dg.AssetCheckSeverity.ERROR
    assert set(checks) >= {("mirt_item_params", "item_drift"), ("mirt_fit_meta", "predictive_validity")}

    accepted = run_night(instance, accept_failed_checks=True)
    assert accepted.failure is None
    overruled = checks_of(instance, accepted.run_id)["mirt_item_params", "plausible_ranges"]
    assert (overruled.passed, overruled.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert overruled.description.startswith("accepted by an operator")
    assert rows_of(night, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=LAST) == [(40,)]


def test_the_morning_asks_for_yesterday_and_waits_for_no_pool(instance, platform):
    assert freshness_schedule.cron_schedule == "5 6 * * *"
    assert freshness_schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    tick = datetime(2025, 3, 21, 6, 5, tzinfo=timezone.utc)
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        asked = freshness_schedule(context)
    assert asked.tags == {"dagster/partition": str(LAST)}
    job = defs.resolve_job_def(freshness_job.name)
    assert [node.definition.pool for node in job.nodes] == [None]

    ensure_month(platform, LAST)
    execute(platform, "INSERT INTO fit_history VALUES ('2025-03-19', 'fit', '{}', '{}', '2025-03-20 03:10+00')")
    stale = job.execute_in_process(instance=instance, resources=resources_from(load_settings()), tags=dict(asked.tags))
    assert stale.success
    check = checks_of(instance, stale.run_id)["mirt_fit_meta", "freshness"]
    assert (check.passed, check.severity, check.partition) == (False, dg.AssetCheckSeverity.ERROR, str(LAST))
    execute(platform, "INSERT INTO fit_history VALUES ('2025-03-20', 'late', '{}', '{}', '2025-03-21 09:00+00')")
    again = job.execute_in_process(instance=instance, resources=resources_from(load_settings()), tags=dict(asked.tags))
    assert checks_of(instance, again.run_id)["mirt_fit_meta", "freshness"].passed


def test_the_page_of_the_checks_names_every_check():
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    for names in EXPECTED.values():
        for name in names:
            assert f"`{name}`" in page, name


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.123456, 0.1235),
        (1.23456, 1.235),
        (1234.5678, 1234.57),
        (-285123.456, -285123.46),
        (0.00012345, 0.0001234),
        (0.0, 0.0),
        (7, 7),
        (None, None),
        ("2PL", "2PL"),
        (float("inf"), float("inf")),
    ],
)
def test_a_number_is_rounded_as_a_person_reads_it(number, shown):
    assert rounded(number) == shown
