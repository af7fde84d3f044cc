"""`seedtest alert …`."""

from typing import Annotated

import typer
from rich.console import Console

from seedtest_assets.errors import SeedtestError

alert = typer.Typer(no_args_is_help=True, help="Try the alert channels, see what is open.")
console = Console()


@alert.command()
def test() -> None:
    """Send a test message to every channel of SEEDTEST_ALERT_URLS now, and say what became of it."""
    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.settings import load_settings

    settings = load_settings()
    channels = read_channels(settings.seedtest_alert_urls)
    if not channels:
        raise SeedtestError("SEEDTEST_ALERT_URLS is not set: nobody is told; docs/alerts.md says how to write it")
    body = f"This is a test. Alerts of this level and above arrive here.\n{settings.seedtest_ui_url}"
    failed = 0
    for channel in channels:
        reason = channel.send(f"TEST seedtest alerts, level {channel.level}", body, channel.level, "opened")
        failed += reason is not None
        console.print(
            f"{channel.name}, from level {channel.level}: {reason or 'sent'}", soft_wrap=True, highlight=False
        )
    if failed:
        raise SeedtestError(f"{failed} of {len(channels)} channels did not take the message")


@alert.command()
def check() -> None:
    """Look from outside at the daemon and at yesterday's calibration, and send; for a cron job, since a dead daemon tells nobody."""
    import os
    from datetime import datetime, timedelta, timezone

    from seedtest_assets.cli.instance import dagster_environment

    os.environ.update(dagster_environment())
    import dagster as dg

    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.alerting.delivery import deliver, waiting
    from seedtest_assets.alerting.incidents import take_into_account
    from seedtest_assets.alerting.watch import daemon_news, missed_calibration
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database

    settings, now = load_settings(), datetime.now(timezone.utc)
    database, channels = prepared_database(settings), read_channels(settings.seedtest_alert_urls)
    yesterday = now - timedelta(days=1)
    with dg.DagsterInstance.get() as instance:
        news = [
            *daemon_news(instance, now, up_since=yesterday),
            *missed_calibration(instance, database, settings, now, since=yesterday),
        ]
    _, n_open = take_into_account(database, news, channels, settings.seedtest_ui_url)
    n_sent, stuck = deliver(database, channels), waiting(database, channels)
    console.print(f"{n_open} open incidents, {n_sent} messages sent")
    if not channels:
        raise SeedtestError(
            "SEEDTEST_ALERT_URLS is not set here, so that nobody is told; give this command the daemon's variables"
        )
    if stuck:
        raise SeedtestError("; ".join(map(str, stuck)))


@alert.command("list")
def list_() -> None:
    """Show the open incidents and what could not be sent."""
    import os

    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.alerting.delivery import waiting
    from seedtest_assets.alerting.incidents import open_incidents
    from seedtest_assets.project import project_root
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database

    os.chdir(project_root())
    settings = load_settings()
    database = prepared_database(settings)
    incidents = open_incidents(database)
    for incident in incidents:
        console.print(f"{incident.incident_id}: {incident}", soft_wrap=True, highlight=False)
    for stuck in waiting(database, read_channels(settings.seedtest_alert_urls)):
        console.print(f"[yellow]{stuck}[/yellow]", soft_wrap=True, highlight=False)
    if not incidents:
        console.print("nothing is open")


@alert.command()
def close(incident: Annotated[int, typer.Argument(help="Its number in `seedtest alert list`.")]) -> None:
    """Close an incident that nobody will repair; no message is sent."""
    import os

    from seedtest_assets.alerting.incidents import close_incident
    from seedtest_assets.project import project_root
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database

    os.chdir(project_root())
    if not close_incident(prepared_database(load_settings()), incident):
        raise SeedtestError(f"incident {incident} is not open; `seedtest alert list` shows those that are")
    console.print(f"incident {incident} closed")
