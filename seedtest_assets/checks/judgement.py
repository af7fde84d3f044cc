"""What a check says, before Dagster hears of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from statistics import median

import pandas as pd


class Level(IntEnum):
    """How bad it is."""

    PASS = 0
    WARN = 1
    ERROR = 2


Number = float | int | str | bool | None


@dataclass(frozen=True)
class Judgement:
    """A check's result.

    said: what was seen, in one line. to_do: what an operator does about it. numbers: what was judged, and the
    thresholds it was judged by. history: the number that matters most over the earlier partitions and this one,
    oldest first; history_limits: what it is held against, on the same axis. worst: the rows it is about. curve: predicted,
    seen and how many, where answers were predicted.
    """

    check: str
    level: Level
    said: str
    to_do: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    history: Sequence[float] = ()
    history_of: str = ""
    history_limits: Sequence[float] = ()
    worst: pd.DataFrame | None = None
    curve: pd.DataFrame | None = None

    @property
    def passed(self) -> bool:
        return self.level == Level.PASS

    @property
    def description(self) -> str:
        return self.said if self.passed or not self.to_do else f"{self.said}; {self.to_do}"


@dataclass(frozen=True)
class Fit:
    """What mirt_fit_meta says of an earlier partition."""

    day: date
    model_spec: Mapping
    metrics: Mapping

    def said(self, check: str, number: str) -> float | None:
        """A number that a check wrote down for that partition; None where it did not."""
        value = self.metrics.get("checks", {}).get(check, {}).get(number)
        return value if isinstance(value, int | float) else None


def known(fits: Sequence[Fit], check: str, number: str) -> list[float]:
    """A check's number over earlier partitions, oldest first, where it is known."""
    return [value for fit in fits if (value := fit.said(check, number)) is not None]


def usual(values: Sequence[float]) -> float | None:
    """The median of the earlier partitions: one bad night does not move it."""
    return float(median(values)) if values else None


def worse(*levels: Level) -> Level:
    """The worst of some levels."""
    return max(levels, default=Level.PASS)
