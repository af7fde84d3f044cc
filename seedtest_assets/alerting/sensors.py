"""Alerting as Dagster sees it: a sensor that finds incidents, a sensor that sends, and a check that shows what could not be sent."""

from datetime import datetime, timezone

import dagster as dg

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.delivery import deliver, waiting
from seedtest_assets.alerting.incidents import open_incidents
from seedtest_assets.alerting.watch import look, read_memory, write_memory
from seedtest_assets.checks.specs import evaluation
from seedtest_assets.dagster_log.ended_runs import OWN_CHECK
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import prepared_database

_settings = load_settings()
read_channels(_settings.seedtest_alert_urls)  # a bad address is told when the code location loads
_EVERY = _settings.seedtest_alert_interval_secs


@dg.sensor(minimum_interval_seconds=_EVERY, default_status=dg.DefaultSensorStatus.RUNNING)
def incident_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Finds failed checks, failed runs, a missed schedule, a failing IRT service and a stuck daemon, and puts messages into the outbox."""
    settings, now = load_settings(), datetime.now(timezone.utc)
    memory, n_messages, n_open = look(
        context.instance, prepared_database(settings), settings, read_memory(context.cursor, now), now
    )
    told = f"{n_messages} new messages, {n_open} open incidents"
    if n_open and not settings.seedtest_alert_urls:
        told += "; nobody is told, SEEDTEST_ALERT_URLS is not set"
    return dg.SensorResult(skip_reason=told, cursor=write_memory(memory))


@dg.sensor(minimum_interval_seconds=_EVERY, default_status=dg.DefaultSensorStatus.RUNNING)
def alert_delivery_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Sends what is in the outbox, tries again what a channel did not take, and keeps the check alerts_sent up to date."""
    settings = load_settings()
    database, channels = prepared_database(settings), read_channels(settings.seedtest_alert_urls)
    n_sent = deliver(database, channels)
    stuck = waiting(database, channels)
    state = "stuck" if stuck else "flowing"
    turned = state != context.cursor
    return dg.SensorResult(
        skip_reason="; ".join([f"{n_sent} messages sent", *map(str, stuck)]),
        cursor=state,
        asset_events=[evaluation(_alerts_sent(), context.instance)] if turned else [],
    )


@dg.asset_check(
    asset="mirt_fit_meta", name=OWN_CHECK, description="Alerts that a channel did not take, and what is open."
)
def alerts_sent() -> dg.AssetCheckResult:
    """WARN while messages wait for a channel that does not take them."""
    return _alerts_sent()


def _alerts_sent() -> dg.AssetCheckResult:
    settings = load_settings()
    database, channels = prepared_database(settings), read_channels(settings.seedtest_alert_urls)
    stuck, incidents = waiting(database, channels), open_incidents(database)
    if not channels:
        said = "no channel: SEEDTEST_ALERT_URLS is not set"
    else:
        said = "; ".join(map(str, stuck)) or "everything was sent"
    return dg.AssetCheckResult(
        asset_key="mirt_fit_meta",
        check_name=OWN_CHECK,
        passed=not stuck,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "not_sent": sum(one.n_messages for one in stuck),
            "open_incidents": len(incidents),
            "open": dg.MetadataValue.md("\n".join(f"- {incident}" for incident in incidents) or "none"),
        },
    )
