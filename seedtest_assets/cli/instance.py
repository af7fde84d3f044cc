"""Dagster's instance for a command: its environment, its storage, its limits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedtest_assets.errors import InputError, SeedtestError
from seedtest_assets.project import enter_project
from seedtest_assets.settings import HOME
from seedtest_assets.storage.private_files import close_to_others

if TYPE_CHECKING:
    import dagster as dg
    import sqlalchemy as sa

STORAGE = "DAGSTER_POSTGRES_URL"
# Reading some rows takes no longer on a server that answers.
_TIME_LIMIT = "statement_timeout = '60s'"


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

    from seedtest_assets.dagster_log.kept_connections import kept_connections
    from seedtest_assets.dagster_log.run_queue import limit_pool
    from seedtest_assets.step.arguments import POOL

    try:
        with dg.DagsterInstance.get() as instance, kept_connections(instance):
            limit_pool(instance, POOL)
            yield instance
    except (DBAPIError, DagsterPostgresException) as error:  # those of the platform's database are translated already
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        if not isinstance(cause, DBAPIError):
            raise
        raise _translated(cause, os.environ[STORAGE]) from error


@contextmanager
def dagster_tables() -> "Iterator[sa.Connection]":
    """Open a connection to Dagster's database that only reads, without loading Dagster where the project's dagster.yaml has it.

    Raises TransientError when the database is out of reach, InputError where Dagster keeps its runs elsewhere.
    """
    import psycopg2
    import sqlalchemy as sa

    from seedtest_assets.storage.addresses import connection_string

    os.environ.update(dagster_environment())
    address = _address_of_storage()
    dsn = connection_string(address, STORAGE)
    engine = sa.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"SET TRANSACTION READ ONLY; SET LOCAL TimeZone = 'UTC'; SET LOCAL {_TIME_LIMIT}"
            )
            yield connection
    except sa.exc.DBAPIError as error:
        raise _translated(error, address) from error


def _address_of_storage() -> str:
    """Give the address of Dagster's database: the one of STORAGE, or what a dagster.yaml of another kind says."""
    import yaml

    file = Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    if settings and settings.get("storage") == {"postgres": {"postgres_url": {"env": STORAGE}}}:
        return os.environ[STORAGE]
    import dagster as dg
    from dagster_postgres import PostgresRunStorage

    with dg.DagsterInstance.get() as instance:
        if not isinstance(instance.run_storage, PostgresRunStorage):
            raise InputError(f"Dagster keeps its runs elsewhere than in PostgreSQL, by {file}. See them in the UI")
        return str(instance.run_storage.postgres_url)


def _translated(error: "sa.exc.DBAPIError", address: str) -> SeedtestError:
    from seedtest_assets.storage.addresses import shown_address
    from seedtest_assets.storage.database_errors import translated

    return translated(error, f"Dagster's database {shown_address(address, STORAGE)}", STORAGE)
