"""Decorator arguments that the assets share."""

from datetime import timedelta
from typing import Any

import dagster as dg

from seedtest_assets.step.load_time import FRESH_BY_HOUR, RETRIES, daily, weekly

POOL = "seedtest"
"""Every step that writes is in it; dagster.yaml lets one run at a time have it."""

CATALOGUE: dict[str, Any] = {
    # One group: several collapse the graph into boxes.
    "group_name": "psychometrics",
    "owners": ["team:psychometrics"],
    # For the health badge: made between midnight and this hour. It looks at the last materialization of any day; the check `freshness` at yesterday's.
    "freshness_policy": dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {FRESH_BY_HOUR} * * *", lower_bound_delta=timedelta(hours=FRESH_BY_HOUR)
    ),
    # Raised when the same answers and settings give other results: the UI then marks the days made before.
    "code_version": "1",
}
"""Where the UI's catalogue shows an asset, and what it says of its age."""

DAILY_STEP: dict[str, Any] = {
    "partitions_def": daily,
    "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    "retry_policy": RETRIES,
    "pool": POOL,
}
"""A step that makes one day a run."""

FIRST_STEP: dict[str, Any] = DAILY_STEP | {"op_tags": {"dagster/priority": "1"}}
"""A daily step on the critical path of a night: it begins before others that could begin, too."""

WEEKLY_STEP: dict[str, Any] = DAILY_STEP | {"partitions_def": weekly}
"""A step that makes one week a run."""

DAYS_IN_ONE_STEP: dict[str, Any] = DAILY_STEP | {"backfill_policy": dg.BackfillPolicy.single_run()}
"""A step that makes all days of a backfill in one run."""
