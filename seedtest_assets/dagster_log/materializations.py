"""Whether a partition is materialized, and check evaluations that no check step yields."""

import dagster as dg

from seedtest_assets.dagster_log.private import AssetCheckEvaluationTargetMaterializationData


def is_materialized(instance: dg.DagsterInstance, asset: str, partition: str) -> bool:
    """Tell whether a partition of an asset was ever materialized."""
    return _newest(instance, dg.AssetKey(asset), partition) is not None


def check_evaluation(
    check: dg.AssetCheckResult, instance: dg.DagsterInstance, partition: str | None = None
) -> dg.AssetCheckEvaluation:
    """Turn a check's result into the event that Dagster stores: for a step that judges many partitions, or a sensor."""
    asset, name = check.asset_key, check.check_name
    assert asset is not None
    assert name is not None
    newest = _newest(instance, asset, partition)
    return dg.AssetCheckEvaluation(
        check_name=name,
        asset_key=asset,
        passed=check.passed,
        severity=check.severity,
        description=check.description,
        metadata=check.metadata,
        partition=partition,
        target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
            storage_id=newest.storage_id, run_id=newest.run_id, timestamp=newest.timestamp
        )
        if newest
        else None,
    )


def _newest(instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None) -> dg.EventLogRecord | None:
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=[partition] if partition else None)
    return next(iter(instance.fetch_materializations(wanted, limit=1).records), None)
