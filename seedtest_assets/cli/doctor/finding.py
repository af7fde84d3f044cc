"""Findings of `seedtest doctor`, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["green", "yellow", "red"]


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """One line of the diagnosis, and the SQL statements that would fix it."""

    level: Level
    subject: str
    text: str
    statements: Sequence[str] = ()
