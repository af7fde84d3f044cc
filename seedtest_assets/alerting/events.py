"""What travels from Dagster's log to the incidents: something is wrong, something went well."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Level = Literal["warn", "error"]
LEVELS: tuple[Level, ...] = ("warn", "error")
"""From the lower to the higher."""
Kind = Literal["opened", "worse", "resolved"]
"""What a message says of its incident."""


@dataclass(frozen=True)
class Trouble:
    """Something is wrong.

    key: what makes it one incident, however often it is seen. at: when it was seen. what, where, how_much: for the reader.
    link: the page of the UI to look at, as a path. owes: what must happen before it is resolved; nothing for what is over
    already and only worth telling. unless_owed: what an open incident owes where this was told with it.
    """

    key: str
    level: Level
    at: datetime
    what: str
    where: str
    how_much: tuple[str, ...]
    link: str
    owes: frozenset[str]
    unless_owed: str | None = None


@dataclass(frozen=True)
class Relief:
    """Something went well: what incidents may be waiting for, each with a line about it or none."""

    at: datetime
    paid: Mapping[str, str]
    link: str
