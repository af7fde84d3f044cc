"""What is published, and whether a day may be: the newest accepted day wins, unless an operator pinned another."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.published_tables import find_table
from seedtest_assets.storage.statements import Run, literal, on_connection

Subject = Literal["calibration", "topic_theta", "features"]
Action = Literal["night", "pin", "unpin"]


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
    """What became of a day's results: published, or why not."""

    day: date
    published: bool
    reason: str = ""

    @property
    def summary(self) -> str:
        """One line for metadata and logs."""
        return "yes" if self.published else f"no, history only: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class PublicationState:
    """What readers of the platform's tables see, and why.

    published: the day they see, None before the first publication; published_at, published_by, reason: of that one.
    pinned: the day that an operator pinned. newest_accepted: the newest day in history. old_job: the last day of the job
    that filled the tables before, where it wrote any.
    """

    published: date | None
    published_at: datetime | None
    published_by: str | None
    reason: str | None
    pinned: date | None
    newest_accepted: date | None
    old_job: date | None


# Of a job that is not ours: rows of runs that we do not know. It runs after midnight for the day before.
_LAST_FOREIGN_FIT = """
SELECT max(fit.fitted_at::timestamptz) FROM mirt_fit_meta AS fit
WHERE NOT EXISTS (SELECT FROM publication AS ours WHERE ours.run_id = fit.run_id)
  AND NOT EXISTS (SELECT FROM fit_history AS ours WHERE ours.run_id = fit.run_id)
"""
_LAST_FOREIGN_ROW = """
SELECT max(fitted_at::timestamptz) FROM {table} AS there
WHERE version = {version}
  AND NOT EXISTS (SELECT FROM publication AS ours WHERE ours.fitted_at = there.fitted_at::timestamptz)
  AND NOT EXISTS (SELECT FROM fit_history AS ours WHERE ours.fitted_at = there.fitted_at::timestamptz)
"""
_LAST = "SELECT day, published_at, published_by, reason FROM publication WHERE subject = 'calibration' AND {which} ORDER BY publication_id DESC LIMIT 1"


def publication_state(database: Database, version: str = "v1") -> PublicationState:
    """Look up what is published, pinned, accepted, and what the old job did last."""
    with database.transaction() as connection:
        run = on_connection(connection)
        last = run(_LAST.format(which="day IS NOT NULL"))
        published, published_at, published_by, reason = last[0] if last else (None, None, None, None)
        return PublicationState(
            published=published,
            published_at=published_at,
            published_by=published_by,
            reason=reason,
            pinned=pinned_day(run),
            newest_accepted=newest_accepted_day(run),
            old_job=last_day_of_old_job(run, version),
        )


def lock_publishing(run: Run) -> None:
    """Hold the right to publish until the transaction ends: two publications are one after the other."""
    run("SELECT pg_advisory_xact_lock(hashtext('seedtest publishing'))")


def why_not(run: Run, publishing: Publishing, day: date) -> str | None:
    """Tell why a night's day is not published; None when it is."""
    if not publishing.enabled:
        return "publishing is off (SEEDTEST_PUBLISH=false)"
    pinned = pinned_day(run)
    if pinned is not None:
        return None if day == pinned else f"publishing is pinned to {pinned}"
    ((newest,),) = run("SELECT max(day) FROM publication")
    if newest is not None and day < newest:
        return f"a newer day, {newest}, is published"
    old_job = last_day_of_old_job(run, publishing.version)
    if old_job is not None and day < old_job:
        return f"a newer day, {old_job}, was published by another job"
    return None


def pinned_day(run: Run) -> date | None:
    """The day that an operator pinned, None where nothing is pinned."""
    rows = run("SELECT action, day FROM publication WHERE action <> 'night' ORDER BY publication_id DESC LIMIT 1")
    return rows[0][1] if rows and rows[0][0] == "pin" else None


def published_day(run: Run) -> date | None:
    """The day whose calibration readers see, None before the first publication."""
    rows = run(_LAST.format(which="day IS NOT NULL"))
    return rows[0][0] if rows else None


def newest_accepted_day(run: Run) -> date | None:
    """The newest day in history; None when there is none."""
    return run("SELECT max(partition_date) FROM fit_history")[0][0]


def last_day_of_old_job(run: Run, version: str) -> date | None:
    """The last day that another job published, None where there is no sign of one.

    Its runs in mirt_fit_meta tell; without any, its items; before our first publication, its abilities. Later an ability of
    the published version may be a session's, scored online.
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


def record(
    run: Run,
    subject: Subject,
    day: date | None,
    *,
    action: Action = "night",
    by: str,
    why: str,
    run_id: str | None = None,
    fitted_at: datetime | None = None,
) -> None:
    """Note a publication."""
    values = ", ".join(literal(value) for value in (subject, day, run_id, fitted_at, action, by, why))
    run(f"INSERT INTO publication (subject, day, run_id, fitted_at, action, published_by, reason) VALUES ({values})")


def _has(run: Run, name: str, *columns: str) -> bool:
    found = find_table(run, name)
    return found is not None and all(column in found.columns for column in columns)
