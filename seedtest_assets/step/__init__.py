"""What every step shares: partitions, retries, failures, metadata."""

import warnings

# Tried in the Dagster that the lock names: partitioned checks and backfill policies do what is needed here. Observations fill in one run
# while a calibration has a run of its own, on purpose. An operator should not read these warnings at every start.
for message in (
    ".*partitions_def on an AssetCheckSpec.*",
    ".*Parameter `backfill_policy`.*",
    ".*varying BackfillPolicies.*",
):
    warnings.filterwarnings("ignore", message="(?s)" + message)
