"""A service that fails, over real sockets: the class of the error says whether a retry may help."""

import json
import socket
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.remote import http
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.errors import IrtServiceError, IrtServiceRefusal, IrtServiceTimeout, SettingsError
from seedtest_assets.irt.priors import Priors
from seedtest_assets.settings import Settings
from seedtest_assets_tests.engines.remote.service_double import (
    answers,
    answers_to,
    double,
    drips,
    drops_in_the_middle,
    hangs,
    hangs_up,
    simulated,
)

REQUEST = CalibrationRequest(answers_to(simulated(60, 4)))


def reply_for(items=("i1", "i2", "i3", "i4"), **more):
    rows = [{"item_id": item, "params": {"a": 1.0, "b": 0.1, "c": None}} for item in items]
    return {"status": "ok", "item_params": rows, "abilities": [], "fit_meta": {"metrics": {"converged": True}}} | more


def calibrate_with(*actions, timeout=20.0):
    with double(*actions) as service:
        IrtServiceEngine(service.settings(timeout)).calibrate(REQUEST)


def test_priors_are_refused_before_anything_is_sent():
    request = replace(REQUEST, priors=Priors(prior_b=(0, 2)))
    with pytest.raises(SettingsError, match="the IRT service cannot take priors, and prior_b is set"):
        IrtServiceEngine(Settings(r_irt_base_url="http://127.0.0.1:1")).calibrate(request)


def test_priors_from_features_are_refused_before_anything_is_sent():
    settings = Settings(r_irt_base_url="http://127.0.0.1:1", seedtest_item_features="topic_id")
    with pytest.raises(SettingsError, match="the IRT service cannot take priors, and SEEDTEST_ITEM_FEATURES is set"):
        IrtServiceEngine(settings).calibrate(REQUEST)


def test_unreachable_service_is_worth_a_retry():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = Settings(r_irt_base_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(IrtServiceError, match=r"could not be reached.*attempt 1.*Connection refused"):
            IrtServiceEngine(settings).calibrate(REQUEST)


def test_a_connection_that_is_not_taken_has_a_shorter_limit_than_the_answer(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # nobody accepts: the queue is full, and a further connection hangs
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        settings = Settings(r_irt_base_url=f"http://127.0.0.1:{full.getsockname()[1]}", r_irt_timeout_secs=600)
        with pytest.raises(IrtServiceTimeout, match="did not accept a connection in time"):
            IrtServiceEngine(settings).calibrate(REQUEST)


@pytest.mark.parametrize("fault", [hangs, drips])
def test_slow_service_is_a_timeout(fault):
    with pytest.raises(IrtServiceTimeout, match=r"did not answer in full within 0\.3 s.*R_IRT_TIMEOUT_SECS=0\.3"):
        calibrate_with(fault, timeout=0.3)


@pytest.mark.parametrize("fault", [hangs_up, drops_in_the_middle])
def test_broken_connection_is_worth_a_retry(fault):
    with pytest.raises(IrtServiceError, match="could not be reached or closed the connection"):
        calibrate_with(fault)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_retryable_status_quotes_the_service(status):
    with pytest.raises(IrtServiceError, match=rf"says 'internal_error: no memory left' \(status {status}, attempt 1\)"):
        calibrate_with(answers(status, {"error": ["internal_error: no memory left"]}))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_refusal_quotes_the_service(status):
    with pytest.raises(IrtServiceRefusal, match=rf"says 'model 9PL is not known' \(status {status}, attempt 1\)"):
        calibrate_with(answers(status, {"error": "model 9PL is not known"}))


def test_error_page_of_a_proxy_is_quoted_in_one_line():
    page = b"<html>\n<head><title>502 Bad Gateway</title></head>\n" + b"x" * 5000
    with pytest.raises(IrtServiceError) as error:
        calibrate_with(answers(502, page))
    assert "502 Bad Gateway" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0", 0), ("86400", 900), ("soon", None), ("-3", None)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept(status, header, seconds):
    with pytest.raises(IrtServiceError) as error:
        calibrate_with(answers(status, {"error": "busy"}, Retry_After=header))
    assert error.value.retry_after == seconds


def test_retry_after_may_be_a_date():
    at = datetime.now(timezone.utc) + timedelta(seconds=60)
    with pytest.raises(IrtServiceError) as error:
        calibrate_with(answers(503, {"error": "busy"}, Retry_After=format_datetime(at, usegmt=True)))
    assert 30 < error.value.retry_after <= 60


def test_redirect_is_not_followed_with_the_token():
    with pytest.raises(IrtServiceRefusal, match=r"redirects to http://elsewhere/.*Set R_IRT_BASE_URL"):
        calibrate_with(answers(302, b"", Location="http://elsewhere/"))


@pytest.mark.parametrize(
    "body", [b"", b'{"status": "ok", "item_par', b"<html>welcome</html>", b"\xff\xfe", b"[" * 9999]
)
def test_reply_that_is_no_json_fails_at_once(body):
    with pytest.raises(IrtServiceRefusal, match="answered no JSON"):
        calibrate_with(answers(200, body))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([1, 2], "answered list"),
        ("ok", "answered str"),
        ({}, "no items at all"),
        (reply_for(items=()), "no items at all"),
        (reply_for(item_params="many"), "no items at all"),
        (reply_for(item_params=[{"item_id": 7}, 3, None]), "1 items named '7', none with finite a and b"),
        (
            reply_for(item_params=[{"item_id": [f"i{n}"], "params": {"a": ["NA"], "b": ["NA"]}} for n in range(1, 5)]),
            "'i1', 'i2', 'i3', 'i4', none with finite a and b",
        ),
        (reply_for(items=("i1",)), "parameters for 1 of the 4 items"),
        (
            reply_for(items=("X1", "X2", "X3", "X4")),
            "0 of the 4 items that were sent, and for others that were not: 'X1'",
        ),
        (reply_for(items=("i1", "i2", "i3", "i4", "i1")), "item 'i1' twice"),
        ({"error": ["argument payload is missing"]}, "says 'argument payload is missing'"),
        (reply_for(status=["failed"]), "answered status 'failed'"),
        (reply_for(fit_meta={"model_spec": {"model": ["Rasch"]}}), "2PL was asked for, .* fitted Rasch"),
    ],
)
def test_reply_that_cannot_be_used_fails_at_once_and_says_what_it_lacks(reply, message):
    with pytest.raises(IrtServiceRefusal, match=message):
        calibrate_with(answers(200, reply))


def test_rasch_with_different_slopes_is_no_rasch():
    rows = [{"item_id": f"i{n}", "params": {"a": 1 + n / 10, "b": 0}} for n in range(1, 5)]
    with (
        double(answers(200, reply_for(item_params=rows))) as service,
        pytest.raises(IrtServiceRefusal, match=r"Rasch was asked for, but the slopes .* from 1\.1 to 1\.4"),
    ):
        IrtServiceEngine(service.settings()).calibrate(CalibrationRequest(REQUEST.answers, "Rasch"))


def test_token_is_sent_and_a_netrc_does_not_replace_it(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with double(answers(200, reply_for())) as service:
        IrtServiceEngine(service.settings(token="gehëim")).calibrate(REQUEST)
    assert service.requests[0][1]["Authorization"].encode("latin-1").decode() == "Bearer gehëim"


def test_body_is_compressed_only_for_a_service_that_accepts_gzip():
    request = CalibrationRequest(answers_to(simulated(400, 4)))
    for headers, packed in (({}, None), ({"Accept-Encoding": "gzip"}, "gzip")):
        with double(answers(200, reply_for()), health_headers=headers) as service:
            IrtServiceEngine(service.settings()).calibrate(request)
        assert service.requests[0][1].get("Content-Encoding") == packed


def test_attempt_status_seconds_and_bytes_are_in_metrics_and_log(caplog):
    with caplog.at_level("INFO"), double(answers(200, reply_for())) as service:
        request = CalibrationRequest(REQUEST.answers, attempt=3)
        metrics = IrtServiceEngine(service.settings()).calibrate(request).metrics
    assert (metrics["status"], metrics["attempt"], metrics["engine"]) == (200, 3, "irt-service")
    assert metrics["bytes_sent"] == len(service.requests[0][2])
    assert metrics["bytes_received"] == len(json.dumps(reply_for()))
    assert metrics["call_seconds"] >= 0
    assert metrics["service"] == "r-irt-plumber v0.1"
    assert "/irt/calibrate (attempt 3): 200 in" in caplog.text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"r_irt_base_url": "irt:8000"}, "R_IRT_BASE_URL='irt:8000' is not allowed"),
        ({"r_irt_base_url": "http://"}, "R_IRT_BASE_URL='http://' is not allowed"),
        ({"r_irt_base_url": "http://irt", "r_irt_internal_token": "two\nlines"}, "R_IRT_INTERNAL_TOKEN is not allowed"),
    ],
)
def test_setting_that_cannot_be_used_is_named(setting, message):
    with pytest.raises(SettingsError, match=message):
        IrtServiceEngine(Settings(**setting))
