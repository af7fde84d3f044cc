"""A bad night with the real webserver and daemon: one alert, nothing written; one message when it is repaired."""

import re
import shutil
import time
from datetime import date, datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from seedtest_assets.storage.lake import Lake
from seedtest_assets_tests.conftest import ROOT, execute, rows_of
from seedtest_assets_tests.deployment import Deployment, wait_for
from seedtest_assets_tests.school import DAY_BEFORE, LAST, N_ANCHORS, N_ITEMS

ANCHORS = "item_id::int IN (SELECT id FROM question WHERE meta->'tags' ? 'anchor')"


@pytest.fixture
def deployment(night, empty_database, tmp_path, webhook, started_without_pictures):
    environment = {
        "DAGSTER_POSTGRES_URL": empty_database.url,
        # A calibration of a small school may rightly warn of this and that; the bad night is an error.
        "SEEDTEST_ALERT_URLS": f"error:{webhook.url}",
        "SEEDTEST_ALERT_INTERVAL_SECS": "3",
        "SEEDTEST_UI_URL": "http://seedtest.example:3000",
        # Far from now: a day that falls due while the test runs would be alerted, too.
        "SEEDTEST_FRESH_BY_HOUR": "23" if datetime.now(timezone.utc).hour < 12 else "4",
    }
    with Deployment(tmp_path, environment) as deployment:
        yield deployment


def items_by_day(database) -> dict[date, int]:
    return dict(rows_of(database, "SELECT partition_date, count(*) FROM item_history GROUP BY 1"))


def keep_items(lake: Path, item_ids: list[str]) -> None:
    """Take the answers to all other items out of the lake."""
    storage = Lake(str(lake))
    for day in storage.all_days():
        answers = storage.read_observations([day])
        storage.write_observations(day, answers.filter(pc.is_in(answers["item_id"], pa.array(item_ids))))


def documented_messages() -> list[str]:
    """The messages that docs/alerts.md shows."""
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)\n```$", page, re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "RESOLVED" in block]
    return block.split("\n\n")


def shape(message: str) -> str:
    """A message without what is different each time: the lake's folder, runs, times."""
    message = re.sub(r"kept in \S+(?=/rejected/)", "kept in …", message)
    message = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=-)[0-9a-f]{8}\b", "RUN", message)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|(?<=for )\d+ min", "TIME", message)


def published(database) -> list[tuple]:
    return rows_of(database, "SELECT item_id, params::text, fitted_at FROM mirt_item_params ORDER BY 1")


def test_a_day_without_most_items_is_one_alert_and_one_message_when_it_is_repaired(
    deployment, night, night_template, tmp_path, webhook
):
    lake = tmp_path / "lake"
    wait_for("the webserver", deployment.answers)
    before = published(night)
    assert len(before) == N_ITEMS

    # All items but the anchors disappear, from the lake, too.
    execute(night, f"CREATE TABLE lost AS SELECT * FROM attempt WHERE NOT {ANCHORS}")
    execute(night, f"DELETE FROM attempt WHERE NOT {ANCHORS}")
    keep_items(lake, [item_id for (item_id,) in rows_of(night, "SELECT DISTINCT item_id FROM attempt")])
    run_id, ended = deployment.run(LAST)
    assert ended == "FAILURE"
    assert items_by_day(night) == {DAY_BEFORE: N_ITEMS}, "nothing was written"
    assert published(night) == before, "the parameters of the day before are still there"

    wait_for("the alert", lambda: webhook.messages)
    assert webhook.titles == [f"ERROR item_count_drop {LAST}"]
    text = webhook.messages[0]["message"]
    assert f"mirt_item_params, partition {LAST}" in text
    assert f"{N_ANCHORS} items fitted, 30% of the {N_ITEMS} usual" in text
    assert "nothing written" in text
    assert f"http://seedtest.example:3000/runs/{run_id}" in text

    sent = "SELECT count(*) FROM alert_delivery WHERE sent_at IS NOT NULL"
    wait_for("the alert to be recorded as sent", lambda: rows_of(night, sent) == [(1,)])

    # The daemon dies and comes back: it reads the log again, sends what is due, and nothing twice.
    deployment.kill("dagster-daemon")
    restarted = time.time()
    deployment.start("dagster-daemon", "run")
    deployment.tick_after(restarted, "incident_sensor")
    deployment.tick_after(restarted, "alert_delivery_sensor")
    assert webhook.titles == [f"ERROR item_count_drop {LAST}"]

    # The data is repaired.
    execute(night, "INSERT INTO attempt OVERRIDING SYSTEM VALUE SELECT * FROM lost")
    shutil.rmtree(lake)
    shutil.copytree(night_template, lake)
    run_id, ended = deployment.run(LAST)
    assert ended == "SUCCESS"
    assert items_by_day(night) == {DAY_BEFORE: N_ITEMS, LAST: N_ITEMS}
    wait_for("the message that it is resolved", lambda: len(webhook.messages) > 1)
    repaired = time.time()
    deployment.tick_after(repaired, "incident_sensor")
    deployment.tick_after(repaired, "alert_delivery_sensor")
    assert webhook.titles[1:] == [f"RESOLVED item_count_drop {LAST}"]
    assert f"http://seedtest.example:3000/runs/{run_id}" in webhook.messages[1]["message"]
    assert rows_of(night, "SELECT title FROM incident WHERE resolved_at IS NULL AND level = 'error'") == []
    received = [f"{message['title']}\n{message['message']}" for message in webhook.messages]
    assert [shape(message) for message in received] == [shape(message) for message in documented_messages()]
