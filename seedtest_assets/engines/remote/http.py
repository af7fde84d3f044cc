"""One call to the IRT service, and what became of it: an answer, TransientError, or InputError."""

import gzip
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import msgspec
import requests
import urllib3

from seedtest_assets import __version__
from seedtest_assets.errors import IrtServiceError, IrtServiceRefusal, IrtServiceTimeout, SeedtestError, SettingsError

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 5.0
LONGEST_WAIT = 900.0
"""A service that asks for a longer wait is asked again after this one."""
LARGEST_REPLY = 2**30
WORTH_PACKING = 16 * 1024
MAY_PASS = {408, 425, 429}
"""Statuses that may pass by themselves, besides every 5xx."""


@dataclass(frozen=True)
class Call:
    """How one call went; bytes are those on the wire."""

    url: str
    attempt: int
    status: int
    seconds: float
    bytes_sent: int
    bytes_received: int
    service: str

    def __str__(self) -> str:
        return (
            f"POST {self.url} (attempt {self.attempt}): {self.status} in {self.seconds:.1f} s, "
            f"{self.bytes_sent:,} bytes sent, {self.bytes_received:,} received"
        )


class IrtConnection:
    """A session with the IRT service.

    timeout: seconds from the call to the last byte of its answer; connecting has CONNECT_SECONDS of its own.
    token: sent as a bearer token when there is one.

    Raises SettingsError for an address or a token that cannot be sent.
    """

    def __init__(self, base_url: str, timeout: float, token: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.session = requests.Session()
        self.session.headers["User-Agent"] = f"seedtest-assets/{__version__}"
        self.session.auth = _Bearer(token)
        if not self.base_url.startswith(("http://", "https://")):
            raise SettingsError(
                f"R_IRT_BASE_URL={base_url!r} is not allowed: an address starts with http:// or https://"
            )
        if "@" in self.base_url:
            raise SettingsError("R_IRT_BASE_URL is not allowed to hold a name or password: use R_IRT_INTERNAL_TOKEN")
        if token and (not token.isprintable() or token != token.strip()):
            raise SettingsError("R_IRT_INTERNAL_TOKEN is not allowed: a space at an end, or an unprintable character")
        try:
            self.session.prepare_request(requests.Request("POST", self.base_url))
        except (requests.RequestException, UnicodeError) as error:
            raise SettingsError(f"R_IRT_BASE_URL={base_url!r} is not allowed: {error}") from None

    def __enter__(self) -> "IrtConnection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()

    def post(self, path: str, body: bytes, attempt: int = 1) -> tuple[Any, Call]:
        """Send a JSON body; the parsed answer of a 2xx, and how the call went.

        Raises TransientError (with the service's Retry-After) for a service that is not there, hangs up, is too slow,
        or answers 408, 425, 429 or 5xx; InputError for any other answer that is no success, or no JSON. Both quote it.
        """
        url = self.base_url + path
        service, takes_gzip = self._probe()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if takes_gzip and len(body) > WORTH_PACKING:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        began = time.monotonic()
        with self._sorted(url, attempt, self.timeout):
            response, text, received = self._exchange("POST", url, self.timeout, data=body, headers=headers)
        call = Call(url, attempt, response.status_code, time.monotonic() - began, len(body), received, service)
        logger.log(logging.INFO if response.ok else logging.WARNING, "%s", call)
        return _answer(response, text, call), call

    def _probe(self) -> tuple[str, bool]:
        """The service's name and version, and whether it says that it takes gzip.

        What fails here is not told: it fails again in the call.
        """
        url, seconds = self.base_url + "/healthz", min(PROBE_SECONDS, self.timeout)
        try:
            with self._sorted(url, 1, seconds):
                response, text, _ = self._exchange("GET", url, seconds)
        except SeedtestError:
            return "unknown", False
        return _service_name(text), "gzip" in response.headers.get("Accept-Encoding", "")

    def _exchange(self, method: str, url: str, seconds: float, **more: Any) -> tuple[requests.Response, bytes, int]:
        """Send, and read the answer against the clock: the socket's own timeout never ends a slow drip."""
        deadline = time.monotonic() + seconds
        timeout = (min(CONNECT_SECONDS, seconds), seconds)
        with self.session.request(method, url, timeout=timeout, stream=True, allow_redirects=False, **more) as response:
            chunks, size = [], 0
            while chunk := response.raw.read1(2**20, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > LARGEST_REPLY:
                    raise IrtServiceRefusal(
                        f"{url} answered more than {LARGEST_REPLY:,} bytes, which no calibration needs"
                    )
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout()
            return response, b"".join(chunks), response.raw.tell()

    @contextmanager
    def _sorted(self, url: str, attempt: int, seconds: float) -> Iterator[None]:
        """Turn what the network can do into one line each."""
        name = f"the IRT service at {url}"
        setting = f"R_IRT_TIMEOUT_SECS={self.timeout:g}"
        try:
            yield
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise IrtServiceRefusal(f"{name} has a certificate that is not trusted: {_cause(error)}") from None
            raise IrtServiceError(f"{name} broke the connection off (attempt {attempt}): {_cause(error)}") from None
        except requests.ConnectTimeout:
            raise IrtServiceTimeout(f"{name} took no connection in time (attempt {attempt})") from None
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise IrtServiceTimeout(
                f"{name} did not answer in full within {seconds:g} s (attempt {attempt}); {setting} is the limit"
            ) from None
        except urllib3.exceptions.DecodeError as error:
            raise IrtServiceRefusal(f"{name} answered with broken compression: {error}") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise IrtServiceError(f"{name} is not reached, or broke off (attempt {attempt}): {_cause(error)}") from None


class _Bearer(requests.auth.AuthBase):
    """Set as the session's auth, so that no .netrc of the machine replaces it."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            # as bytes: a text would have to be Latin-1
            request.headers["Authorization"] = b"Bearer " + self.token.encode()  # type: ignore[assignment]
        return request


def _answer(response: requests.Response, text: bytes, call: Call) -> Any:
    if response.ok and not response.is_redirect:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IrtServiceRefusal(f"{call} answered no JSON ({error}): {_one_line(text)!r}") from None
    words = f"{call} says {_own_words(text)!r}"
    if response.status_code in MAY_PASS or response.status_code >= 500:
        raise IrtServiceError(words, _retry_after(response.headers.get("Retry-After")))
    if response.is_redirect:
        words = f"{call} sends elsewhere, to {response.headers['Location']}: set R_IRT_BASE_URL to that address"
    if response.status_code == 401:
        words += "; R_IRT_INTERNAL_TOKEN is the token that is sent"
    raise IrtServiceRefusal(words)


def _own_words(text: bytes) -> str:
    """What the service says is wrong: its `error`, which plumber boxes, or the beginning of the page."""
    try:
        told = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    if isinstance(told, dict):
        words = next((told[key] for key in ("error", "detail", "message") if told.get(key)), None)
        words = words[0] if isinstance(words, list) and words else words
        if words is not None:
            return _one_line(str(words).encode())
    return _one_line(text)


def _one_line(text: bytes) -> str:
    return " ".join(text[:2000].decode("utf-8", "replace").split())[:300]


def _service_name(text: bytes) -> str:
    try:
        told = msgspec.json.decode(text)
        name, version = (told[key][0] if isinstance(told[key], list) else told[key] for key in ("service", "version"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return "unknown"
    return _one_line(f"{name} {version}".encode())


def _retry_after(value: str | None) -> float | None:
    """Seconds from a number or an HTTP date, between 0 and LONGEST_WAIT; None when there is neither."""
    if value is None:
        return None
    try:
        if value.strip().isdecimal():
            seconds = float(value)
        else:
            seconds = (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(LONGEST_WAIT, max(0.0, seconds))


def _cause(error: BaseException) -> BaseException:
    """The first cause, which says more than the three layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
