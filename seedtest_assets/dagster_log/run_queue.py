"""Dagster's run queue: the limit of a pool, and runs that are not in it."""

import dagster as dg

from seedtest_assets.dagster_log.private import MAX_RETRIES_TAG

# Tags of a run outside the queue, which the daemon cannot start again: its failure would wait for that, and alert nobody.
NOT_STARTED_AGAIN = {MAX_RETRIES_TAG: "0"}


def limit_pool(instance: dg.DagsterInstance, pool: str) -> None:
    """Declare a pool's limit, dagster.yaml's default, before the queue meets its first run.

    The queue reads the limits, and only then makes those of new pools: on a fresh instance it starts all runs at once that
    wait by then, and a first night would calibrate while its window is still being filled.
    """
    limits = instance.event_log_storage
    if pool not in limits.get_concurrency_keys():
        limits.initialize_concurrency_limit_to_default(pool)
