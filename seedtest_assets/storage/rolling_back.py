"""Publish an earlier day and pin it, or unpin and publish the newest day again."""

from datetime import date

from seedtest_assets.errors import InputError, SettingsError
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.publications import (
    Action,
    Publication,
    PublicationEntry,
    Publishing,
    last_day_of_old_job,
    lock_publishing,
    newest_accepted_day,
    published_day,
    record,
)
from seedtest_assets.storage.published_tables import usable_table
from seedtest_assets.storage.publishing import SUBJECTS, publish_rows
from seedtest_assets.storage.statements import Run, literal, on_cursor
from seedtest_assets.storage.upsert import Rows

# Readers take the fit with the newest time. Fits that are withdrawn step back behind the one that is published; history
# keeps their times, and publishing them again restores them.
_WITHDRAW_FITS = """
UPDATE {table} AS fit SET fitted_at = published.fitted_at - interval '1 microsecond'
FROM (SELECT fitted_at FROM fit_history WHERE partition_date = {day}) AS published
WHERE fit.fitted_at >= published.fitted_at
  AND fit.run_id IN (SELECT run_id FROM publication WHERE run_id IS NOT NULL)
  AND fit.run_id <> (SELECT run_id FROM fit_history WHERE partition_date = {day})
"""

# The published fit is the newest for readers, also where another job has fitted since.
_BRING_FORWARD = """
UPDATE {table} AS fit SET fitted_at = others.newest + interval '1 microsecond'
FROM (SELECT max(fitted_at) AS newest FROM {table} WHERE run_id <> (SELECT run_id FROM fit_history WHERE partition_date = {day})) AS others
WHERE fit.run_id = (SELECT run_id FROM fit_history WHERE partition_date = {day}) AND fit.fitted_at <= others.newest
"""


def choose_day(database: Database, day: date | None, *, by: str, why: str, publishing: Publishing) -> str:
    """Publish a day and pin it, or without a day unpin and publish the newest; gives a line that says what was done.

    Raises SettingsError where publishing is off, InputError if history does not have the day.
    """
    if not publishing.enabled:
        raise SettingsError("publishing is off (SEEDTEST_PUBLISH=false). Set it to true to publish a day")
    if day:
        publish_day(database, day, by=by, why=why, publishing=publishing)
        return f"published {day} and pinned it: nights go to history only until seedtest publish --newest"
    publication = publish_newest(database, by=by, why=why, publishing=publishing)
    return f"unpinned, {publication.reason or f'published {publication.day}'}"


def publish_day(database: Database, day: date, *, by: str, why: str, publishing: Publishing) -> Publication:
    """Publish an accepted day from history and pin it: later nights go to history only.

    The published tables then hold what they held after that day's night, as far as history goes back. Nothing is deleted.
    Raises InputError if the day is not in history.
    """
    with database.bulk_transaction() as cursor:
        run = on_cursor(cursor)
        lock_publishing(run)
        _require_accepted(run, day)
        _move(run, day, publishing, action="pin", by=by, why=why)
    return Publication(day=day, published=True)


def publish_newest(database: Database, *, by: str, why: str, publishing: Publishing) -> Publication:
    """Unpin, and publish the newest accepted day with what changed since the day that was published.

    Raises InputError when history has no day.
    """
    with database.bulk_transaction() as cursor:
        run = on_cursor(cursor)
        lock_publishing(run)
        newest = newest_accepted_day(run)
        if newest is None:
            raise InputError("history has no accepted calibration to publish. Run a night first: seedtest run")
        old_job = last_day_of_old_job(run, publishing.version)
        if old_job is not None and newest < old_job:
            record(
                run,
                PublicationEntry(subject="calibration", day=None, action="unpin", published_by=by, reason=why),
            )
            return Publication(
                day=newest, published=False, reason=f"a newer day, {old_job}, was published by another job"
            )
        _move(run, newest, publishing, action="unpin", by=by, why=why)
    return Publication(day=newest, published=True)


def _move(run: Run, day: date, publishing: Publishing, *, action: Action, by: str, why: str) -> None:
    """Replace the published day by another."""
    current = published_day(run)
    rows = Rows(day=day, after=min(current, day), until=max(current, day)) if current else Rows(day=day)
    for subject in SUBJECTS:
        publish_rows(run, subject, rows, publishing, action=action, by=by, why=why)
    fits = {"table": usable_table(run, "mirt_fit_meta").qualified, "day": literal(day)}
    run(_WITHDRAW_FITS.format(**fits))
    run(_BRING_FORWARD.format(**fits))


def _require_accepted(run: Run, day: date) -> None:
    days = [row[0] for row in run("SELECT partition_date FROM fit_history ORDER BY partition_date DESC")]
    if day not in days:
        newest = ", ".join(str(other) for other in days[:5]) or "none"
        raise InputError(f"history has no accepted calibration of {day}. The newest days it has: {newest}")
