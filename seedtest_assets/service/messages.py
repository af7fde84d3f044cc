"""What the server sends to a worker process, and what the worker returns."""

from dataclasses import dataclass, field
from typing import Any

from seedtest_assets.service.limits import Limits


@dataclass(frozen=True)
class Task:
    """A request as it arrived.

    path: of the file with its body; encoding: of the body; gzip_answer: whether the caller accepts gzip.
    """

    path: str
    encoding: str
    gzip_answer: bool
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """A reply ready to send.

    facts: for the log and the counters: sizes, never answers or persons.
    trace: of a fault of the service, for the log.
    """

    status: int
    body: bytes
    gzipped: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    trace: str | None = None
