"""The IRT service on 500,000 answers, and under load, over real sockets.

    python -m benchmarks.irt_service client      # building and sending the request: seconds and peak memory
    python -m benchmarks.irt_service calibrate   # in and out of `seedtest serve`, and how fast /healthz answers meanwhile
    python -m benchmarks.irt_service update      # 200 abilities after a session a second for 30 s, alone and beside calibrations
    python -m benchmarks.irt_service load        # 50 concurrent scorers for 30 s while calibrations run

10,000 persons answer 50 of 500 items each, drawn from a 2PL.
"""

import gzip
import http.client
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import psutil

PERSONS, ITEMS, ANSWERED = 10_000, 500, 50
SCORERS, SECONDS = 50, 30
UPDATES_A_SECOND = 200


def simulated() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Persons, items and marks of 500,000 answers."""
    rng = np.random.default_rng(2025)
    slope, difficulty, theta = rng.lognormal(0, 0.3, ITEMS), rng.normal(0, 1, ITEMS), rng.normal(0, 1, PERSONS)
    item = np.argsort(rng.random((PERSONS, ITEMS)), axis=1)[:, :ANSWERED].ravel()
    person = np.repeat(np.arange(PERSONS), ANSWERED)
    right = rng.random(len(item)) < 1 / (1 + np.exp(-slope[item] * (theta[person] - difficulty[item])))
    return person, item, right


def body() -> bytes:
    """The same as the JSON of POST /irt/calibrate, by the standard library."""
    rows = [
        {"user_id": f"u{p:05d}", "item_id": f"i{j:03d}", "is_correct": bool(y), "responded_at": "2025-11-02T12:00:00Z"}
        for p, j, y in zip(*(column.tolist() for column in simulated()), strict=True)
    ]
    return json.dumps({"observations": rows}).encode()


def client() -> None:
    """Build and send with IrtServiceEngine, to a service that reads everything and refuses it."""
    import pandas as pd
    import pyarrow as pa

    from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest
    from seedtest_assets.engines.remote.engine import IrtServiceEngine
    from seedtest_assets.errors import IrtServiceRefusal
    from seedtest_assets.settings import Settings

    person, item, right = simulated()
    names = {"student_id": [f"u{p:05d}" for p in person], "item_id": [f"i{j:03d}" for j in item], "correct": right}
    frame = pd.DataFrame(names | {"answered_at": pd.Timestamp("2025-11-02T12:00:00Z")})
    request = CalibrationRequest(pa.Table.from_pandas(frame, ANSWER_SCHEMA, preserve_index=False))
    del frame, names
    for packed in (False, True):
        with _sink(packed) as url:
            for run in ("first", "second"):
                before, began, processor = peak_megabytes(), time.perf_counter(), time.process_time()
                try:
                    IrtServiceEngine(Settings(r_irt_base_url=url)).calibrate(request)
                except IrtServiceRefusal as refused:
                    seconds, processor = time.perf_counter() - began, time.process_time() - processor
                    print(
                        f"{'gzip ' if packed else 'plain'} {run:6}: built and sent in {seconds:.2f} s, "
                        f"{processor:.2f} s of processor; "
                        f"peak {peak_megabytes():.0f} MB, {before:.0f} MB before; {refused}"
                    )


def calibrate() -> None:
    """Time the service from the first byte in to the last byte out, with /healthz asked all the while."""
    plain = body()
    with _service() as (port, process):
        for name, data, headers in (
            ("plain", plain, {}),
            ("plain", plain, {}),
            ("gzip", gzip.compress(plain, 1), {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}),
            ("gzip", gzip.compress(plain, 1), {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}),
        ):
            with _prober(port) as latencies, _memory(process.pid) as megabytes:
                began, processor = time.perf_counter(), _processor_seconds(process.pid)
                status, reply = _post(port, "/irt/calibrate", data, headers)
                seconds, processor = time.perf_counter() - began, _processor_seconds(process.pid) - processor
            health = np.array(latencies()) * 1000
            print(
                f"{name:5}: {status} in {seconds:.2f} s, {processor:.2f} s of processor, {len(data) / 1e6:.1f} MB in, {len(reply) / 1e6:.1f} MB out; "
                f"all processes {megabytes():.0f} MB; /healthz {len(health)} times: median {np.median(health):.1f}, "
                f"p99 {np.percentile(health, 99):.1f}, max {health.max():.1f} ms"
            )


def load() -> None:
    """50 scorers, each asking again as soon as it is answered; alone, then while one calibration follows the other."""
    rng = np.random.default_rng(7)
    parameters = zip(rng.lognormal(0, 0.3, 40).tolist(), rng.normal(size=40).tolist(), strict=True)
    items = [{"item": f"i{number}", "a": a, "b": b} for number, (a, b) in enumerate(parameters)]
    score = json.dumps({"item_params": items, "responses": rng.integers(0, 2, (1, 40)).tolist()}).encode()
    with _service() as (port, _):
        _scored(port, score, None)
        _scored(port, score, body())


def _scored(port: int, score: bytes, calibration: bytes | None) -> None:
    end = time.monotonic() + SECONDS
    latencies: list[float] = []
    failures: list[str] = []
    calibrations: list[int] = []

    def scorer() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            began = time.perf_counter()
            try:
                connection.request("POST", "/irt/score", score, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    failures.append(str(response.status))
            except OSError as error:
                failures.append(repr(error))
            latencies.append(time.perf_counter() - began)

    def calibrator() -> None:
        while calibration is not None and time.monotonic() < end:
            calibrations.append(_post(port, "/irt/calibrate", calibration, {})[0])

    threads = [threading.Thread(target=work) for work in [scorer] * SCORERS + [calibrator]]
    with _prober(port) as health:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ms, probes = np.array(latencies) * 1000, np.array(health()) * 1000
    print(
        f"{SCORERS} scorers, {SECONDS} s, {len(calibrations)} calibrations {sorted(set(calibrations))}: "
        f"{len(ms):,} scores, {len(ms) / SECONDS:.0f}/s, median {np.median(ms):.0f} ms, "
        f"p99 {np.percentile(ms, 99):.0f} ms, max {ms.max():.0f} ms, {len(failures)} failures {sorted(set(failures))}; "
        f"/healthz p99 {np.percentile(probes, 99):.0f} ms, max {probes.max():.0f} ms"
    )


def update() -> None:
    """UPDATES_A_SECOND sessions, as they come and not as they are answered; alone, then while one calibration follows the other."""
    rng = np.random.default_rng(7)
    parameters = zip(rng.lognormal(0, 0.3, 20).tolist(), rng.normal(size=20).tolist(), strict=True)
    items = {f"i{number}": {"a": a, "b": b} for number, (a, b) in enumerate(parameters)}
    answers = [{"item_id": item, "is_correct": bool(rng.integers(2))} for item in items]
    session = json.dumps({"item_params": items, "responses": answers, "prior": {"theta": 0.3, "se": 0.35}}).encode()
    with _service() as (port, _):
        _updated(port, session, None)
        _updated(port, session, body())


def _updated(port: int, session: bytes, calibration: bytes | None) -> None:
    calibrations: list[int] = []
    over = threading.Event()

    def calibrator() -> None:
        while calibration is not None and not over.is_set():
            calibrations.append(_post(port, "/irt/calibrate", calibration, {})[0])

    calibrating = threading.Thread(target=calibrator)
    calibrating.start()
    time.sleep(0.5)  # so that the first calibration has begun
    arguments = [str(port), str(UPDATES_A_SECOND), str(SECONDS)]
    sender = subprocess.run(
        [sys.executable, "-c", SENDER, *arguments],
        input=session,
        capture_output=True,
        check=True,
        timeout=SECONDS + 120,
    )
    over.set()
    calibrating.join()
    sent = json.loads(sender.stdout)
    ms = np.array(sent["seconds"]) * 1000
    print(
        f"{UPDATES_A_SECOND} updates a second, {SECONDS} s, {len(calibrations)} calibrations {sorted(set(calibrations))}: {len(ms):,} updates, "
        f"median {np.median(ms):.1f} ms, p99 {np.percentile(ms, 99):.1f} ms, max {ms.max():.0f} ms, "
        f"{sent['failures']} failures; load {os.getloadavg()[0]:.1f}"
    )


def peak_megabytes() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _memory(server: int) -> Iterator[Callable[[], float]]:
    """Watch the server and its processes together; call what it gives, after, for the most megabytes they had."""
    family = subprocess.run(["ps", "--ppid", str(server), "-o", "pid="], capture_output=True, text=True).stdout.split()
    seen, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.append(sum(_proportional_megabytes(pid) for pid in [str(server), *family]))

    watching = threading.Thread(target=watch)
    watching.start()
    yield lambda: max(seen)
    over.set()
    watching.join()


def _processor_seconds(server: int) -> float:
    """Of the server and its processes; tells the work apart from what else the machine does."""
    process = psutil.Process(server)
    times = [member.cpu_times() for member in [process, *process.children(recursive=True)]]
    return sum(spent.user + spent.system for spent in times)


def _proportional_megabytes(pid: str) -> float:
    """Memory of a process, each shared page divided by those who share it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _post(port: int, path: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", path, data, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    return response.status, response.read()


@contextmanager
def _service() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`seedtest serve` in a process of its own, warm."""
    command = [sys.executable, "-c", "from seedtest_assets.cli.app import main; main()", "serve", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != "R_IRT_INTERNAL_TOKEN"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        lines = (json.loads(line) for line in process.stderr)
        port = next(line["port"] for line in lines if line["event"] == "listening")
        next(line for line in lines if line["event"] == "ready")
        threading.Thread(target=lambda: list(lines), daemon=True).start()
        yield port, process
    finally:
        process.terminate()
        process.wait(150)


PROBE = """
import http.client, json, select, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
took = []
while not select.select([sys.stdin], [], [], 0.01)[0]:
    began = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    took.append(time.perf_counter() - began)
print(json.dumps(took))
"""


@contextmanager
def _prober(port: int) -> Iterator[Callable[[], list[float]]]:
    """Another process that asks /healthz a hundred times a second; call what it gives, after, for the seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROBE, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    reply = ""
    yield lambda: json.loads(reply)
    reply = process.communicate("stop\n")[0]


SENDER = """
import http.client, json, queue, sys, threading, time
port, rate, seconds = map(int, sys.argv[1:])
session = sys.stdin.buffer.read()
due, took, failures = queue.SimpleQueue(), [], []

def send():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while (at := due.get()) is not None:
        connection.request("POST", "/irt/update", session, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        took.append(time.perf_counter() - at)  # from when it was due: a late sender hides nothing
        if response.status != 200:
            failures.append(response.status)

senders = [threading.Thread(target=send) for _ in range(16)]
for sender in senders:
    sender.start()
began = time.perf_counter()
for number in range(rate * seconds):
    at = began + number / rate
    time.sleep(max(0.0, at - time.perf_counter()))
    due.put(at)
for _ in senders:
    due.put(None)
for sender in senders:
    sender.join()
print(json.dumps({"seconds": took, "failures": len(failures)}))
"""


SINK = """
import sys
from benchmarks.irt_service import run_sink
run_sink(sys.argv[1] == "True")
"""


@contextmanager
def _sink(takes_gzip: bool) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SINK, str(takes_gzip)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def run_sink(takes_gzip: bool) -> None:
    """Read every body to its end and refuse it."""

    class Sink(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            if takes_gzip:
                self.send_header("Accept-Encoding", "gzip")
            self.end_headers()

        def do_POST(self) -> None:
            size = left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 2**20)))
            body = json.dumps({"error": f"{size:,} bytes received"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    {"client": client, "calibrate": calibrate, "load": load, "update": update}[sys.argv[1]]()
