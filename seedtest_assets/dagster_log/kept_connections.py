"""Dagster's connections to its database, kept for the length of a run or a command.

By itself Dagster opens one for each question it asks, 400 in a night, and that takes longer than most of the answers.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import create_pg_engine


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let an instance's storage on PostgreSQL keep a connection for the length of a block; other storage stays as it is."""
    with ExitStack() as stack:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            if isinstance(storage, PostgresRunStorage | PostgresEventLogStorage | PostgresScheduleStorage):
                stack.enter_context(_kept(storage))
        yield


@contextmanager
def _kept(storage: Any) -> Iterator[None]:
    # As its optimize_for_webserver() does, which has no end, and whose connection is not tried before it is used: one that the
    # server or a firewall closed during a long calibration would fail the run.
    before = storage._engine
    storage._engine = create_pg_engine(
        storage.postgres_url,
        storage._token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=-1,  # Dagster asks within the answer to another question, and from other threads
        pool_pre_ping=True,
    )
    try:
        yield
    finally:
        kept, storage._engine = storage._engine, before
        kept.dispose()
