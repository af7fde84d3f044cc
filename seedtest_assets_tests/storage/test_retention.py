"""Retention: months of history that are wholly too old are dropped, and incidents that are over."""

from datetime import date, timedelta

from seedtest_assets.storage.history_tables import HISTORY_TABLES
from seedtest_assets.storage.retention import Dropped, drop_old_history
from seedtest_assets.storage.rolling_back import publish_day, publish_newest
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.storage.nights import PUBLISHING, calibrate, write_topics

TODAY = date(2025, 6, 10)


def days_left(database):
    return [row[0] for row in rows_of(database, "SELECT DISTINCT partition_date FROM item_history ORDER BY 1")]


def test_months_that_are_wholly_too_old_are_dropped_and_named(database):
    days = [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 1), date(2025, 6, 9)]
    for day in days:
        calibrate(database, day)
    published = rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1")
    dropped = drop_old_history(database, 100, TODAY)  # up to the 2nd of March
    assert set(dropped.partitions) == {f"{table}_2025_{month}" for table in HISTORY_TABLES for month in ("01", "02")}
    assert days_left(database) == days[2:]
    assert rows_of(database, "SELECT count(*) FROM fit_history") == [(2,)]
    assert rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1") == published
    assert drop_old_history(database, 100, TODAY) == Dropped()


def test_a_month_goes_on_its_last_day_and_not_before(database):
    calibrate(database, date(2025, 2, 28))
    calibrate(database, TODAY)
    keep = (TODAY - date(2025, 3, 1)).days
    assert drop_old_history(database, keep + 1, TODAY).partitions == ()
    assert len(drop_old_history(database, keep, TODAY).partitions) == len(HISTORY_TABLES)


def test_a_backfill_of_old_days_drops_nothing(database):
    calibrate(database, date(2024, 1, 15))
    calibrate(database, TODAY)
    assert drop_old_history(database, 60, date(2024, 6, 15)) == Dropped()
    assert days_left(database) == [date(2024, 1, 15), TODAY]


def test_a_day_of_a_month_that_was_dropped_can_be_written_again(database):
    calibrate(database, date(2025, 1, 31))
    calibrate(database, TODAY)
    drop_old_history(database, 60, TODAY)
    calibrate(database, date(2025, 1, 31))
    write_topics(database, date(2025, 1, 31), {("u1", "t1"): 0.5})
    assert days_left(database) == [date(2025, 1, 31), TODAY]


def test_a_partition_that_is_being_read_goes_another_night(database):
    calibrate(database, date(2025, 1, 31))
    calibrate(database, TODAY)
    with database.transaction() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM item_history_2025_01")
        dropped = drop_old_history(database, 60, TODAY, lock_timeout="1ms")
        assert dropped.postponed == ("item_history_2025_01",)
        assert "1 in use, tried again next night: item_history_2025_01" in dropped.summary
    assert drop_old_history(database, 60, TODAY).partitions == ("item_history_2025_01",)
    assert drop_old_history(database, 60, TODAY).summary is None


def test_incidents_that_are_over_go_with_their_messages_and_the_others_stay(database):
    old, new = TODAY - timedelta(days=200), TODAY - timedelta(days=5)
    for key, resolved, sent in (
        ("over", old, old),
        ("sent lately", old, new),
        ("not sent", old, None),
        ("over lately", new, new),
        ("open", None, old),
    ):
        execute(
            database,
            "WITH made AS (INSERT INTO incident (key, level, title, location, pending, opened_at, last_event_at, resolved_at) "
            "VALUES (:key, 'warn', 'w', 'a', '{}', :old, :old, :resolved) RETURNING incident_id), "
            "message AS (INSERT INTO alert_message (incident_id, kind, level, title, body) "
            "SELECT incident_id, 'opened', 'warn', :key, 'b' FROM made RETURNING message_id) "
            "INSERT INTO alert_delivery (message_id, channel, channel_name, sent_at) SELECT message_id, 'c', 'n', :sent FROM message",
            key=key,
            old=old,
            resolved=resolved,
            sent=sent,
        )
    execute(
        database,
        "INSERT INTO incident (key, level, title, location, pending, opened_at, last_event_at, resolved_at) "
        "VALUES ('without a channel', 'warn', 'w', 'a', '{}', :old, :old, :old)",
        old=old,
    )
    assert drop_old_history(database, 100, TODAY).incidents == 2
    left = ["not sent", "open", "over lately", "sent lately"]
    assert [row[0] for row in rows_of(database, "SELECT key FROM incident ORDER BY 1")] == left
    assert [row[0] for row in rows_of(database, "SELECT title FROM alert_message ORDER BY 1")] == left
    assert rows_of(database, "SELECT count(*) FROM alert_delivery") == [(4,)]


def test_outcomes_of_runs_are_kept_as_long_as_history(database):
    for run_id, n_days in (("old", 200), ("new", 5)):
        execute(
            database,
            "INSERT INTO run_outcome (run_id, job, partition, calibrates, status, will_retry, started_at, ended_at, "
            "step_retries, service_errors, service_timeouts, failed_steps, failed_checks) "
            "VALUES (:run_id, 'nightly', '', true, 'SUCCESS', false, :at, :at, 0, 0, 0, '{}', '{}')",
            run_id=run_id,
            at=TODAY - timedelta(days=n_days),
        )
    drop_old_history(database, 100, TODAY)
    assert rows_of(database, "SELECT run_id FROM run_outcome") == [("new",)]


def test_a_partition_that_a_view_rests_on_is_named_and_the_others_go(database):
    calibrate(database, date(2025, 1, 31))
    calibrate(database, TODAY)
    execute(database, "CREATE VIEW analysis AS SELECT * FROM item_history_2025_01")
    dropped = drop_old_history(database, 60, TODAY)
    assert dropped.postponed == ("item_history_2025_01",)
    assert len(dropped.partitions) == len(HISTORY_TABLES) - 1


def test_a_partition_of_another_name_is_left_alone(database):
    calibrate(database, TODAY)
    execute(database, "CREATE TABLE item_history_rest PARTITION OF item_history DEFAULT")
    assert drop_old_history(database, 60, TODAY) == Dropped()


def test_a_pinned_day_is_kept(database):
    pinned = date(2025, 1, 31)
    calibrate(database, pinned)
    calibrate(database, TODAY)
    publish_day(database, pinned, by="kim", why="trial", publishing=PUBLISHING)
    assert drop_old_history(database, 60, TODAY).partitions == ()
    publish_newest(database, by="kim", why="done", publishing=PUBLISHING)
    assert drop_old_history(database, 60, TODAY).partitions
