"""The bad night, with the real webserver and daemon: told once, nothing written, resolved once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from seedtest_assets.demo import load_school, simulate_school
from seedtest_assets_tests.alert_receivers import Webhook, free_port, wait_for
from seedtest_assets_tests.conftest import ROOT, execute, rows_of

YESTERDAY = datetime.now(timezone.utc).date() - timedelta(days=1)
DAY_BEFORE = YESTERDAY - timedelta(days=1)

LAUNCH = """mutation($day: String!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "seedtest_assets", repositoryName: "__repository__", jobName: "nightly"},
    runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
TICKS = """query($sensor: String!) { sensorOrError(sensorSelector: {repositoryLocationName: "seedtest_assets",
    repositoryName: "__repository__", sensorName: $sensor}) { ... on Sensor { sensorState { ticks(limit: 5) { timestamp status
    skipReason } } } } }"""


class House:
    """The processes of a deployment in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, folder)
        self.folder = folder
        self.environment = {**os.environ, **environment, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [Path(sys.executable).with_name(program), *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, program: str) -> None:
        """The process and its children, without a word."""
        process = self.processes.pop(program)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ask(self, query: str, **variables: str) -> dict:
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/server_info", timeout=5).ok
        except requests.ConnectionError:
            return False

    def run(self, day: date) -> tuple[str, str]:
        """Run the nightly job for a day, as the UI does; gives the run and how it ended."""
        launched = self.ask(LAUNCH, day=str(day))["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        wait_for(f"the end of the run of {day}", lambda: self.ask(STATUS, run=run_id)["runOrError"]["status"] in ended)
        return run_id, self.ask(STATUS, run=run_id)["runOrError"]["status"]

    def tick_after(self, moment: float, sensor: str) -> object:
        """Wait until a sensor has run, from beginning to end, after a moment."""

        def ticked() -> list[dict]:
            ticks = self.ask(TICKS, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
            assert not [tick for tick in ticks if tick["status"] == "FAILURE"], ticks
            return [tick for tick in ticks if tick["timestamp"] > moment and tick["status"] == "SKIPPED"]

        return wait_for(f"a tick of {sensor}", ticked)


@pytest.fixture
def webhook():
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def house(database, empty_database, tmp_path, webhook):
    home = House(
        tmp_path,
        {
            "DATABASE_URL": database,
            "DAGSTER_POSTGRES_URL": empty_database,
            "SEEDTEST_LAKE": str(tmp_path / "lake"),
            "SEEDTEST_START_DATE": str(DAY_BEFORE),
            "MIRT_LOOKBACK_DAYS": "1",
            # A calibration of one day of a small school may rightly warn of this and that; the bad night is an error.
            "SEEDTEST_ALERT_URLS": f"error:{webhook.url}",
            "SEEDTEST_ALERT_INTERVAL_SECS": "1",
            "SEEDTEST_UI_URL": "http://seedtest.example:3000",
        },
    )
    home.start("dagster-webserver", "--host", "127.0.0.1", "--port", str(home.port))
    home.start("dagster-daemon", "run")
    yield home
    for program in list(home.processes):
        home.kill(program)


def calibrations(database: str) -> dict[date, int]:
    return dict(rows_of(database, "SELECT partition_date, count(*) FROM mirt_item_params GROUP BY 1"))


def parameters(database: str, day: date) -> list[tuple]:
    return rows_of(
        database,
        "SELECT item_id, params::text, run_id FROM mirt_item_params WHERE partition_date = :day ORDER BY 1",
        day=day,
    )


def test_a_day_without_most_items_is_told_once_and_resolved_once(house, database, webhook):
    load_school(database, simulate_school(YESTERDAY, n_days=2, n_students=3000, n_items=20, n_topics=4, n_anchors=6))
    wait_for("the webserver", house.answers)
    assert house.run(DAY_BEFORE)[1] == "SUCCESS"
    before = parameters(database, DAY_BEFORE)
    assert len(before) == 20

    # 70% of the items are gone: all but the anchors.
    gone = "completed_at >= :day AND item_id::int NOT IN (SELECT id FROM question WHERE meta->'tags' ? 'anchor')"
    execute(database, f"CREATE TABLE gone AS SELECT * FROM attempt WHERE {gone}", day=YESTERDAY)
    execute(database, f"DELETE FROM attempt WHERE {gone}", day=YESTERDAY)
    run_id, ended = house.run(YESTERDAY)
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

    sent = "SELECT count(*) FROM seedtest_alert_delivery WHERE sent_at IS NOT NULL"
    wait_for("the alert to be noted as sent", lambda: rows_of(database, sent) == [(1,)])

    # The daemon dies and comes back: it looks again, sends again what is due, and says nothing twice.
    house.kill("dagster-daemon")
    restarted = time.time()
    house.start("dagster-daemon", "run")
    house.tick_after(restarted, "incident_sensor")
    house.tick_after(restarted, "alert_delivery_sensor")
    assert webhook.titles == [f"ERROR item_count_drop {YESTERDAY}"]

    # The data is repaired.
    execute(database, "INSERT INTO attempt OVERRIDING SYSTEM VALUE SELECT * FROM gone")
    run_id, ended = house.run(YESTERDAY)
    assert ended == "SUCCESS"
    assert calibrations(database) == {DAY_BEFORE: 20, YESTERDAY: 20}
    wait_for("the message that it is resolved", lambda: len(webhook.messages) > 1)
    looked = time.time()
    house.tick_after(looked, "incident_sensor")
    house.tick_after(looked, "alert_delivery_sensor")
    assert webhook.titles[1:] == [f"RESOLVED item_count_drop {YESTERDAY}"]
    assert f"http://seedtest.example:3000/runs/{run_id}" in webhook.messages[1]["message"]
    assert rows_of(database, "SELECT what FROM seedtest_incident WHERE resolved_at IS NULL AND level = 'error'") == []
