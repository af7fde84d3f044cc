"""The checks through Dagster: which there are, what the UI shows, what is kept for the next night."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import dagster as dg
import numpy as np
import pytest

from seedtest_assets.checks import drift
from seedtest_assets.checks.on_freshness import freshness_job, freshness_schedule
from seedtest_assets.cli.demo import load_school, simulate_school
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.definitions import defs
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets_tests.conftest import ROOT, execute, rows_of

LAST = date(2025, 3, 20)
OF_TABLES = {"theta_coverage", "keys_unique", "no_nulls", "values_in_range"}
EXPECTED = {
    "observations": {"answer_volume", "source_matches_lake"},
    "mirt_item_params": {"item_count_drop", "converged", "finite", "plausible_ranges", "anchor_drift", "item_drift"},
    "mirt_ability": {"ability_distribution"},
    "mirt_fit_meta": {"anchors_present", "linking_constants", "predictive_validity", "freshness"},
    "student_topic_theta": OF_TABLES,
    "features_topic_daily": OF_TABLES,
}
OF_THE_ALERTS = "alerts_sent"
"""Not one of these: it tells of messages that could not be sent, and has tests of its own."""
BLOCKING = {"item_count_drop", "converged", "finite", "plausible_ranges"}


@pytest.fixture
def instance(monkeypatch):
    monkeypatch.setenv("MIRT_LOOKBACK_DAYS", "10")
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def school(platform):
    load_school(platform, simulate_school(LAST, n_days=12, n_students=300, n_items=40, n_topics=4, n_anchors=12))
    return platform


def run(instance, day=LAST, **how):
    return run_day(instance, day, lambda line: None, **how)


def checks_of(instance, run_id) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    told = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]
    told = [one for one in told if one.check_name != OF_THE_ALERTS]
    assert len(told) == len({(one.asset_key, one.check_name) for one in told})
    return {(one.asset_key.to_user_string(), one.check_name): one for one in told}


def extract(instance, first, last) -> list[dg.AssetCheckEvaluation]:
    """Extract a range of days in one run, as a backfill from the UI does; gives what the checks said."""
    done = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
        asset_selection=[dg.AssetKey("observations")],
    )
    return [
        event.asset_check_evaluation_data
        for event in done.all_events
        if event.event_type_value[6:] == "CHECK_EVALUATION"
    ]


def test_every_check_is_there_daily_and_only_a_bad_calibration_blocks():
    graph = defs.resolve_asset_graph()
    there = {}
    for key in graph.asset_check_keys:
        if key.name == OF_THE_ALERTS:
            continue
        there.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), key
        assert node.description, key
        assert node.blocking is (key.name in BLOCKING), key
    assert there == EXPECTED


def test_two_nights_judge_everything_and_show_numbers_limits_and_a_picture(instance, school):
    before, done = run(instance, LAST - timedelta(days=1)), run(instance)
    assert (before.failure, done.failure) == (None, None)
    first = checks_of(instance, before.run_id)
    second = checks_of(instance, done.run_id)
    assert set(first) == set(second) == {(asset, name) for asset, names in EXPECTED.items() for name in names}
    for told in (first, second):
        assert [(one.check_name, one.description) for one in told.values() if not one.passed] == []
    limits = ("below", "above", "limit", "allowed", "least", "moderate", "low", "needed", "deadline")
    for (_, name), one in second.items():
        assert one.partition == str(LAST)
        assert len(one.metadata) > 2, name
        assert "what_to_do" in one.metadata, name
        assert any(word in key for key in one.metadata for word in limits), (name, list(one.metadata))
        assert one.metadata["history"].value.startswith("!["), name
    validity = second["mirt_fit_meta", "predictive_validity"]
    assert validity.metadata["gain"].value > 0
    assert "data:image/png" in validity.metadata["reliability_curve"].value
    ((kept,),) = rows_of(school, "SELECT metrics->'checks' FROM mirt_fit_meta WHERE partition_date = :day", day=LAST)
    assert kept["item_count_drop"] == {
        "level": "PASS", "items": 40, "usual_items": 40, "share": 1.0, "warn_below": 0.9, "error_below": 0.8,
    }  # fmt: skip


def test_the_days_of_a_range_are_judged_one_by_one_but_none_long_past(instance, platform, monkeypatch):
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    first = yesterday - timedelta(days=30)
    load_school(platform, simulate_school(yesterday, n_days=31, n_students=100, n_items=20, n_topics=4, n_anchors=4))
    execute(
        platform,
        "DELETE FROM attempt WHERE completed_at < :second OR completed_at >= :last",
        second=first + timedelta(days=1),
        last=yesterday,
    )
    told = extract(instance, first, yesterday)
    assert {(one.check_name, one.partition) for one in told} == {
        (name, str(first + timedelta(days=n))) for name in EXPECTED["observations"] for n in range(31)
    }
    assert {one.target_materialization_data.run_id for one in told} == {one.run_id for one in instance.get_runs()}
    assert [(one.check_name, one.partition) for one in told if not one.passed] == [("answer_volume", str(yesterday))]
    assert {one.partition for one in told if "not judged" in one.description} == {
        str(first),
        str(first + timedelta(days=1)),
        str(first + timedelta(days=2)),
    }


def test_the_run_that_fills_the_window_judges_nothing(instance, school):
    assert run(instance).failure is None
    (filling,) = instance.get_runs(dg.RunsFilter(job_name="extract"))
    assert checks_of(instance, filling.run_id) == {}


def test_one_check_of_observations_runs_by_itself_also_for_a_day_that_is_not_extracted(instance, school):
    of_volume = dg.AssetCheckKey(dg.AssetKey("observations"), "answer_volume")
    job = defs.resolve_job_def("nightly").get_subset(asset_check_selection={of_volume})
    done = job.execute_in_process(instance=instance, partition_key=str(LAST))
    told = checks_of(instance, done.run_id)
    assert list(told) == [("observations", "answer_volume")]
    assert "is not extracted yet" in told["observations", "answer_volume"].description


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_an_engine_that_gives_no_numbers_is_rejected_with_its_reason_and_kept(instance, school, monkeypatch, number):
    class Broken(InProcessEngine):
        def calibrate(self, request, progress=lambda *_: None):
            sound = super().calibrate(request, progress)
            spec = sound.model_spec | {"linking_constants": sound.model_spec["linking_constants"] | {"B": number}}
            abilities = sound.abilities.assign(theta=sound.abilities["theta"].mask(sound.abilities.index == 3, number))
            return replace(sound, model_spec=spec, abilities=abilities)

    monkeypatch.setattr("seedtest_assets.assets.calibrate.engine_for", lambda settings: Broken())
    done = run(instance)
    assert "rejected, nothing written: 0 items and 1 abilities are not finite numbers" in done.failure
    assert checks_of(instance, done.run_id)["mirt_item_params", "finite"].severity == dg.AssetCheckSeverity.ERROR
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params") == [(0,)]


def test_an_anchor_of_an_engine_without_standard_errors_is_judged_by_its_answers(instance, school, monkeypatch):
    class WithoutErrors(InProcessEngine):
        def calibrate(self, request, progress=lambda *_: None):
            sound = super().calibrate(request, progress)
            return replace(sound, items=sound.items.assign(se_a=np.nan, se_b=np.nan, se_c=np.nan))

    monkeypatch.setattr("seedtest_assets.assets.calibrate.engine_for", lambda settings: WithoutErrors())
    ((anchor,),) = rows_of(
        school, "SELECT id FROM question WHERE meta->'tags' ? 'anchor' ORDER BY abs((meta#>>'{irt,b}')::float8) LIMIT 1"
    )
    execute(
        school,
        "UPDATE question SET meta = jsonb_set(meta, '{irt,b}', to_jsonb((meta#>>'{irt,b}')::float8 + 1.5)) WHERE id = :id",
        id=anchor,
    )
    done = run(instance)
    assert done.failure is None
    told = checks_of(instance, done.run_id)["mirt_item_params", "anchor_drift"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert f"severely: {anchor} (b -1." in told.description


def test_a_check_that_breaks_is_told_and_costs_no_calibration(instance, school, monkeypatch):
    def breaks(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(drift, "item_drift", breaks)
    done = run(instance)
    assert done.failure is None
    told = checks_of(instance, done.run_id)["mirt_item_params", "item_drift"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "the check itself broke: ZeroDivisionError: division by zero" in told.description
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params") == [(40,)]


def test_parameters_that_no_sound_item_has_are_not_written_until_an_operator_accepts_them(instance, school):
    assert run(instance, LAST - timedelta(days=1)).failure is None
    execute(school, "UPDATE attempt SET correct = NOT correct WHERE item_id::int % 3 = 0")
    execute(school, "UPDATE question SET meta = '{}' WHERE id % 3 = 0")
    extract(instance, LAST - timedelta(days=9), LAST - timedelta(days=1))
    done = run(instance)
    assert "lie outside a 0.2 to 4" in done.failure
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params WHERE partition_date = :day", day=LAST) == [(0,)]
    told = checks_of(instance, done.run_id)
    assert told["mirt_item_params", "plausible_ranges"].severity == dg.AssetCheckSeverity.ERROR
    assert set(told) >= {("mirt_item_params", "item_drift"), ("mirt_fit_meta", "predictive_validity")}

    accepted = run(instance, accept_failed_checks=True)
    assert accepted.failure is None
    overruled = checks_of(instance, accepted.run_id)["mirt_item_params", "plausible_ranges"]
    assert (overruled.passed, overruled.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert overruled.description.startswith("accepted by an operator")
    assert rows_of(school, "SELECT count(*) FROM mirt_item_params WHERE partition_date = :day", day=LAST) == [(40,)]


def test_late_answers_warn_and_name_their_day(instance, school):
    assert run(instance, LAST - timedelta(days=1)).failure is None
    execute(
        school,
        "INSERT INTO attempt (student_id, item_id, topic_id, correct, completed_at) "
        "SELECT 'late', n::text, 'topic-01', true, '2025-03-18 12:00+00' FROM generate_series(1, 100) AS n",
    )
    done = run(instance)
    told = checks_of(instance, done.run_id)["observations", "source_matches_lake"]
    assert (done.failure, told.passed, told.severity) == (None, False, dg.AssetCheckSeverity.WARN)
    assert any(line.startswith("WARN source_matches_lake: ") for line in done.failed_checks), (
        "the terminal tells it, too"
    )
    assert "2025-03-18 (+100)" in told.description
    assert "seedtest run --refresh" in told.description


def test_the_morning_asks_for_yesterday_and_waits_for_no_pool(instance, platform):
    assert freshness_schedule.cron_schedule == "5 6 * * *"
    assert freshness_schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    tick = datetime(2025, 3, 21, 6, 5, tzinfo=timezone.utc)
    asked = freshness_schedule(dg.build_schedule_context(scheduled_execution_time=tick))
    assert asked.tags == {"dagster/partition": str(LAST)}
    job = defs.resolve_job_def(freshness_job.name)
    assert [node.definition.pool for node in job.nodes] == [None]

    execute(platform, "INSERT INTO mirt_fit_meta VALUES ('fit', '2025-03-19', '{}', '{}', '2025-03-20 03:10+00')")
    stale = job.execute_in_process(instance=instance, tags=dict(asked.tags))
    assert stale.success
    told = checks_of(instance, stale.run_id)["mirt_fit_meta", "freshness"]
    assert (told.passed, told.severity, told.partition) == (False, dg.AssetCheckSeverity.ERROR, str(LAST))
    execute(platform, "INSERT INTO mirt_fit_meta VALUES ('late', '2025-03-20', '{}', '{}', '2025-03-21 09:00+00')")
    again = job.execute_in_process(instance=instance, tags=dict(asked.tags))
    assert checks_of(instance, again.run_id)["mirt_fit_meta", "freshness"].passed


def test_the_page_of_the_checks_names_every_check():
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    for names in EXPECTED.values():
        for name in names:
            assert f"`{name}`" in page, name
