"""item_dif through Dagster: a school with one item that is harder for a group, week by week."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import dagster as dg
import pytest

from seedtest_assets.assets.item_dif import item_dif
from seedtest_assets.checks.dagster_checks import item_dif_check
from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.definitions import defs
from seedtest_assets.resources import GroupQuery, resources_from
from seedtest_assets.schedules import dif_job, dif_schedule, nightly_job
from seedtest_assets.settings import load_settings
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.dif_history import flagged_dif, newest_week
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.student_groups import read_student_groups
from seedtest_assets_tests.conftest import execute, new_database, rows_of

pytestmark = pytest.mark.usefixtures("without_pictures")

MONDAYS = [date(2025, 3, 3), date(2025, 3, 10)]
ITEM = "7"
"""It is harder for the girls."""
GROUPS = "SELECT student_id, CASE WHEN right(student_id, 1) IN ('1', '3', '5', '7') THEN 'girls' ELSE 'boys' END FROM student;"


@dataclass(frozen=True)
class Weeks:
    """Two weeks of the school, run one after the other."""

    database: Database
    lake: str
    shown: list[dict[str, dg.MetadataValue]]
    checks: list[dg.AssetCheckEvaluation]


def run_week(instance, monday: date) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [item_dif, item_dif_check],
        instance=instance,
        partition_key=monday.isoformat(),
        resources=resources_from(load_settings()),
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


@pytest.fixture(scope="module")
def weeks(template, tmp_path_factory) -> Weeks:
    database, folder = new_database(template), tmp_path_factory.mktemp("lake")
    last = MONDAYS[-1] + timedelta(days=6)
    load_school(
        database, simulate_school(last, SimulatedBank(n_items=24, n_topics=4, n_anchors=6), n_days=21, n_students=500)
    )
    execute(
        database,
        f"UPDATE attempt SET correct = correct AND right(id::text, 1) IN ('1', '2', '3') "
        f"WHERE item_id = '{ITEM}' AND right(student_id, 1) IN ('1', '3', '5', '7')",
    )
    execute(database, "CREATE TABLE student AS SELECT DISTINCT student_id FROM attempt")
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setenv("DATABASE_URL", database.url)
        environment.setenv("SEEDTEST_LAKE", str(folder))
        environment.setenv("SEEDTEST_GROUP_SQL", GROUPS)
        fill(database, Lake(str(folder)))
        runs = [run_week(instance, monday) for monday in MONDAYS]
        assert all(run.success for run in runs)
        return Weeks(
            database,
            str(folder),
            [run.asset_materializations_for_node("item_dif")[0].metadata for run in runs],
            [run.get_asset_check_evaluations()[0] for run in runs],
        )


def fill(database: Database, lake: Lake) -> None:
    names = ", ".join(OBSERVATION_SCHEMA.names)
    with database.bulk_transaction() as cursor:
        cursor.execute(f"SELECT {names} FROM attempt ORDER BY completed_at")
        answers = cursor.fetch_arrow_table().cast(OBSERVATION_SCHEMA)
    days = answers["completed_at"].to_numpy().astype("datetime64[D]").astype(object)
    for day in sorted(set(days)):
        lake.write_observations(day, answers.filter((days == day).tolist()))


def test_the_item_that_is_harder_for_a_group_is_found_by_name_and_size(weeks):
    for monday, shown in zip(MONDAYS, weeks.shown, strict=True):
        (row,) = rows_of(
            weeks.database,
            "SELECT item_id, group_id, reference_group, flag, mh_class, mh_delta < -1, signed_area < -0.2, p < 0.001, "
            "b_focal - b_reference > 0.3 FROM dif_history WHERE partition_date = :week AND flag = 'C'",
            week=monday,
        )
        assert row == (ITEM, "girls", "boys", "C", "C", True, True, True, True)
        assert shown["reference_group"].value == "boys"
        assert shown["dagster/row_count"].value == 24
        assert shown["flagged_C"].value == 1
        assert set(shown["students"].value) == {"boys", "girls"}
        assert shown["days_missing_in_lake"].value[-1] == "2025-02-23"  # before the school began


def test_the_check_is_an_error_in_the_first_week_and_knows_the_item_in_the_next(weeks):
    first, second = weeks.checks
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert f"{ITEM} (C, girls)" in first.description
    assert second.passed
    assert "1 known from earlier weeks" in second.description
    assert first.partition == str(MONDAYS[0])


def test_a_group_that_becomes_the_largest_does_not_make_known_items_new(weeks, monkeypatch, instance):
    monkeypatch.setenv("DATABASE_URL", weeks.database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", weeks.lake)
    monkeypatch.setenv("SEEDTEST_GROUP_SQL", f"{GROUPS.rstrip(';')} WHERE right(student_id, 1) NOT IN ('2', '4', '6')")
    done = run_week(instance, date(2025, 3, 24))
    shown = done.asset_materializations_for_node("item_dif")[0].metadata
    assert list(shown["students"].value) == ["girls", "boys"]  # the largest first
    assert shown["reference_group"].value == "boys"
    (check,) = done.get_asset_check_evaluations()
    assert f"{ITEM} (" not in check.description.partition(".")[0]
    assert "1 known from earlier weeks" in check.description


def test_a_window_in_parts_gives_the_same_rows(weeks, monkeypatch, instance):
    monkeypatch.setenv("DATABASE_URL", weeks.database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", weeks.lake)
    monkeypatch.setenv("SEEDTEST_GROUP_SQL", GROUPS)
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1000)
    query = "SELECT * FROM dif_history WHERE partition_date = :week ORDER BY item_id"
    before = rows_of(weeks.database, query, week=MONDAYS[-1])
    assert run_week(instance, MONDAYS[-1]).success
    for row, old in zip(rows_of(weeks.database, query, week=MONDAYS[-1]), before, strict=True):
        assert [value for value in row if not isinstance(value, float | datetime)] == [
            value for value in old if not isinstance(value, float | datetime)
        ]
        numbers = [[value for value in of if isinstance(value, float)] for of in (row, old)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4, abs=1e-6, nan_ok=True)


def test_a_query_may_end_with_a_comment(platform):
    assert read_student_groups(platform, "SELECT 'u1', 'x' -- everybody").groups == {"u1": "x"}


def test_the_report_reads_the_newest_week_up_to_its_day(weeks):
    assert newest_week(weeks.database, MONDAYS[0] - timedelta(days=1)) is None
    assert newest_week(weeks.database, MONDAYS[1] - timedelta(days=1)) == MONDAYS[0]
    assert flagged_dif(weeks.database, MONDAYS[1])["item_id"].tolist()[0] == ITEM


def test_a_week_run_again_is_replaced(weeks, monkeypatch, tmp_path, instance):
    monkeypatch.setenv("DATABASE_URL", weeks.database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path))  # a lake without answers
    monkeypatch.setenv("SEEDTEST_GROUP_SQL", GROUPS)
    before = rows_of(weeks.database, "SELECT count(*) FROM dif_history WHERE partition_date = :week", week=MONDAYS[0])
    done = run_week(instance, date(2025, 3, 17))
    shown = done.asset_materializations_for_node("item_dif")[0].metadata
    assert shown["nothing_to_do"].value == "0 groups with answers in the window"
    assert (
        rows_of(weeks.database, "SELECT count(*) FROM dif_history WHERE partition_date = :week", week=MONDAYS[0])
        == before
    )


def test_without_groups_there_is_nothing_to_do(platform, instance):
    done = run_week(instance, MONDAYS[0])
    assert done.success
    shown = done.asset_materializations_for_node("item_dif")[0].metadata
    assert shown["nothing_to_do"].value == "SEEDTEST_GROUP_SQL is not set, so no groups are known"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1", "SEEDTEST_GROUP_SQL gives 1 columns"),
        ("SELECT a FROM nowhere", 'SEEDTEST_GROUP_SQL: .*relation "nowhere" does not exist'),
        ("SELECT 'u1', 'x' UNION ALL SELECT 'u1', 'y'", "the student u1 is in two groups, x and y"),
        ("SELECT 'u1', nextval('attempt_id_seq')", "SEEDTEST_GROUP_SQL: .*read-only transaction"),
    ],
)
def test_a_query_that_cannot_be_used_is_one_line_with_its_name(platform, monkeypatch, instance, query, message):
    monkeypatch.setenv("SEEDTEST_GROUP_SQL", query)
    done = run_week(instance, MONDAYS[0])
    assert not done.success
    (failure,) = [event for event in done.all_node_events if event.is_step_failure and event.step_key == "item_dif"]
    line = failure.step_failure_data.user_failure_data.description
    assert "\n" not in line
    assert re.search(message, line), line


def test_the_schedule_asks_on_monday_for_the_week_that_ended_and_skips_without_groups(settings):
    assert dif_schedule.cron_schedule == "30 4 * * 1"
    monday = datetime(2025, 3, 17, 4, 30, tzinfo=timezone.utc)
    with dg.instance_for_test() as instance:
        with dg.build_schedule_context(instance, scheduled_execution_time=monday) as context:
            assert (
                dif_schedule(context, group_query=GroupQuery(seedtest_group_sql=GROUPS)).partition_key == "2025-03-10"
            )
        with dg.build_schedule_context(instance, scheduled_execution_time=monday) as context:
            skipped = dif_schedule(context, group_query=GroupQuery(seedtest_group_sql=None))
            assert "SEEDTEST_GROUP_SQL is not set" in skipped.skip_message


def test_it_is_a_job_of_its_own_and_no_part_of_a_night(instance):
    graph = defs.resolve_asset_graph()
    of_weeks, of_nights = (
        {key.to_user_string() for key in job.selection.resolve(graph)} for job in (dif_job, nightly_job)
    )
    assert of_weeks == {"item_dif"}
    assert of_weeks.isdisjoint(of_nights)
    check = dg.AssetCheckKey(dg.AssetKey("item_dif"), "dif")
    assert check in dif_job.selection.resolve_checks(graph)
    assert check not in nightly_job.selection.resolve_checks(graph)
