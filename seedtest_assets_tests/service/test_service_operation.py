"""Operation of the service: access, limits, log, metrics, queue, and how it stops."""

import gzip
import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import psutil
import pytest
import requests

from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.errors import IrtServiceError
from seedtest_assets.settings import Settings
from seedtest_assets_tests.engines.remote.service_double import answers_to

ROWS = [[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 0]] * 5
RUNNING = 'irt_running{kind="calibration"} 1.0'
IDLE = 'irt_running{kind="calibration"} 0.0'

STOPPED = (0, -signal.SIGTERM)
"""How a service ends after TERM: the second where the signal was not ignored when it started."""


def patternless(n_persons, n_items):
    """Answers without any pattern under a 3PL: the estimation takes hundreds of iterations."""
    return {"responses": np.random.default_rng(3).integers(0, 2, (n_persons, n_items)).tolist(), "model": "3PL"}


@pytest.fixture(scope="module")
def endless_calibration():
    """A calibration that is not awaited: seconds of work."""
    return patternless(3000, 60)


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic abc", "Bearer", "a token with ümlaut".encode()])
@pytest.mark.parametrize("path", ["/irt/calibrate", "/irt/score"])
def test_without_the_token_a_request_is_refused(service, path, header):
    response = requests.post(
        service.url + path, data=b"{}", headers={"Authorization": header} if header else {}, timeout=30
    )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in response.json()["error"]


def test_probes_and_scrapes_need_no_token(service):
    assert service.get("/healthz").json()["status"] == "ok"
    assert service.get("/metrics").status_code == 200


SMALL_AND_OPEN = """
from seedtest_assets.service.app import ServiceOptions
from seedtest_assets.service.limits import Limits
from seedtest_assets.service.server import serve
limits = Limits(
    bytes=2**20, items=60, persons=3000, upload_seconds=1.5, work_seconds=20, head_seconds=1.5, connections_of_an_address=20
)
serve(ServiceOptions(queue=1, limits=limits), host="0.0.0.0", port=0, grace_seconds=0)
"""


@pytest.fixture(scope="module")
def small_and_open(run_service):
    """A service without a token that is to listen everywhere, with low limits and no grace."""
    with run_service(token=None, code=SMALL_AND_OPEN) as service:
        yield service


def test_without_a_token_only_this_machine_is_listened_to_and_the_log_says_why(small_and_open):
    assert small_and_open.url.startswith("http://127.0.0.1:")
    warning = next(line for line in small_and_open.log() if line["level"] == "warning")
    assert "no token is set, so this listens on 127.0.0.1 instead of 0.0.0.0" in warning["event"]
    assert "R_IRT_INTERNAL_TOKEN" in warning["event"]
    assert small_and_open.post("/irt/score", {"item_params": [], "responses": []}).status_code == 200


def test_port_in_use_is_one_line(service):
    port = service.url.rsplit(":", 1)[1]
    command = [sys.executable, "-c", "from seedtest_assets.cli.app import main; main()", "serve", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"error: cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another one" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_paths_and_methods_get_the_same_kind_of_error(service):
    assert service.get("/nothing").json() == {"error": "Not Found"}
    assert (service.get("/irt/score").status_code, service.get("/irt/score").json()) == (
        405,
        {"error": "Method Not Allowed"},
    )


def test_body_above_the_limit_is_refused_however_it_comes(small_and_open):
    body = json.dumps({"item_params": [], "responses": [[None]] * 200_000}).encode()
    assert len(body) > 2**20 > len(gzip.compress(body))
    announced = small_and_open.post("/irt/score", body)
    packed = small_and_open.post("/irt/score", gzip.compress(body), **{"Content-Encoding": "gzip"})
    chunked = requests.post(
        small_and_open.url + "/irt/score",
        data=(body[at : at + 10_000] for at in range(0, len(body), 10_000)),
        timeout=30,
    )
    for response in (announced, packed, chunked):
        assert response.status_code == 413
        assert "more than 1,048,576 bytes" in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/irt/calibrate", {"responses": [[1] * 61] * 20}, "61 items, and one request may hold 60"),
        ("/irt/calibrate", {"responses": [[1, 0]] * 3001}, "3,001 persons, and one request may hold 3,000"),
        (
            "/irt/score",
            {"item_params": [{"a": 1, "b": 0}] * 61, "responses": []},
            "61 items, and one request may hold 60",
        ),
        ("/irt/score", {"item_params": [], "responses": [[]] * 3001}, "3,001 rows, and one request may hold 3,000"),
    ],
)
def test_items_and_persons_above_the_limit_are_refused(small_and_open, path, body, message):
    response = small_and_open.post(path, body)
    assert response.status_code == 413
    assert message in response.json()["error"]


def test_body_that_does_not_arrive_is_refused(small_and_open):
    address = ("127.0.0.1", int(small_and_open.url.rsplit(":", 1)[1]))
    with socket.create_connection(address, timeout=30) as caller:
        caller.sendall(b"POST /irt/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = b""
        while piece := caller.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body did not arrive within 1.5 seconds" in answer


def address_of(service):
    return "127.0.0.1", int(service.url.rsplit(":", 1)[1])


def everything_from(caller):
    answer = b""
    while piece := caller.recv(65536):
        answer += piece
    return answer


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_head_of_a_request_has_a_limit_of_bytes(small_and_open, end):
    with socket.create_connection(address_of(small_and_open), timeout=30) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 70_000 + end)
        assert everything_from(caller).startswith(b"HTTP/1.1 431")
    assert counters(small_and_open)['irt_connections_closed_total{limit="head bytes"}'] >= 1
    response = requests.get(small_and_open.url + "/healthz", headers={"X-Long": "x" * 30_000}, timeout=30)
    assert response.status_code == 200


def test_a_body_that_comes_with_its_head_does_not_count_as_head(small_and_open):
    with socket.create_connection(address_of(small_and_open), timeout=30) as caller:
        caller.sendall(b"POST /healthz HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
        assert caller.recv(100).startswith(b"HTTP/1.1 405")


CLOSED = {limit: f'irt_connections_closed_total{{limit="{limit}"}}' for limit in ("address", "head seconds")}


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_connection_without_a_request_is_closed(small_and_open, sent):
    with socket.create_connection(address_of(small_and_open), timeout=30) as caller:
        caller.sendall(sent)
        answer = everything_from(caller)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within 1.5 seconds" in answer


def test_silent_connections_make_room_and_busy_ones_are_not_closed(small_and_open):
    half = b"POST /irt/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address_of(small_and_open), 30)) for _ in range(40)]
        assert small_and_open.get("/healthz").status_code == 200
        assert all(everything_from(caller).startswith(b"HTTP/1.1 408") for caller in silent)
        busy = [stack.enter_context(socket.create_connection(address_of(small_and_open), 30)) for _ in range(20)]
        for caller in busy:
            caller.sendall(half)
        small_and_open.wait(lambda: is_refused(small_and_open))
        answers = [everything_from(caller) for caller in busy]
    assert all(b"the body did not arrive" in answer for answer in answers)
    closed = counters(small_and_open)['irt_connections_closed_total{limit="address"}']
    assert closed >= 21
    assert sum("connection closed" in line and '"address"' in line for line in small_and_open.lines) >= 1


def test_each_of_a_burst_of_silent_connections_makes_room_once(small_and_open):
    before = counters(small_and_open)
    with ExitStack() as stack:
        callers = [stack.enter_context(socket.socket()) for _ in range(120)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(address_of(small_and_open))
        for caller in callers:
            caller.settimeout(30)
            everything_from(caller)
    after = counters(small_and_open)
    closed = {limit: after[name] - before.get(name, 0.0) for limit, name in CLOSED.items() if name in after}
    assert closed == {"address": 100, "head seconds": 20}


def is_refused(service):
    with socket.create_connection(address_of(service), 30) as caller:
        return b"too many connections" in everything_from(caller)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "message"),
    [
        (b"not packed", "gzip", 400, "announced as gzip but is not"),
        (gzip.compress(b"{}" * 1000, mtime=0)[:-9], "gzip", 400, "gzip stops before its end"),
        (b"{}", "br", 415, "content-encoding 'br' is not supported"),
    ],
)
def test_encodings_are_checked(service, body, encoding, status, message):
    response = service.post("/irt/score", body, **{"Content-Encoding": encoding})
    assert response.status_code == status
    assert message in response.json()["error"]


def test_log_is_json_and_holds_no_person_no_answer_and_no_token(service):
    observations = [
        {"user_id": f"pupil-{p}", "item_id": f"question-{j}", "is_correct": answer}
        for p, row in enumerate(ROWS)
        for j, answer in enumerate(row)
    ]
    before = len(service.lines)
    assert service.post("/irt/calibrate", {"observations": observations}).status_code == 200
    assert service.post("/irt/calibrate", {"observations": observations[:3]}).status_code == 400
    assert (
        service.post("/irt/calibrate", {"observations": [{"user_id": "pupil-1", "is_correct": 1}]}).status_code == 400
    )

    def of_this_calibration() -> list[dict]:  # a line of an earlier test may still be on its way
        return [line for line in service.log()[before:] if line.get("answers") == 60]

    service.wait(lambda: len(service.lines) >= before + 3 and of_this_calibration())
    everything = "".join(service.lines)
    assert "pupil" not in everything
    assert service.token not in everything
    done = of_this_calibration()[-1]
    assert (done["path"], done["status"], done["answers"], done["persons"]) == ("/irt/calibrate", 200, 60, 20)
    assert done["seconds"] > 0


def counters(service):
    lines = service.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_metrics_count_requests_failures_answers_items_anchors_and_linkings(service):
    anchors = [{"item_id": f"I{n}", "params": {"a": 1, "b": 0}, "fixed": True} for n in (1, 2)]
    before = counters(service)
    service.post("/irt/calibrate", {"responses": ROWS})
    service.post("/irt/calibrate", {"responses": ROWS, "anchors": anchors})
    service.post("/irt/calibrate", {"responses": ROWS, "model": "none"})
    service.post("/irt/score", {"item_params": [{"a": 1, "b": 0}], "responses": [[1], [None]]})
    after = counters(service)
    expected = {
        'irt_requests_total{path="/irt/calibrate",status="200"}': 2,
        'irt_failures_total{path="/irt/calibrate",status="400"}': 1,
        'irt_request_seconds_count{path="/irt/calibrate"}': 3,
        'irt_answers_total{path="/irt/calibrate"}': 120,
        'irt_items_total{path="/irt/calibrate"}': 6,
        'irt_answers_total{path="/irt/score"}': 1,
        "irt_anchors_total": 2,
        'irt_linkings_total{linked_to="anchors"}': 1,
        'irt_linkings_total{linked_to="none"}': 1,
    }
    assert {name: after[name] - before.get(name, 0) for name in expected} == expected


def test_every_example_of_the_openapi_page_can_be_sent_as_it_stands(service):
    described = service.get("/openapi.json").json()
    sent = 0
    for path, operations in described["paths"].items():
        examples = (
            operations.get("post", {})
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
            .get("examples", {})
        )
        for example in examples.values():
            response = service.post(path, example["value"])
            assert response.status_code == 200, (path, example["summary"], response.text)
            sent += 1
    assert sent == 10
    assert service.get("/docs").status_code == 200


@contextmanager
def disconnecting_caller(service, body):
    """Send a calibration, wait until it runs, and close the connection at the end without reading."""
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", int(service.url.rsplit(":", 1)[1]))) as caller:
        head = f"POST /irt/calibrate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        caller.sendall(head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        service.until(RUNNING)
        yield


def test_health_and_scores_are_answered_while_a_calibration_runs_and_another_one_is_refused(
    service, endless_calibration
):
    engine = IrtServiceEngine(Settings(r_irt_base_url=service.url, r_irt_internal_token=service.token))
    with disconnecting_caller(service, endless_calibration):
        assert service.get("/healthz").status_code == 200
        assert service.post("/irt/score", {"item_params": [{"a": 1, "b": 0}], "responses": [[1]]}).status_code == 200
        second = service.post("/irt/calibrate", {"responses": ROWS})
        assert second.status_code == 503
        assert 1 <= int(second.headers["Retry-After"]) <= 120
        assert "busy: 1 calibration tasks are running or waiting" in second.json()["error"]
        with pytest.raises(IrtServiceError, match=r"says 'busy.*status 503") as refused:
            engine.calibrate(CalibrationRequest(answers_to(np.array(ROWS, float))))
        assert refused.value.retry_after >= 1
        assert RUNNING in service.get("/metrics").text
    # The caller has disconnected: its place is free.
    service.until(IDLE)
    assert service.post("/irt/calibrate", {"responses": ROWS}).status_code == 200


def busiest_worker(service):
    """Find the worker process that computes."""
    workers = psutil.Process(service.process.pid).children()
    before = [worker.cpu_times().user for worker in workers]

    def used():
        return [worker.cpu_times().user - start for worker, start in zip(workers, before, strict=True)]

    service.wait(lambda: max(used()) > 0.1)
    return workers[int(np.argmax(used()))]


def test_worker_that_dies_is_reported_and_replaced(service, endless_calibration):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.post, "/irt/calibrate", endless_calibration)
        service.until(RUNNING)
        busiest_worker(service).kill()
        response = first.result()
    assert response.status_code == 503
    assert "the calibration process died" in response.json()["error"]
    assert service.post("/irt/calibrate", {"responses": ROWS}).status_code == 200


def test_process_that_died_without_work_costs_no_caller_an_answer(service):
    for worker in psutil.Process(service.process.pid).children():
        worker.kill()
    assert service.post("/irt/calibrate", {"responses": ROWS}).status_code == 200


def test_caller_who_hangs_up_while_sending_is_no_fault_of_the_service(service):
    gone = 'irt_requests_total{path="/irt/score",status="499"}'
    before = counters(service).get(gone, 0)
    with socket.create_connection(address_of(service), timeout=30) as caller:
        head = f"POST /irt/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        caller.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n{")
    service.wait(lambda: counters(service).get(gone, 0) == before + 1)
    service.wait(lambda: any(line.get("status") == 499 for line in service.log()))
    assert not any("ClientDisconnect" in line for line in service.lines)


def test_as_many_calibrations_run_as_there_are_workers_and_they_end_before_the_service_stops(run_service):
    body = patternless(1500, 40)
    with run_service("--workers", "2", "--grace-seconds", "60") as service, ThreadPoolExecutor(2) as pool:
        responses = [pool.submit(service.post, "/irt/calibrate", body) for _ in range(2)]
        service.until('irt_running{kind="calibration"} 2.0')
        service.stop()
        assert [response.result().status_code for response in responses] == [200, 200]
        assert service.process.wait(30) in STOPPED


# Stops the service of this module, so it is the last of the tests that use it.
def test_calibration_that_outlives_the_grace_is_refused(small_and_open, endless_calibration):
    service = small_and_open
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(service.post, "/irt/calibrate", endless_calibration)
        service.until(RUNNING)
        waiting = pool.submit(service.post, "/irt/calibrate", {"responses": ROWS})
        service.until('irt_waiting{kind="calibration"} 1.0')
        service.stop()
        for response in (running.result(), waiting.result()):
            assert response.status_code == 503
            assert "Retry-After" in response.headers
            assert "the service is stopping and did not finish this. Send it again" in response.json()["error"]
    assert service.process.wait(30) in STOPPED
