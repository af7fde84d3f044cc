"""Middleware that counts and logs every request once, when its answer is out."""

import logging
import time
import uuid
from typing import Any

import msgspec
from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedtest_assets.service.logs import logger
from seedtest_assets.service.metrics import Metrics
from seedtest_assets.service.wire import ErrorReply


class Recorder:
    """Count and log requests, also those that fail.

    A fault of the service goes to the log with its trace; the caller gets the number of the request to ask for.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        record: dict[str, Any] = {"request": uuid.uuid4().hex[:12], "bytes_in": 0, "bytes_out": 0}
        scope["record"] = record
        status = 0

        async def recorded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [(b"x-request-id", record["request"].encode()), (b"accept-encoding", b"gzip")]
            else:
                record["bytes_out"] += len(message.get("body", b""))
            await send(message)

        fault = None
        try:
            await self.app(scope, receive, recorded_send)
        except Exception as error:
            if status:
                raise
            fault = error
            await _internal_error(record["request"])(scope, receive, recorded_send)
        finally:
            self._record(scope, status, time.perf_counter() - began, record, fault)

    def _record(
        self, scope: Scope, status: int, seconds: float, record: dict[str, Any], fault: Exception | None
    ) -> None:
        path = getattr(scope.get("route"), "path", "other")
        self.metrics.request(path, status, seconds, record)
        facts = {"method": scope["method"], "path": path, "status": status, "seconds": round(seconds, 4), **record}
        logger.log(_level(path, status), "request", extra={"facts": facts}, exc_info=fault)


def _internal_error(request: str) -> Response:
    message = f"the service failed on this request. Its log has the reason under request {request}"
    return Response(msgspec.json.encode(ErrorReply(message)), 500, media_type="application/json")


def _level(path: str, status: int) -> int:
    """Choose the level: probes and scrapes come every few seconds and matter only when they fail."""
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if path in ("/healthz", "/metrics") else logging.INFO
