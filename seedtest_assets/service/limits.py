"""Limits of requests and connections, and the refusal of a request."""

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """What one request may hold, a larger one gets 413, and how long it may take.

    bytes: of the JSON body after gzip is undone. Parsing takes up to about ten times as much memory.
    items, persons: distinct ones in a calibration, columns and rows when scoring.
    upload_seconds: how long a body may take to arrive, so that a slow sender does not hold a place in the queue.
    work_seconds: how long a process may work at a request, so that one that hangs does not hold it for ever.
    head_bytes, head_seconds: size and arrival of what stands above the body: request line and headers.
    connections, connections_of_an_address: open at a time.
    """

    bytes: int = 128 * MEBIBYTE
    items: int = 20_000
    persons: int = 1_000_000
    upload_seconds: float = 60.0
    work_seconds: float = 3600.0
    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    connections: int = 1_000
    connections_of_an_address: int = 250


class Refusal(Exception):
    """A request is answered with an error: an HTTP status, and one line in the caller's terms."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
