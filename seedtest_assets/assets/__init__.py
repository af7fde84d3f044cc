"""The asset graph, a short file an asset: read, call, write, describe."""

import warnings

# Tried in the Dagster that the lock names: partitioned checks and backfill policies do what is needed here. That observations
# fill in one run while a calibration has a run of its own is meant, too. An operator should not read about it at every start.
for said in (
    ".*partitions_def on an AssetCheckSpec.*",
    ".*Parameter `backfill_policy`.*",
    ".*varying BackfillPolicies.*",
):
    warnings.filterwarnings("ignore", message="(?s)" + said)
