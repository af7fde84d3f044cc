"""An IRT service with prescribed behaviour, over a real socket, and data to send it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import ANSWER_SCHEMA
from seedtest_assets.settings import Settings

Action = Callable[["Handler"], None]


@dataclass
class Double:
    """An action for each POST, the last for all that follow; the requests are kept."""

    actions: list[Action]
    health_headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[float, dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def settings(self, timeout: float = 20.0, token: str | None = None) -> Settings:
        return Settings(r_irt_base_url=self.url, r_irt_timeout_secs=timeout, r_irt_internal_token=token)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def do_GET(self) -> None:
        self.answer(
            200, {"status": ["ok"], "service": ["r-irt-plumber"], "version": ["v0.1"]}, self.double.health_headers
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.double.requests.append((time.monotonic(), dict(self.headers), body))
        actions = self.double.actions
        actions[min(len(self.double.requests), len(actions)) - 1](self)

    def answer(self, status: int, reply: object, headers: dict[str, str] | None = None) -> None:
        body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def double(*actions: Action, health_headers: dict[str, str] | None = None) -> Iterator[Double]:
    service = Double(list(actions), health_headers or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"double": service}))
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.over.set()
        server.shutdown()
        server.server_close()


def answers(status: int, reply: object, **headers: str) -> Action:
    return lambda handler: handler.answer(
        status, reply, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def hangs(handler: Handler) -> None:
    handler.double.over.wait()
    handler.close_connection = True


def drops_in_the_middle(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"status": "ok", "item_params": [')
    handler.close_connection = True


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True


def drips(handler: Handler) -> None:
    """Send a byte now and then without end: each arrives well within the timeout of the socket."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not handler.double.over.wait(0.02):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return


def answers_to(matrix: np.ndarray, items: list[str] | None = None, users: list[str] | None = None) -> pa.Table:
    """ANSWER_SCHEMA from persons x items of 1, 0 and NaN."""
    users = users or [f"u{number}" for number in range(1, len(matrix) + 1)]
    items = items or [f"i{number}" for number in range(1, matrix.shape[1] + 1)]
    person, item = np.nonzero(~np.isnan(matrix))
    frame = pd.DataFrame(
        {
            "student_id": np.array(users, object)[person],
            "item_id": np.array(items, object)[item],
            "correct": matrix[person, item] == 1,
            "answered_at": datetime(2025, 11, 2, 12, tzinfo=timezone.utc),
        }
    )
    return pa.Table.from_pandas(frame, ANSWER_SCHEMA, preserve_index=False)


def simulated(n_persons: int = 400, n_items: int = 12, seed: int = 1) -> np.ndarray:
    """Persons x items under a 2PL."""
    rng = np.random.default_rng(seed)
    slope, difficulty = rng.lognormal(0, 0.3, n_items), rng.normal(0, 1, n_items)
    chance = 1 / (1 + np.exp(-slope * (rng.normal(size=(n_persons, 1)) - difficulty)))
    return (rng.random((n_persons, n_items)) < chance).astype(float)
