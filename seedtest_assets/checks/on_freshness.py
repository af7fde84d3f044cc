"""freshness: with every night, and by itself in the morning, when a night that never came could not tell."""

from datetime import date, datetime, timedelta, timezone

import dagster as dg

from seedtest_assets.checks.freshness import freshness
from seedtest_assets.checks.specs import FRESHNESS, results
from seedtest_assets.settings import load_settings
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.load_time import FRESH_BY_HOUR
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.history import fitted_at

MINUTES_PAST = 5


# No pool: a calibration that hangs holds the pool, and is what this has to tell of.
@dg.multi_asset_check(specs=[FRESHNESS], name="freshness_check")
def freshness_check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Is yesterday's calibration there in the morning?"""
    with failures_in_one_line():
        settings, day = load_settings(), date.fromisoformat(context.partition_key)
        fits = fitted_at(prepared_database(settings), day, settings.history_partitions)
        return results([freshness(day, fits, datetime.now(timezone.utc), settings)], [FRESHNESS])[0]


freshness_job = dg.define_asset_job(
    "freshness",
    selection=dg.AssetSelection.checks(freshness_check),
    description="Is yesterday's calibration there in the morning?",
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    job=freshness_job,
    cron_schedule=f"{MINUTES_PAST} {FRESH_BY_HOUR} * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def freshness_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """In the morning, of yesterday: on from the start, since it is there for the case that nothing else runs."""
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    # As a tag: Dagster knows the partitions of a job from its assets, and this one has none, only a check.
    return dg.RunRequest(run_key=day, tags={"dagster/partition": day})
