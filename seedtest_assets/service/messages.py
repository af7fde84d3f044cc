"""What goes to a worker process and what comes back."""

from dataclasses import dataclass, field
from typing import Any

from seedtest_assets.service.limits import Limits


@dataclass(frozen=True)
class Task:
    """A request as it arrived: the file with its body, how that and the answer are encoded, and what is allowed."""

    path: str
    encoding: str
    gzip_answer: bool
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """An answer ready to send, and what the log and the counters may know of it: sizes, never answers or persons."""

    status: int
    body: bytes
    gzipped: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    trace: str | None = None
