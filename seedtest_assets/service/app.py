"""The service's HTTP interface: check the caller, read the request, run it in a worker process, answer."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import IO, Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from seedtest_assets import __version__
from seedtest_assets.service import openapi, tasks
from seedtest_assets.service.connections import Connections
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.logs import logger
from seedtest_assets.service.messages import Outcome, Task
from seedtest_assets.service.metrics import Metrics
from seedtest_assets.service.recorder import Recorder
from seedtest_assets.service.wire import ErrorReply, Health
from seedtest_assets.service.workers import DISCONNECTED, Workers

SERVICE_NAME = "seedtest-irt"
# Scoring takes milliseconds, so that even this many wait only for seconds.
QUEUED_SCORES = 1_000
# Beyond this size a pause follows each piece of a body, in which other requests go on: without it the ability of a
# student would wait for the whole upload of a calibration.
UNINTERRUPTED_BYTES = 2**20
PAUSE_SECONDS = 0.001


@dataclass(frozen=True)
class ServiceOptions:
    """Options of a service.

    token: bearer token that callers must send; None admits everyone who reaches the port.
    workers: processes that calibrate; one more scores, so that scoring never waits for a calibration.
    queue: calibrations that may wait.
    """

    token: str | None = None
    workers: int = 1
    queue: int = 4
    limits: Limits = field(default_factory=Limits)


def create_app(options: ServiceOptions) -> FastAPI:
    """Make the ASGI application; its processes start and end with its lifespan."""
    metrics = Metrics()
    calibrating = Workers("calibration", options.workers, options.queue, options.limits.work_seconds)
    scoring = Workers("scoring", 1, QUEUED_SCORES, options.limits.work_seconds)
    for workers in (calibrating, scoring):
        metrics.watch(workers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warm_up = asyncio.gather(*(workers.prepare(tasks.prepare) for workers in (calibrating, scoring)))
        warm_up.add_done_callback(_log_warm_up)
        yield
        warm_up.cancel()

    app = FastAPI(
        title="seedtest IRT service",
        version=__version__,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        exception_handlers={Refusal: _refused, HTTPException: _refused},
    )
    app.state.calibrating, app.state.scoring = calibrating, scoring
    app.state.connections = Connections(options.limits, metrics.registry)
    app.add_middleware(Recorder, metrics=metrics)

    @app.get("/healthz", **openapi.HEALTH)
    async def healthz() -> Response:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        return _json(Health("ok", SERVICE_NAME, __version__, now))

    @app.get("/metrics", **openapi.METRICS)
    async def metrics_page() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/irt/calibrate", **openapi.CALIBRATE)
    async def calibrate(request: Request) -> Response:
        return await _work(request, options, calibrating, tasks.calibrate)

    @app.post("/irt/score", **openapi.SCORE)
    async def score(request: Request) -> Response:
        return await _work(request, options, scoring, tasks.score)

    @app.post("/irt/update", **openapi.UPDATE)
    async def update(request: Request) -> Response:
        return await _work(request, options, scoring, tasks.update)

    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


async def _work(
    request: Request, options: ServiceOptions, workers: Workers, function: Callable[[Task], Outcome]
) -> Response:
    _check_token(request, options.token)
    encoding = _check_head(request, options.limits)

    async def read(file: IO[bytes], path: str) -> Task:
        request.scope["record"]["bytes_in"] = await _save_body(request, options.limits, file)
        gzip_answer = "gzip" in request.headers.get("accept-encoding", "")
        return Task(path, encoding, gzip_answer, options.limits)

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    outcome = await workers.run(function, read, disconnected)
    request.scope["record"].update(outcome.facts)
    if outcome.trace:
        raise RuntimeError(f"in a worker process:\n{outcome.trace}")
    headers = {"Content-Encoding": "gzip"} if outcome.gzipped else {}
    return Response(outcome.body, outcome.status, headers, "application/json")


def _check_token(request: Request, token: str | None) -> None:
    """Compare digests in constant time, so that timing reveals neither the token nor its length."""
    if token is None:
        return
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    # Headers are Latin-1 to the server, whatever the caller encoded.
    sent, expected = given.strip(" ").encode("latin-1"), token.encode()
    same = hmac.compare_digest(hashlib.sha256(sent).digest(), hashlib.sha256(expected).digest())
    if kind.lower() != "bearer" or not same:
        raise Refusal(401, "send the service's token as `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})


def _check_head(request: Request, limits: Limits) -> str:
    """Read the encoding of the body; refuse what can be refused before the body arrives."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise Refusal(415, f"content-encoding {encoding!r} is not supported. Send gzip or none")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limits.bytes:
        raise _too_large(limits)
    return encoding


async def _save_body(request: Request, limits: Limits, file: IO[bytes]) -> int:
    """Write the body to the file as it arrives; return its size."""

    async def save() -> int:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.bytes:
                raise _too_large(limits)
            file.write(chunk)
            if size > UNINTERRUPTED_BYTES:
                await asyncio.sleep(PAUSE_SECONDS)
        return size

    try:
        return await asyncio.wait_for(save(), limits.upload_seconds)
    except asyncio.TimeoutError:
        late = f"the body did not arrive within {limits.upload_seconds:g} seconds"
        raise Refusal(408, late, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refusal(499, DISCONNECTED) from None


def _too_large(limits: Limits) -> Refusal:
    message = f"the body holds more than {limits.bytes:,} bytes. Send fewer answers or raise the limit"
    return Refusal(413, message, {"Connection": "close"})


def _json(reply: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(reply), status, headers, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Refusal):
        status, message, headers = error.status, error.message, error.headers
    else:
        assert isinstance(error, HTTPException)
        status, message, headers = error.status_code, str(error.detail), dict(error.headers or {})
    request.scope["record"]["error"] = message
    return _json(ErrorReply(message), status, headers)


def _log_warm_up(warm_up: "asyncio.Future[Any]") -> None:
    if not warm_up.cancelled():
        if error := warm_up.exception():
            logger.error("the worker processes did not start: %s", error)
        else:
            logger.info("ready")
