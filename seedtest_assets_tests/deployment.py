"""A deployment as it runs, in processes of its own and a folder of its own: of the units for systemd, or of `seedtest dev`."""

import os
import re
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

from seedtest_assets_tests.conftest import ROOT, python_path

SYSTEMD = ROOT / "deploy" / "systemd"
LAUNCH = """mutation($day: String!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "seedtest_assets", repositoryName: "__repository__", jobName: "nightly"},
    runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
TICKS = """query($sensor: String!) { sensorOrError(sensorSelector: {repositoryLocationName: "seedtest_assets",
    repositoryName: "__repository__", sensorName: $sensor}) { ... on Sensor { sensorState { ticks(limit: 5) { timestamp status
    skipReason } } } } }"""

# Seconds between two questions to the webserver, each of which takes 20 ms of a core that what is waited for needs.
QUESTION_PAUSE = 0.5


class Running:
    """Programs in a folder of their own, a webserver among them; a context at whose end none is left."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        shutil.copy(ROOT / "dagster.yaml", folder)
        self.environment = {**os.environ, **environment, "DAGSTER_HOME": str(folder), "PYTHONPATH": python_path()}
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen] = {}

    def __exit__(self, *_: object) -> None:
        for program in list(self.processes):
            self.kill(program)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, program: str, *arguments: str, **how: Callable[[], object]) -> None:
        """Start a program of this interpreter; how: more of Popen's arguments."""
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [Path(sys.executable).with_name(program), *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **how,
            )

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

    def run(self, day: date, pause: float = QUESTION_PAUSE) -> tuple[str, str]:
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

        return wait_for(f"a tick of {sensor}", ticked, pause=QUESTION_PAUSE)


class Deployment(Running):
    """Webserver, daemon and code server, started by the commands of the units for systemd, on free ports."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment)
        self.code_port = free_port()
        workspace = (SYSTEMD / "workspace.yaml").read_text().replace("4000", str(self.code_port))
        for place in (folder, folder / "systemd"):
            place.mkdir(exist_ok=True)
            (place / "workspace.yaml").write_text(workspace)

    def __enter__(self) -> "Deployment":
        self.start(*self.command_of("code"))
        try:
            wait_for("the code's server", lambda: listens(self.code_port))
            self.start(*self.command_of("webserver"))
            self.start(*self.command_of("daemon"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def command_of(self, unit: str) -> list[str]:
        """The program and arguments of a unit, with this deployment's folder and ports."""
        (command,) = re.findall(
            r"^ExecStart=/opt/seedtest/bin/(.+)$", (SYSTEMD / f"seedtest-{unit}.service").read_text(), re.M
        )
        for written, here in (("/var/lib/seedtest", self.folder), ("4000", self.code_port), ("3000", self.port)):
            command = command.replace(written, str(here))
        return command.split()


class Development(Running):
    """`seedtest dev` on free ports, started as a job in a shell's background, which ignores INT."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment)
        shutil.copy(ROOT / "workspace.yaml", folder)
        self.reports_port = free_port()

    def __enter__(self) -> "Development":
        ports = ("--port", str(self.port), "--reports-port", str(self.reports_port))
        self.start("seedtest", "dev", *ports, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, for only it knows the processes that it started."""
        self.processes["seedtest"].terminate()
        self.processes["seedtest"].wait()

    @property
    def shown(self) -> str:
        """What it has written to the terminal, and the programs that it started."""
        return (self.folder / "seedtest.log").read_text(encoding="utf-8")


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
