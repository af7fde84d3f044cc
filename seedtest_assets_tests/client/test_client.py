"""The client against a running service, and against servers that are none."""

import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.service.conftest import TOKEN
from seedtest_client import (
    LONGEST_WAIT,
    Anchor,
    Answer,
    Busy,
    Client,
    Item,
    LeftOut,
    Observation,
    Population,
    Prior,
    Rejected,
    ServiceFault,
    Unreachable,
)

ITEMS = [Item(item_id="i1", a=1.2, b=-0.5), Item(item_id="i2", a=0.8, b=0.4, c=0.2)]
ANSWERS = [Answer(item_id="i1", correct=True), Answer(item_id="i2", correct=False)]


@pytest.fixture
def client(service):
    with Client(service.url, token=TOKEN) as client:
        yield client


def test_health_names_the_service(client):
    health = client.health()
    assert (health.status, health.service) == ("ok", "seedtest-irt")


def test_a_calibration_is_that_of_the_engine_however_the_answers_are_sent(client, lsat7):
    users, items, marks = lsat7
    observations = [
        Observation(
            user_id=user, item_id=item, correct=bool(mark), answered_at=datetime(2025, 1, 1, tzinfo=timezone.utc)
        )
        for user, row in zip(users, marks, strict=True)
        for item, mark in zip(items, row, strict=True)
    ]
    anchors = [Anchor(item_id=items[0], a=1.0, b=-1.9), Anchor(item_id=items[1], a=1.1, b=-0.7)]
    expected = irt.calibrate(irt.Responses.from_matrix(marks))
    of_rows = client.calibrate(rows=marks.tolist(), item_ids=items)
    np.testing.assert_allclose([item.a for item in of_rows.items], expected.items.a)
    assert [item.item_id for item in of_rows.items] == items
    assert [item.se_b for item in of_rows.items] == pytest.approx(expected.se_b)
    assert len(of_rows.abilities) == len(users)
    linked = client.calibrate(observations, anchors=anchors, linking_method="mean_mean")
    assert linked.fit_meta["linking_constants"]["n_anchors_used"] == 2
    assert [item.is_anchor for item in linked.items] == [True, True, False, False, False]
    assert linked.abilities[0].user_id == users[0]


def test_scores_and_updates_are_posteriors(client):
    alone = client.score(ITEMS, ANSWERS)
    (of_row,) = client.score_rows(ITEMS, [[1, 0]])
    assert (alone.theta, alone.se, alone.n_responses) == (of_row.theta, of_row.se, 2)
    assert client.update(ITEMS, ANSWERS) == alone
    assert client.update(ITEMS, ANSWERS, population=Population(mean=0.0, sd=1.0)) == alone
    after = client.update(ITEMS, ANSWERS, prior=Prior(theta=1.5, se=0.1))
    assert after.theta == pytest.approx(1.5, abs=0.05)
    assert after.se < 0.1
    unknown = client.update(ITEMS, [Answer(item_id="x", correct=True)])
    assert (unknown.theta, unknown.n_responses) == (0.0, 0)
    assert unknown.left_out == [LeftOut(item_id="x", reason="no parameters were sent")]
    assert client.score(ITEMS, []).theta is None


def test_what_the_service_refuses_is_raised_with_its_words(client, service):
    with pytest.raises(Rejected, match=r"400: \$\.prior\.se|400: Expected `float` >= 0.0001") as refused:
        client.update(ITEMS, ANSWERS, prior=Prior(theta=0.0, se=0.0))
    assert refused.value.status == 400
    with pytest.raises(Rejected, match="401: send the service's token"):
        Client(service.url, token="another").score(ITEMS, ANSWERS)
    with pytest.raises(Rejected, match="400: model 'x' is not one of"):
        client.calibrate(rows=[[1, 0]], model="x")
    with pytest.raises(ValueError, match="a number that JSON has not"):
        client.update(ITEMS, ANSWERS, prior=Prior(theta=float("nan"), se=1.0))


@pytest.mark.parametrize("mark", [float("nan"), 0.5, 9, "1"])
def test_a_value_that_is_no_mark_is_an_error_and_not_taken_for_correct(mark):
    with pytest.raises(ValueError, match="is no mark: send True or False"):
        Client("http://127.0.0.1:9").update(ITEMS, [Answer(item_id="i1", correct=mark)])


def test_an_answer_with_neither_mark_nor_score_is_an_error_and_not_lost():
    """A forgotten or misspelt field would take every such answer away, and nothing would say so."""
    message = "^the answer to item 'i7' has neither correct nor score: leave out answers that were not given$"
    nobody = Client("http://127.0.0.1:9")
    with pytest.raises(ValueError, match=message):
        nobody.score(ITEMS, [Answer(item_id="i7")])
    with pytest.raises(ValueError, match=message):
        nobody.calibrate([Observation(user_id="u", item_id="i7", max_score=2)])


def test_threads_share_a_client(client):
    with ThreadPoolExecutor(4) as pool:
        abilities = set(pool.map(lambda _: client.update(ITEMS, ANSWERS).theta, range(20)))
    assert len(abilities) == 1
    assert not client._sessions, "the connections of threads that ended are closed"
    client.health()
    assert len(client._sessions) == 1


@contextmanager
def server(*replies):
    """A server that gives these replies (status, headers, body) in turn, the last again and again; for None it hangs up."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self):
            reply = replies[min(len(asked), len(replies) - 1)]
            asked.append(self.path)
            if reply is None:
                return
            status, headers, body = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}", asked
    finally:
        http.shutdown()
        http.server_close()


DONE = (200, {}, b'{"status": "ok", "theta": 1, "se": 0.5, "n_responses": 1, "left_out": []}')
BUSY = (503, {"Retry-After": "0"}, b'{"error": "busy: 5 tasks"}')


@pytest.mark.slow
def test_a_busy_service_is_asked_again_until_it_has_a_place():
    with server(BUSY, BUSY, DONE) as (url, asked):
        assert Client(url).update(ITEMS, ANSWERS).theta == 1
        assert asked == ["/irt/update"] * 3
    with server(BUSY) as (url, asked):
        with pytest.raises(Busy, match="busy: 5 tasks"):
            Client(url, retries=1).update(ITEMS, ANSWERS)
        assert len(asked) == 2


def test_a_service_that_asks_for_too_long_a_wait_is_not_waited_for():
    hour = (503, {"Retry-After": "3600"}, b'{"error": "stopping"}')
    with server(hour) as (url, asked):
        with pytest.raises(
            Busy, match=f"stopping. Its Retry-After is 3600 s, and a call waits {LONGEST_WAIT:.0f} s at"
        ):
            Client(url).update(ITEMS, ANSWERS)
        assert len(asked) == 1
    distant = (503, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}, b"{}")
    with server(distant) as (url, asked), pytest.raises(Busy, match=r"Its Retry-After is \d+ s"):
        Client(url).update(ITEMS, ANSWERS)


def test_a_retry_after_that_is_no_time_is_none():
    with server((503, {"Retry-After": "soon"}, b'{"error": "busy"}'), DONE) as (url, asked):
        assert Client(url).update(ITEMS, ANSWERS).theta == 1
        assert len(asked) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ((500, {}, b'{"error": "request 12"}'), ServiceFault, "answered 500: request 12"),
        ((502, {}, b"<html>"), ServiceFault, "answered 502: Bad Gateway"),
        ((200, {}, b"<html>"), ServiceFault, "no JSON object. Is the address right?"),
        ((200, {}, b'{"status": "ok"}'), ServiceFault, "the reply is not one of this service: KeyError('theta')"),
        ((404, {}, b"{}"), Rejected, "404: Not Found"),
        ((302, {"Location": "http://elsewhere.example/"}, b""), ServiceFault, "answered 302"),
    ],
)
def test_a_reply_of_another_kind_is_an_error_of_one_line(reply, error, message):
    with server(reply) as (url, asked):
        with pytest.raises(error, match=re.escape(message)) as raised:
            Client(url).update(ITEMS, ANSWERS)
        assert "\n" not in str(raised.value)
        assert len(asked) == 1


@pytest.mark.slow
def test_a_call_whose_connection_broke_is_sent_once_more_but_no_calibration():
    with server(None, DONE) as (url, asked):
        assert Client(url).update(ITEMS, ANSWERS).theta == 1
        assert len(asked) == 2
    with server(None) as (url, asked):
        with pytest.raises(Unreachable, match="gives no reply"):
            Client(url).calibrate(rows=[[1, 0]])
        assert len(asked) == 1


def test_no_reply_within_the_timeout_is_unreachable_and_not_waited_for_again():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=f"{url} gives no reply: it took too long"):
            Client(url, timeout=0.2).update(ITEMS, ANSWERS)


def test_no_service_there_is_unreachable():
    with pytest.raises(Unreachable, match=r"http://127.0.0.1:9 gives no reply"):
        Client("http://127.0.0.1:9", retries=0).health()
    with pytest.raises(ValueError, match="no http:// or https:// address"):
        Client("localhost:8000")


def test_the_example_of_the_documentation_runs(service):
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"### From Python\n.*?```python\n(.*?)```", page, re.DOTALL)
    example = example.replace("http://localhost:8000", service.url).replace('"…"', repr(TOKEN))
    names: dict = {}
    exec(example, names)
    assert names["ability"].se < 0.32
