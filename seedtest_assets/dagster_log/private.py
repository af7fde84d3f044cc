"""Parts of Dagster that its documentation does not promise: imported here, nowhere else.

A test beside this package uses each of them for real, so that an upgrade which changes them fails there.
"""

# An evaluation that no check step yields (one of many partitions, or written by a sensor) must name the
# materialization that it is about: without it the UI shows the check as never evaluated.
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

# What an executor of steps is made of. Dagster's own executors use them in the same way; it documents only their base class.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterExecutionInterruptedError, raise_execution_interrupts
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.build_resources import wrap_resources_for_execution
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.execute_in_process import core_execute_in_process, merge_run_tags
from dagster._core.execution.plan.execute_plan import (
    _handle_compute_log_setup_error,
    _handle_compute_log_teardown_error,
    _trigger_hook,
    dagster_event_sequence_for_step,
)
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.objects import ErrorSource, step_failure_event_from_exc_info
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

# The states of a schedule and of a tick: Dagster stores them, and has no public name for them.
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

# The tags that Dagster puts on runs. Its own constants, so that a renamed tag is a renamed constant.
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    RETRY_NUMBER_TAG,
    WILL_RETRY_TAG,
)

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "MAX_RETRIES_TAG",
    "PARTITION_NAME_TAG",
    "RETRY_NUMBER_TAG",
    "WILL_RETRY_TAG",
    "AssetCheckEvaluationTargetMaterializationData",
    "DagsterExecutionInterruptedError",
    "EngineEventData",
    "ErrorSource",
    "ExecuteRunWithPlanIterable",
    "InMemoryJob",
    "InstanceConcurrencyContext",
    "InstigatorStatus",
    "PlanExecutionContextManager",
    "RetryMode",
    "StepDependencyConfig",
    "TickStatus",
    "_handle_compute_log_setup_error",
    "_handle_compute_log_teardown_error",
    "_trigger_hook",
    "core_execute_in_process",
    "create_compute_log_file_key",
    "dagster_event_sequence_for_step",
    "merge_run_tags",
    "raise_execution_interrupts",
    "step_failure_event_from_exc_info",
    "wrap_resources_for_execution",
]
