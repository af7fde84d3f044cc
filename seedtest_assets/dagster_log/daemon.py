"""The Dagster daemon: when its parts were last alive, and whether a schedule is on and works."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.private import InstigatorStatus, TickStatus
from seedtest_assets.dagster_log.reasons import reason_in
from seedtest_assets.dagster_log.run_reader import utc


def last_heartbeats(instance: dg.DagsterInstance) -> Mapping[str, datetime]:
    """Give the time of the newest heartbeat of each part of the daemon that ever ran."""
    return {part: utc(beat.timestamp) for part, beat in instance.get_daemon_heartbeats().items()}


def parts_needed(instance: dg.DagsterInstance) -> list[str]:
    """Give the parts of the daemon that this instance needs."""
    return list(instance.get_required_daemon_types())


def is_on(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition) -> bool:
    """Tell whether a schedule is on, as set in the UI or else as defined."""
    state = _states(instance).get(schedule.name)
    if state is None or state.status == InstigatorStatus.DECLARED_IN_CODE:
        return schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    return bool(state.status == InstigatorStatus.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Tick:
    """The last finished tick of a schedule or sensor. error: why it failed, in one line; None where it did not."""

    name: str
    at: datetime
    error: str | None


def last_ticks(instance: dg.DagsterInstance, since: datetime) -> list[Tick]:
    """Give the last finished tick of each schedule and sensor that has one since then."""
    if instance.schedule_storage is None:  # an instance in memory
        return []
    ticks = (_last_tick(instance, state) for state in instance.all_instigator_state())
    return [tick for tick in ticks if tick and tick.at >= since]


def last_tick_error(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition) -> str | None:
    """Give the reason why a schedule's last tick failed; None where it did not."""
    state = _states(instance).get(schedule.name)
    tick = _last_tick(instance, state) if state else None
    return tick.error if tick else None


def _last_tick(instance: dg.DagsterInstance, state: Any) -> Tick | None:
    finished = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
    for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=finished):
        error = reason_in(None, tick.error) if tick.status == TickStatus.FAILURE else None
        return Tick(name=state.name, at=utc(tick.timestamp), error=error)
    return None


def _states(instance: dg.DagsterInstance) -> dict[str, Any]:
    return {state.name: state for state in instance.all_instigator_state()}
