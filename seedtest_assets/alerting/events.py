"""Events consumed by the alerting pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Level = Literal["warn", "error"]
# From the lower to the higher.
LEVELS: tuple[Level, ...] = ("warn", "error")
# What a message says about its incident.
Kind = Literal["opened", "escalated", "resolved"]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something is wrong.

    key: events with the same key are one incident. title, location: the first two lines of the message.
    finding: what happened. advice: what an operator does about it. details: further lines. link: path of a page of the UI.
    pending: keys that resolve the incident; without any it is over already, and only reported.
    suppressed_by: skip while an open incident is pending on this key.
    """

    key: str
    level: Level
    at: datetime
    title: str
    location: str
    finding: str
    advice: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    link: str
    pending: frozenset[str]
    suppressed_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Something went well. resolves: keys that incidents may be pending on, each with a line for the message, or an empty one."""

    at: datetime
    resolves: Mapping[str, str]
    link: str


Event = Alert | Recovery
