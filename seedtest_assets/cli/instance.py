"""Dagster's instance for a command: its environment, its storage, its limits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedtest_assets.errors import InputError
from seedtest_assets.project import enter_project
from seedtest_assets.settings import HOME
from seedtest_assets.storage.private_files import close_to_others

if TYPE_CHECKING:
    import dagster as dg

STORAGE = "DAGSTER_POSTGRES_URL"


def dagster_environment() -> dict[str, str]:
    """Give DAGSTER_HOME and DAGSTER_POSTGRES_URL for this project; what is set already stays.

    Enters the project's folder, closes what Dagster writes there to other users, and starts the embedded PostgreSQL where
    Dagster has no other.
    """
    from seedtest_assets.storage.addresses import url_with_limits
    from seedtest_assets.storage.embedded import DAGSTER, start_embedded

    root = enter_project()
    dagster_home = os.environ.get("DAGSTER_HOME") or str(root)
    if Path(dagster_home).resolve() == root:  # its dagster.yaml puts the runs' output into .seedtest
        _close(root / HOME)
    return {
        "DAGSTER_HOME": dagster_home,
        STORAGE: url_with_limits(os.environ.get(STORAGE) or start_embedded(DAGSTER), STORAGE),
    }


def _close(folder: Path) -> None:
    try:
        close_to_others(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be used: {error.strerror}. Run this as a user who may write to {folder.parent}"
        ) from error


@contextmanager
def open_instance() -> "Iterator[dg.DagsterInstance]":
    """Open this project's instance, with the limit of one run at a time set.

    Raises TransientError when Dagster's database is out of reach.
    """
    os.environ.update(dagster_environment())
    import dagster as dg
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import DBAPIError

    from seedtest_assets.dagster_log.run_queue import limit_pool
    from seedtest_assets.step.arguments import POOL
    from seedtest_assets.storage.addresses import shown_address
    from seedtest_assets.storage.database_errors import translated

    try:
        with dg.DagsterInstance.get() as instance:
            limit_pool(instance, POOL)
            yield instance
    except (DBAPIError, DagsterPostgresException) as error:  # those of the platform's database are translated already
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        if not isinstance(cause, DBAPIError):
            raise
        name = f"Dagster's database {shown_address(os.environ[STORAGE], STORAGE)}"
        raise translated(cause, name, STORAGE) from error
