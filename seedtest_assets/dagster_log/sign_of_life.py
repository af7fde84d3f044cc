"""The sign of life of a run: an advisory lock in Dagster's database, which the run's process holds until it ends.

Process ids and host names are used again, and mean nothing in another container. A lock belongs to one session, and
PostgreSQL frees it when the session's process ends, however it ends.
"""

import os
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import dagster as dg
import psutil
import sqlalchemy as sa
from dagster_postgres import PostgresRunStorage
from dagster_postgres.utils import DagsterPostgresException

from seedtest_assets.dagster_log.process_lock import LOCK_IS_FREE, NO_LOCK, PROCESS_TAG
from seedtest_assets.dagster_log.run_reader import utc

# A lock must be free for this long: a process that only lost its connection takes its lock again as soon as it can connect.
GRACE = timedelta(seconds=15)
# The lock is taken again at least this often: a pooler may give the process another session, without its locks, unseen.
BEAT_SECONDS = 3.0
# Between two attempts to connect, besides the waits of Dagster's own.
PAUSE_SECONDS = 0.1
# How long a run waits for its lock before it goes on without: nobody then takes it for dead.
FIRST_SECONDS = 10.0

# Shared, so that several processes of a run may hold it.
_TAKE = sa.text("SELECT pg_try_advisory_lock_shared(hashtextextended('seedtest run ' || :run_id, 0))")
# A machine that goes down closes no connection: the server finds out in 25 s.
_KEEPALIVES = sa.text("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")


@contextmanager
def sign_of_life(instance: dg.DagsterInstance, run_id: str) -> Iterator[dict[str, str]]:
    """Hold the lock of a run for the length of a block; gives the run's tag that says so, or that it has none."""
    if not isinstance(instance.run_storage, PostgresRunStorage):
        yield {PROCESS_TAG: NO_LOCK}
        return
    held, (end, ended) = Event(), socket.socketpair()
    keeper = Thread(target=_keep, args=(instance.run_storage, run_id, held, ended), name="sign of life", daemon=True)
    keeper.start()
    try:
        yield {PROCESS_TAG: _this_process() if held.wait(FIRST_SECONDS) else NO_LOCK}
    finally:
        end.close()
        keeper.join(BEAT_SECONDS)


def lost_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """List the runs that have begun and whose process holds no lock at this moment, the newest first."""
    storage, started = instance.run_storage, dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    marked = [run for run in instance.get_runs(started) if run.tags.get(PROCESS_TAG, NO_LOCK) != NO_LOCK]
    if not marked or not isinstance(storage, PostgresRunStorage):
        return []
    with storage.connect() as connection:
        return [run for run in marked if connection.execute(sa.text(LOCK_IS_FREE), {"run_id": run.run_id}).scalar()]


def report_lost(instance: dg.DagsterInstance, run_id: str) -> None:
    """Report that a run failed because its process is gone, unless it has ended meanwhile."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(
            run,
            f"the process that ran it is gone: {run.tags[PROCESS_TAG]}. It was killed, ran out of memory, or its machine went down",
        )


def _keep(storage: PostgresRunStorage, run_id: str, held: Event, ended: socket.socket) -> None:
    """Hold the lock, over as many connections as it takes, until the other end of a pair of sockets is closed."""
    with ended:
        while not _is_readable([ended], PAUSE_SECONDS):
            with suppress(sa.exc.DBAPIError, DagsterPostgresException), storage.connect() as connection:
                connection.detach()  # so that its end is that of the session: a kept one would hold the lock on
                connection.execute(_KEEPALIVES)
                while not _is_readable([ended], 0):
                    if connection.execute(_TAKE, {"run_id": run_id}).scalar():
                        held.set()
                    _is_readable([ended, connection.connection.dbapi_connection], BEAT_SECONDS)


def _is_readable(sockets: Sequence[Any], seconds: float) -> bool:
    """Wait until one of some sockets is closed by the other side or has something to read: of a database, that it ends."""
    return bool(select.select(sockets, [], [], seconds)[0])


def _this_process() -> str:
    started = utc(psutil.Process().create_time())
    return f"process {os.getpid()} on {socket.gethostname()}, started {started:%Y-%m-%d %H:%M:%S} UTC"
