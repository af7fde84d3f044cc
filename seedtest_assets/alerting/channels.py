"""Alert channels of SEEDTEST_ALERT_URLS, through Apprise. Addresses hold secrets and are never shown."""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import apprise

from seedtest_assets.alerting.events import LEVELS, Kind, Level
from seedtest_assets.errors import SettingsError

_BETWEEN = re.compile(r"[\s,;]+(?=(?:[a-z]+:)?[a-z0-9]+://)", re.IGNORECASE)
_ENTRY = re.compile(r"(?:(?P<level>[a-z]+):)?(?P<address>(?P<scheme>[a-z0-9]+)://.+)", re.IGNORECASE | re.DOTALL)
# A redirect turns the POST into a GET without the message, and a login page answers that with 200.
_ASSET = apprise.AppriseAsset(
    app_id="seedtest", app_desc="seedtest alerts", app_url="", async_mode=False, http_redirects=False
)

_apprise_log = logging.getLogger("apprise")
_apprise_log.propagate = False  # its lines may repeat an address; ours are cleaned first
_apprise_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One entry of SEEDTEST_ALERT_URLS: an Apprise address, and the lowest level that it takes."""

    number: int
    level: Level
    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """The service and its place in the list, which may be shown."""
        return f"{self.address.partition('://')[0]} #{self.number}"

    @property
    def fingerprint(self) -> str:
        """A stable id of the channel that shows nothing: truncated SHA-256 of its address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:16]

    def takes(self, level: Level) -> bool:
        """Tell whether messages of this level go to this channel."""
        return LEVELS.index(level) >= LEVELS.index(self.level)

    def send(self, title: str, body: str, level: Level, kind: Kind) -> str | None:
        """Send now; None when the service accepted the message, else the reason in one line."""
        notify_type = apprise.NotifyType.FAILURE if level == "error" else apprise.NotifyType.WARNING
        if kind == "resolved":
            notify_type = apprise.NotifyType.SUCCESS
        service = apprise.Apprise(asset=_ASSET)
        with _apprise_warnings() as warnings:
            service.add(self.address)
            sent = service.notify(
                body=body, title=title, notify_type=notify_type, body_format=apprise.NotifyFormat.TEXT
            )
        if sent:
            return None
        if not warnings:
            return "not sent, and Apprise gives no reason"
        return self._without_secrets(" ".join(warnings[-1].split()))

    def _without_secrets(self, line: str) -> str:
        service = apprise.Apprise.instantiate(self.address, asset=_ASSET)
        shown = urlsplit(service.url(privacy=True)).hostname if service else None
        parts = set(re.split(r"[/:@?&=,;+]+", self.address.partition("://")[2]))
        parts |= {unquote(part) for part in parts}
        for part in sorted((part for part in parts if len(part) > 3 and part != shown), key=len, reverse=True):
            line = line.replace(part, "***")
        return line[:300]


def read_channels(text: str | None) -> tuple[Channel, ...]:
    """Read SEEDTEST_ALERT_URLS: Apprise URLs between commas or spaces, each may begin with `warn:` or `error:`.

    Raises SettingsError naming the variable and the entry, never the address.
    """
    entries = _BETWEEN.split(text.strip(" \t\r\n,;")) if text and text.strip(" \t\r\n,;") else []
    return tuple(_read_channel(number, len(entries), entry) for number, entry in enumerate(entries, start=1))


def _read_channel(number: int, n_entries: int, entry: str) -> Channel:
    which = f"SEEDTEST_ALERT_URLS: entry {number} of {n_entries}"
    match = _ENTRY.fullmatch(entry.strip())
    if match is None:
        raise SettingsError(f"{which} is not a URL. Write service://…, for example warn:mailto://… or error:slack://…")
    level = (match["level"] or LEVELS[0]).lower()
    if level not in LEVELS:
        raise SettingsError(
            f"{which} has the level {level!r}, which is not allowed: write warn: or error:, or no level"
        )
    with _apprise_warnings():
        service = apprise.Apprise.instantiate(match["address"], asset=_ASSET)
    if service is None:
        raise SettingsError(
            f"{which} ({match['scheme']}://…) is not an address that Apprise understands. "
            "See https://appriseit.com/services/ for how this service's URL is written"
        )
    if service.redirects:
        raise SettingsError(
            f"{which} ({match['scheme']}://…) follows redirects, which lose messages. Remove redirect= and write the final address"
        )
    return Channel(number=number, level=level, address=match["address"])


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _apprise_warnings() -> Iterator[list[str]]:
    """Collect what Apprise logs: it gives its reasons nowhere else."""
    handler = _Collector()
    _apprise_log.addHandler(handler)
    try:
        yield handler.lines
    finally:
        _apprise_log.removeHandler(handler)
