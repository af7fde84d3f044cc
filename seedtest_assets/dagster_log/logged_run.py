"""One run, as Dagster's log knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import dagster as dg


@dataclass(frozen=True, kw_only=True)
class FailedStep:
    """A step that failed in the end; `retries` is how often it had been tried before."""

    key: str
    reason: str
    advice: str | None = None
    retries: int = 0
    by_service: bool = False


@dataclass(frozen=True, kw_only=True)
class EvaluatedCheck:
    """The last evaluation of a check in a run. step: the step that yielded it, None where a sensor wrote it."""

    asset: str
    name: str
    partition: str
    step: str | None
    at: datetime
    passed: bool
    severity: Literal["WARN", "ERROR"]
    finding: str
    advice: str | None
    numbers: Mapping[str, float]
    limits: str | None


@dataclass(frozen=True, kw_only=True)
class ServiceFailure:
    """A call to the IRT service that failed, whether or not the step was retried."""

    at: datetime
    timed_out: bool


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """A run, finished or not.

    planned, materialized: assets of the run as `asset_partition` names them. step_retries: by step. run_retries: how often
    Dagster had started this run before; will_retry: whether it starts it again, None while it has not decided.
    failure: why the run failed, where no step did.
    """

    run_id: str
    job: str
    partition: str
    status: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    run_retries: int
    will_retry: bool | None
    failure: str
    failed_steps: tuple[FailedStep, ...]
    step_retries: Mapping[str, int]
    service_failures: tuple[ServiceFailure, ...]
    checks: tuple[EvaluatedCheck, ...]
    planned: frozenset[str]
    materialized: frozenset[str]

    @property
    def succeeded(self) -> bool:
        return self.status == dg.DagsterRunStatus.SUCCESS.value

    @property
    def failed(self) -> bool:
        """Whether it failed for good: a cancelled run did not, nor one that Dagster starts again."""
        return self.status == dg.DagsterRunStatus.FAILURE.value and not self.will_retry

    @property
    def missing(self) -> frozenset[str]:
        """What it should have materialized and did not."""
        return self.planned - self.materialized


def asset_partition(asset: str, partition: str | None) -> str:
    """Name a partition of an asset, or an asset without partitions."""
    return f"{asset}@{partition}" if partition else asset
