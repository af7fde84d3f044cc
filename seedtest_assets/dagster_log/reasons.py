"""The reason in an error as Dagster stores it, whether Dagster itself or PostgreSQL's JSON gives it back."""

from collections.abc import Iterator
from typing import Any

from seedtest_assets.errors import SeedtestError

# Metadata of a failure or a check that says what an operator does about it.
ADVICE = "what_to_do"
# Metadata of a check: what its numbers were held against, as text.
LIMITS = "limits"

# Dagster's class for a failure that a step reports on purpose, as it stores its name.
FAILURE = "Failure"
_WRAPPERS = ("Dagster", "SensorExecution", "ScheduleExecution", "RetryRequested", FAILURE)


def reason_in(description: str | None, error: Any) -> str:
    """Give a failure's description, or else the first line of the error below Dagster's wrappers.

    error: has cls_name, message and cause, as Dagster stores an exception; or None.
    """
    if description:
        return " ".join(description.split())
    while error and error.cause and (error.cls_name or "").startswith(_WRAPPERS):
        error = error.cause
    if error is None:
        return "failed"
    text = error.message.strip()
    if error.cls_name in {kind.__name__ for kind in _kinds(SeedtestError)} | {FAILURE}:
        text = text.partition(": ")[2]  # these explain themselves; of any other error the class says something, too
    return next(iter(text.splitlines()), error.cls_name or "failed")


def _kinds(parent: type[BaseException]) -> Iterator[type[BaseException]]:
    yield parent
    for kind in parent.__subclasses__():
        yield from _kinds(kind)
