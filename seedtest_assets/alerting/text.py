"""What a message says: what, where, how much, since when, and the link; short lines, for a phone."""

from datetime import datetime, timedelta
from typing import Any

from seedtest_assets.alerting.events import Kind, Level, Relief, Trouble

LONGEST_LINE = 600


def title_of(level: Level, what: str) -> str:
    """The first words of every message about an incident."""
    return f"{level.upper()} {what}"


def opened_text(trouble: Trouble, kind: Kind, since: datetime, ui_url: str) -> tuple[str, str]:
    """Title and body for an incident that opens or gets worse."""
    worse = " (was a warning)" if kind == "worse" else ""
    lines = [trouble.where, *trouble.how_much, f"since {_minute(since)}", _link(ui_url, trouble.link)]
    return title_of(trouble.level, trouble.what) + worse, _body(lines)


def resolved_text(incident: Any, lines: tuple[str, ...], relief: Relief, ui_url: str) -> tuple[str, str]:
    """Title and body for an incident that is over. incident: its row of seedtest_incident, as it was before."""
    seen = f", seen {incident.times} times" if incident.times > 1 else ""
    lasted = f"open from {_minute(incident.opened_at)} for {duration(relief.at - incident.opened_at)}{seen}"
    return f"RESOLVED {incident.what}", _body([incident.at_what, *lines, lasted, _link(ui_url, relief.link)])


def duration(length: timedelta) -> str:
    """In the two largest units that say something: 3 d 4 h, 5 h 12 min, 7 min."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def digest_text(messages: list[Any]) -> tuple[str, str]:
    """Title and body of one message in the place of many. messages: rows of seedtest_alert_message."""
    lines = [f"{message.title}, {message.body.splitlines()[0]}" for message in messages]
    link = messages[-1].body.splitlines()[-1]
    return f"{len(messages)} alerts", "\n".join([*lines, f"the last one: {link}"])


def _body(lines: list[str]) -> str:
    return "\n".join(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…" for line in lines)


def _minute(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _link(ui_url: str, path: str) -> str:
    return ui_url.rstrip("/") + path
