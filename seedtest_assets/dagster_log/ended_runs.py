"""The runs that ended, in the order in which they ended, each once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal

import dagster as dg

from seedtest_assets.dagster_log.logged_run import LoggedRun
from seedtest_assets.dagster_log.run_reader import read_run, utc

# Runs that are read at a time.
MOST = 100
# Event ids that are read again, since PostgreSQL may show a lower id after a higher one.
OVERLAP = 50
# How far back the log is read when it is read for the first time.
FIRST_TIME = timedelta(days=1)
# A run that failed this recently may not yet say whether Dagster will retry it.
UNDECIDED = timedelta(minutes=1)

_End = Literal[dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED]
_ENDS: tuple[_End, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


@dataclass(frozen=True, kw_only=True)
class EndedRun:
    """A run and the event that ended it."""

    event_id: int
    at: datetime
    run: LoggedRun


def ended_runs(instance: dg.DagsterInstance, after: int | None, seen: Collection[int], now: datetime) -> list[EndedRun]:
    """Read the runs that ended after an event id (None: within FIRST_TIME), oldest first, MOST of them at most.

    seen: event ids within OVERLAP that were read before. The list ends before a run of which it is not known yet whether it
    will be retried.
    """
    since = (now - FIRST_TIME).timestamp() if after is None else None
    from_id = None if after is None else max(0, after - OVERLAP)
    filters = [dg.RunStatusChangeRecordsFilter(end, after_timestamp=since, after_storage_id=from_id) for end in _ENDS]
    events = chain.from_iterable(
        instance.fetch_run_status_changes(each, limit=MOST, ascending=True).records for each in filters
    )
    runs: list[EndedRun] = []
    for event in sorted(events, key=lambda event: event.storage_id)[:MOST]:
        record = None if event.storage_id in seen else instance.get_run_record_by_id(event.run_id)
        if record is None:  # seen before, or deleted in the UI
            continue
        run, at = read_run(instance, record), utc(event.timestamp)
        may_be_retried = record.dagster_run.is_failure and run.will_retry is None and instance.run_retries_enabled
        if may_be_retried and now - at < UNDECIDED:
            break
        runs.append(EndedRun(event_id=event.storage_id, at=at, run=run))
    return runs
