"""A database lock that allows one calibration at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from seedtest_assets.errors import TransientError
from seedtest_assets.storage.database import Database


@contextmanager
def one_calibration_at_a_time(database: Database) -> Iterator[None]:
    """Hold the database's calibration lock, also against runs of the UI and the command line.

    Raises TransientError when another calibration holds it. PostgreSQL frees the lock of a process that died.
    """
    with database.session() as connection:
        free = connection.execute(sa.text("SELECT pg_try_advisory_lock(hashtext('seedtest calibration'))")).scalar()
        if not free:
            raise TransientError(
                "another calibration is running on this database. Wait for its end, then run this again"
            )
        try:
            yield
        finally:  # a pooled connection would keep the lock
            connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext('seedtest calibration'))"))
