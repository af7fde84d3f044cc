"""Alerting as Dagster sees it: sensors that record incidents, send, and end runs whose process is gone; a check of what could not be sent."""

from datetime import datetime, timezone

import dagster as dg
import msgspec

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.delivery import deliver, undelivered
from seedtest_assets.alerting.incidents import Outbox, open_incidents
from seedtest_assets.alerting.monitor import monitor, read_state, write_state
from seedtest_assets.dagster_log.materializations import check_evaluation
from seedtest_assets.dagster_log.sign_of_life import GRACE, lost_runs, report_lost
from seedtest_assets.resources import AlertChannels, PlatformDatabase
from seedtest_assets.schedules import ALERTS_SENT
from seedtest_assets.step.load_time import ALERT_INTERVAL_SECONDS

# More than GRACE, so that a run that is lost at two passes in a row is ended by the second, within a minute of its end.
LOST_RUNS_SECONDS = 20


@dg.sensor(minimum_interval_seconds=ALERT_INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def incident_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformDatabase, channels: AlertChannels
) -> dg.SensorResult:
    """Find failed checks, failed runs, missed days, a failing IRT service and a stopped daemon, and queue messages about them."""
    now, outbox = datetime.now(timezone.utc), _outbox(platform, channels)
    state, n_messages = monitor(context.instance, outbox, channels.settings, read_state(context.cursor, now), now)
    n_open = len(open_incidents(outbox.database))
    summary = f"{n_messages} new messages, {n_open} open incidents"
    if n_open and not outbox.channels:
        summary += ". Nobody is alerted, because SEEDTEST_ALERT_URLS is not set"
    return dg.SensorResult(skip_reason=summary, cursor=write_state(state))


@dg.sensor(minimum_interval_seconds=ALERT_INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def alert_delivery_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformDatabase, channels: AlertChannels
) -> dg.SensorResult:
    """Send queued messages, retry what a channel did not accept, and keep the check alerts_sent up to date."""
    outbox = _outbox(platform, channels)
    n_sent = deliver(outbox.database, outbox.channels)
    stuck = undelivered(outbox.database, outbox.channels)
    state = "stuck" if stuck else "flowing"
    changed = state != context.cursor
    return dg.SensorResult(
        skip_reason="; ".join([f"{n_sent} messages sent", *map(str, stuck)]),
        cursor=state,
        asset_events=[check_evaluation(_delivery_check(outbox), context.instance)] if changed else [],
    )


@dg.sensor(minimum_interval_seconds=LOST_RUNS_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def lost_run_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Report runs as failed whose process is gone, so that the next one leaves the queue.

    The cursor has the time since when each is lost.
    """
    now = datetime.now(timezone.utc)
    since = msgspec.json.decode(context.cursor or "{}", type=dict[str, datetime])
    lost = {run.run_id: since.get(run.run_id, now) for run in lost_runs(context.instance)}
    gone = [run_id for run_id, at in lost.items() if now - at >= GRACE]
    for run_id in gone:
        report_lost(context.instance, run_id)
    return dg.SensorResult(
        skip_reason=f"reported as failed: {', '.join(gone)}" if gone else f"{len(lost)} runs without a sign of life",
        cursor=msgspec.json.encode({run_id: at for run_id, at in lost.items() if run_id not in gone}).decode(),
    )


@dg.asset_check(
    asset=ALERTS_SENT.asset_key,
    name=ALERTS_SENT.name,
    description="Messages that a channel did not accept, and the open incidents.",
)
def alerts_sent(platform: PlatformDatabase, channels: AlertChannels) -> dg.AssetCheckResult:
    """WARN while messages wait for a channel that does not accept them."""
    return _delivery_check(_outbox(platform, channels))


def _delivery_check(outbox: Outbox) -> dg.AssetCheckResult:
    stuck, incidents = undelivered(outbox.database, outbox.channels), open_incidents(outbox.database)
    description = "; ".join(map(str, stuck)) or "everything was sent"
    return dg.AssetCheckResult(
        asset_key=ALERTS_SENT.asset_key,
        check_name=ALERTS_SENT.name,
        passed=not stuck,
        severity=dg.AssetCheckSeverity.WARN,
        description=description if outbox.channels else "no channel: SEEDTEST_ALERT_URLS is not set",
        metadata={
            "not_sent": sum(each.n_messages for each in stuck),
            "open_incidents": len(incidents),
            "open": dg.MetadataValue.md("\n".join(f"- {incident}" for incident in incidents) or "none"),
        },
    )


def _outbox(platform: PlatformDatabase, channels: AlertChannels) -> Outbox:
    return Outbox(
        database=platform.database, channels=read_channels(channels.addresses), ui_url=channels.seedtest_ui_url
    )
