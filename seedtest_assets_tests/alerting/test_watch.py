"""What Dagster's log is read as: real runs on a real instance, into incidents in a real PostgreSQL."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import PARTITION_NAME_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG
from dagster._daemon.types import DaemonHeartbeat

from seedtest_assets.alerting.incidents import open_incidents
from seedtest_assets.alerting.watch import Memory, daemon_news, look, missed_calibration, read_memory, write_memory
from seedtest_assets.checks.specs import FRESHNESS
from seedtest_assets.settings import load_settings
from seedtest_assets_tests.conftest import rows_of

DAY = "2025-11-01"
RETRYING = {"run_retries": {"enabled": True, "max_retries": 1}}
daily = dg.DailyPartitionsDefinition("2025-10-01")
NOT_REACHED = "the IRT service at http://irt.example/irt/calibrate is not reached, or broke off (attempt {n}): refused"


class World:
    """What goes wrong at the moment."""

    error: dg.Failure | Exception | None = None
    share = 1.0
    severity = dg.AssetCheckSeverity.ERROR
    blocking = True
    theta_fails = False
    drift = False


@dg.multi_asset(
    name="calibrate",
    specs=[dg.AssetSpec("mirt_item_params"), dg.AssetSpec("mirt_fit_meta", deps=["mirt_item_params"])],
    check_specs=[
        dg.AssetCheckSpec("item_count_drop", asset="mirt_item_params", partitions_def=daily),
        dg.AssetCheckSpec("item_drift", asset="mirt_item_params", partitions_def=daily),
    ],
    partitions_def=daily,
    retry_policy=dg.RetryPolicy(max_retries=3, delay=0),
)
def calibrate(context: dg.AssetExecutionContext):
    if World.error:
        raise World.error
    passed = World.share == 1
    description = f"{World.share * 300:g} items fitted, {World.share:.0%} of the 300 usual"
    yield dg.AssetCheckResult(
        passed=passed,
        asset_key="mirt_item_params",
        check_name="item_count_drop",
        severity=World.severity,
        description=description,
        metadata={"items": int(World.share * 300), "share": World.share, "picture": dg.MetadataValue.md("![](data:)")},
    )
    yield dg.AssetCheckResult(
        passed=not World.drift,
        asset_key="mirt_item_params",
        check_name="item_drift",
        severity=dg.AssetCheckSeverity.WARN,
        description="3 items drifted",
    )
    if not passed and World.blocking:
        raise dg.Failure(f"calibration of {DAY} rejected, nothing written: {description}", allow_retries=False)
    yield dg.MaterializeResult(asset_key="mirt_item_params")
    yield dg.MaterializeResult(asset_key="mirt_fit_meta")


@dg.asset(partitions_def=daily, deps=["mirt_fit_meta"])
def student_topic_theta() -> None:
    if World.theta_fails:
        raise RuntimeError("no such grid\nand more")


@dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
def observations(context: dg.AssetExecutionContext) -> None:
    if World.error:
        raise World.error


ASSETS = [calibrate, student_topic_theta, observations]
nightly = dg.define_asset_job("nightly", selection=[*calibrate.keys, student_topic_theta.key])
jobs = dg.Definitions(assets=ASSETS, jobs=[nightly], executor=dg.in_process_executor)


@pytest.fixture(autouse=True)
def well():
    World.error, World.share, World.severity, World.blocking = None, 1.0, dg.AssetCheckSeverity.ERROR, True
    World.theta_fails = World.drift = False


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def kept(tmp_path):
    """An instance with schedules and daemons, which the one in memory lacks."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


class Watcher:
    """The sensor's part, with the memory between two looks."""

    def __init__(self, instance: dg.DagsterInstance, database) -> None:
        self.instance, self.database = instance, database
        self.settings = load_settings()
        now = datetime.now(timezone.utc)
        self.memory = Memory(now, now, now)

    def look(self) -> None:
        # Through the cursor, as between two ticks.
        memory = read_memory(write_memory(self.memory), self.memory.last)
        self.memory, _, _ = look(self.instance, self.database, self.settings, memory, datetime.now(timezone.utc))

    @property
    def messages(self) -> list[str]:
        self.look()
        return [
            row[0] for row in rows_of(self.database, "SELECT title FROM seedtest_alert_message ORDER BY message_id")
        ]

    @property
    def newest(self) -> str:
        return rows_of(self.database, "SELECT body FROM seedtest_alert_message ORDER BY message_id DESC LIMIT 1")[0][0]


@pytest.fixture
def watcher(instance, platform):
    return Watcher(instance, platform)


def run(instance: dg.DagsterInstance, day: str = DAY, tags: dict | None = None) -> dg.ExecuteInProcessResult:
    job = jobs.resolve_job_def("nightly")
    return job.execute_in_process(instance=instance, partition_key=day, tags=tags, raise_on_error=False)


def test_healthy_runs_say_nothing(instance, watcher):
    run(instance)
    run(instance, "2025-11-02")
    assert watcher.messages == []


def test_a_failed_check_that_fails_the_run_is_one_incident_until_everything_is_made(instance, watcher):
    World.share = 0.3
    failed = run(instance)
    assert watcher.messages == [f"ERROR item_count_drop {DAY}"]
    where, reason, numbers, *_, since, link = watcher.newest.splitlines()
    assert where == f"mirt_item_params, partition {DAY}"
    assert reason == f"calibration of {DAY} rejected, nothing written: 90 items fitted, 30% of the 300 usual"
    assert numbers == "items 90, share 0.3"
    assert "the run failed" in watcher.newest
    assert "not made: mirt_fit_meta, mirt_item_params, student_topic_theta" in watcher.newest
    assert since.startswith("since 20")
    assert link == f"http://localhost:3000/runs/{failed.run_id}"

    World.share, World.theta_fails = 1.0, True
    run(instance)
    assert watcher.messages[1:] == [f"ERROR run failed {DAY}"], "the check passes, but the day is not made yet"
    World.theta_fails = False
    run(instance)
    assert sorted(watcher.messages[2:]) == [f"RESOLVED item_count_drop {DAY}", f"RESOLVED run failed {DAY}"]
    assert open_incidents(watcher.database) == []


def test_what_else_fails_in_a_rejected_calibration_is_told_with_it(instance, watcher):
    World.share, World.drift = 0.3, True
    run(instance)
    assert watcher.messages == [f"ERROR item_count_drop {DAY}"]
    assert "also failed: item_drift (WARN)" in watcher.newest
    World.share = 1.0
    run(instance)
    assert sorted(watcher.messages[1:]) == [f"RESOLVED item_count_drop {DAY}", f"WARN item_drift {DAY}"]


def test_a_warning_of_a_run_that_succeeds_is_told_and_resolved(instance, watcher):
    World.share, World.severity, World.blocking = 0.85, dg.AssetCheckSeverity.WARN, False
    run(instance)
    assert watcher.messages == [f"WARN item_count_drop {DAY}"]
    assert "255 items fitted, 85% of the 300 usual" in watcher.newest
    assert "the run failed" not in watcher.newest
    run(instance)
    run(instance, "2025-11-02")
    assert watcher.messages[1:] == ["WARN item_count_drop 2025-11-02"]
    World.share = 1.0
    run(instance)
    assert watcher.messages[2:] == [f"RESOLVED item_count_drop {DAY}"]
    assert "300 items fitted, 100% of the 300 usual" in watcher.newest


def test_looking_again_at_the_same_runs_says_nothing_twice(instance, watcher):
    World.share = 0.3
    run(instance)
    World.share = 1.0
    run(instance)
    told = watcher.messages
    assert told == [f"ERROR item_count_drop {DAY}", f"RESOLVED item_count_drop {DAY}"]
    watcher.memory = replace(watcher.memory, after=None)  # a cursor that was lost
    assert watcher.messages == told


def test_runs_that_ended_while_nobody_looked_are_told(instance, watcher):
    watcher.look()
    for day in ("2025-11-01", "2025-11-02"):
        World.share = 0.3
        run(instance, day)
    assert watcher.messages == ["ERROR item_count_drop 2025-11-01", "ERROR item_count_drop 2025-11-02"]


def test_a_failed_run_is_told_once_with_its_reason_after_its_retries(instance, watcher):
    World.error = dg.Failure("the database is out of reach: refused; check DATABASE_URL")
    run(instance)
    assert watcher.messages == [f"ERROR run failed {DAY}"]
    lines = watcher.newest.splitlines()
    assert lines[0] == f"job nightly, partition {DAY}"
    assert lines[1] == "calibrate: the database is out of reach: refused; check DATABASE_URL (tried 4 times)"
    assert lines[2] == "not made: mirt_fit_meta, mirt_item_params, student_topic_theta"
    run(instance)
    assert len(watcher.messages) == 1
    World.error = None
    run(instance)
    assert watcher.messages[1:] == [f"RESOLVED run failed {DAY}"]


def test_an_unforeseen_error_is_told_by_its_first_line(instance, watcher):
    World.theta_fails = True
    run(instance)
    assert watcher.messages == [f"ERROR run failed {DAY}"]
    assert "student_topic_theta: RuntimeError: no such grid\n" in watcher.newest
    assert "not made: student_topic_theta\n" in watcher.newest


def test_a_run_that_dagster_will_retry_is_not_told_before_the_retry_has_failed(platform):
    with dg.DagsterInstance.ephemeral(settings=RETRYING) as instance:
        watcher = Watcher(instance, platform)
        World.error = dg.Failure("the disk is full", allow_retries=False)
        first = run(instance)
        assert watcher.messages == []
        assert instance.get_run_by_id(first.run_id).tags[WILL_RETRY_TAG] == "true"
        # The daemon's part: the same again, as the last try.
        run(instance, tags={RETRY_NUMBER_TAG: "1", "dagster/max_retries": "0"})
        assert watcher.messages == [f"ERROR run failed {DAY}"]
        assert "the run was retried 1 times" in watcher.newest


def test_a_run_of_which_it_is_not_known_yet_whether_it_is_retried_waits(platform):
    with dg.DagsterInstance.ephemeral(settings=RETRYING) as instance:
        watcher = Watcher(instance, platform)
        World.error = dg.Failure("the disk is full", allow_retries=False)
        failed = run(instance, tags={"dagster/max_retries": "0"})
        with instance.run_storage.connect() as connection:  # the moment between the event and its tag
            connection.execute(sa.text("DELETE FROM run_tags WHERE key = 'dagster/will_retry'"))
            connection.execute(sa.text("UPDATE runs SET run_body = replace(run_body, 'dagster/will_retry', 'not_yet')"))
        assert watcher.messages == []
        instance.add_run_tags(failed.run_id, {"dagster/will_retry": "false"})
        assert watcher.messages == [f"ERROR run failed {DAY}"]


def test_a_day_made_from_the_ui_resolves_what_the_nightly_job_left_open(instance, watcher):
    World.error = dg.Failure("the disk is full", allow_retries=False)
    run(instance)
    assert watcher.messages == [f"ERROR run failed {DAY}"]
    World.error = None
    dg.materialize([calibrate], partition_key=DAY, instance=instance)
    assert len(watcher.messages) == 1, "the abilities are still missing"
    dg.materialize(ASSETS, selection=[student_topic_theta], partition_key=DAY, instance=instance)
    assert watcher.messages[1:] == [f"RESOLVED run failed {DAY}"]


def test_a_failed_fill_of_many_days_is_one_incident_until_the_last_day_is_there(instance, watcher):
    days = {"dagster/asset_partition_range_start": "2025-10-02", "dagster/asset_partition_range_end": "2025-10-04"}
    World.error = dg.Failure("the source is gone", allow_retries=False)
    dg.materialize([observations], tags=days, instance=instance, raise_on_error=False)
    assert watcher.messages == ["ERROR run failed 2025-10-02 to 2025-10-04"]
    World.error = None
    dg.materialize([observations], partition_key="2025-10-02", instance=instance)
    assert len(watcher.messages) == 1
    # The next night's fill goes a day further.
    days["dagster/asset_partition_range_start"] = "2025-10-03"
    days["dagster/asset_partition_range_end"] = "2025-10-05"
    dg.materialize([observations], tags=days, instance=instance)
    assert watcher.messages[1:] == ["RESOLVED run failed 2025-10-02 to 2025-10-04"]


def test_an_irt_service_that_keeps_failing_is_one_incident_with_the_run(instance, watcher):
    World.error = dg.Failure(NOT_REACHED.format(n=4))
    run(instance)
    assert watcher.messages == ["ERROR the IRT service keeps failing"]
    assert "(4 in a row), and the run failed with it" in watcher.newest
    assert "irt/calibrate is not reached" in watcher.newest
    run(instance, "2025-11-02")
    assert watcher.messages[1:] == ["ERROR run failed 2025-11-02"], "the next day is told too, the service is not"
    World.error = None
    run(instance, "2025-11-02")
    assert watcher.messages[2:] == ["RESOLVED run failed 2025-11-02"]
    run(instance)
    assert watcher.messages[3:] == ["RESOLVED the IRT service keeps failing"]


def test_failed_calls_are_counted_over_the_runs_and_forgotten_after_a_success(instance, watcher, monkeypatch):
    monkeypatch.setenv("SEEDTEST_IRT_FAILURES", "3")
    watcher.settings = load_settings()
    World.error = dg.Failure(NOT_REACHED.format(n=1), allow_retries=False)
    for day in ("2025-11-01", "2025-11-02"):
        run(instance, day)
    watcher.look()
    assert watcher.memory.irt_failures == 2
    World.error = None
    run(instance, "2025-11-03")
    watcher.look()
    assert watcher.memory.irt_failures == 0
    World.error = dg.Failure(NOT_REACHED.format(n=1), allow_retries=False)
    for day in ("2025-11-04", "2025-11-05", "2025-11-06"):
        run(instance, day)
    assert watcher.messages[-1] == "ERROR the IRT service keeps failing"
    assert watcher.messages.count("ERROR the IRT service keeps failing") == 1


MORNING = datetime(2025, 11, 10, 6, 0, tzinfo=timezone.utc)


def missed(instance, platform, now=MORNING, since=MORNING - timedelta(hours=1)):
    return missed_calibration(instance, platform, load_settings(), now, since)


def test_a_calibration_that_is_not_there_by_six_is_told(kept, platform):
    assert missed(kept, platform, MORNING - timedelta(minutes=1)) == []
    (trouble,) = missed(kept, platform)
    assert trouble.what == "no calibration of 2025-11-09"
    assert "nightly_schedule is off: turn it on in the UI" in trouble.how_much


def test_the_hour_can_be_set(kept, platform, monkeypatch):
    monkeypatch.setenv("SEEDTEST_FRESH_BY_HOUR", "9")
    assert missed(kept, platform) == []
    assert len(missed(kept, platform, MORNING.replace(hour=9))) == 1


def test_a_calibration_that_is_there_is_not_missed(kept, platform):
    run(kept, "2025-11-09")
    assert missed(kept, platform) == []


def test_days_that_went_by_unseen_are_told_together(kept, platform):
    run(kept, "2025-11-07")
    (trouble,) = missed(kept, platform, since=MORNING - timedelta(days=3))
    assert trouble.what == "no calibration of 2025-11-09"
    assert "also missing: 2025-11-06, 2025-11-08" in trouble.how_much


def test_days_before_the_first_partition_are_not_missed(kept, platform, monkeypatch):
    monkeypatch.setenv("SEEDTEST_START_DATE", "2025-11-10")
    assert missed(kept, platform) == []


def test_a_missed_calibration_is_told_once_and_resolved_by_the_run(kept, platform):
    watcher = Watcher(kept, platform)
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    watcher.settings = watcher.settings.model_copy(update={"fresh_by_hour": 0})
    watcher.memory = replace(
        watcher.memory, first=datetime.combine(yesterday, datetime.min.time(), timezone.utc) + timedelta(days=1)
    )
    assert watcher.messages == [f"ERROR no calibration of {yesterday}"]
    assert len(watcher.messages) == 1
    run(kept, str(yesterday))
    assert watcher.messages[1:] == [f"RESOLVED no calibration of {yesterday}"]


def check_freshness(instance: dg.DagsterInstance, day: str) -> None:
    """The check as the project's own morning job makes it, failing."""

    @dg.multi_asset_check(specs=[FRESHNESS])
    def freshness() -> dg.AssetCheckResult:
        said = "no calibration of the day; the newest is of 2025-10-30"
        return dg.AssetCheckResult(passed=False, asset_key="mirt_fit_meta", check_name="freshness", description=said)

    alone = dg.define_asset_job("freshness", selection=dg.AssetSelection.checks(freshness))
    defs = dg.Definitions(asset_checks=[freshness], jobs=[alone], executor=dg.in_process_executor)
    defs.resolve_job_def("freshness").execute_in_process(instance=instance, tags={PARTITION_NAME_TAG: day})


def test_the_freshness_check_and_the_missed_calibration_are_one_incident(kept, platform):
    watcher = Watcher(kept, platform)
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    check_freshness(kept, str(yesterday))
    assert watcher.messages == [f"ERROR no calibration of {yesterday}"]
    watcher.settings = watcher.settings.model_copy(update={"fresh_by_hour": 0})
    watcher.memory = replace(watcher.memory, first=watcher.memory.first - timedelta(days=1))
    assert len(watcher.messages) == 1
    run(kept, str(yesterday))
    assert watcher.messages[1:] == [f"RESOLVED no calibration of {yesterday}"]


def test_a_failed_run_is_not_told_again_by_the_freshness_check(instance, watcher):
    World.error = dg.Failure("the disk is full", allow_retries=False)
    run(instance)
    check_freshness(instance, DAY)
    assert watcher.messages == [f"ERROR run failed {DAY}"]


def test_a_failed_run_is_not_told_again_as_a_missed_calibration(kept, platform):
    watcher = Watcher(kept, platform)
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    watcher.settings = watcher.settings.model_copy(update={"fresh_by_hour": 0})
    watcher.memory = replace(
        watcher.memory, first=datetime.combine(yesterday, datetime.min.time(), timezone.utc) + timedelta(days=1)
    )
    World.error = dg.Failure("the disk is full", allow_retries=False)
    run(kept, str(yesterday))
    assert watcher.messages == [f"ERROR run failed {yesterday}"]


def beat(instance: dg.DagsterInstance, kind: str, when: datetime) -> None:
    instance.run_storage.add_daemon_heartbeat(DaemonHeartbeat(when.timestamp(), kind, "one", []))


def test_a_part_of_the_daemon_without_a_sign_of_life_is_told_and_resolved(kept, platform):
    watcher = Watcher(kept, platform)
    now = datetime.now(timezone.utc)
    up_since = now - timedelta(hours=2)
    for kind in kept.get_required_daemon_types():
        beat(kept, kind, now - timedelta(hours=1 if kind == "SCHEDULER" else 0))
    watcher.memory = replace(watcher.memory, up_since=up_since)
    assert watcher.messages == ["ERROR a part of the Dagster daemon stopped"]
    beat(kept, "SCHEDULER", datetime.now(timezone.utc))
    assert watcher.messages[1:] == ["RESOLVED a part of the Dagster daemon stopped"]


def test_a_daemon_that_has_just_started_is_given_time(kept):
    now = datetime.now(timezone.utc)
    news = daemon_news(kept, now, up_since=now - timedelta(minutes=5))
    assert not [one for one in news if hasattr(one, "owes")]


def test_a_daemon_that_was_down_says_so_once(kept, platform):
    watcher = Watcher(kept, platform)
    watcher.memory = replace(watcher.memory, last=datetime.now(timezone.utc) - timedelta(hours=6, minutes=50))
    assert watcher.messages == ["WARN the Dagster daemon was down"]
    assert "(6 h 50 min)" in watcher.newest
    assert len(watcher.messages) == 1
    assert open_incidents(watcher.database) == []


def test_the_memory_survives_in_the_cursor():
    now = datetime(2025, 11, 2, 3, 0, 0, 123456, tzinfo=timezone.utc)
    memory = Memory(now, now, now, 17, (16, 17), 2, now)
    assert read_memory(write_memory(memory), now + timedelta(days=1)) == memory
    assert read_memory(None, now) == Memory(now, now, now)
