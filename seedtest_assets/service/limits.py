"""Limits of a request, and the refusal of a request."""

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """What one request may hold; a larger one gets 413.

    bytes: of the JSON body after gzip is undone. Parsing takes up to about ten times as much memory.
    items, persons: distinct ones in a calibration, columns and rows when scoring.
    upload_seconds: how long a body may take to arrive, so that a slow sender does not hold a place in the queue.
    """

    bytes: int = 128 * MEBIBYTE
    items: int = 20_000
    persons: int = 1_000_000
    upload_seconds: float = 60.0


class Refusal(Exception):
    """A request is answered with an error: an HTTP status, and one line in the caller's terms."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
