"""The status as one JSON object, for programs: its keys are documented in docs/operations.md, and stay."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timezone
from importlib.metadata import version
from typing import Any

from seedtest_assets.cli.status.attention import Need, day_of
from seedtest_assets.cli.status.facts import HistoryFacts, StatusFacts
from seedtest_assets.cli.status.nights import Night
from seedtest_assets.dagster_log.tables import STALE, DagsterState
from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import old_name_warnings
from seedtest_assets.storage.database import known_revisions


def status_json(facts: StatusFacts, nights: Sequence[Night], needs: Sequence[Need]) -> str:
    """Write the status as JSON; null is what could not be looked up, or is not there yet."""
    history = facts.history if isinstance(facts.history, HistoryFacts) else None
    dagster = facts.dagster if isinstance(facts.dagster, DagsterState) else None
    document = {
        "ok": not needs,
        "checked_at": facts.now,
        "version": version("seedtest-assets"),
        "since": facts.first,
        "needs_a_person": [
            {"kind": need.kind, "partition": need.partition, "text": need.text, "what_to_do": need.what_to_do}
            for need in needs
        ],
        "database": _database(facts),
        "lake": _lake(facts),
        "tables": {each.name: {"newest_partition": each.newest, "rows": each.n_rows} for each in history.tables}
        if history
        else None,
        "newest_fit": _fit(history) if history else None,
        "publishing": _publishing(facts, history) if history else None,
        "nights": [_night(night) for night in nights],
        "schedule": {"on": dagster.schedule_on, "on_since": dagster.schedule_since} if dagster else None,
        "daemon": _daemon(facts, dagster) if dagster else None,
        "alerts": _alerts(facts, history),
        "warnings": old_name_warnings(),
    }
    return json.dumps(document, default=_as_text)


def _as_text(value: Any) -> str:
    """Write a time as ISO 8601 in UTC, to the second, and a day as a day."""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    assert isinstance(value, date)
    return value.isoformat()


def _database(facts: StatusFacts) -> dict[str, Any]:
    revision = facts.revision
    return {
        "address": facts.database.address,
        "embedded": facts.settings.database_url is None,
        "schema": facts.database.schema,
        "revision": None if isinstance(revision, SeedtestError) else revision,
        "migrated": None if isinstance(revision, SeedtestError) else revision == known_revisions()[0],
    }


def _lake(facts: StatusFacts) -> dict[str, Any]:
    days = None if isinstance(facts.lake_days, SeedtestError) else facts.lake_days
    return {
        "address": facts.settings.seedtest_lake,
        "days": None if days is None else len(days),
        "first": days[0] if days else None,
        "last": days[-1] if days else None,
    }


def _fit(history: HistoryFacts) -> dict[str, Any] | None:
    fit = history.fit
    if fit is None:
        return None
    return {
        "run_id": fit.run_id,
        "partition": fit.day,
        "fitted_at": fit.fitted_at,
        **{name: fit.model_spec.get(f"n_{name}") for name in ("items", "persons", "observations")},
        "model": fit.model_spec.get("model"),
        "linked_to": fit.model_spec.get("linked_to"),
        "converged": fit.metrics.get("converged"),
    }


def _publishing(facts: StatusFacts, history: HistoryFacts) -> dict[str, Any]:
    state = history.publication
    return {
        "on": facts.settings.seedtest_publish,
        "version": facts.settings.seedtest_published_version,
        "published": state.published,
        "published_at": state.published_at,
        "pinned": state.pinned,
        "newest_accepted": state.newest_accepted,
    }


def _night(night: Night) -> dict[str, Any]:
    run, failure = night.run, night.run.failure if night.run else None
    return {
        "partition": night.day,
        "state": night.state.replace(" ", "_"),
        "run_id": run.run_id if run else None,
        "started_at": run.started_at if run else None,
        "ended_at": run.ended_at if run else None,
        "fitted_at": night.fitted_at,
        "failed_step": (failure.step or None) if failure else None,
        "reason": failure.reason if failure else None,
    }


def _daemon(facts: StatusFacts, dagster: DagsterState) -> dict[str, Any]:
    newest = max(dagster.heartbeats.values(), default=None)
    state = "never_ran" if newest is None else "down" if facts.now - newest > STALE else "running"
    return {"state": state, "last_heartbeat": newest}


def _alerts(facts: StatusFacts, history: HistoryFacts | None) -> dict[str, Any]:
    return {
        "channels": [{"name": channel.name, "level": channel.level} for channel in facts.channels],
        "open_incidents": None
        if history is None
        else [
            {
                "incident": incident.incident_id,
                "level": incident.level,
                "title": incident.title,
                "location": incident.location,
                "partition": day_of(incident),
                "opened_at": incident.opened_at,
                "occurrences": incident.occurrences,
            }
            for incident in history.incidents
        ],
        "not_sent": None
        if history is None
        else [
            {
                "channel": each.channel_name,
                "messages": each.n_messages,
                "oldest": each.oldest,
                "last_error": each.last_error,
            }
            for each in history.not_sent
        ],
    }
