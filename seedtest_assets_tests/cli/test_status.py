"""`seedtest status`: what it shows, to people and to programs, and what needs a person."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from typer.testing import CliRunner

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.events import Alert
from seedtest_assets.alerting.incidents import Outbox, close_incident, record_events
from seedtest_assets.alerting.keys import check_key
from seedtest_assets.cli.app import app
from seedtest_assets.cli.status.attention import Need, needs
from seedtest_assets.cli.status.facts import look_up
from seedtest_assets.cli.status.nights import nights
from seedtest_assets.dagster_log.kept_connections import kept_connections
from seedtest_assets.dagster_log.process_lock import PROCESS_TAG
from seedtest_assets.definitions import defs
from seedtest_assets.errors import InputError
from seedtest_assets.schedules import dif_job, nightly_schedule
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, downgrade, known_revisions
from seedtest_assets_tests.alerting import night as small_graph
from seedtest_assets_tests.alerting.night import World, run_night
from seedtest_assets_tests.conftest import ROOT, execute, new_database, rows_of
from seedtest_assets_tests.dagster_log.heartbeats import beat
from seedtest_assets_tests.dagster_log.schedules import turn_on
from seedtest_assets_tests.deployment import free_port

MORNING = datetime(2025, 11, 10, 7, tzinfo=timezone.utc)
YESTERDAY = date(2025, 11, 9)
EMPTIED = "runs, run_tags, event_logs, asset_check_executions, daemon_heartbeats, instigators, jobs, asset_keys"


@pytest.fixture(scope="module")
def storage(template) -> Database:
    return new_database(template, like="template0")


@pytest.fixture(scope="module")
def home(storage, tmp_path_factory) -> Path:
    """A project whose Dagster has a database of its own."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def project(home, storage, platform, monkeypatch) -> Database:
    """The environment of the project; gives the platform's database."""
    monkeypatch.chdir(home)
    monkeypatch.delenv("SEEDTEST_ALERT_URLS", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", storage.url)
    return platform


@pytest.fixture
def instance(project, home, storage) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of the project, without any run."""
    with dg.DagsterInstance.from_config(str(home)) as instance, kept_connections(instance):
        execute(storage, f"TRUNCATE {EMPTIED}")
        yield instance


@pytest.fixture
def world(instance) -> Iterator[World]:
    World.current.reset()
    yield World.current
    World.current.reset()


def status(*arguments: str) -> tuple[int, dict]:
    """Exit code and object of `seedtest status --json`."""
    with patch.dict(os.environ):
        done = CliRunner().invoke(app, ["status", "--json", *arguments])
    assert done.stderr == ""
    return done.exit_code, json.loads(done.stdout)


def needed(since: date | None = None) -> list[Need]:
    """What needs a person on the morning of these tests."""
    with patch.dict(os.environ):
        facts = look_up(load_settings(), MORNING, since)
    return needs(facts, nights(facts))


def states(since: date) -> dict[str, str]:
    """The state of each day since one."""
    with patch.dict(os.environ):
        return {str(night.day): night.state for night in nights(look_up(load_settings(), MORNING, since))}


def open_incident(database: Database, key: str, title: str, channels: str | None = None) -> None:
    alert = Alert(
        key=key,
        level="error",
        at=datetime.now(timezone.utc),
        title=title,
        location="mirt_item_params",
        finding="3 items drifted",
        advice=("look at the items",),
        link="/runs/1",
        pending=frozenset({key}),
    )
    record_events(Outbox(database=database, channels=read_channels(channels), ui_url="http://ui"), [alert])


def daemon_lives(instance: dg.DagsterInstance, at: datetime = MORNING) -> None:
    for part in ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR"):
        beat(instance, part, at)


def test_on_a_fresh_project_nothing_needs_a_person_and_nothing_is_written(home, template, tmp_path, monkeypatch):
    platform, storage = (new_database(template, like="template0") for _ in range(2))
    monkeypatch.chdir(home)
    for name, value in {
        "DATABASE_URL": platform.url,
        "DAGSTER_POSTGRES_URL": storage.url,
        "DAGSTER_HOME": str(home),
        "SEEDTEST_LAKE": str(tmp_path / "lake"),
    }.items():
        monkeypatch.setenv(name, value)
    exit_code, shown = status()
    assert (exit_code, shown["ok"], shown["needs_a_person"]) == (0, True, [])
    assert shown["database"]["migrated"] is False
    assert (shown["tables"], shown["newest_fit"], shown["publishing"]) == (None, None, None)
    assert {night["state"] for night in shown["nights"]} == {"not_run"}
    assert shown["daemon"] == {"state": "never_ran", "last_heartbeat": None}
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    assert rows_of(platform, tables) == rows_of(storage, tables) == [(0,)]
    assert not (tmp_path / "lake").exists()


def test_every_key_is_documented_and_every_time_is_iso_8601_in_utc(project, instance, world):
    world.error = InputError("the disk is full")
    last = datetime.now(timezone.utc).date() - timedelta(days=1)
    run_night(instance, str(last))
    open_incident(project, "run", "run failed", "json://127.0.0.1:1/hook")
    execute(project, "UPDATE alert_delivery SET attempts = 1, last_error = 'refused'")
    daemon_lives(instance, datetime.now(timezone.utc))
    _, shown = status()
    documented = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    paths = list(paths_of(shown))
    assert sorted({path for path, _ in paths if f"`{path}`" not in documented}) == []
    times = [value for path, value in paths if path.endswith(("_at", "last_heartbeat", "oldest")) and value]
    assert len(times) >= 6
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) for value in times)
    assert shown["since"] == str(last - timedelta(days=6))


def paths_of(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The keys in a JSON object: `a.b`, `list[].key`, `tables.TABLE.key`."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from paths_of(inner, f"{path}.{'TABLE' if path == 'tables' else key}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from paths_of(inner, f"{path}[]")
    else:
        yield path, value


def test_a_failed_day_needs_a_person_until_it_is_run_again(instance, world):
    world.error = InputError("the disk is full")
    run_night(instance, "2025-11-09")
    run_night(instance, "2025-11-08")
    world.reset()
    first, second = needed()
    assert (first.kind, first.partition) == ("failed_day", date(2025, 11, 8)), "the older day is to be run first"
    assert second.text.endswith(" of 2025-11-09 failed at calibrate: the disk is full")
    assert second.what_to_do == "To run it again: seedtest run --date 2025-11-09"
    assert needed(since=YESTERDAY) == [second]
    run_night(instance, "2025-11-09")
    assert needed(since=YESTERDAY) == []
    assert states(date(2025, 11, 7)) == {"2025-11-09": "done", "2025-11-08": "failed", "2025-11-07": "not run"}


def test_a_rejected_day_is_one_thing_with_the_advice_of_its_failure(instance, world):
    world.share_of_items = 0.3
    run_night(instance, "2025-11-09")
    (need,) = needed()
    assert need.kind == "failed_day"
    assert "rejected, nothing written: 90 items fitted" in need.text
    assert need.what_to_do == (
        "look at the answers of the last days. to accept it: seedtest run --accept-failed-checks. "
        "To run it again: seedtest run --date 2025-11-09"
    )


def test_an_error_check_of_a_day_that_was_written_needs_a_person_until_its_incident_is_closed(project, instance, world):
    world.share_of_items, world.blocking = 0.3, False
    run_night(instance, "2025-11-09")
    (need,) = needed()
    assert (need.kind, need.what_to_do) == ("failed_check", "look at the answers of the last days")
    assert need.text == "ERROR item_count_drop 2025-11-09, mirt_item_params: 90 items fitted, 30% of the 300 usual"
    open_incident(project, check_key("mirt_item_params", "item_count_drop", "2025-11-09"), "item_count_drop 2025-11-09")
    (incident,) = needed()
    assert (incident.kind, incident.partition) == ("incident", YESTERDAY)
    assert close_incident(project, 1)
    assert needed() == []
    world.severity = dg.AssetCheckSeverity.WARN
    run_night(instance, "2025-11-08")
    assert needed() == [], "a warning of a day that was written is for the morning's reader"


def test_an_incident_says_what_happened_and_what_to_do_and_counts_whatever_its_day(project, instance):
    open_incident(project, "check mirt_item_params item_drift 2025-10-02", "item_drift 2025-10-02")
    (need,) = needed()
    assert need.text == "ERROR item_drift 2025-10-02, mirt_item_params: 3 items drifted"
    assert need.what_to_do == "look at the items. If it will not be repaired: seedtest alert close 1"
    assert needed(since=YESTERDAY) == [], "--since leaves out what earlier days are about"


def test_an_incident_about_a_failed_day_is_not_said_twice(project, instance, world):
    world.topics_fail = True
    run_night(instance, "2025-11-09")
    assert [need.kind for need in needed()] == ["failed_day"]
    open_incident(project, "student_topic_theta@2025-11-09", "run failed 2025-11-09")
    assert [need.kind for need in needed()] == ["incident"]


def test_days_that_the_schedule_missed_need_a_person_with_one_command(instance, world):
    daemon_lives(instance)
    turn_on(instance, nightly_schedule.name, since=datetime(2025, 11, 6, 12, tzinfo=timezone.utc))
    run_night(instance, "2025-11-08")
    far, near = needed()
    assert far.text == "no calibration of 2025-11-06 to 2025-11-07, though nightly_schedule is on"
    assert far.what_to_do == "Run the days, oldest first: seedtest run --date 2025-11-07 --days 2"
    assert (near.kind, near.partition) == ("missed_day", YESTERDAY)
    assert states(date(2025, 11, 4))["2025-11-05"] == "not run", "the schedule was off then"
    with patch.dict(os.environ):
        at_five = look_up(load_settings(), datetime(2025, 11, 10, 5, tzinfo=timezone.utc), YESTERDAY)
    assert [night.state for night in nights(at_five)] == ["waiting"], "it is due at six"


@pytest.mark.parametrize(
    ("minutes", "text"), [(None, "and the daemon never ran"), (11, "and the daemon is down since 2025-11-10 06:49 UTC")]
)
def test_a_daemon_that_is_down_needs_a_person_where_the_schedule_is_on(instance, minutes, text):
    if minutes is not None:
        daemon_lives(instance, MORNING - timedelta(minutes=minutes))
    assert needed() == []
    turn_on(instance, nightly_schedule.name, since=MORNING)
    (need,) = needed()
    assert need.kind == "daemon"
    assert need.text.endswith(text)


def test_a_part_of_the_daemon_that_stopped_needs_a_person(project, instance):
    daemon_lives(instance)
    beat(instance, "SCHEDULER", MORNING - timedelta(hours=1))
    turn_on(instance, nightly_schedule.name, since=MORNING)
    open_incident(project, "daemon SCHEDULER", "a part of the Dagster daemon stopped")
    (need,) = needed()
    assert need.text == "no heartbeat of the daemon's scheduler since 2025-11-10 06:00 UTC"


def test_a_run_whose_process_is_gone_needs_a_person(instance):
    tags = {"dagster/partition": "2025-11-09", PROCESS_TAG: "process 1 on host"}
    job = small_graph._definitions.resolve_job_def("nightly")
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    (need,) = needed()
    assert need.text == f"run {run.run_id[:8]} of 2025-11-09 has begun, and its process is gone"


def test_a_run_that_is_under_way_or_starts_again_needs_nobody(instance):
    job = small_graph._definitions.resolve_job_def("nightly")
    for day, status_of_run in (("2025-11-09", "STARTED"), ("2025-11-08", "NOT_STARTED"), ("2025-11-07", "FAILURE")):
        tags = {"dagster/partition": day} | ({"dagster/will_retry": "true"} if status_of_run == "FAILURE" else {})
        instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus(status_of_run))
    assert set(states(date(2025, 11, 7)).values()) == {"running"}
    assert needed() == []


def test_a_day_that_is_continued_from_its_failed_step_is_done(instance, world):
    world.topics_fail = True
    failed = run_night(instance, "2025-11-09")
    world.reset()
    dg.materialize(
        [small_graph.student_topic_theta, *dg.Definitions(assets=[small_graph.calibrate]).assets],
        selection="student_topic_theta",
        instance=instance,
        partition_key="2025-11-09",
        tags={"dagster/root_run_id": failed.run_id, "dagster/parent_run_id": failed.run_id},
    )
    assert states(YESTERDAY) == {"2025-11-09": "done"}


def test_a_failed_run_that_was_to_fill_the_lake_needs_a_person_until_a_later_run(instance, world):
    world.error = InputError("the source is empty")
    tags = {"dagster/asset_partition_range_start": "2025-11-01", "dagster/asset_partition_range_end": "2025-11-08"}
    dg.materialize([small_graph.observations], instance=instance, tags=tags, raise_on_error=False)
    (need,) = needed()
    assert (need.kind, need.text) == (
        "failed_run",
        "the run that fills the lake failed: observations: the source is empty",
    )
    jobs = dg.Definitions(assets=[small_graph.observations], jobs=[dg.define_asset_job(dif_job.name, "observations")])
    weekly = jobs.resolve_job_def(dif_job.name)
    instance.create_run_for_job(weekly, tags={"dagster/partition": "2025-11-03"}, status=dg.DagsterRunStatus.SUCCESS)
    assert needed() == [need], "a run of groups says nothing of the lake"
    world.reset()
    run_night(instance, "2025-11-09")
    assert needed() == []


def test_alerts_that_a_channel_does_not_take_need_a_person(project, instance, monkeypatch):
    url = "json://127.0.0.1:1/hook"
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", url)
    open_incident(project, "a", "a", url)
    execute(project, "UPDATE alert_delivery SET attempts = 1, last_error = 'refused'")
    execute(project, "UPDATE incident SET resolved_at = now()")
    (need,) = needed()
    assert need.kind == "alert_delivery"
    assert re.fullmatch(r"alerts: 1 not sent to json #1 for 0 min: refused", need.text)


def test_a_schema_of_another_version_needs_a_person_and_is_left_alone(project, instance):
    newest = known_revisions()[0]
    downgrade(project, "0004")
    (need,) = needed()
    assert (need.kind, need.text) == (
        "schema",
        f"the schema seedtest has revision 0004, this version of seedtest needs {newest}",
    )
    assert rows_of(project, "SELECT version_num FROM seedtest_migration") == [("0004",)]
    execute(project, "UPDATE seedtest_migration SET version_num = '9999'")
    (need,) = needed()
    assert need.what_to_do == "Install that version"


@pytest.mark.parametrize(
    ("variable", "kind", "others"),
    [
        ("DATABASE_URL", "database", ("daemon", "schedule")),
        ("DAGSTER_POSTGRES_URL", "dagster_database", ("tables", "publishing")),
    ],
)
def test_a_database_that_does_not_answer_needs_a_person_and_the_rest_is_shown(
    instance, monkeypatch, variable, kind, others
):
    monkeypatch.setenv(variable, f"postgresql://me:secret@127.0.0.1:{free_port()}/gone")
    exit_code, shown = status()
    assert exit_code == 1
    assert [need["kind"] for need in shown["needs_a_person"]] == [kind]
    assert "is out of reach" in shown["needs_a_person"][0]["text"]
    assert "secret" not in json.dumps(shown)
    assert all(shown[other] for other in others)


def test_a_lake_that_cannot_be_read_needs_a_person(instance, monkeypatch):
    monkeypatch.setenv("SEEDTEST_LAKE", f"ftp://127.0.0.1:{free_port()}/lake")
    (need,) = needed()
    assert need.kind == "lake"
    assert "Connection refused. Check SEEDTEST_LAKE" in need.text


@pytest.mark.parametrize("since", ["yesterday", "0d", "7", "2999-01-01", "2026-02-30"])
def test_wrong_usage_is_exit_code_2_and_one_reason(project, since):
    done = CliRunner().invoke(app, ["status", "--since", since])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_since_is_a_day_or_a_number_of_days(project, instance):
    last = datetime.now(timezone.utc).date() - timedelta(days=1)
    for since, n_days in (("1d", 1), ("2w", 14), (str(last - timedelta(days=3)), 4)):
        _, shown = status("--since", since)
        assert [night["partition"] for night in shown["nights"]] == [
            str(last - timedelta(days=n)) for n in range(n_days)
        ]


def test_people_get_a_line_for_each_thing(project, instance, world):
    last = datetime.now(timezone.utc).date() - timedelta(days=1)
    run_night(instance, str(last))
    daemon_lives(instance, datetime.now(timezone.utc))
    with patch.dict(os.environ):
        done = CliRunner().invoke(app, ["status", "--since", "2d"])
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert done.exit_code == 0, done.stdout
    assert lines["daemon"].strip() == "running"
    assert lines["schedule 03:00 UTC"].strip() == "off: turn nightly_schedule on in the UI"
    assert f"done: {last}; not run: {last - timedelta(days=1)}" in done.stdout
    open_incident(project, "a [b]", "a [b]")
    with patch.dict(os.environ):
        done = CliRunner().invoke(app, ["status"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == (
        "needs a person        ERROR a [b], mirt_item_params: 3 items drifted. "
        "What to do: look at the items. If it will not be repaired: seedtest alert close 1"
    )


def test_a_dagster_that_keeps_its_runs_elsewhere_is_asked_or_named(instance, world, storage, tmp_path, monkeypatch):
    run_night(instance, "2025-11-09")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", f"postgresql://127.0.0.1:{free_port()}/unused")
    (tmp_path / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{storage.url}'}}}}\n")
    assert states(YESTERDAY) == {"2025-11-09": "done"}
    (tmp_path / "dagster.yaml").unlink()
    (need,) = needed()
    assert need.kind == "dagster_database"
    assert "Dagster keeps its runs elsewhere than in PostgreSQL" in need.text


def test_the_schedule_is_the_one_of_the_definitions_and_off_until_it_is_turned_on():
    """What is read without loading the definitions."""
    from seedtest_assets.cli.status.facts import SCHEDULE
    from seedtest_assets.cli.status.nights import SCHEDULED_HOUR

    schedule = defs.resolve_schedule_def(SCHEDULE)
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == f"0 {SCHEDULED_HOUR} * * *"
