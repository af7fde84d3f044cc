"""Parts of Dagster that its documentation does not promise: imported here, nowhere else.

A test beside this package uses each of them for real, so that an upgrade which changes them fails there.
"""

# An evaluation that no check step yields (one of many partitions, or written by a sensor) must name the
# materialization that it is about: without it the UI shows the check as never evaluated.
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

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
    "InstigatorStatus",
    "TickStatus",
]
