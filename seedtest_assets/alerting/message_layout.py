"""The layout of a message: what, where, how much, what to do, since when, and the link. Short lines, for a phone.

The words come with the events: run_events, daemon_events and missed_calibrations, and of a failed check from its judgement.
"""

from datetime import datetime, timedelta
from typing import Any

from seedtest_assets.alerting.events import Alert, Kind, Level, Recovery

LONGEST_LINE = 600
_ADVICE = "What to do: "


def title_of(level: Level, title: str) -> str:
    """Give the first line of every message about an incident."""
    return f"{level.upper()} {title}"


def opened_message(alert: Alert, kind: Kind, since: datetime, ui_url: str) -> tuple[str, str]:
    """Lay out title and body for an incident that opens or gets worse."""
    escalated = " (was a warning)" if kind == "escalated" else ""
    advice = [f"{_ADVICE}{line}" for line in alert.advice]
    lines = [
        alert.location,
        alert.finding,
        *advice,
        *alert.details,
        f"since {_minute(since)}",
        _link(ui_url, alert.link),
    ]
    return title_of(alert.level, alert.title) + escalated, _body(lines)


def finding_in(body: str) -> str:
    """Give what happened, from the body of opened_message."""
    return "".join(body.splitlines()[1:2])


def advice_in(body: str) -> list[str]:
    """List what an operator does about it, from the body of opened_message."""
    return [line.removeprefix(_ADVICE) for line in body.splitlines() if line.startswith(_ADVICE)]


def resolved_message(incident: Any, lines: tuple[str, ...], recovery: Recovery, ui_url: str) -> tuple[str, str]:
    """Lay out title and body for an incident that is over. incident: its row, as it was before."""
    seen = f", seen {incident.occurrences} times" if incident.occurrences > 1 else ""
    lasted = f"open from {_minute(incident.opened_at)} for {duration(recovery.at - incident.opened_at)}{seen}"
    return f"RESOLVED {incident.title}", _body([incident.location, *lines, lasted, _link(ui_url, recovery.link)])


def digest_message(messages: list[Any]) -> tuple[str, str]:
    """Lay out one message in the place of many. messages: rows of the outbox."""
    lines = [f"{message.title}, {message.body.splitlines()[0]}" for message in messages]
    link = messages[-1].body.splitlines()[-1]
    return f"{len(messages)} alerts", "\n".join([*lines, f"the last one: {link}"])


def duration(length: timedelta) -> str:
    """Give a length of time in its two largest units: 3 d 4 h, 5 h 12 min, 7 min."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _body(lines: list[str]) -> str:
    return "\n".join(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…" for line in lines)


def _minute(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _link(ui_url: str, path: str) -> str:
    return ui_url.rstrip("/") + path
