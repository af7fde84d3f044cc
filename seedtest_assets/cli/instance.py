"""Dagster's instance for a command: its environment, its storage, its limits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedtest_assets.project import enter_project

if TYPE_CHECKING:
    import dagster as dg


def dagster_environment() -> dict[str, str]:
    """Give DAGSTER_HOME and DAGSTER_POSTGRES_URL for this project; what is set already stays.

    Enters the project's folder, and starts the embedded PostgreSQL where Dagster has no other.
    """
    from seedtest_assets.storage.embedded import DAGSTER, start_embedded

    root = enter_project()
    return {
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(root),
        "DAGSTER_POSTGRES_URL": os.environ.get("DAGSTER_POSTGRES_URL") or start_embedded(DAGSTER),
    }


@contextmanager
def open_instance() -> "Iterator[dg.DagsterInstance]":
    """Open this project's instance, with the limit of one run at a time set."""
    os.environ.update(dagster_environment())
    import dagster as dg

    from seedtest_assets.dagster_log.run_queue import limit_pool
    from seedtest_assets.step.arguments import POOL

    with dg.DagsterInstance.get() as instance:
        limit_pool(instance, POOL)
        yield instance
