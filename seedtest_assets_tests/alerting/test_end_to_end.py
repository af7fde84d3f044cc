"""The bad night, with the real webserver and daemon: told once, nothing written, resolved once."""

import time
from datetime import date, datetime, timedelta, timezone

import pytest

from seedtest_assets.cli.demo import load_school, simulate_school
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.deployment import Deployment, wait_for

YESTERDAY = datetime.now(timezone.utc).date() - timedelta(days=1)
DAY_BEFORE = YESTERDAY - timedelta(days=1)


@pytest.fixture
def deployment(database, empty_database, tmp_path, webhook):
    environment = {
        "DATABASE_URL": database.url,
        "DAGSTER_POSTGRES_URL": empty_database,
        "SEEDTEST_LAKE": str(tmp_path / "lake"),
        "SEEDTEST_START_DATE": str(DAY_BEFORE),
        "MIRT_LOOKBACK_DAYS": "1",
        # A calibration of one day of a small school may rightly warn of this and that; the bad night is an error.
        "SEEDTEST_ALERT_URLS": f"error:{webhook.url}",
        "SEEDTEST_ALERT_INTERVAL_SECS": "1",
        "SEEDTEST_UI_URL": "http://seedtest.example:3000",
        # Far from now: a day that falls due while the test runs would be told, too.
        "SEEDTEST_FRESH_BY_HOUR": "23" if datetime.now(timezone.utc).hour < 12 else "4",
    }
    with Deployment(tmp_path, environment) as deployment:
        yield deployment


def calibrations(database: str) -> dict[date, int]:
    return dict(rows_of(database, "SELECT partition_date, count(*) FROM item_history GROUP BY 1"))


def parameters(database: str, day: date) -> list[tuple]:
    return rows_of(
        database,
        "SELECT item_id, a, b, c, run_id FROM item_history WHERE partition_date = :day ORDER BY 1",
        day=day,
    )


def test_a_day_without_most_items_is_told_once_and_resolved_once(deployment, database, webhook):
    load_school(database, simulate_school(YESTERDAY, n_days=2, n_students=3000, n_items=20, n_topics=4, n_anchors=6))
    wait_for("the webserver", deployment.answers)
    assert deployment.run(DAY_BEFORE)[1] == "SUCCESS"
    before = parameters(database, DAY_BEFORE)
    assert len(before) == 20

    # 70% of the items are gone: all but the anchors.
    gone = "completed_at >= :day AND item_id::int NOT IN (SELECT id FROM question WHERE meta->'tags' ? 'anchor')"
    execute(database, f"CREATE TABLE gone AS SELECT * FROM attempt WHERE {gone}", day=YESTERDAY)
    execute(database, f"DELETE FROM attempt WHERE {gone}", day=YESTERDAY)
    run_id, ended = deployment.run(YESTERDAY)
    assert ended == "FAILURE"
    assert calibrations(database) == {DAY_BEFORE: 20}, "nothing was written"
    assert parameters(database, DAY_BEFORE) == before, "the parameters of the day before are still there"

    wait_for("the alert", lambda: webhook.messages)
    assert webhook.titles == [f"ERROR item_count_drop {YESTERDAY}"]
    text = webhook.messages[0]["message"]
    assert f"mirt_item_params, partition {YESTERDAY}" in text
    assert "6 items fitted, 30% of the 20 usual" in text
    assert "nothing written" in text
    assert f"http://seedtest.example:3000/runs/{run_id}" in text

    sent = "SELECT count(*) FROM alert_delivery WHERE sent_at IS NOT NULL"
    wait_for("the alert to be noted as sent", lambda: rows_of(database, sent) == [(1,)])

    # The daemon dies and comes back: it looks again, sends again what is due, and says nothing twice.
    deployment.kill("dagster-daemon")
    restarted = time.time()
    deployment.start("dagster-daemon", "run")
    deployment.tick_after(restarted, "incident_sensor")
    deployment.tick_after(restarted, "alert_delivery_sensor")
    assert webhook.titles == [f"ERROR item_count_drop {YESTERDAY}"]

    # The data is repaired.
    execute(database, "INSERT INTO attempt OVERRIDING SYSTEM VALUE SELECT * FROM gone")
    run_id, ended = deployment.run(YESTERDAY)
    assert ended == "SUCCESS"
    assert calibrations(database) == {DAY_BEFORE: 20, YESTERDAY: 20}
    wait_for("the message that it is resolved", lambda: len(webhook.messages) > 1)
    looked = time.time()
    deployment.tick_after(looked, "incident_sensor")
    deployment.tick_after(looked, "alert_delivery_sensor")
    assert webhook.titles[1:] == [f"RESOLVED item_count_drop {YESTERDAY}"]
    assert f"http://seedtest.example:3000/runs/{run_id}" in webhook.messages[1]["message"]
    assert rows_of(database, "SELECT title FROM incident WHERE resolved_at IS NULL AND level = 'error'") == []
