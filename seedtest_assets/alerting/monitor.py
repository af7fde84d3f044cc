"""One pass over Dagster: the runs that ended, the daemon, the schedule; and the state that the next pass starts from."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import dagster as dg
import msgspec

from seedtest_assets.alerting.daemon_events import heartbeat_events, tick_events, was_down
from seedtest_assets.alerting.events import Event
from seedtest_assets.alerting.incidents import Outbox, record_events
from seedtest_assets.alerting.missed_calibrations import missed_calibrations
from seedtest_assets.alerting.run_events import calibrated, events_of
from seedtest_assets.alerting.run_outcomes import record_outcomes
from seedtest_assets.dagster_log.ended_runs import OVERLAP, EndedRun, ended_runs
from seedtest_assets.settings import Settings

# No pass for this long: the daemon was down.
AWAY = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class MonitorState:
    """What one pass hands to the next; Dagster keeps it as the sensor's cursor."""

    monitoring_since: datetime
    last_pass: datetime
    daemon_up_since: datetime
    last_event_id: int | None = None
    seen_event_ids: tuple[int, ...] = ()
    service_failures: int = 0
    service_failing_since: datetime | None = None


def read_state(cursor: str | None, now: datetime) -> MonitorState:
    """Read the state from a sensor's cursor; start a new one where there is none, or one that this version cannot read.

    A new state reads a day of the log again, which changes nothing: incidents ignore events that they have seen.
    """
    try:
        return msgspec.json.decode(cursor or "", type=MonitorState)
    except msgspec.DecodeError:
        return MonitorState(monitoring_since=now, last_pass=now, daemon_up_since=now)


def write_state(state: MonitorState) -> str:
    """Write the cursor for the next pass."""
    return msgspec.json.encode(state).decode()


def monitor(
    instance: dg.DagsterInstance, outbox: Outbox, settings: Settings, state: MonitorState, now: datetime
) -> tuple[MonitorState, int]:
    """Record everything that happened since the last pass; gives the new state and the number of new messages."""
    events: list[Event] = []
    new_runs = ended_runs(instance, state.last_event_id, state.seen_event_ids, now)
    record_outcomes(outbox.database, new_runs)
    for ended in new_runs:
        service_failing, state = _count_service_failures(ended, state, settings.seedtest_irt_failures)
        events += events_of(ended, service_failing)
        last = max(ended.event_id, state.last_event_id or 0)
        seen = tuple(each for each in (*state.seen_event_ids, ended.event_id) if each > last - OVERLAP)
        state = replace(state, last_event_id=last, seen_event_ids=seen)
    if now - state.last_pass > AWAY:
        events.append(was_down(state.last_pass, now))
        state = replace(state, daemon_up_since=now)
    events += [*heartbeat_events(instance, now, state.daemon_up_since), *tick_events(instance, now)]
    n_messages = record_events(outbox, events)
    # Only now: a run that has just failed may already explain a missing day.
    missed = missed_calibrations(instance, outbox.database, settings, now, state.monitoring_since)
    return replace(state, last_pass=now), n_messages + record_events(outbox, missed)


def _count_service_failures(ended: EndedRun, state: MonitorState, limit: int) -> tuple[str | None, MonitorState]:
    """Count failed calls to the IRT service in a row, over the runs; gives since when, if this run makes them too many."""
    failures = ended.run.service_failures
    if calibrated(ended):
        return None, replace(state, service_failures=0, service_failing_since=None)
    if not failures:
        return None, state
    since = state.service_failing_since or failures[0].at
    before, total = state.service_failures, state.service_failures + len(failures)
    if ended.run.failed:
        crossed = before < limit <= total
        service_failing = f"{since:%Y-%m-%d %H:%M} UTC ({total} in a row)" if crossed else None
        return service_failing, replace(state, service_failures=total, service_failing_since=since)
    # Dagster starts the run again: the run that fails in the end is the one that crosses the limit.
    counted = total if before >= limit else min(total, limit - 1)
    return None, replace(state, service_failures=counted, service_failing_since=since)
