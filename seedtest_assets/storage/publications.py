"""The published day: the newest accepted day, unless an operator pinned another."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.published_tables import find_table
from seedtest_assets.storage.statements import Run, literal, on_connection

Subject = Literal["calibration", "topic_theta", "features"]
Action = Literal["night", "pin", "unpin"]
LOCK_TIMEOUT = "60s"
"""How long a publication waits for a lock."""


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """How results are published.

    enabled: False writes history only. version: of the published rows; other versions are never touched. update_questions:
    also write the items' parameters to the platform's `question` table.
    """

    enabled: bool = True
    version: str = "v1"
    update_questions: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> "Publishing":
        """Take the deployment's settings."""
        return cls(
            enabled=settings.seedtest_publish,
            version=settings.seedtest_published_version,
            update_questions=settings.irt_update_question_meta,
        )


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Whether a day's results were published, and the reason if they were not."""

    day: date
    published: bool
    reason: str = ""

    @property
    def summary(self) -> str:
        """One line for metadata and logs."""
        return "yes" if self.published else f"no, history only: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class PublicationEntry:
    """A row of the table publication.

    day: None if publishing was unpinned and no day was published. run_id, fitted_at: of the published calibration.
    """

    subject: Subject
    day: date | None
    action: Action = "night"
    published_by: str
    reason: str
    run_id: str | None = None
    fitted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PublicationState:
    """The published day, and how it came to be published.

    published: the day in the platform's tables, None before the first publication. published_at, published_by, reason: of
    that publication, or of the pin while one is in force. pinned: the day that an operator pinned. newest_accepted: the newest day in history. old_job: the last
    day that another job published, if it wrote any.
    """

    published: date | None
    published_at: datetime | None
    published_by: str | None
    reason: str | None
    pinned: date | None
    newest_accepted: date | None
    old_job: date | None


IS_FOREIGN_FIT = """
NOT EXISTS (SELECT FROM publication AS ours WHERE ours.run_id = fit.run_id)
AND NOT EXISTS (SELECT FROM fit_history AS ours WHERE ours.run_id = fit.run_id)
"""
"""SQL condition: the row `fit` of mirt_fit_meta is of a run in none of our tables, so another job wrote it."""

# The other job runs after midnight for the day before.
_LAST_FOREIGN_FIT = f"SELECT max(fit.fitted_at::timestamptz) FROM mirt_fit_meta AS fit WHERE {IS_FOREIGN_FIT}"
_LAST_FOREIGN_ROW = """
SELECT max(fitted_at::timestamptz) FROM {table} AS result
WHERE version = {version}
  AND NOT EXISTS (SELECT FROM publication AS ours WHERE ours.fitted_at = result.fitted_at::timestamptz)
  AND NOT EXISTS (SELECT FROM fit_history AS ours WHERE ours.fitted_at = result.fitted_at::timestamptz)
"""
_LAST = "SELECT day, published_at, published_by, reason FROM publication WHERE subject = 'calibration' AND {which} ORDER BY publication_id DESC LIMIT 1"


def publication_state(database: Database, version: str = "v1") -> PublicationState:
    """Read the published, pinned and newest accepted days, and the last day of another job."""
    with database.transaction() as connection:
        run = on_connection(connection)
        pinned = pinned_day(run)
        last = run(_LAST.format(which="day IS NOT NULL" if pinned is None else "action = 'pin'"))
        published, published_at, published_by, reason = last[0] if last else (None, None, None, None)
        return PublicationState(
            published=published,
            published_at=published_at,
            published_by=published_by,
            reason=reason,
            pinned=pinned,
            newest_accepted=newest_accepted_day(run),
            old_job=last_day_of_old_job(run, version),
        )


def lock_publishing(run: Run) -> None:
    """Lock publishing until the transaction ends, so that two publications do not overlap."""
    # A writer that holds a row without end must not hold the night: after this the step is retried.
    run(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    run("SELECT pg_advisory_xact_lock(hashtext('seedtest publishing'))")


def why_not(run: Run, publishing: Publishing, subject: Subject, day: date) -> str | None:
    """Give the reason why a night's day of a subject is not published; None if it is published.

    A calibration is held against the published calibrations. Topic abilities and features are held against those and
    their own.
    """
    if not publishing.enabled:
        return "publishing is off (SEEDTEST_PUBLISH=false)"
    pinned = pinned_day(run)
    if pinned is not None:
        return None if day == pinned else f"publishing is pinned to {pinned}"
    ((newest,),) = run(f"SELECT max(day) FROM publication WHERE subject IN ('calibration', {literal(subject)})")
    if newest is not None and day < newest:
        return f"a newer day, {newest}, is published"
    old_job = last_day_of_old_job(run, publishing.version)
    if old_job is not None and day < old_job:
        return f"a newer day, {old_job}, was published by another job"
    return None


def pinned_day(run: Run) -> date | None:
    """Read the day that an operator pinned; None if no day is pinned."""
    rows = run("SELECT action, day FROM publication WHERE action <> 'night' ORDER BY publication_id DESC LIMIT 1")
    return rows[0][1] if rows and rows[0][0] == "pin" else None


def published_day(run: Run) -> date | None:
    """Read the day whose calibration is published; None before the first publication."""
    rows = run(_LAST.format(which="day IS NOT NULL"))
    return rows[0][0] if rows else None


def newest_accepted_day(run: Run) -> date | None:
    """Read the newest day in history; None if history is empty."""
    return run("SELECT max(partition_date) FROM fit_history")[0][0]


def last_day_of_old_job(run: Run, version: str) -> date | None:
    """Read the last day that another job published; None if no row of another job is found.

    The day is taken from its runs in mirt_fit_meta, or else from its items. Before our first publication, its abilities
    are used too. After it, an ability of the published version may come from online scoring of a session.
    """
    fitted_at = None
    if _has(run, "mirt_fit_meta", "run_id", "fitted_at"):
        fitted_at = run(_LAST_FOREIGN_FIT)[0][0]
    tables = ["mirt_item_params"] if published_day(run) else ["mirt_item_params", "mirt_ability"]
    for table in tables:
        if fitted_at is None and _has(run, table, "version", "fitted_at"):
            fitted_at = run(_LAST_FOREIGN_ROW.format(table=table, version=literal(version)))[0][0]
    if fitted_at is None:
        return None
    return run(f"SELECT (least({literal(fitted_at)}, now()) AT TIME ZONE 'UTC')::date - 1")[0][0]


def record(run: Run, entry: PublicationEntry) -> None:
    """Insert a row into the table publication."""
    values = ", ".join(
        literal(value)
        for value in (
            entry.subject,
            entry.day,
            entry.run_id,
            entry.fitted_at,
            entry.action,
            entry.published_by,
            entry.reason,
        )
    )
    run(f"INSERT INTO publication (subject, day, run_id, fitted_at, action, published_by, reason) VALUES ({values})")


def _has(run: Run, name: str, *columns: str) -> bool:
    table = find_table(run, name)
    return table is not None and all(column in table.columns for column in columns)
