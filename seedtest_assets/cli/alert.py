"""`seedtest alert …`."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console, plain
from seedtest_assets.errors import SeedtestError

if TYPE_CHECKING:
    from seedtest_assets.alerting.incidents import Outbox

alert = typer.Typer(no_args_is_help=True, help="Test the alert channels, list and close incidents.")


@alert.command()
def test() -> None:
    """Send a test message to every channel of SEEDTEST_ALERT_URLS now, and show the result of each."""
    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.settings import load_settings, revealed

    settings = load_settings()
    channels = read_channels(revealed(settings.seedtest_alert_urls))
    if not channels:
        raise SeedtestError(
            "SEEDTEST_ALERT_URLS is not set, so nobody is alerted. docs/alerts.md says how to write it."
        )
    body = f"This is a test. Alerts of this level and above arrive here.\n{settings.seedtest_ui_url}"
    n_failed = 0
    for channel in channels:
        reason = channel.send(f"TEST seedtest alerts, level {channel.level}", body, channel.level, "opened")
        n_failed += reason is not None
        _show(plain(f"{channel.name}, from level {channel.level}: {reason or 'sent'}"))
    if n_failed:
        raise SeedtestError(f"{n_failed} of {len(channels)} channels did not accept the message")


@alert.command()
def check() -> None:
    """Check the daemon and yesterday's calibration from outside, and send alerts; for cron, since a dead daemon sends none."""
    from datetime import datetime, timedelta, timezone

    from seedtest_assets.cli.instance import dagster_environment

    os.environ.update(dagster_environment())
    import dagster as dg

    from seedtest_assets.alerting.daemon_events import heartbeat_events, tick_events
    from seedtest_assets.alerting.delivery import deliver, undelivered
    from seedtest_assets.alerting.incidents import open_incidents, record_events
    from seedtest_assets.alerting.missed_calibrations import missed_calibrations
    from seedtest_assets.settings import load_settings

    settings, now, outbox = load_settings(), datetime.now(timezone.utc), _outbox()
    yesterday = now - timedelta(days=1)
    with dg.DagsterInstance.get() as instance:
        record_events(outbox, [*heartbeat_events(instance, now, up_since=yesterday), *tick_events(instance, now)])
        record_events(outbox, missed_calibrations(instance, outbox.database, settings, now, since=yesterday))
    n_sent = deliver(outbox.database, outbox.channels)
    console.print(f"{len(open_incidents(outbox.database))} open incidents, {n_sent} messages sent")
    if not outbox.channels:
        raise SeedtestError(
            "SEEDTEST_ALERT_URLS is not set here, so nobody is alerted. Give this command the daemon's variables."
        )
    if stuck := undelivered(outbox.database, outbox.channels):
        raise SeedtestError("; ".join(map(str, stuck)))


@alert.command("list")
def list_() -> None:
    """Show the open incidents and the messages that could not be sent."""
    from seedtest_assets.alerting.delivery import undelivered
    from seedtest_assets.alerting.incidents import open_incidents

    outbox = _outbox()
    incidents = open_incidents(outbox.database)
    for incident in incidents:
        _show(plain(f"{incident.incident_id}: {incident}"))
    for stuck in undelivered(outbox.database, outbox.channels):
        _show(f"[yellow]{plain(str(stuck))}[/yellow]")
    if not incidents:
        console.print("nothing is open")


@alert.command()
def close(incident: Annotated[int, typer.Argument(help="Its number in `seedtest alert list`.")]) -> None:
    """Close an incident by hand; no message is sent."""
    from seedtest_assets.alerting.incidents import close_incident

    if not close_incident(_outbox().database, incident):
        raise SeedtestError(f"incident {incident} is not open. `seedtest alert list` shows those that are")
    console.print(f"incident {incident} closed")


def _outbox() -> "Outbox":
    """Open the outbox of the project that the command is run in."""
    from seedtest_assets.alerting.channels import read_channels
    from seedtest_assets.alerting.incidents import Outbox
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings, revealed
    from seedtest_assets.storage.database import prepared_database

    enter_project()
    settings = load_settings()
    channels = read_channels(revealed(settings.seedtest_alert_urls))
    return Outbox(database=prepared_database(settings), channels=channels, ui_url=settings.seedtest_ui_url)


def _show(line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False)
