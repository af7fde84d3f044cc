"""When things run: the nightly job and its 03:00 UTC schedule, and the job that only fills the lake."""

from datetime import date, timedelta

import dagster as dg

from seedtest_assets.days import FEATURE_WINDOW_DAYS
from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.step.arguments import POOL
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.window import missing_days

ALERTS_SENT = dg.AssetCheckKey(dg.AssetKey("mirt_fit_meta"), "alerts_sent")

nightly_job = dg.define_asset_job(
    "nightly",
    # The check of what could not be sent is kept by the sensor that sends: a night that fails says nothing of it.
    selection=dg.AssetSelection.all() - dg.AssetSelection.checks(ALERTS_SENT),
    description="Everything of one day: answers, calibration, abilities, features.",
    executor_def=dg.in_process_executor,
)

extract_job = dg.define_asset_job(
    "extract",
    selection=dg.AssetSelection.assets("observations").without_checks(),
    description="Only the answers of some days, into the lake; days long past are not judged by what is usual now.",
    executor_def=dg.in_process_executor,
)


def limit_runs(instance: dg.DagsterInstance) -> None:
    """Make the pool's limit known before the queue meets its first run of all.

    The queue reads the limits, and only then makes those of new pools from dagster.yaml's default: on a fresh instance it
    lets all runs out at once that wait by then, and a first night would calibrate while its window is still being filled.
    """
    if POOL not in instance.event_log_storage.get_concurrency_keys():
        instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)


def requests_for(day: date, settings: Settings) -> list[dg.RunRequest]:
    """The runs that make a day: where the look-back window or the features' 28 days have days that the lake lacks, one that fills them; then the day's own.

    They are asked for in this order and run one after the other, since one run at a time leaves the queue.
    """
    of_day = dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())
    n_days = max(settings.mirt_lookback_days, 2 * FEATURE_WINDOW_DAYS)
    missing = [before for before in missing_days(Lake(settings.seedtest_lake), day, settings, n_days) if before < day]
    if not missing:
        return [of_day]
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
    return [fill, of_day]


@dg.schedule(job=nightly_job, cron_schedule="0 3 * * *", execution_timezone="UTC")
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """At 03:00 UTC, yesterday: its answers, the calibration of the window that ends with it, abilities and features."""
    limit_runs(context.instance)
    day = (context.scheduled_execution_time - timedelta(days=1)).date()
    try:
        return requests_for(day, load_settings())
    except SeedtestError as error:
        # A lake that does not answer now is the run's to try again; without a run the night would be lost.
        context.log.warning(f"the window cannot be filled: {error}")
        return [dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())]
