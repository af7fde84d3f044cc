"""The one error hierarchy. Every message is one line that says what failed and how to fix it."""

from collections.abc import Sequence

NAMED_IN_A_MESSAGE = 5


class SeedtestError(Exception):
    """A refusal or failure, with a message in the user's terms."""


class InputError(SeedtestError):
    """The data or the request is wrong. A retry changes nothing."""


class SettingsError(SeedtestError):
    """A setting has a value that is not allowed."""


class TransientError(SeedtestError):
    """An outside system did not answer. A retry may help, so the calibrate step retries it.

    `retry_after` is the wait in seconds that the other side asked for, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IrtServiceError(TransientError):
    """The IRT service is unreachable, broke the connection, or answered that it cannot serve now."""


class IrtServiceTimeout(IrtServiceError):
    """The IRT service did not connect or answer in full within the time limit."""


class IrtServiceRefusal(InputError):
    """The IRT service refused the request, or sent a reply that cannot be used; a retry changes nothing."""


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, or its type where the text is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_few(names: Sequence[object]) -> str:
    """List the first names in one line, with an ellipsis where there are more."""
    return ", ".join(map(str, names[:NAMED_IN_A_MESSAGE])) + (", …" if len(names) > NAMED_IN_A_MESSAGE else "")


def number_of(count: int, what: str) -> str:
    """Write a count with its noun: 1 row, 1,200 rows."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def sentences(*parts: str) -> str:
    """Join sentences, most of which come without a full stop; empty ones are left out."""
    joined = ""
    for part in filter(None, parts):
        joined += part if not joined else f"{'' if joined[-1] in '.?!' else '.'} {part}"
    return joined
