"""Carry a database of version 0.1.0 into history: its result tables held all days and stood where the platform's now do."""

from datetime import date

from alembic import context, op

from seedtest_assets.errors import InputError
from seedtest_assets.storage.publications import Publishing, last_day_of_old_job, newest_accepted_day
from seedtest_assets.storage.published_tables import make_missing_tables
from seedtest_assets.storage.statements import Run, identifier, literal, on_connection
from seedtest_assets.storage.upsert import Rows

revision = "0003"
down_revision = "0002"

VERSION_TABLE = "seedtest_alembic_version"
RESULTS = {
    "mirt_item_params": """
        INSERT INTO item_history (partition_date, item_id, model, a, b, c, se_a, se_b, se_c, n_responses, is_anchor, run_id, fitted_at)
        SELECT partition_date, item_id, model, (params->>'a')::float8, (params->>'b')::float8, (params->>'c')::float8,
               se_a, se_b, se_c, n_responses, is_anchor, run_id, fitted_at
        FROM {table}""",
    "mirt_ability": """
        INSERT INTO ability_history (partition_date, student_id, theta, se, n_responses, model, fitted_at)
        SELECT partition_date, user_id, theta, se, n_responses, model, fitted_at FROM {table}""",
    "mirt_fit_meta": """
        INSERT INTO fit_history (partition_date, run_id, model_spec, metrics, fitted_at)
        SELECT partition_date, run_id, model_spec, metrics, fitted_at FROM {table}""",
    "student_topic_theta": """
        INSERT INTO topic_theta_history (partition_date, student_id, topic_id, theta, se, n_responses, model, fitted_at)
        SELECT partition_date, user_id, topic_id, theta, se, n_responses, model, fitted_at FROM {table}""",
    "features_topic_daily": """
        INSERT INTO feature_history (partition_date, student_id, topic_id, attempts, correct, avg_time_ms, rt_median, hints,
                                     theta_estimate, theta_sd, improvement, improvement_basis, last_seen_at, computed_at)
        SELECT date, user_id, topic_id, attempts, correct, avg_time_ms, rt_median, hints,
               theta_estimate, theta_sd, improvement, improvement_basis, last_seen_at, computed_at
        FROM {table}""",
}
ALERTS = {
    "seedtest_incident": """
        INSERT INTO incident (incident_id, key, level, title, location, pending, occurrences, opened_at, last_event_at, resolved_at)
        OVERRIDING SYSTEM VALUE
        SELECT incident_id, key, level, what, at_what, owes, times, opened_at, seen_at, resolved_at FROM {table}""",
    "seedtest_alert_message": """
        INSERT INTO alert_message (message_id, incident_id, kind, level, title, body, created_at)
        OVERRIDING SYSTEM VALUE
        SELECT message_id, incident_id, CASE kind WHEN 'worse' THEN 'escalated' ELSE kind END, level, title, body, created_at FROM {table}""",
    "seedtest_alert_delivery": """
        INSERT INTO alert_delivery (message_id, channel, channel_name, attempts, next_attempt_at, last_error, sent_at)
        SELECT message_id, channel, channel_name, attempts, next_try_at, last_error, sent_at FROM {table}""",
}
NEW_NAMES = {
    "mirt_item_params": "item_history",
    "mirt_ability": "ability_history",
    "mirt_fit_meta": "fit_history",
    "student_topic_theta": "topic_theta_history",
    "features_topic_daily": "feature_history",
    "seedtest_incident": "incident",
    "seedtest_alert_message": "alert_message",
    "seedtest_alert_delivery": "alert_delivery",
}
DAY_COLUMN = {"features_topic_daily": "date"}


def upgrade() -> None:
    """Carry everything, in the transaction of all migrations: stopped anywhere, nothing has happened."""
    run = on_connection(op.get_bind())
    schema = _schema_of_version_0_1_0(run)
    if schema is None:
        return
    alerts = ALERTS if run(f"SELECT version_num FROM {identifier(schema, VERSION_TABLE)}") == [("0002",)] else {}
    carried = {**RESULTS, **alerts}
    for table in carried:  # a running night of version 0.1.0 ends first, and none begins
        run(f"LOCK TABLE {identifier(schema, table)} IN ACCESS EXCLUSIVE MODE")
    for table, insert in carried.items():
        _carry(run, schema, table, insert)
    for table in reversed(carried):
        run(f"DROP TABLE {identifier(schema, table)}")
    for table, key in (("incident", "incident_id"), ("alert_message", "message_id")):
        run(f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), max({key})) FROM {table}")
    run(f"DROP TABLE {identifier(schema, VERSION_TABLE)}")
    adopted = _adopt(run, schema)
    # In shadow the platform's own tables stay as they are; those of version 0.1.0 hold its results as before.
    if context.config.attributes["publish"] or not adopted:
        _publish(run)


def downgrade() -> None:
    """Keep what was carried: the tables of version 0.1.0 are not made again."""


def _schema_of_version_0_1_0(run: Run) -> str | None:
    rows = run(
        "SELECT n.nspname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE c.oid = to_regclass('{VERSION_TABLE}')"
    )
    return rows[0][0] if rows else None


def _carry(run: Run, schema: str, table: str, insert: str) -> None:
    # Here, as below: who only asks which revisions there are loads this module, and neither Arrow nor pandas with it.
    from seedtest_assets.storage.history_tables import make_month

    source, target = identifier(schema, table), NEW_NAMES[table]
    if table in RESULTS:
        day = DAY_COLUMN.get(table, "partition_date")
        for (month,) in run(f"SELECT DISTINCT date_trunc('month', {day})::date FROM {source}"):
            make_month(run, month)
    run(insert.format(table=source))
    ((before, after),) = run(f"SELECT (SELECT count(*) FROM {source}), (SELECT count(*) FROM {target})")
    if before != after:
        raise InputError(
            f"{source} has {before} rows, but {after} arrived in {target}: nothing was changed. "
            "Report it to the makers of seedtest"
        )


def _adopt(run: Run, schema: str) -> bool:
    """Give the platform's tables their names again, if they were renamed as version 0.1.0 asked; make those that are missing.

    Returns whether there were any of the platform's.
    """
    adopted = False
    for table in RESULTS:
        renamed = f"{table}_before_seedtest"
        if run(f"SELECT to_regclass({literal(identifier(schema, renamed))}) IS NOT NULL")[0][0]:
            run(f"ALTER TABLE {identifier(schema, renamed)} RENAME TO {identifier(table)}")
            adopted = True
    make_missing_tables(run, schema)
    return adopted


def _publish(run: Run) -> None:
    """Publish of every key its newest row, unless another job has published a newer day since."""
    from seedtest_assets.storage.publishing import SUBJECTS, publish_rows

    publishing = Publishing(version=context.config.attributes["published_version"])
    day = newest_accepted_day(run)
    old_job = last_day_of_old_job(run, publishing.version)
    if day is None or (old_job is not None and day < old_job):
        return
    rows = Rows(day=day, after=date.min, until=day)
    for subject in SUBJECTS:
        publish_rows(run, subject, rows, publishing, by="seedtest", why="carried from version 0.1.0")
