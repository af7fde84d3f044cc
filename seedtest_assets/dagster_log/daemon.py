"""The Dagster daemon: when its parts were last alive, and whether a schedule is on and works."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.private import InstigatorStatus
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


def last_tick_error(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition) -> str | None:
    """Give the last line of the error that a schedule's last tick ended with."""
    state = _states(instance).get(schedule.name)
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1) if state else []
    return ticks[0].error.message.strip().splitlines()[-1] if ticks and ticks[0].error else None


def _states(instance: dg.DagsterInstance) -> dict[str, Any]:
    return {state.name: state for state in instance.all_instigator_state()}
