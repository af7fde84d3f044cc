"""Locks in the platform's database, which PostgreSQL frees when their process dies."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from seedtest_assets.errors import InputError, SeedtestError, TransientError
from seedtest_assets.storage.database import Database


@contextmanager
def one_calibration_at_a_time(database: Database) -> Iterator[None]:
    """Hold the lock of calibrations, also against runs of the UI and the command line.

    Raises TransientError when another calibration holds it.
    """
    busy = TransientError("another calibration is running on this database. Wait for its end, then run this again")
    with _held(database, "seedtest calibration", busy):
        yield


@contextmanager
def one_command_at_a_time(database: Database) -> Iterator[None]:
    """Hold the lock of `seedtest run`: of two at once, each would find that no run is active.

    Raises InputError when another command holds it.
    """
    busy = InputError("another `seedtest run` is at work on this database. Wait for its end, then run this again")
    with _held(database, "seedtest run", busy):
        yield


@contextmanager
def _held(database: Database, name: str, busy: SeedtestError) -> Iterator[None]:
    with database.session() as connection:
        if not connection.execute(sa.text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": name}).scalar():
            raise busy
        try:
            yield
        finally:  # a pooled connection would keep the lock
            connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext(:name))"), {"name": name})
