"""Failures of the IRT service as errors of this project: their class says whether a retry may help."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import requests
import urllib3

from seedtest_assets.errors import IrtServiceError, IrtServiceRefusal, IrtServiceTimeout

# Longest wait that a service can ask for by Retry-After.
MAX_RETRY_AFTER_SECONDS = 900.0
# Statuses worth a retry, besides every 5xx.
RETRYABLE_STATUSES = {408, 425, 429}
# Characters of a service's text that a message quotes, and bytes of it that are read for that.
QUOTED_CHARACTERS, QUOTED_BYTES = 300, 2000


@contextmanager
def translated_errors(url: str, attempt: int, *, seconds: float, limit: float) -> Iterator[None]:
    """Translate the errors of the network, each to a message of one line.

    seconds: how long the exchange may take; limit: R_IRT_TIMEOUT_SECS.
    """
    service = f"the IRT service at {url}"
    try:
        yield
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise IrtServiceRefusal(f"{service} has a certificate that is not trusted: {_cause(error)}") from None
        raise IrtServiceError(f"{service} broke the TLS connection (attempt {attempt}): {_cause(error)}") from None
    except requests.ConnectTimeout:
        raise IrtServiceTimeout(f"{service} did not accept a connection in time (attempt {attempt})") from None
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        raise IrtServiceTimeout(
            f"{service} did not answer in full within {seconds:g} s (attempt {attempt}). "
            f"R_IRT_TIMEOUT_SECS={limit:g} is the limit"
        ) from None
    except urllib3.exceptions.DecodeError as error:
        raise IrtServiceRefusal(f"{service} answered with broken compression: {error}") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise IrtServiceError(
            f"{service} could not be reached or closed the connection (attempt {attempt}): {_cause(error)}"
        ) from None


def parsed_reply(response: requests.Response, text: bytes, url: str, attempt: int) -> Any:
    """Parse a 2xx; raise IrtServiceError or IrtServiceRefusal for everything else."""
    service = f"the IRT service at {url}"
    if response.ok and not response.is_redirect:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IrtServiceRefusal(f"{service} answered no JSON ({error}): {_one_line(text)!r}") from None
    if response.is_redirect:
        location = response.headers["Location"]
        raise IrtServiceRefusal(f"{service} redirects to {location}. Set R_IRT_BASE_URL to that address")
    message = f"{service} says {_reason(text)!r} (status {response.status_code}, attempt {attempt})"
    if response.status_code in RETRYABLE_STATUSES or response.status_code >= 500:
        raise IrtServiceError(message, _retry_after(response.headers.get("Retry-After")))
    if response.status_code == 401:
        message += ". R_IRT_INTERNAL_TOKEN is the token that is sent"
    raise IrtServiceRefusal(message)


def service_name(text: bytes) -> str:
    """Read the service's name and version from its answer to /healthz."""
    reply = _json_object(text)
    try:
        name, version = (
            reply[key][0] if isinstance(reply[key], list) else reply[key] for key in ("service", "version")
        )
    except LookupError:
        return "unknown"
    return _one_line(f"{name} {version}".encode())


def _reason(text: bytes) -> str:
    """Find the reason that the service gives: its `error`, which plumber boxes, or the beginning of the page."""
    reply = _json_object(text)
    reason = next((reply[key] for key in ("error", "detail", "message") if reply.get(key)), None)
    if isinstance(reason, list) and reason:
        reason = reason[0]
    return _one_line(text if reason is None else str(reason).encode())


def _json_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object; empty for everything else."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _one_line(text: bytes) -> str:
    return " ".join(text[:QUOTED_BYTES].decode("utf-8", "replace").split())[:QUOTED_CHARACTERS]


def _retry_after(value: str | None) -> float | None:
    """Read seconds from a number or an HTTP date, from 0 to MAX_RETRY_AFTER_SECONDS; None for neither."""
    if value is None:
        return None
    try:
        if value.strip().isdecimal():
            seconds = float(value)
        else:
            seconds = (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(MAX_RETRY_AFTER_SECONDS, max(0.0, seconds))


def _cause(error: BaseException) -> BaseException:
    """Find the first cause: the layers of requests and urllib3 around it repeat it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
