"""Where alerts go: SEEDTEST_ALERT_URLS, read, checked, and sent to through Apprise. Addresses hold secrets and are never shown."""

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
_ASSET = apprise.AppriseAsset(app_id="seedtest", app_desc="seedtest alerts", app_url="", async_mode=False)

_apprise_log = logging.getLogger("apprise")
_apprise_log.propagate = False  # its lines may repeat an address; what is worth telling is told without secrets
_apprise_log.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Channel:
    """One entry of SEEDTEST_ALERT_URLS: an Apprise address, and the lowest level that it takes."""

    number: int
    level: Level
    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """What may be shown: the service and its place in the list."""
        return f"{self.address.partition('://')[0]} #{self.number}"

    @property
    def fingerprint(self) -> str:
        """Knows the channel again after a restart, without its secrets."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:16]

    def takes(self, level: Level) -> bool:
        """Whether a message of this level is for this channel."""
        return LEVELS.index(level) >= LEVELS.index(self.level)

    def send(self, title: str, body: str, level: Level, kind: Kind) -> str | None:
        """Send now; None when the service took it, else the reason in one line."""
        notify_type = apprise.NotifyType.FAILURE if level == "error" else apprise.NotifyType.WARNING
        if kind == "resolved":
            notify_type = apprise.NotifyType.SUCCESS
        service = apprise.Apprise(asset=_ASSET)
        with _what_apprise_says() as lines:
            service.add(self.address)
            sent = service.notify(
                body=body, title=title, notify_type=notify_type, body_format=apprise.NotifyFormat.TEXT
            )
        if sent:
            return None
        return self._without_secrets(" ".join(lines[-1].split()) if lines else "not sent, and Apprise gives no reason")

    def _without_secrets(self, line: str) -> str:
        service = apprise.Apprise.instantiate(self.address, asset=_ASSET)
        shown = urlsplit(service.url(privacy=True)).hostname if service else None
        parts = set(re.split(r"[/:@?&=,;+]+", self.address.partition("://")[2]))
        parts |= {unquote(part) for part in parts}
        for part in sorted((part for part in parts if len(part) > 3 and part != shown), key=len, reverse=True):
            line = line.replace(part, "***")
        return line[:300]


def read_channels(text: str | None) -> tuple[Channel, ...]:
    """The channels of SEEDTEST_ALERT_URLS: Apprise URLs between commas or spaces, each may begin with `warn:` or `error:`.

    Raises SettingsError naming the variable and the entry, never the address.
    """
    entries = _BETWEEN.split(text.strip(" \t\r\n,;")) if text and text.strip(" \t\r\n,;") else []
    return tuple(_channel(number, len(entries), entry) for number, entry in enumerate(entries, start=1))


def _channel(number: int, n: int, entry: str) -> Channel:
    which = f"SEEDTEST_ALERT_URLS: entry {number} of {n}"
    found = _ENTRY.fullmatch(entry.strip())
    if found is None:
        raise SettingsError(f"{which} is no URL; write service://…, for example warn:mailto://… or error:slack://…")
    level = (found["level"] or LEVELS[0]).lower()
    if level not in LEVELS:
        raise SettingsError(
            f"{which} has the level {level!r}, which is not allowed: write warn: or error:, or no level"
        )
    with _what_apprise_says():
        known = apprise.Apprise.instantiate(found["address"], asset=_ASSET)
    if known is None:
        raise SettingsError(
            f"{which} ({found['scheme']}://…) is not an address that Apprise understands; "
            "see https://appriseit.com/services/ for how this service's URL is written"
        )
    return Channel(number, level, found["address"])


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _what_apprise_says() -> Iterator[list[str]]:
    handler = _Lines()
    _apprise_log.addHandler(handler)
    try:
        yield handler.lines
    finally:
        _apprise_log.removeHandler(handler)
