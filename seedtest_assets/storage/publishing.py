"""Write a night's results: history, and the platform's tables in the same transaction when the day is the newest."""

import json
from datetime import date, datetime

import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import HISTORY, ensure_month, replace_day
from seedtest_assets.storage.publications import (
    Action,
    Publication,
    PublicationEntry,
    Publishing,
    Subject,
    lock_publishing,
    record,
    why_not,
)
from seedtest_assets.storage.published_tables import PUBLISHED, usable_table
from seedtest_assets.storage.questions import update_question_meta
from seedtest_assets.storage.statements import Run, on_cursor
from seedtest_assets.storage.upsert import Rows, rows_of_history, upsert

SUBJECTS: dict[Subject, tuple[str, ...]] = {
    "calibration": ("mirt_item_params", "mirt_ability", "mirt_fit_meta"),
    "topic_theta": ("student_topic_theta",),
    "features": ("features_topic_daily",),
}
"""The published tables that are written together."""
NIGHT = "seedtest"
"""Value of published_by if no operator asked for the publication."""

_REPLACE_FIT = """
INSERT INTO fit_history (partition_date, run_id, model_spec, metrics, fitted_at)
VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
"""


def write_calibration(
    database: Database,
    day: date,
    result: CalibrationResult,
    *,
    run_id: str,
    fitted_at: datetime,
    publishing: Publishing,
) -> Publication:
    """Replace a day of item, ability and fit history, all three or none, and publish it when it is the newest day."""
    ensure_month(database, day)
    model = result.model_spec["model"]
    models = result.items["model"].where(result.items["model"].notna(), model)
    flags = [
        [text for text in (flag, result.provisional.get(item, "")) if text] or None
        for item, flag in zip(result.items["item_id"], result.items["flag"], strict=True)
    ]
    items = result.items.assign(model=models, flags=flags, run_id=run_id, fitted_at=fitted_at)
    abilities = result.abilities.rename(columns={"user_id": "student_id"}).assign(model=model, fitted_at=fitted_at)
    specification, metrics = (json.dumps(facts, default=str) for facts in (result.model_spec, result.metrics))
    with database.bulk_transaction() as cursor:
        replace_day(cursor, "item_history", day, _arrow("item_history", items))
        replace_day(cursor, "ability_history", day, _arrow("ability_history", abilities))
        cursor.execute("DELETE FROM fit_history WHERE partition_date = $1", parameters=[day])
        cursor.execute(_REPLACE_FIT, parameters=[day, run_id, specification, metrics, fitted_at])
        return _publish_night(on_cursor(cursor), publishing, "calibration", day)


def clear_calibration(database: Database, day: date) -> None:
    """Remove a day's calibration from history: its window has no answers any more. What is published stays."""
    with database.bulk_transaction() as cursor:
        for table in ("item_history", "ability_history", "fit_history"):
            cursor.execute(f"DELETE FROM {table} WHERE partition_date = $1", parameters=[day])


def write_topic_theta(database: Database, day: date, rows: pa.Table, *, publishing: Publishing) -> Publication:
    """Replace a day of topic abilities in history, and publish it when it is the newest day.

    rows: user_id, topic_id, theta, se, n_responses, model, fitted_at; none on a day without answers.
    """
    return _write(database, "topic_theta_history", "topic_theta", day, rows, publishing)


def write_features(database: Database, day: date, rows: pa.Table, *, publishing: Publishing) -> Publication:
    """Replace a day of features in history, and publish it when it is the newest day.

    rows: FEATURE_SCHEMA and computed_at; none on a day without answers.
    """
    return _write(database, "feature_history", "features", day, rows, publishing)


def publish_rows(
    run: Run, subject: Subject, rows: Rows, publishing: Publishing, *, action: Action = "night", by: str, why: str
) -> None:
    """Upsert rows of history into a subject's published tables, and record the publication.

    Raises InputError where one of the tables cannot be published to.
    """
    for name in SUBJECTS[subject]:
        run(upsert(usable_table(run, name), rows, publishing.version))
    if subject != "calibration":
        record(run, PublicationEntry(subject=subject, day=rows.day, action=action, published_by=by, reason=why))
        return
    if publishing.update_questions:
        update_question_meta(run, rows_of_history(PUBLISHED["mirt_item_params"], rows), publishing.version)
    fits = rows_of_history(PUBLISHED["mirt_fit_meta"], rows)
    for day, run_id, fitted_at in run(f"SELECT partition_date, run_id, fitted_at FROM ({fits}) AS fit ORDER BY 1"):
        entry = PublicationEntry(
            subject=subject,
            day=day,
            action=action,
            published_by=by,
            reason=why,
            run_id=run_id,
            fitted_at=fitted_at,
        )
        record(run, entry)


def _write(
    database: Database, table: str, subject: Subject, day: date, rows: pa.Table, publishing: Publishing
) -> Publication:
    if len(rows):
        ensure_month(database, day)
    names = ["student_id" if name == "user_id" else name for name in rows.column_names]
    with database.bulk_transaction() as cursor:
        replace_day(cursor, table, day, rows.rename_columns(names))
        if not len(rows):
            return Publication(day=day, published=False, reason="the day has no rows")
        return _publish_night(on_cursor(cursor), publishing, subject, day)


def _publish_night(run: Run, publishing: Publishing, subject: Subject, day: date) -> Publication:
    lock_publishing(run)
    reason = why_not(run, publishing, subject, day)
    if reason is not None:
        return Publication(day=day, published=False, reason=reason)
    publish_rows(run, subject, Rows(day=day), publishing, by=NIGHT, why="the newest day")
    return Publication(day=day, published=True)


def _arrow(table: str, rows: pd.DataFrame) -> pa.Table:
    schema = HISTORY[table].remove(0)
    return pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
