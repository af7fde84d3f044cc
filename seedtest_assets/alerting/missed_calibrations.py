"""Days that should be calibrated by now and are not."""

from datetime import date, datetime, timedelta

import dagster as dg

from seedtest_assets.alerting.events import Alert
from seedtest_assets.alerting.incidents import is_pending
from seedtest_assets.alerting.run_events import CALIBRATION, no_calibration
from seedtest_assets.dagster_log.daemon import is_on, last_tick_error
from seedtest_assets.dagster_log.logged_run import asset_partition
from seedtest_assets.dagster_log.materializations import is_materialized
from seedtest_assets.dagster_log.run_reader import newest_run
from seedtest_assets.days import due_at
from seedtest_assets.schedules import dif_job, nightly_schedule
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database

# A week: what was missed before has been seen by somebody, or nobody reads the alerts.
DAYS_BACK = 7


def missed_calibrations(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime, since: datetime
) -> list[Alert]:
    """Give one alert about all days that are due and not calibrated, unless open incidents explain them.

    since: days that were due before are ignored, since nothing was monitoring then.
    """
    today = now.date()
    days = [today - timedelta(days=before) for before in range(DAYS_BACK, 0, -1)]
    since = max(since, due_at(settings.seedtest_start_date, settings.fresh_by_hour))
    missing = [
        str(day)
        for day in days
        if since <= due_at(day, settings.fresh_by_hour) <= now
        and not is_materialized(instance, CALIBRATION, str(day))
        and not is_pending(database, asset_partition(CALIBRATION, str(day)))
    ]
    if not missing:
        return []
    day, due = missing[-1], due_at(date.fromisoformat(missing[-1]), settings.fresh_by_hour)
    reason, advice = _reason(instance, day)
    others = (f"also missing: {', '.join(missing[:-1])}",) if missing[:-1] else ()
    return [
        no_calibration(
            missing,
            at=now,
            location=nightly_schedule.name,
            finding=f"{CALIBRATION} of {day} was due at {due:%Y-%m-%d %H:%M} UTC: {reason}",
            advice=(advice,),
            details=others,
            link="/overview/schedules",
        )
    ]


def _reason(instance: dg.DagsterInstance, day: str) -> tuple[str, str]:
    """Say why a day was not calibrated, as far as Dagster knows, and what to do about it."""
    run = newest_run(instance, day, but=dif_job.name)  # a week has the name of its Monday
    run_it = f"run the day: seedtest run --date {day}"
    if run:
        return f"its run {run.run_id[:8]} is {run.status.value}", f"see the run in the UI, then {run_it}"
    if not is_on(instance, nightly_schedule):
        return f"{nightly_schedule.name} is off", f"turn it on in the UI, and {run_it}"
    error = last_tick_error(instance, nightly_schedule)
    if error:
        return f"the schedule's last tick failed: {error}", f"fix the cause, then {run_it}"
    return "no run was started for it", f"see with seedtest status whether the daemon runs, and {run_it}"
