"""One look at Dagster: the runs that ended, the schedule, the daemons; and what it must remember until the next."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone

import dagster as dg
import msgspec
from dagster._core.scheduler.instigation import InstigatorType
from dagster._core.storage.tags import PARTITION_NAME_TAG

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.events import Relief, Trouble
from seedtest_assets.alerting.incidents import is_owed, take_into_account
from seedtest_assets.alerting.text import duration
from seedtest_assets.alerting.verdicts import CALIBRATION, missed, news_of
from seedtest_assets.dagster_log.ended_runs import OVERLAP, RunEnd, asset_token, ended_runs
from seedtest_assets.schedules import nightly_schedule
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database

DAYS_BACK = 7
AWAY = timedelta(minutes=15)
"""No look for this long: the daemon was down."""
STALE = timedelta(minutes=10)
"""A part of the daemon that gave no sign of life for this long is stuck; they give one every 30 s."""
_DAEMONS = "/deployment/daemons"


@dataclass(frozen=True)
class Memory:
    """What one look hands to the next: Dagster keeps it as the sensor's cursor."""

    first: datetime
    last: datetime
    up_since: datetime
    after: int | None = None
    seen: tuple[int, ...] = ()
    irt_failures: int = 0
    irt_since: datetime | None = None


def read_memory(cursor: str | None, now: datetime) -> Memory:
    """The memory in a sensor's cursor; a new one at the first look."""
    if not cursor:
        return Memory(now, now, now)
    return msgspec.json.decode(cursor, type=Memory)


def write_memory(memory: Memory) -> str:
    """The cursor for the next look."""
    return msgspec.json.encode(memory).decode()


def look(
    instance: dg.DagsterInstance, database: Database, settings: Settings, memory: Memory, now: datetime
) -> tuple[Memory, int, int]:
    """Take everything new into account; gives the memory, the number of messages put into the outbox, and of open incidents."""
    news: list[Trouble | Relief] = []
    for run in ended_runs(instance, memory.after, memory.seen, now):
        service, memory = _irt_service(run, memory, settings)
        news += news_of(run, service)
        after = max(run.event_id, memory.after or 0)
        seen = tuple(one for one in (*memory.seen, run.event_id) if one > after - OVERLAP)
        memory = replace(memory, after=after, seen=seen)
    away = now - memory.last
    if away > AWAY:
        news.append(_was_away(memory.last, away, now))
        memory = replace(memory, up_since=now)
    news += daemon_news(instance, now, memory.up_since)
    channels = read_channels(settings.seedtest_alert_urls)
    n_messages, n_open = take_into_account(database, news, channels, settings.seedtest_ui_url)
    # Only now: a run that has just failed may already be the reason.
    late = missed_calibration(instance, database, settings, now, memory.first)
    if late:
        more, n_open = take_into_account(database, late, channels, settings.seedtest_ui_url)
        n_messages += more
    return replace(memory, last=now), n_messages, n_open


def missed_calibration(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime, since: datetime
) -> list[Trouble]:
    """The days that should be calibrated by now and are not, unless an open incident says why; one trouble for them all.

    since: days that were due before are let be: nobody was watching yet.
    """
    today = now.date()
    days = [today - timedelta(days=before) for before in range(1, DAYS_BACK + 1)]
    due = [day for day in days if max(since, _first_due(settings)) <= _due(day, settings) <= now]
    missing = sorted(
        day
        for day in due
        if not _calibrated(instance, day) and not is_owed(database, asset_token(CALIBRATION, str(day)))
    )
    if not missing:
        return []
    newest = missing[-1]
    others = (f"also missing: {', '.join(map(str, missing[:-1]))}",) if len(missing) > 1 else ()
    due_at = f"{CALIBRATION} of {newest} is not there; it was due at {_due(newest, settings):%Y-%m-%d %H:%M} UTC"
    how_much = (due_at, _why(instance, newest), *others)
    owed = frozenset(map(str, missing))
    return [missed(str(newest), now, nightly_schedule.name, how_much, "/overview/schedules", owed)]


def daemon_news(instance: dg.DagsterInstance, now: datetime, up_since: datetime) -> list[Trouble | Relief]:
    """Parts of the Dagster daemon that stopped giving signs of life, and those that give them.

    up_since: a part that was last seen before is given STALE from then on to come up.
    """
    beats = instance.get_daemon_heartbeats()
    seen = {kind: datetime.fromtimestamp(beat.timestamp, timezone.utc) for kind, beat in beats.items()}
    last = {kind: seen.get(kind, up_since) for kind in instance.get_required_daemon_types()}
    stopped = {kind: when for kind, when in last.items() if now - max(when, up_since) > STALE}
    news: list[Trouble | Relief] = [
        Relief(when, {f"daemon {kind}": "it gives signs of life again"}, _DAEMONS)
        for kind, when in last.items()
        if kind not in stopped
    ]
    if stopped:
        names = ", ".join(sorted(kind.lower().replace("_", " ") for kind in stopped))
        what = "the Dagster daemon stopped" if stopped == last else "a part of the Dagster daemon stopped"
        how_much = (
            f"no sign of life of {names} since {max(stopped.values()):%Y-%m-%d %H:%M} UTC; restart dagster-daemon",
        )
        owes = frozenset(f"daemon {kind}" for kind in stopped)
        news.append(Trouble("daemon", "error", now, what, "dagster-daemon", how_much, _DAEMONS, owes))
    return news


def _irt_service(run: RunEnd, memory: Memory, settings: Settings) -> tuple[str | None, Memory]:
    """Count failed calls in a row over the runs; since when, where this run makes them too many."""
    if any(token.startswith("mirt_item_params") for token in run.made):
        return None, replace(memory, irt_failures=0, irt_since=None)
    if not run.irt_failures:
        return None, memory
    since, limit = memory.irt_since or run.irt_failures[0], settings.seedtest_irt_failures
    n_before, n_now = memory.irt_failures, memory.irt_failures + len(run.irt_failures)
    if run.failed:
        crossed = n_before < limit <= n_now
        told = f"{since:%Y-%m-%d %H:%M} UTC ({n_now} in a row)" if crossed else None
        return told, replace(memory, irt_failures=n_now, irt_since=since)
    # Dagster retries the run: the line is crossed by what it ends with, if it was not before.
    return None, replace(memory, irt_failures=n_now if n_before >= limit else min(n_now, limit - 1), irt_since=since)


def _was_away(last: datetime, away: timedelta, now: datetime) -> Trouble:
    return Trouble(
        key="daemon away",
        level="warn",
        at=now,
        what="the Dagster daemon was down",
        where="dagster-daemon",
        how_much=(
            f"nothing was scheduled, started or watched from {last:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC ({duration(away)})",
        ),
        link=_DAEMONS,
        owes=frozenset(),
    )


def _due(day: date, settings: Settings) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(settings.fresh_by_hour), timezone.utc)


def _first_due(settings: Settings) -> datetime:
    return _due(settings.seedtest_start_date, settings)


def _calibrated(instance: dg.DagsterInstance, day: date) -> bool:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(CALIBRATION), asset_partitions=[str(day)])
    return bool(instance.fetch_materializations(wanted, limit=1).records)


def _why(instance: dg.DagsterInstance, day: date) -> str:
    """What there is to say of a calibration that is not there."""
    runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_NAME_TAG: str(day)}), limit=1)
    if runs:
        return f"its run {runs[0].run_id[:8]} is {runs[0].status.value}"
    states = {state.name: state for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)}
    state = states.get(nightly_schedule.name)
    if not (state.is_running if state else nightly_schedule.default_status == dg.DefaultScheduleStatus.RUNNING):
        return f"{nightly_schedule.name} is off: turn it on in the UI"
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1) if state else []
    if ticks and ticks[0].error:
        return f"the schedule's last tick failed: {ticks[0].error.message.strip().splitlines()[-1]}"
    return "no run was started for it"
