"""How each of the last days went: pure functions on facts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from seedtest_assets.cli.status.facts import HistoryFacts, StatusFacts
from seedtest_assets.dagster_log.tables import DagsterState, DayOfRuns
from seedtest_assets.days import due_at

NightState = Literal["done", "running", "failed", "missed", "waiting", "not run"]
"""missed: the schedule was on, and the day is not calibrated. waiting: it is not due yet. not run: nobody asked for it."""

SCHEDULED_HOUR = 3


@dataclass(frozen=True, kw_only=True)
class Night:
    """A day, and the newest run that calibrates it. fitted_at: of the day's calibration in history."""

    day: date
    state: NightState
    run: DayOfRuns | None
    fitted_at: datetime | None


def nights(facts: StatusFacts) -> list[Night]:
    """Judge each day that is shown, the newest first; empty where Dagster or history could not be read."""
    dagster = facts.dagster
    if not isinstance(dagster, DagsterState) or not isinstance(facts.history, HistoryFacts | None):
        return []
    fitted = facts.history.fitted if facts.history else {}
    days = [facts.last - timedelta(days=before) for before in range((facts.last - facts.first).days + 1)]
    return [
        Night(
            day=day,
            state=_state(facts, dagster, day, fitted.get(day)),
            run=dagster.runs.get(day),
            fitted_at=fitted.get(day),
        )
        for day in days
    ]


def _state(facts: StatusFacts, dagster: DagsterState, day: date, fitted_at: datetime | None) -> NightState:
    run = dagster.runs.get(day)
    if run is not None:
        if run.status == "SUCCESS":
            return "done"
        if run.is_gone or (run.status == "FAILURE" and not run.will_retry):
            return "failed"
        if run.status not in ("CANCELED", "CANCELING"):
            return "running"
    if fitted_at is not None:
        return "done"
    since = dagster.schedule_since
    if not dagster.schedule_on or (since is not None and since > due_at(day, SCHEDULED_HOUR)):
        return "not run"
    return "missed" if facts.now >= due_at(day, facts.settings.fresh_by_hour) else "waiting"
