"""Schedules turned on, and their ticks, without a workspace and a daemon."""

import sys
from datetime import datetime

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import ScheduleExecutionError, user_code_error_boundary
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import serializable_error_info_from_exc_info


def turn_on(
    instance: dg.DagsterInstance, name: str, since: datetime, status: InstigatorStatus = InstigatorStatus.RUNNING
) -> InstigatorState:
    """Set the state of a schedule as the UI does."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="seedtest_assets.definitions"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    data = ScheduleInstigatorData("0 3 * * *", since.timestamp())
    state = InstigatorState(origin, InstigatorType.SCHEDULE, status, data)
    known = instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
    (instance.update_instigator_state if known else instance.add_instigator_state)(state)
    return state


def tick(instance: dg.DagsterInstance, schedule: InstigatorState, at: datetime, error: Exception | None = None) -> None:
    """Let a schedule have a tick that finds nothing to do, or fails as the daemon stores it."""
    info = None
    if error:
        try:
            with user_code_error_boundary(ScheduleExecutionError, lambda: "Error occurred during its execution"):
                raise error
        except ScheduleExecutionError:
            info = serializable_error_info_from_exc_info(sys.exc_info())
    instance.create_tick(
        TickData(
            schedule.instigator_origin_id,
            schedule.name,
            schedule.instigator_type,
            TickStatus.FAILURE if error else TickStatus.SKIPPED,
            at.timestamp(),
            error=info,
            selector_id=schedule.selector_id,
        )
    )
