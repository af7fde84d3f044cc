"""A small graph with the names of the real one, in which a test lets things go wrong."""

from collections.abc import Iterator
from datetime import datetime, timezone

import dagster as dg

from seedtest_assets.alerting.incidents import Outbox
from seedtest_assets.alerting.monitor import MonitorState, monitor, read_state, write_state
from seedtest_assets.dagster_log.private import PARTITION_NAME_TAG
from seedtest_assets.settings import load_settings
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets_tests.conftest import rows_of

DAY = "2025-11-01"
daily = dg.DailyPartitionsDefinition("2025-10-01")


class World:
    """What goes wrong at the moment."""

    current: "World"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.error: Exception | None = None
        self.share_of_items = 1.0
        self.severity = dg.AssetCheckSeverity.ERROR
        self.blocking = True
        self.topics_fail = False
        self.items_drift = False
        self.pinned = False


World.current = World()


@dg.multi_asset(
    name="calibrate",
    specs=[dg.AssetSpec("mirt_item_params"), dg.AssetSpec("mirt_fit_meta", deps=["mirt_item_params"])],
    check_specs=[
        dg.AssetCheckSpec("item_count_drop", asset="mirt_item_params", partitions_def=daily),
        dg.AssetCheckSpec("item_drift", asset="mirt_item_params", partitions_def=daily),
        dg.AssetCheckSpec("published", asset="mirt_fit_meta", partitions_def=daily),
    ],
    partitions_def=daily,
    retry_policy=dg.RetryPolicy(max_retries=3, delay=0),
)
def calibrate(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    world = World.current
    with failures_in_one_line():
        if world.error:
            raise world.error
    share = world.share_of_items
    finding = f"{share * 300:g} items fitted, {share:.0%} of the 300 usual"
    yield dg.AssetCheckResult(
        passed=share == 1,
        asset_key="mirt_item_params",
        check_name="item_count_drop",
        severity=world.severity,
        description=finding,
        metadata={
            "what_to_do": "look at the answers of the last days",
            "items": int(share * 300),
            "share": share,
            "picture": dg.MetadataValue.md("![](data:)"),
        },
    )
    yield dg.AssetCheckResult(
        passed=not world.items_drift,
        asset_key="mirt_item_params",
        check_name="item_drift",
        severity=dg.AssetCheckSeverity.WARN,
        description="3 items drifted",
    )
    yield dg.AssetCheckResult(
        passed=not world.pinned,
        asset_key="mirt_fit_meta",
        check_name="published",
        severity=dg.AssetCheckSeverity.WARN,
        description="publishing is pinned to 2025-10-20" if world.pinned else "readers see the newest day",
        metadata={"what_to_do": "seedtest publish --newest"} if world.pinned else {},
    )
    if share < 1 and world.blocking:
        raise dg.Failure(
            f"calibration of {DAY} rejected, nothing written: {finding}",
            metadata={
                "what_to_do": "look at the answers of the last days\nto accept it: seedtest run --accept-failed-checks"
            },
            allow_retries=False,
        )
    yield dg.MaterializeResult(asset_key="mirt_item_params")
    yield dg.MaterializeResult(asset_key="mirt_fit_meta")


@dg.asset(partitions_def=daily, deps=["mirt_fit_meta"])
def student_topic_theta() -> None:
    if World.current.topics_fail:
        raise RuntimeError("no such grid\nand more")


@dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
def observations(context: dg.AssetExecutionContext) -> None:
    with failures_in_one_line():
        if World.current.error:
            raise World.current.error


ASSETS = [calibrate, student_topic_theta, observations]
_nightly = dg.define_asset_job("nightly", selection=[*calibrate.keys, student_topic_theta.key])
_definitions = dg.Definitions(assets=ASSETS, jobs=[_nightly], executor=dg.in_process_executor)


def run_night(
    instance: dg.DagsterInstance, day: str = DAY, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """Run the nightly job of the small graph for a day, to its good or bad end."""
    job = _definitions.resolve_job_def("nightly")
    return job.execute_in_process(instance=instance, partition_key=day, tags=tags, raise_on_error=False)


def cancel_night(instance: dg.DagsterInstance, day: str = DAY) -> dg.DagsterRun:
    """Start the nightly job of the small graph for a day, and cancel it before its first step."""
    tags = {PARTITION_NAME_TAG: day}
    job = _definitions.resolve_job_def("nightly")
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_canceled(run)
    return run


class Sensor:
    """The incident sensor's part: one pass after the other, with the state between them in a cursor."""

    def __init__(self, instance: dg.DagsterInstance, outbox: Outbox) -> None:
        self.instance, self.outbox = instance, outbox
        self.settings = load_settings()
        now = datetime.now(timezone.utc)
        self.state = MonitorState(monitoring_since=now, last_pass=now, daemon_up_since=now)

    def tick(self) -> None:
        state = read_state(write_state(self.state), self.state.last_pass)
        self.state, _ = monitor(self.instance, self.outbox, self.settings, state, datetime.now(timezone.utc))

    @property
    def titles(self) -> list[str]:
        """Titles of all messages so far, after a tick."""
        self.tick()
        rows = rows_of(self.outbox.database, "SELECT title FROM alert_message ORDER BY message_id")
        return [title for (title,) in rows]

    @property
    def newest_body(self) -> str:
        ((body,),) = rows_of(self.outbox.database, "SELECT body FROM alert_message ORDER BY message_id DESC LIMIT 1")
        return body
