"""The service as it is deployed: a process of its own, called over a socket."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
import requests

from seedtest_assets_tests.engines.remote.recordings import ITEMS, USERS
from seedtest_assets_tests.irt.reference import answers_of

TOKEN = "a token with ümlaut"


@dataclass
class Service:
    """A running `seedtest serve`."""

    process: subprocess.Popen[str]
    url: str
    token: str | None
    lines: list[str] = field(default_factory=list)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}".encode())
        return requests.post(self.url + path, data=data, headers=headers, timeout=120)

    def until(self, line: str, seconds: float = 120) -> None:
        """Wait until the page of metrics holds a line."""
        self.wait(lambda: line in self.get("/metrics").text, seconds)

    def wait(self, condition, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s; the log:\n" + "\n".join(self.lines[-20:])
            time.sleep(0.01)

    def log(self) -> list[dict]:
        return [json.loads(line) for line in self.lines]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running(*options: str, token: str | None = TOKEN, code: str | None = None) -> Iterator[Service]:
    """`seedtest serve` with options, or a line of code that serves on port 0."""
    environment = {name: value for name, value in os.environ.items() if name != "R_IRT_INTERNAL_TOKEN"}
    if token:
        environment["R_IRT_INTERNAL_TOKEN"] = token
    command = [sys.executable, "-c", code or "from seedtest_assets.cli.app import main; main()"]
    if not code:
        command += ["serve", "--host", "127.0.0.1", "--port", "0", *options]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    service = Service(process, "", token)

    def read() -> None:
        for line in process.stderr:
            service.lines.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        # The first start on a machine compiles for half a minute and more.
        service.wait(lambda: any('"ready"' in line for line in service.lines) or process.poll() is not None, 400)
        listening = next(line for line in service.log() if line["event"] == "listening")
        service.url = f"http://{listening['host']}:{listening['port']}"
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(10)
        process.stderr.close()
    assert not token or token not in "".join(service.lines)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service with one worker and no queue, for all tests that leave it as it was."""
    with running("--queue", "0") as service:
        yield service


@pytest.fixture(scope="session")
def run_service():
    """Start another service: `with run_service("--workers", "2") as service`."""
    return running


@pytest.fixture(scope="session")
def lsat7() -> tuple[list[str], list[str], np.ndarray]:
    """Persons, items and answers of the LSAT7 data."""
    return USERS, ITEMS, answers_of("LSAT7").astype(int)
