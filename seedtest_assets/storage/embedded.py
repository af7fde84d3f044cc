"""The embedded PostgreSQL: one server per `.seedtest/`, shared by every process, running until `seedtest down`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from seedtest_assets.errors import InputError, TransientError, first_line
from seedtest_assets.settings import HOME
from seedtest_assets.storage.addresses import WAITING_LIMITS
from seedtest_assets.storage.postgres_server import START_SECONDS, has_data, socket_folder, start_server, stop_server

PLATFORM, DAGSTER = "seedtest", "dagster"
"""The two databases: the platform's tables, and Dagster's own storage."""


def embedded_address(database: str, home: Path = HOME) -> str:
    """Give the URL of a database on the embedded server, whether it runs or not. Starts nothing."""
    with _readable(home):
        return f"postgresql://postgres:@/{database}?host={quote(str(socket_folder(home.resolve())))}"


def was_started(home: Path = HOME) -> bool:
    """Tell whether the embedded server has been started here before, so that it has data."""
    with _readable(home):
        return has_data(home.resolve())


def start_embedded(database: str, home: Path = HOME) -> str:
    """Start the embedded server and create a database on it, where needed; give the database's URL.

    The server outlives this process.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        with _readable(home):
            start_server(home.resolve())
        try:
            _create_database(embedded_address("postgres", home), database)
            return embedded_address(database, home)
        except sa.exc.OperationalError as error:
            # Another process may be stopping it right now.
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the embedded PostgreSQL in {home / 'postgres'} does not answer ({first_line(error)}). "
                    f"See {home}/postgres/log"
                ) from error
            time.sleep(0.2)


def stop_embedded(home: Path = HOME) -> bool:
    """Stop the embedded server; give False when none was running."""
    with _readable(home):
        return stop_server(home.resolve())


@contextmanager
def _readable(home: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise InputError(
            f"{error.filename or home} may not be opened by this user. "
            f"Run this as the owner of {home}, use a copy of the project, or set DATABASE_URL"
        ) from error
    except OSError as error:
        raise TransientError(
            f"the embedded PostgreSQL in {home} cannot be used: {error.strerror or first_line(error)}. Check the disk"
        ) from error


def _create_database(server_url: str, database: str) -> None:
    engine = sa.create_engine(
        server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args=WAITING_LIMITS
    )
    with engine.connect() as connection:
        exists = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.execute(exists, {"name": database}).first() is None:
            try:
                connection.execute(sa.text(f"CREATE DATABASE {database}"))
            except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
                # Another process created it between the two statements.
                if connection.execute(exists, {"name": database}).first() is None:
                    raise
