"""The result of a check, without Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from math import isfinite
from statistics import median
from typing import Any

import pandas as pd


class Verdict(IntEnum):
    """How bad it is."""

    PASS = 0
    WARN = 1
    ERROR = 2


Number = float | int | str | bool | None


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The number that matters most, over the earlier partitions and this one, oldest first.

    label: what the number is. limits: what the last one is compared with, on the same axis.
    """

    values: Sequence[float] = ()
    label: str = ""
    limits: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The result of a check.

    finding: what was seen, in one line. advice: what an operator does about it. numbers: what was judged.
    limits: what the numbers were held against.
    worst: the rows at fault. curve: predicted, seen and how many, where answers were predicted.
    """

    check: str
    verdict: Verdict
    finding: str
    advice: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    limits: Mapping[str, Number] = field(default_factory=dict)
    history: Trend = Trend()
    worst: pd.DataFrame | None = None
    curve: pd.DataFrame | None = None

    @property
    def passed(self) -> bool:
        return self.verdict == Verdict.PASS


@dataclass(frozen=True, kw_only=True)
class EarlierFit:
    """Fit metadata of an earlier partition."""

    day: date
    model_spec: Mapping[str, Any]
    metrics: Mapping[str, Any]

    def number(self, check: str, name: str) -> float | None:
        """Give a number that a check recorded for the partition; None where it recorded none."""
        value = self.metrics.get("checks", {}).get(check, {}).get(name)
        return value if isinstance(value, int | float) else None


def recorded(fits: Sequence[EarlierFit], check: str, name: str) -> list[float]:
    """List a check's number over earlier partitions, oldest first, where it was recorded."""
    return [value for fit in fits if (value := fit.number(check, name)) is not None]


def usual(values: Sequence[float]) -> float | None:
    """Give the median of the earlier partitions: one bad night does not move it."""
    return float(median(values)) if values else None


def worst_of(*verdicts: Verdict) -> Verdict:
    """Give the worst of some verdicts."""
    return max(verdicts, default=Verdict.PASS)


def numbers_to_record(judgements: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
    """Collect what later nights compare with, for the fit's metadata: by check, as far as JSON has the numbers."""
    return {
        judgement.check: {"level": judgement.verdict.name}
        | {name: value for name, value in judgement.numbers.items() if not isinstance(value, float) or isfinite(value)}
        for judgement in judgements
    }
