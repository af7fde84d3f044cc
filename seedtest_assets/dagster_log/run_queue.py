"""Dagster's run queue: the limit of a pool."""

import dagster as dg


def limit_pool(instance: dg.DagsterInstance, pool: str) -> None:
    """Declare a pool's limit, dagster.yaml's default, before the queue meets its first run.

    The queue reads the limits, and only then makes those of new pools: on a fresh instance it starts all runs at once that
    wait by then, and a first night would calibrate while its window is still being filled.
    """
    limits = instance.event_log_storage
    if pool not in limits.get_concurrency_keys():
        limits.initialize_concurrency_limit_to_default(pool)
