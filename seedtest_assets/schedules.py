"""When things run: the nightly job at 03:00 UTC, its check in the morning, and the job that only fills the lake."""

from datetime import date, timedelta

import dagster as dg

from seedtest_assets.dagster_log.run_queue import limit_pool
from seedtest_assets.days import FEATURE_WINDOW_DAYS
from seedtest_assets.errors import InputError, SeedtestError
from seedtest_assets.resources import (
    AnswerLake,
    AnswerSource,
    CheckLimits,
    GroupQuery,
    IrtEngine,
    PlatformDatabase,
)
from seedtest_assets.step.arguments import POOL
from seedtest_assets.step.executor import in_process_executor
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.load_time import FRESH_BY_HOUR
from seedtest_assets.storage.rolling_back import choose_day
from seedtest_assets.storage.student_groups import SETTING

FRESHNESS = dg.AssetCheckKey(dg.AssetKey("mirt_fit_meta"), "freshness")
MINUTES_PAST = 5
"""The hour by which yesterday should be calibrated."""

ALERTS_SENT = dg.AssetCheckKey(dg.AssetKey("mirt_fit_meta"), "alerts_sent")

_WEEKLY = dg.AssetSelection.assets("item_dif") | dg.AssetSelection.checks_for_assets("item_dif")

nightly_job = dg.define_asset_job(
    "nightly",
    # The check of what could not be sent is kept by the sensor that sends: a night that fails says nothing of it.
    selection=dg.AssetSelection.all() - _WEEKLY - dg.AssetSelection.checks(ALERTS_SENT),
    description="Everything of one day: answers, calibration, abilities, features.",
    executor_def=in_process_executor,
)

extract_job = dg.define_asset_job(
    "extract",
    selection=dg.AssetSelection.assets("observations").without_checks(),
    description="Only the answers of some days, into the lake. Days long past are not judged by what is usual now.",
    executor_def=in_process_executor,
)

freshness_job = dg.define_asset_job(
    "freshness",
    selection=dg.AssetSelection.checks(FRESHNESS),
    description="Is yesterday's calibration finished in the morning?",
    executor_def=in_process_executor,
)


dif_job = dg.define_asset_job(
    "weekly_dif",
    selection=_WEEKLY,
    description="Differential item functioning of the groups of students, a week at a time; nothing to do without groups.",
    executor_def=in_process_executor,
)


class PublishConfig(dg.Config):
    """What the job publish does."""

    date: str | None = None
    """An accepted day (YYYY-MM-DD) to publish again and pin; without a date: unpin, and publish the newest accepted day."""

    reason: str = "by an operator"
    """Kept with the publication."""


@dg.op(pool=POOL)
def publish_day_op(context: dg.OpExecutionContext, config: PublishConfig, platform: PlatformDatabase) -> None:
    """Publish an accepted day from history and pin it, or unpin and publish the newest; as `seedtest publish`."""
    with failures_in_one_line():
        outcome = choose_day(
            platform.database,
            _day(config.date) if config.date else None,
            by=f"run {context.run.run_id[:8]}",
            why=config.reason,
            publishing=platform.publishing,
        )
        context.log.info(outcome)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a day. Write YYYY-MM-DD") from None


@dg.job(
    name="publish",
    description="Choose the day that readers of the platform's tables see. History stays as it is.",
    executor_def=in_process_executor,
)
def publish_job() -> None:
    """Publish a day, as `seedtest publish` does, with options from run config."""
    publish_day_op()


@dg.op
def check_resources_op(
    context: dg.OpExecutionContext,
    platform: PlatformDatabase,
    source: AnswerSource,
    lake: AnswerLake,
    engine: IrtEngine,
    limits: CheckLimits,
) -> None:
    """Open every resource, and log its address or state."""
    with failures_in_one_line():
        facts = {
            "platform": platform.database.address,
            "source": source.find(platform).name,
            "lake": f"{lake.seedtest_lake}: {len(lake.storage.all_days()):,} days",
            "engine": f"{engine.name}, {engine.mirt_model}, {engine.mirt_linking_method}",
            "limits": f"compared with {limits.thresholds.history_partitions} earlier partitions",
        }
        for name, fact in facts.items():
            context.log.info(f"{name}: {fact}")
        context.add_output_metadata(facts)


@dg.job(
    name="check_resources",
    description="Check that every resource works, as set or as changed by run config. Writes nothing.",
    executor_def=in_process_executor,
)
def check_resources_job() -> None:
    """Try the resources of a run before the run."""
    check_resources_op()


def requests_for(day: date, lake: AnswerLake) -> list[dg.RunRequest]:
    """List the runs that make a day: a backfill run if the lake lacks days, then the day's own run.

    The days that the lake must have are those of the look-back window and of the features' 28 days. The runs leave the queue
    in this order, one at a time.
    """
    night = dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())
    n_days = max(lake.mirt_lookback_days, 2 * FEATURE_WINDOW_DAYS)
    missing = [before for before in lake.days_to_extract(day, n_days) if before < day]
    if not missing:
        return [night]
    fill = dg.RunRequest(
        run_key=f"{day} fills {missing[0]} to {missing[-1]}",
        asset_selection=[dg.AssetKey("observations")],
        asset_check_keys=[],  # a schedule has one job: this is extract_job within it
        tags={
            "dagster/asset_partition_range_start": missing[0].isoformat(),
            "dagster/asset_partition_range_end": missing[-1].isoformat(),
        },
        run_config={"ops": {"observations": {"config": {"only_missing": True}}}},
    )
    return [fill, night]


@dg.schedule(job=nightly_job, cron_schedule="0 3 * * *", execution_timezone="UTC")
def nightly_schedule(context: dg.ScheduleEvaluationContext, lake: AnswerLake) -> list[dg.RunRequest]:
    """Run yesterday at 03:00 UTC: its answers, the calibration of its window, abilities and features."""
    limit_pool(context.instance, POOL)
    day = (context.scheduled_execution_time - timedelta(days=1)).date()
    try:
        return requests_for(day, lake)
    except SeedtestError as error:
        # A lake that does not answer now may answer the run's retries; without a run the night would be lost.
        context.log.warning(f"the window cannot be filled: {error}")
        return [dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())]


@dg.schedule(
    job=freshness_job,
    cron_schedule=f"{MINUTES_PAST} {FRESH_BY_HOUR} * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def freshness_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Check in the morning that yesterday was calibrated. On by default, since it must run when nothing else does."""
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    # As a tag: Dagster knows the partitions of a job from its assets, and this one has none, only a check.
    return dg.RunRequest(run_key=day, tags={"dagster/partition": day})


# On by default: without groups it has nothing to do, and with them nobody has to remember it.
@dg.schedule(
    job=dif_job,
    cron_schedule="30 4 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def dif_schedule(context: dg.ScheduleEvaluationContext, group_query: GroupQuery) -> dg.RunRequest | dg.SkipReason:
    """Compare the groups of students on Monday at 04:30 UTC, over the look-back window that ends with Sunday."""
    if not group_query.seedtest_group_sql:
        return dg.SkipReason(f"{SETTING} is not set, so no groups are known")
    limit_pool(context.instance, POOL)
    week = (context.scheduled_execution_time - timedelta(weeks=1)).date().isoformat()
    return dg.RunRequest(run_key=week, partition_key=week)
