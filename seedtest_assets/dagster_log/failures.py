"""Why a step failed, or is retried: read from the error and its causes as Dagster stores them."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from seedtest_assets.dagster_log.private import DagsterExecutionInterruptedError
from seedtest_assets.dagster_log.reasons import ADVICE, reason_in
from seedtest_assets.errors import IrtServiceError, IrtServiceRefusal, IrtServiceTimeout

# Dagster stores of an exception its class's name, its text and its causes, not the class.
_SERVICE_FAILURES = {failure.__name__ for failure in (IrtServiceError, IrtServiceTimeout, IrtServiceRefusal)}


def reason_of(event: dg.DagsterEvent) -> str:
    """Give the step's reason: a failure's description, or else the first line of the error below Dagster's wrappers."""
    failure = _user_failure(event)
    return reason_in(failure.description if failure else None, next(iter(_errors(event)), None))


def advice_of(event: dg.DagsterEvent) -> str | None:
    """Give what a failure says is to be done about it."""
    failure = _user_failure(event)
    return text_of(failure.metadata, ADVICE) if failure else None


def is_service_failure(event: dg.DagsterEvent) -> bool:
    """Tell whether the IRT service is the cause: unreachable, too slow, or with an answer that cannot be used."""
    return any(error.cls_name in _SERVICE_FAILURES for error in _errors(event))


def is_service_timeout(event: dg.DagsterEvent) -> bool:
    """Tell whether the IRT service is the cause by not answering in time."""
    return any(error.cls_name == IrtServiceTimeout.__name__ for error in _errors(event))


def was_interrupted(event: dg.DagsterEvent) -> bool:
    """Tell whether an interrupt of the run's process (Ctrl-C, SIGTERM, the UI) is the cause."""
    return any(error.cls_name == DagsterExecutionInterruptedError.__name__ for error in _errors(event))


def text_of(metadata: Any, name: str) -> str | None:
    """Give an entry of metadata if it is a text."""
    value = metadata.get(name)
    return value.text if isinstance(value, dg.TextMetadataValue) else None


def _user_failure(event: dg.DagsterEvent) -> Any:
    return getattr(event.event_specific_data, "user_failure_data", None)


def _errors(event: dg.DagsterEvent) -> Iterator[Any]:
    """List the error and its causes, outermost first."""
    error = getattr(event.event_specific_data, "error", None)
    while error is not None:
        yield error
        error = error.cause
