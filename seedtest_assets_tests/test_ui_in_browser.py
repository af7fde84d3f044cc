"""`seedtest dev`, and in a real browser its UI: the graph, a day materialised by hand, a failed check with its picture, the report.

What it shows first and what it leaves behind are the first test and the last.

`--screenshots DIR` keeps the pictures of docs/.
"""

import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psutil
import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from typer.testing import CliRunner, Result

from seedtest_assets.cli.app import app
from seedtest_assets.cli.simulated_school import SimulatedBank, load_school, simulate_school
from seedtest_assets.storage.database import Database
from seedtest_assets_tests.browser import NO_BROWSER, chromium
from seedtest_assets_tests.conftest import execute, new_database, rows_of
from seedtest_assets_tests.deployment import QUESTION_PAUSE, STATUS, Development, listens, wait_for

N_DAYS = 29
"""All that two nights look back to: this process, which runs them, knows earlier days, too."""
YESTERDAY = datetime.now(timezone.utc).date() - timedelta(days=1)
ASSETS = {
    "observations",
    "mirt_item_params",
    "mirt_ability",
    "mirt_fit_meta",
    "student_topic_theta",
    "features_topic_daily",
    "item_statistics",
    "person_fit",
    "item_dif",
    "calibration_report",
}


@pytest.fixture(scope="module")
def deployment(template, tmp_path_factory, without_report):
    """`seedtest dev` with two healthy nights before yesterday, whose reports nobody looks at."""
    folder, database = tmp_path_factory.mktemp("deployment"), new_database(template)
    school = simulate_school(
        YESTERDAY, SimulatedBank(n_items=60, n_topics=6, n_anchors=12), n_days=N_DAYS, n_students=400
    )
    load_school(database, school)
    environment = {
        "DATABASE_URL": database.url,
        "DAGSTER_POSTGRES_URL": new_database(template, like="template0").url,
        "SEEDTEST_LAKE": str(folder / "lake"),
        "SEEDTEST_START_DATE": str(YESTERDAY - timedelta(days=N_DAYS - 1)),
        "MIRT_LOOKBACK_DAYS": "14",
    }
    with Development(folder, environment) as running:
        assert seedtest_run(running, str(YESTERDAY - timedelta(days=1)), "--days", "2").exit_code == 0
        wait_for("its addresses", lambda: "Ctrl-C" in running.shown or running.processes["seedtest"].poll() is not None)
        yield running


def seedtest_run(deployment: Development, day: str, *options: str) -> Result:
    """Run `seedtest run` for a day in this process, which has loaded already what a new one would load for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(deployment.folder)
        for name, value in deployment.environment.items():
            patch.setenv(name, value)
        return CliRunner().invoke(app, ["run", "--date", day, *options])


@pytest.fixture(scope="module")
def ui(deployment, tmp_path_factory):
    if NO_BROWSER:
        pytest.skip(NO_BROWSER)
    with chromium(tmp_path_factory.mktemp("browser"), size=(1500, 900)) as driver:
        yield Page(driver, deployment.url)


class Page:
    """The UI as somebody sees it who reads and clicks."""

    def __init__(self, driver, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def see(self, xpath: str):
        """The first visible element, once it is there; fails with what the page shows instead."""

        def visible(driver):
            return next((element for element in driver.find_elements(By.XPATH, xpath) if element.is_displayed()), None)

        try:
            return WebDriverWait(self.driver, 60, ignored_exceptions=[StaleElementReferenceException]).until(visible)
        except TimeoutException:
            shown = self.driver.find_element(By.TAG_NAME, "body").text
            raise AssertionError(f"not seen: {xpath} on {self.driver.current_url}, which shows: {shown}") from None

    def read(self, text: str):
        holds = f"contains(normalize-space(.), '{text}')"
        return self.see(f"//body//*[{holds} and not(*[{holds}])]")

    def settled(self) -> None:
        """Wait until nothing moves any more: dialogs fade in, and the graph of a run grows."""
        still = "return document.getAnimations().every(one => one.playState !== 'running')"
        wait_for("the page to settle", lambda: self.driver.execute_script(still))

    def press(self, text: str) -> None:
        self.see(f"//button[contains(., '{text}') and not(@disabled)]").click()


@pytest.fixture(scope="module")
def run_from_the_ui(ui, deployment) -> dict:
    """The whole graph for yesterday, as an operator asks for it in the UI: the run when it has ended."""
    before = newest_run(deployment)["runId"]
    ui.open("/locations/seedtest_assets/jobs/nightly")
    ui.press("Materialize all")
    entry = ui.see("//input[contains(@placeholder, 'partitions') or contains(@placeholder, 'ex:')]")
    entry.send_keys(str(YESTERDAY), Keys.ENTER)
    ui.press("Launch 1 run")
    wait_for("the run", lambda: newest_run(deployment)["runId"] != before, pause=QUESTION_PAUSE)
    ui.driver.get("about:blank")  # the page of a run is drawn again with each of its events
    ended = ("SUCCESS", "FAILURE")
    wait_for("its end", lambda: newest_run(deployment)["status"] in ended, pause=QUESTION_PAUSE)
    return newest_run(deployment)


def newest_run(deployment) -> dict:
    """Of the nightly job: others may start by themselves."""
    query = (
        """{ runsOrError(limit: 1, filter: {pipelineName: "nightly"}) { ... on Runs { results { runId status } } } }"""
    )
    (run,) = deployment.ask(query)["runsOrError"]["results"]
    return run


def test_it_shows_the_addresses_of_the_ui_and_of_the_reports(deployment):
    ui, reports = (re.search(rf"^{name}: +(\S+)$", deployment.shown, re.M)[1] for name in ("UI", "Reports"))
    assert ui == f"http://localhost:{deployment.port}"
    assert requests.get(f"{ui}/server_info", timeout=30).ok
    assert reports == f"http://localhost:{deployment.reports_port}"
    page = requests.get(f"{reports}/date={YESTERDAY - timedelta(days=1)}/calibration.html", timeout=30)
    assert page.text == "<!doctype html>"
    assert "Traceback" not in deployment.shown


def test_the_graph_shows_every_asset_in_one_picture(ui, screenshot):
    ui.open("/locations/seedtest_assets/asset-groups/psychometrics/lineage")
    for name in ASSETS:
        node = ui.see(f"//*[local-name()='foreignObject']//*[normalize-space(text())='{name}']")
        assert ui.driver.execute_script(
            "const box = arguments[0].getBoundingClientRect();"
            "return box.width > 20 && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight",
            node,
        ), name
    ui.read("8 / 8 Passed")
    screenshot(ui.driver, "asset_graph")


def test_a_day_is_materialised_from_the_ui(ui, deployment, run_from_the_ui, screenshot):
    assert run_from_the_ui["status"] == "SUCCESS"
    ui.open(f"/runs/{run_from_the_ui['runId']}")
    ui.read("Success")
    ui.read(str(YESTERDAY))
    ui.see("//*[contains(text(), 'Finished execution of run')]")
    ui.see("//*[normalize-space(text())='calibrate'][not(ancestor::table)]")
    ui.settled()
    screenshot(ui.driver, "materialized_run")
    database = Database(deployment.environment["DATABASE_URL"])
    assert rows_of(database, "SELECT count(*) FROM item_history WHERE partition_date = :day", day=YESTERDAY) == [(60,)]


@pytest.mark.usefixtures("run_from_the_ui")
def test_the_pictures_and_numbers_stand_on_the_asset_itself(ui):
    ui.open(f"/assets/mirt_item_params?view=events&partition={YESTERDAY}")
    ui.see("//tr[contains(., 'item_map')]//*[contains(text(), 'Show Markdown')]").click()
    assert shown_picture(ui).get_attribute("alt") == "item difficulties against abilities"
    ui.open("/assets/mirt_fit_meta")
    ui.read("linking_A")
    ui.press("Plots")
    ui.read("reliability")


@pytest.mark.usefixtures("run_from_the_ui")
def test_a_failed_check_shows_its_numbers_its_picture_and_what_to_do(ui, deployment, screenshot):
    shutil.rmtree(Path(deployment.environment["SEEDTEST_LAKE"]) / "observations")
    database = Database(deployment.environment["DATABASE_URL"])
    execute(
        database, "DELETE FROM attempt USING question WHERE question.id = item_id::int AND NOT meta->'tags' ? 'anchor'"
    )
    done = seedtest_run(deployment, str(YESTERDAY))
    assert done.exit_code == 1
    assert "calibration of" in done.stderr
    ui.open("/assets/mirt_item_params?view=checks&checkDetail=item_count_drop")
    ui.read("12 items fitted, 20% of the 60 usual")
    ui.read("is a source, a topic or an item table missing?")
    ui.see("//tr[contains(., 'limits')]//*[contains(text(), 'warn_below 0.9, error_below 0.8')]")
    ui.see("//tr[td[contains(., 'history')]]//*[contains(text(), 'Show Markdown')]").click()
    assert shown_picture(ui).get_attribute("alt") == "items fitted over the last partitions"
    screenshot(ui.driver, "failed_check")


def shown_picture(ui):
    """The picture in the dialog, once it is drawn."""
    picture = ui.see("//img[starts-with(@src, 'data:image/png')]")
    ui.settled()
    assert ui.driver.execute_script("return arguments[0].complete && arguments[0].naturalWidth > 100", picture)
    return picture


@pytest.mark.usefixtures("run_from_the_ui")
def test_the_report_that_the_ui_names_opens(ui, deployment, screenshot):
    """The link of a materialisation leads to what `seedtest dev` serves the reports with."""
    ui.open(f"/assets/calibration_report?partition={YESTERDAY}")
    link = ui.see("//a[contains(@href, 'calibration.html')]").get_attribute("href")
    assert link == f"http://localhost:{deployment.reports_port}/date={YESTERDAY}/calibration.html"
    ui.driver.set_window_size(1180, 1760)
    ui.driver.get(f"{link}#en")
    ui.read("Needs attention")
    screenshot(ui.driver, "report")


def test_a_command_that_is_killed_does_not_hold_up_the_queue_and_its_run_says_why_it_ended(ui, deployment):
    """The daemon's own sensor finds it, by the lock that is free; its process is still there, as a zombie."""
    database = Database(deployment.environment["DATABASE_URL"])
    with database.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE attempt")  # the run waits for its answers, and is there to be killed
        command = [Path(sys.executable).with_name("seedtest"), "run", "--date", str(YESTERDAY)]
        nobody = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=deployment.folder, env=deployment.environment, **nobody)
        killed = wait_for("the run", lambda: started_run(deployment), pause=QUESTION_PAUSE)
        process.kill()
    deployment.run(YESTERDAY)  # ends, and so has left the queue
    assert deployment.ask(STATUS, run=killed)["runOrError"]["status"] == "FAILURE"
    ui.open(f"/runs/{killed}")
    ui.read("the process that ran it is gone")
    wait_for("the incident", lambda: rows_of(database, "SELECT FROM incident WHERE title LIKE 'run failed%'"))
    process.wait()


def started_run(deployment) -> str | None:
    """The run that has begun, once its first step waits."""
    query = """{ runsOrError(filter: {statuses: [STARTED], pipelineName: "nightly"}) { ... on Runs { results {
        runId stepStats { status } } } } }"""
    runs = deployment.ask(query)["runsOrError"]["results"]
    return next((run["runId"] for run in runs if run["stepStats"]), None)


def test_it_leaves_nothing_behind_when_it_is_stopped(deployment):
    dev, shown = deployment.processes["seedtest"], len(deployment.shown)
    children = psutil.Process(dev.pid).children(recursive=True)
    assert len(children) >= 3  # `dagster dev`, webserver, daemon, the code's server
    dev.send_signal(signal.SIGTERM)
    assert dev.wait(120) == 0, deployment.shown[shown:]
    assert "Traceback" not in deployment.shown[shown:]
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert not any(map(listens, (deployment.port, deployment.reports_port)))
