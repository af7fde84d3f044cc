"""The status in lines, for people."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from seedtest_assets.cli.doctor.publishing import judge_publishing
from seedtest_assets.cli.how_to_run import stretches
from seedtest_assets.cli.status.facts import SCHEDULE, HistoryFacts, StatusFacts
from seedtest_assets.cli.status.nights import Night
from seedtest_assets.dagster_log.tables import STALE, DagsterState
from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import HOME, old_name_warnings

STRETCHES_SHOWN = 3


def status_lines(facts: StatusFacts, nights: Sequence[Night]) -> Iterator[tuple[str, str]]:
    """Give pairs of a name and its state. What could not be looked up is left out: it is among what needs a person."""
    settings = facts.settings
    yield "database", facts.database.address if settings.database_url else f"embedded PostgreSQL in {HOME}"
    if not isinstance(facts.lake_days, SeedtestError):
        days = facts.lake_days
        yield "lake", f"{settings.seedtest_lake}: {len(days)} days" + (f", {days[0]} to {days[-1]}" if days else "")
    if isinstance(facts.history, HistoryFacts):
        yield from _history(facts, facts.history)
    elif facts.revision is None:
        yield "history", f"no schema {facts.database.schema} yet: the first night makes it"
    if nights:
        yield f"nights from {facts.first:%m-%d}", "; ".join(_nights(nights))
    if isinstance(facts.dagster, DagsterState):
        on = (
            f"on: next on {_next_run(facts)} at 03:00"
            if facts.dagster.schedule_on
            else f"off: turn {SCHEDULE} on in the UI"
        )
        yield "schedule 03:00 UTC", on
        yield "daemon", _daemon(facts, facts.dagster)
    yield from _alerts(facts)
    for line in old_name_warnings():
        yield "warning", line


def _history(facts: StatusFacts, history: HistoryFacts) -> Iterator[tuple[str, str]]:
    for table in history.tables:
        yield (
            table.name,
            f"newest partition {table.newest}, {table.n_rows:,} rows" if table.newest else "no partition yet",
        )
    fit = history.fit
    yield "newest fit", "none yet" if fit is None else f"{fit.run_id} at {fit.fitted_at:%Y-%m-%d %H:%M} UTC"
    yield "publishing", judge_publishing(history.publication, facts.settings).text


def _nights(nights: Sequence[Night]) -> Iterator[str]:
    """Give the days of each state, the newest state first."""
    for state in dict.fromkeys(night.state for night in nights):
        days = stretches([night.day for night in reversed(nights) if night.state == state])
        shown = [str(each[0]) if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in reversed(days)]
        more = f" and {len(shown) - STRETCHES_SHOWN} more" if len(shown) > STRETCHES_SHOWN else ""
        yield f"{state}: {', '.join(shown[:STRETCHES_SHOWN])}{more}"


def _next_run(facts: StatusFacts) -> str:
    today = facts.now.date()
    return str(today if facts.now.hour < 3 else today + timedelta(days=1))


def _daemon(facts: StatusFacts, dagster: DagsterState) -> str:
    if not dagster.heartbeats:
        return "never ran: nothing runs by itself until it does (seedtest dev)"
    newest = max(dagster.heartbeats.values())
    if facts.now - newest > STALE:
        return f"DOWN, last seen {newest:%Y-%m-%d %H:%M} UTC: nothing runs by itself, and no alert is sent"
    return "running"


def _alerts(facts: StatusFacts) -> Iterator[tuple[str, str]]:
    to = ", ".join(f"{channel.name} from {channel.level}" for channel in facts.channels)
    yield "alerts", f"to {to}" if to else "SEEDTEST_ALERT_URLS is not set here. The daemon has its own environment"
    if isinstance(facts.history, HistoryFacts):
        incidents = facts.history.incidents
        yield "open incidents", f"{len(incidents)}, newest: {incidents[0]}" if incidents else "none"
        for stuck in facts.history.not_sent:
            yield "alerts not sent", str(stuck)
