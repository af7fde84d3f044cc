"""What needs a person: pure functions on facts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from seedtest_assets.alerting.incidents import Incident
from seedtest_assets.alerting.keys import check_key
from seedtest_assets.alerting.message_layout import title_of
from seedtest_assets.cli.how_to_run import how_to_run, stretches
from seedtest_assets.cli.status.facts import SCHEDULE, HistoryFacts, StatusFacts
from seedtest_assets.cli.status.nights import Night
from seedtest_assets.dagster_log.tables import STALE, DagsterState
from seedtest_assets.errors import SeedtestError, sentences
from seedtest_assets.storage.database import known_revisions

Kind = Literal[
    "database",
    "dagster_database",
    "lake",
    "schema",
    "daemon",
    "incident",
    "failed_day",
    "failed_run",
    "missed_day",
    "failed_check",
    "alert_delivery",
]
_PARTS_NEEDED = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR")
"""Parts of the daemon without which no night runs, or nobody learns of it."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that needs a person. partition: the day that it is about, if it is about one, and the last of several."""

    kind: Kind
    text: str
    what_to_do: str
    partition: date | None = None


def needs(facts: StatusFacts, nights: Sequence[Night]) -> list[Need]:
    """List what needs a person, what keeps all nights from running first."""
    daemon = list(_daemon(facts))
    incidents = facts.history.incidents if isinstance(facts.history, HistoryFacts) else ()
    if daemon:  # the incident about it says no more
        incidents = [each for each in incidents if not all(key.startswith("daemon ") for key in each.pending)]
    return [
        *_unreadable(facts),
        *_schema(facts),
        *daemon,
        *_nights(facts, nights),
        *(need for incident in incidents for need in _incident(facts, incident)),
        *_not_sent(facts),
    ]


def _unreadable(facts: StatusFacts) -> Iterator[Need]:
    platform = facts.history if isinstance(facts.history, SeedtestError) else facts.revision
    if isinstance(platform, SeedtestError):
        yield Need(kind="database", text=str(platform), what_to_do="Examine the database: seedtest doctor")
    if isinstance(facts.dagster, SeedtestError):
        yield Need(
            kind="dagster_database",
            text=str(facts.dagster),
            what_to_do="Bring it back: without it nothing runs by itself",
        )
    if isinstance(facts.lake_days, SeedtestError):
        yield Need(kind="lake", text=str(facts.lake_days), what_to_do="Bring it back: without it no day can be run")


def _schema(facts: StatusFacts) -> Iterator[Need]:
    revision, known = facts.revision, known_revisions()
    if not isinstance(revision, str) or revision == known[0]:
        return
    schema = f"the schema {facts.database.schema} has revision {revision}"
    if revision in known:
        yield Need(
            kind="schema",
            text=f"{schema}, this version of seedtest needs {known[0]}",
            what_to_do="The next night migrates it, as does seedtest alert list at once",
        )
    else:
        yield Need(
            kind="schema",
            text=f"{schema}, which another version of seedtest made",
            what_to_do="Install that version",
        )


def _daemon(facts: StatusFacts) -> Iterator[Need]:
    dagster = facts.dagster
    if isinstance(dagster, SeedtestError) or not dagster.schedule_on:
        return
    advice = "Start it: seedtest dev, or dagster-daemon run. Then see which days are missing"
    if not dagster.heartbeats:
        yield Need(kind="daemon", text=f"{SCHEDULE} is on, and the daemon never ran", what_to_do=advice)
        return
    newest = max(dagster.heartbeats.values())
    stopped = {
        part: at for part in _PARTS_NEEDED if (at := dagster.heartbeats.get(part)) is not None and newest - at > STALE
    }
    if facts.now - newest > STALE:
        text = f"{SCHEDULE} is on, and the daemon is down since {newest:%Y-%m-%d %H:%M} UTC"
        yield Need(kind="daemon", text=text, what_to_do=advice)
    elif stopped:
        names = ", ".join(sorted(part.lower().replace("_", " ") for part in stopped))
        text = f"no heartbeat of the daemon's {names} since {max(stopped.values()):%Y-%m-%d %H:%M} UTC"
        yield Need(kind="daemon", text=text, what_to_do="Restart dagster-daemon")


def _nights(facts: StatusFacts, nights: Sequence[Night]) -> Iterator[Need]:
    """Give what went wrong in the days that are shown, and that no open incident explains."""
    incidents = facts.history.incidents if isinstance(facts.history, HistoryFacts) else ()
    pending = {key for incident in incidents for key in incident.pending}
    explained = {key.rpartition("@")[2] for key in pending if "@" in key}
    failed = {night.day: night for night in reversed(nights) if night.state == "failed"}
    for day, night in failed.items():
        if str(day) not in explained:
            yield _failed_day(day, night)
    if isinstance(facts.dagster, DagsterState) and facts.dagster.failed_fill:
        failure = facts.dagster.failed_fill
        yield Need(
            kind="failed_run",
            text=f"the run that fills the lake failed: {_with_step(failure.step, failure.reason)}",
            what_to_do=sentences(*failure.advice.splitlines(), "Then run the day: seedtest run"),
        )
    missed = [night.day for night in reversed(nights) if night.state == "missed" and str(night.day) not in explained]
    for stretch in stretches(missed):
        days = str(stretch[0]) if len(stretch) == 1 else f"{stretch[0]} to {stretch[-1]}"
        yield Need(
            kind="missed_day",
            text=f"no calibration of {days}, though {SCHEDULE} is on",
            what_to_do=f"Run the days, oldest first: {how_to_run(stretch)}",
            partition=stretch[-1],
        )
    for check in facts.failed_checks:
        # The failure of a day names the check that rejected it.
        if check.partition not in failed and check_key(check.asset, check.name, str(check.partition)) not in pending:
            yield Need(
                kind="failed_check",
                text=f"ERROR {check.name} {check.partition}, {check.asset}: {check.finding}",
                what_to_do=sentences(*check.advice.splitlines()) or how_to_run([check.partition]),
                partition=check.partition,
            )


def _failed_day(day: date, night: Night) -> Need:
    run = night.run
    assert run is not None
    if run.failure is None:
        text = f"run {run.run_id[:8]} of {day} has begun, and its process is gone"
        return Need(kind="failed_day", text=text, what_to_do=f"Run it again: {how_to_run([day])}", partition=day)
    return Need(
        kind="failed_day",
        text=f"run {run.run_id[:8]} of {day} failed at {_with_step(run.failure.step, run.failure.reason)}",
        what_to_do=sentences(*run.failure.advice.splitlines(), f"To run it again: {how_to_run([day])}"),
        partition=day,
    )


def _incident(facts: StatusFacts, incident: Incident) -> Iterator[Need]:
    day = day_of(incident)
    if not facts.all_incidents and day is not None and day < facts.first:
        return
    yield Need(
        kind="incident",
        text=f"{title_of(incident.level, incident.title)}, {incident.location}"
        + (f": {incident.finding}" if incident.finding else ""),
        what_to_do=sentences(
            *(incident.advice or ["See its run in the UI"]),
            f"If it will not be repaired: seedtest alert close {incident.incident_id}",
        ),
        partition=day,
    )


def _not_sent(facts: StatusFacts) -> Iterator[Need]:
    for stuck in facts.history.not_sent if isinstance(facts.history, HistoryFacts) else ():
        yield Need(
            kind="alert_delivery",
            text=f"alerts: {stuck}",
            what_to_do="Correct SEEDTEST_ALERT_URLS of the daemon, and try it with seedtest alert test",
        )


def day_of(incident: Incident) -> date | None:
    """Give the newest day that an incident is about."""
    days = [match[0] for text in (incident.title, *incident.pending) for match in _DAY.finditer(text)]
    return max(map(date.fromisoformat, days), default=None)


def _with_step(step: str, reason: str) -> str:
    return f"{step}: {reason}" if step else reason
