"""`seedtest status`: what there is, how fresh it is, and whether anything will happen tonight."""

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.table import Table

from seedtest_assets.cli.terminal import console, plain

if TYPE_CHECKING:
    import dagster as dg

    from seedtest_assets.settings import Settings
    from seedtest_assets.storage.database import Database


def status() -> None:
    """Show the last partitions, row counts, the newest fit, schedule and alerts."""
    from seedtest_assets.cli.instance import open_instance

    with open_instance() as instance:
        show_status(instance)


def show_status(instance: "dg.DagsterInstance") -> None:
    """Print the status of this project."""
    from seedtest_assets.settings import load_settings

    table = Table(show_header=False, box=None)
    for name, value in status_lines(instance, load_settings()):
        table.add_row(name, plain(value))
    console.print(table)


def status_lines(instance: "dg.DagsterInstance", settings: "Settings") -> list[tuple[str, str]]:
    """Give pairs of a name and its state."""
    from seedtest_assets.cli.diagnosis import judge_publishing
    from seedtest_assets.dagster_log.daemon import is_on
    from seedtest_assets.schedules import nightly_schedule
    from seedtest_assets.settings import HOME, old_name_warnings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.history import history_summary, newest_fit
    from seedtest_assets.storage.lake import Lake
    from seedtest_assets.storage.publications import publication_state

    database = prepared_database(settings)
    days = Lake(settings.seedtest_lake).all_days()
    lines = [
        ("database", database.address if settings.database_url else f"embedded PostgreSQL in {HOME}"),
        ("lake", f"{settings.seedtest_lake}: {len(days)} days" + (f", {days[0]} to {days[-1]}" if days else "")),
    ]
    lines += [
        (table, f"newest partition {newest}, {count:,} rows" if newest else "no partition yet")
        for table, count, newest in history_summary(database)
    ]
    fit = newest_fit(database)
    lines.append(
        ("newest fit", "none yet" if fit is None else f"{fit['run_id']} at {fit['fitted_at']:%Y-%m-%d %H:%M} UTC")
    )
    state = publication_state(database, settings.seedtest_published_version)
    lines.append(("publishing", judge_publishing(state, settings).text))
    on = is_on(instance, nightly_schedule)
    lines.append(("schedule 03:00 UTC", "on" if on else f"off: turn {nightly_schedule.name} on in the UI"))
    lines.append(("daemon", _daemon(instance)))
    lines += _alerts(database, settings)
    return lines + [("warning", line) for line in old_name_warnings()]


def _daemon(instance: "dg.DagsterInstance") -> str:
    from seedtest_assets.alerting.daemon_events import STALE
    from seedtest_assets.dagster_log.daemon import last_heartbeats

    heartbeats = last_heartbeats(instance)
    if not heartbeats:
        return "never ran: nothing runs by itself until it does (seedtest dev)"
    newest = max(heartbeats.values())
    if datetime.now(timezone.utc) - newest > STALE:
        return f"DOWN, last seen {newest:%Y-%m-%d %H:%M} UTC: nothing runs by itself, and no alert is sent"
    return "running"


def _alerts(database: "Database", settings: "Settings") -> list[tuple[str, str]]:
    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.alerting.delivery import undelivered
    from seedtest_assets.alerting.incidents import open_incidents
    from seedtest_assets.settings import revealed

    channels = read_channels(revealed(settings.seedtest_alert_urls))
    to = ", ".join(f"{channel.name} from {channel.level}" for channel in channels)
    incidents = open_incidents(database)
    lines = [
        (
            "alerts",
            f"to {to}" if channels else "SEEDTEST_ALERT_URLS is not set here. The daemon has its own environment",
        ),
        ("open incidents", f"{len(incidents)}, newest: {incidents[0]}" if incidents else "none"),
    ]
    return lines + [("alerts not sent", str(stuck)) for stuck in undelivered(database, channels)]
