"""Limits of connections: how many there are, and how large and how slow the head of a request may be."""

import asyncio
import time
from collections import Counter
from typing import Any

import msgspec
import prometheus_client
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from seedtest_assets.service.limits import Limits
from seedtest_assets.service.logs import logger
from seedtest_assets.service.wire import ErrorReply

SECONDS_BETWEEN_WARNINGS = 60.0


class Connections:
    """The open connections of a server."""

    def __init__(self, limits: Limits, registry: prometheus_client.CollectorRegistry) -> None:
        self.limits = limits
        self.of_address: Counter[str] = Counter()
        self.without_request: dict[Connection, None] = {}
        """Connections that have sent no whole head of a request, the longest waiting first."""
        self._warned: dict[str, float] = {}
        self._closed = prometheus_client.Counter(
            "irt_connections_closed", "Connections closed by a limit, by limit.", ["limit"], registry=registry
        )
        open_ones = prometheus_client.Gauge("irt_connections", "Open connections.", registry=registry)
        open_ones.set_function(self.of_address.total)

    def make(self, **arguments: Any) -> "Connection":
        """Make the protocol of a new connection, as uvicorn asks for one."""
        return Connection(self, **arguments)

    def admit(self, connection: "Connection") -> bool:
        """Count a connection. Above a limit the one that has waited longest without a request makes room."""
        address = connection.address
        self.of_address[address] += 1
        if self.of_address[address] > self.limits.connections_of_an_address:
            limit, silent = "address", [other for other in self.without_request if other.address == address]
        elif self.of_address.total() > self.limits.connections:
            limit, silent = "all", list(self.without_request)
        else:
            return True
        for other in silent[:1]:
            self.close(other, limit, 408, "a newer connection needed the place of this one, which had sent no request")
        if not silent:
            self.close(connection, limit, 503, "there are too many connections. Try again later")
        return bool(silent)

    def close(self, connection: "Connection", limit: str, status: int, message: str) -> None:
        """Answer and close a connection; it is counted, and in the log at most once a minute for each limit."""
        self._closed.labels(limit).inc()
        now = time.monotonic()
        if now - self._warned.get(limit, -SECONDS_BETWEEN_WARNINGS) >= SECONDS_BETWEEN_WARNINGS:
            self._warned[limit] = now
            facts = {"limit": limit, "address": connection.address, "connections": self.of_address.total()}
            logger.warning("connection closed: %s", message, extra={"facts": facts})
        connection.answer_and_close(status, message)


class Connection(HttpToolsProtocol):
    """A connection whose heads of requests are limited in bytes and seconds."""

    def __init__(self, connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.all = connections
        self.limits = connections.limits
        self.address = ""
        self._head_bytes = 0
        self._too_slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self.all.admit(self):
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        self.all.of_address[self.address] -= 1
        if not self.all.of_address[self.address]:
            del self.all.of_address[self.address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        # A read may bring more than a head may have: what is beyond is parsed when the head is complete.
        room = self.limits.head_bytes + 1 - self._head_bytes
        now, later = (data[:room], data[room:]) if self._too_slow else (data, b"")
        self._head_bytes += len(now)
        super().data_received(now)
        if self._too_slow and self._head_bytes > self.limits.head_bytes:
            self.all.close(
                self, "head bytes", 431, f"the head of the request has more than {self.limits.head_bytes:,} bytes"
            )
        elif later and not self.transport.is_closing():
            super().data_received(later)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_complete()
        super().on_headers_complete()

    def answer_and_close(self, status: int, message: str) -> None:
        """Answer with an error of the service and close."""
        self._head_is_complete()  # it makes room only once, though its end is noticed later
        body = msgspec.json.encode(ErrorReply(message))
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _expect_head(self) -> None:
        if self._too_slow is None:
            self._head_bytes = 0
            self._too_slow = self.loop.call_later(self.limits.head_seconds, self._close_as_too_slow)
            self.all.without_request[self] = None

    def _head_is_complete(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None
            del self.all.without_request[self]

    def _close_as_too_slow(self) -> None:
        message = f"the head of the request did not arrive within {self.limits.head_seconds:g} seconds"
        self.all.close(self, "head seconds", 408, message)
