"""Look up what `seedtest status` shows. Writes nothing, and loads neither Dagster nor pandas."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

from seedtest_assets.alerting.channels import Channel, read_channels
from seedtest_assets.alerting.delivery import Undelivered, undelivered
from seedtest_assets.alerting.incidents import Incident, open_incidents, resolved_incidents
from seedtest_assets.alerting.keys import check_key
from seedtest_assets.checks import catalogue
from seedtest_assets.cli.instance import dagster_tables
from seedtest_assets.dagster_log.tables import DagsterState, FailedCheck, Watched, read_dagster
from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import Settings, revealed
from seedtest_assets.storage.database import Database, known_revisions, platform_database, revision_of
from seedtest_assets.storage.embedded import PLATFORM, start_embedded
from seedtest_assets.storage.history_summary import Fit, TableSummary, days_fitted, history_summary, newest_fit
from seedtest_assets.storage.lake_folder import LakeFolder
from seedtest_assets.storage.publications import PublicationState, publication_state

SCHEDULE = "nightly_schedule"
DAYS_SHOWN = 7
"""A week: what went wrong before has been seen by somebody, or nobody looks."""

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class HistoryFacts:
    """What our schema has: its tables, the newest fit, the days that are calibrated, what is published, the alerts."""

    tables: Sequence[TableSummary]
    fit: Fit | None
    fitted: Mapping[date, datetime]
    publication: PublicationState
    incidents: Sequence[Incident]
    not_sent: Sequence[Undelivered]


@dataclass(frozen=True, kw_only=True)
class StatusFacts:
    """Everything that is shown or judged.

    first, last: the days that are shown. all_incidents: whether those of earlier days count. revision: of our schema, None
    where it was never made. history: None where the schema is not the one of this version. A part that could not be looked up
    is the error that says why.
    """

    now: datetime
    first: date
    last: date
    all_incidents: bool
    settings: Settings
    database: Database
    channels: Sequence[Channel]
    lake_days: Sequence[date] | SeedtestError
    revision: str | SeedtestError | None
    history: HistoryFacts | SeedtestError | None
    dagster: DagsterState | SeedtestError
    failed_checks: Sequence[FailedCheck]


def look_up(settings: Settings, now: datetime, since: date | None) -> StatusFacts:
    """Look everything up, as far as it can be reached. since: the first day shown, by default the first of the last week."""
    last = now.date() - timedelta(days=1)
    first = max(since or last - timedelta(days=DAYS_SHOWN - 1), settings.seedtest_start_date)
    channels = read_channels(revealed(settings.seedtest_alert_urls))
    dagster = _or_error(partial(_read_dagster, first))  # first: it starts the embedded server, if that is to be used
    database = platform_database(settings)
    revision = _or_error(partial(revision_of, database))
    if isinstance(revision, SeedtestError) and settings.database_url is None:
        revision = _or_error(partial(_started_revision, database))
    history: HistoryFacts | SeedtestError | None = None
    if revision == known_revisions()[0]:
        history = _or_error(partial(_read_history, database, settings, channels, first))
    return StatusFacts(
        now=now,
        first=first,
        last=last,
        all_incidents=since is None,
        settings=settings,
        database=database,
        channels=channels,
        lake_days=_or_error(lambda: LakeFolder(settings.seedtest_lake).all_days()),
        revision=revision,
        history=history,
        dagster=dagster,
        failed_checks=_not_closed_by_hand(database, dagster) if isinstance(history, HistoryFacts) else [],
    )


def _started_revision(database: Database) -> str | None:
    start_embedded(PLATFORM)
    return revision_of(database)


def _read_dagster(first: date) -> DagsterState:
    checks = (*catalogue.CALIBRATION, *catalogue.OBSERVATIONS, *catalogue.TOPIC_THETA, *catalogue.FEATURES)
    watched = Watched(
        since=first,
        schedule=SCHEDULE,
        calibration=catalogue.FRESHNESS.asset,
        source="observations",
        checked={check.asset for check in checks},
    )
    with dagster_tables() as connection:
        return read_dagster(connection, watched)


def _read_history(database: Database, settings: Settings, channels: Sequence[Channel], first: date) -> HistoryFacts:
    return HistoryFacts(
        tables=history_summary(database),
        fit=newest_fit(database),
        fitted=days_fitted(database, first),
        publication=publication_state(database, settings.seedtest_published_version),
        incidents=open_incidents(database),
        not_sent=undelivered(database, channels),
    )


def _not_closed_by_hand(database: Database, dagster: DagsterState | SeedtestError) -> list[FailedCheck]:
    """List the failed checks, but for freshness, which judges an hour, and those whose incident somebody has closed since."""
    if isinstance(dagster, SeedtestError):
        return []
    failed = [check for check in dagster.failed_checks if check.name != catalogue.FRESHNESS.name]
    keys = {check: check_key(check.asset, check.name, check.partition.isoformat()) for check in failed}
    closed = resolved_incidents(database, keys.values()) if failed else {}
    return [check for check in failed if keys[check] not in closed or closed[keys[check]] < check.at]


def _or_error(look: Callable[[], _T]) -> _T | SeedtestError:
    try:
        return look()
    except SeedtestError as error:
        return error
