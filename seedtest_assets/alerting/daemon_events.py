"""Events of the Dagster daemon: a part of it that stopped, a daemon that was down, a schedule or sensor that fails."""

from datetime import datetime, timedelta

import dagster as dg

from seedtest_assets.alerting.events import Alert, Event, Recovery
from seedtest_assets.alerting.message_layout import duration
from seedtest_assets.dagster_log.daemon import last_heartbeats, last_ticks, parts_needed
from seedtest_assets.dagster_log.tables import STALE

# A day and a bit: a schedule that runs once a day has a tick in it.
TICKS_LOOKED_BACK = timedelta(hours=26)
_PAGE, _TICKS_PAGE = "/deployment/daemons", "/automation"
_LOCATION = "dagster-daemon"


def heartbeat_events(instance: dg.DagsterInstance, now: datetime, up_since: datetime) -> list[Event]:
    """Give an alert about the parts of the daemon that stopped, and a recovery for each that is alive.

    up_since: a part whose last heartbeat was before then has STALE from then on to come up.
    """
    heartbeats = last_heartbeats(instance)
    last = {part: heartbeats.get(part, up_since) for part in parts_needed(instance)}
    stopped = {part: when for part, when in last.items() if now - max(when, up_since) > STALE}
    events: list[Event] = [
        Recovery(at=when, resolves={_key(part): "its heartbeat is back"}, link=_PAGE)
        for part, when in last.items()
        if part not in stopped
    ]
    if stopped:
        names = ", ".join(sorted(part.lower().replace("_", " ") for part in stopped))
        events.append(
            Alert(
                key="daemon",
                level="error",
                at=now,
                title="the Dagster daemon stopped" if stopped == last else "a part of the Dagster daemon stopped",
                location=_LOCATION,
                finding=f"no heartbeat of {names} since {max(stopped.values()):%Y-%m-%d %H:%M} UTC",
                advice=("restart dagster-daemon",),
                link=_PAGE,
                pending=frozenset(map(_key, stopped)),
            )
        )
    return events


def tick_events(instance: dg.DagsterInstance, now: datetime) -> list[Event]:
    """Give an alert for each schedule and sensor whose last tick failed, and a recovery for each whose did not."""
    events: list[Event] = []
    for tick in last_ticks(instance, since=now - TICKS_LOOKED_BACK):
        key = f"tick {tick.name}"
        if tick.error is None:
            events.append(Recovery(at=tick.at, resolves={key: "its last tick succeeded"}, link=_TICKS_PAGE))
            continue
        events.append(
            Alert(
                key=key,
                level="error",
                at=tick.at,
                title=f"{tick.name} fails",
                location=tick.name,
                finding=f"its last tick failed: {tick.error}",
                advice=("see its ticks in the UI under Automation, and end the cause: until then it does nothing",),
                link=_TICKS_PAGE,
                pending=frozenset({key}),
            )
        )
    return events


def was_down(last_pass: datetime, now: datetime) -> Alert:
    """Report that the daemon was down: nothing to resolve, since it is back."""
    return Alert(
        key="daemon away",
        level="warn",
        at=now,
        title="the Dagster daemon was down",
        location=_LOCATION,
        finding=f"nothing was scheduled, started or monitored from {last_pass:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC "
        f"({duration(now - last_pass)})",
        link=_PAGE,
        pending=frozenset(),
    )


def _key(part: str) -> str:
    return f"daemon {part}"
