"""Call the IRT service: the parsed reply, or an error whose class says whether a retry may help."""

import gzip
import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests

from seedtest_assets import __version__
from seedtest_assets.engines.remote.failures import parsed_reply, service_name, translated_errors
from seedtest_assets.errors import IrtServiceRefusal, SeedtestError, SettingsError

logger = logging.getLogger(__name__)

# A host that does not answer at all is noticed this soon, however long calibrations may take.
CONNECT_SECONDS = 10.0
# /healthz of a healthy service answers in milliseconds.
PROBE_SECONDS = 5.0
# No calibration needs a larger reply.
MAX_REPLY_BYTES = 2**30
# Compressing less than this saves no time.
MIN_GZIP_BYTES = 16 * 1024


@dataclass(frozen=True)
class Call:
    """The outcome of a call. bytes_sent, bytes_received: of the bodies as they went over the wire."""

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

    timeout: seconds from the call to the last byte of the reply; connecting may take CONNECT_SECONDS of them.
    token: sent as a bearer token; None sends none.

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
        """Send a JSON body; return the parsed reply and the outcome of the call.

        Raises IrtServiceTimeout for a service that is too slow; IrtServiceError, with the service's Retry-After, for
        a service that cannot be reached, closes the connection, or answers 408, 425, 429 or 5xx; IrtServiceRefusal
        for any other failure and for a reply that is not JSON. Messages quote the service.
        """
        url = self.base_url + path
        service, takes_gzip = self._probe()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if takes_gzip and len(body) > MIN_GZIP_BYTES:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        began = time.monotonic()
        with translated_errors(url, attempt, seconds=self.timeout, limit=self.timeout):
            response, text, received = self._exchange("POST", url, self.timeout, data=body, headers=headers)
        call = Call(url, attempt, response.status_code, time.monotonic() - began, len(body), received, service)
        logger.log(logging.INFO if response.ok else logging.WARNING, "%s", call)
        return parsed_reply(response, text, url, attempt), call

    def _probe(self) -> tuple[str, bool]:
        """Ask for the service's name and version, and whether it accepts gzip.

        Errors are ignored: what fails here fails again in the call itself, with a message.
        """
        url, seconds = self.base_url + "/healthz", min(PROBE_SECONDS, self.timeout)
        try:
            with translated_errors(url, 1, seconds=seconds, limit=self.timeout):
                response, text, _ = self._exchange("GET", url, seconds)
        except SeedtestError:
            return "unknown", False
        return service_name(text), "gzip" in response.headers.get("Accept-Encoding", "")

    def _exchange(self, method: str, url: str, seconds: float, **options: Any) -> tuple[requests.Response, bytes, int]:
        """Send, and read the reply within the seconds: the timeout of a socket never ends a reply that trickles in."""
        deadline = time.monotonic() + seconds
        timeout = (min(CONNECT_SECONDS, seconds), seconds)
        with self.session.request(
            method, url, timeout=timeout, stream=True, allow_redirects=False, **options
        ) as response:
            chunks, size = [], 0
            while chunk := response.raw.read1(2**20, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise IrtServiceRefusal(
                        f"{url} answered more than {MAX_REPLY_BYTES:,} bytes, which no calibration needs"
                    )
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout()
            return response, b"".join(chunks), response.raw.tell()


class _Bearer(requests.auth.AuthBase):
    """The session's authentication; without one, requests would send what .netrc of the machine holds."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            # As bytes: a text is sent as Latin-1.
            request.headers["Authorization"] = b"Bearer " + self.token.encode()  # type: ignore[assignment]
        return request
