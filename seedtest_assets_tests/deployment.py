"""A deployment as it runs: webserver, daemon and the code's server as processes of their own, in a folder of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import requests

from seedtest_assets_tests.conftest import ROOT

WORKSPACE = """load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: seedtest_assets}}
"""
LAUNCH = """mutation($day: String!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "seedtest_assets", repositoryName: "__repository__", jobName: "nightly"},
    runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
TICKS = """query($sensor: String!) { sensorOrError(sensorSelector: {repositoryLocationName: "seedtest_assets",
    repositoryName: "__repository__", sensorName: $sensor}) { ... on Sensor { sensorState { ticks(limit: 5) { timestamp status
    skipReason } } } } }"""


class Deployment:
    """Webserver, daemon and code server in a folder of their own; a context in which they run.

    The code is loaded once, by its server, as in Kubernetes: the other two start in half the time.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.code_port = free_port()
        shutil.copy(ROOT / "dagster.yaml", folder)
        (folder / "workspace.yaml").write_text(WORKSPACE.format(port=self.code_port))
        self.environment = {**os.environ, **environment, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Deployment":
        module = ("-m", "seedtest_assets.definitions", "--location-name", "seedtest_assets")
        self.start("dagster", "api", "grpc", *module, "--host", "127.0.0.1", "--port", str(self.code_port))
        try:
            wait_for("the code's server", lambda: listens(self.code_port))
            self.start("dagster-webserver", "--host", "127.0.0.1", "--port", str(self.port))
            self.start("dagster-daemon", "run")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in list(self.processes):
            self.kill(program)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

    def command(self, program: str, *arguments: str, code: int = 0) -> str:
        """Run a command of the project to its end, and see that it ends with this code; gives what it printed."""
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kill(self, program: str) -> None:
        """The process and its children, without a word."""
        process = self.processes.pop(program)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ask(self, query: str, **variables: str) -> dict:
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", timeout=5).ok
        except requests.RequestException:
            return False

    def run(self, day: date, pause: float = 0.1) -> tuple[str, str]:
        """Run the nightly job for a day, as the UI does; gives the run and how it ended. pause: seconds between two questions."""
        launched = self.ask(LAUNCH, day=str(day))["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        wait_for(
            f"the end of the run of {day}",
            lambda: self.ask(STATUS, run=run_id)["runOrError"]["status"] in ended,
            pause=pause,
        )
        return run_id, self.ask(STATUS, run=run_id)["runOrError"]["status"]

    def tick_after(self, moment: float, sensor: str) -> object:
        """Wait until a sensor has run, from beginning to end, after a moment."""

        def ticked() -> list[dict]:
            ticks = self.ask(TICKS, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
            assert not [tick for tick in ticks if tick["status"] == "FAILURE"], ticks
            return [tick for tick in ticks if tick["timestamp"] > moment and tick["status"] == "SKIPPED"]

        return wait_for(f"a tick of {sensor}", ticked)


def listens(port: int) -> bool:
    """Whether somebody answers on a port of this machine."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(what: str, condition: Callable[[], object], seconds: float = 600, pause: float = 0.1) -> object:
    """The first true value of a condition; AssertionError with what was waited for when it never comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause)
    raise AssertionError(f"not within {seconds:g} s: {what}")
