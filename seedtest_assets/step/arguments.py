"""Decorator arguments that the assets share."""

from typing import Any

import dagster as dg

from seedtest_assets.step.load_time import RETRIES, daily

POOL = "seedtest"
"""Every step that writes is in it; dagster.yaml lets one run at a time have it."""

CATALOGUE: dict[str, Any] = {
    # One group: several collapse the graph into boxes.
    "group_name": "psychometrics",
    "owners": ["team:psychometrics"],
}
"""Where the UI's catalogue shows an asset."""

DAILY_STEP: dict[str, Any] = {
    "partitions_def": daily,
    "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    "retry_policy": RETRIES,
    "pool": POOL,
}
"""A step that makes one day a run."""

DAYS_IN_ONE_STEP: dict[str, Any] = DAILY_STEP | {"backfill_policy": dg.BackfillPolicy.single_run()}
"""A step that makes all days of a backfill in one run."""
