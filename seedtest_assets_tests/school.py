"""A small school whose nights many tests run, and what they read of a run."""

from datetime import date, timedelta
from functools import cache

import dagster as dg

from seedtest_assets.cli.run_days import DayRun, run_day
from seedtest_assets.cli.simulated_school import School, SimulatedBank, simulate_school
from seedtest_assets.cli.terminal import ShowStep
from seedtest_assets.schedules import ALERTS_SENT

LAST = date(2025, 3, 20)
"""The newest day with answers."""
DAY_BEFORE = LAST - timedelta(days=1)
"""The day whose night the fixture `night` has finished."""
N_ITEMS, N_ANCHORS = 40, 12


@cache
def small_school() -> School:
    return simulate_school(
        LAST, SimulatedBank(n_items=N_ITEMS, n_topics=4, n_anchors=N_ANCHORS), n_days=12, n_students=300
    )


def silent(line: str, *, detail: bool = False) -> None:
    """Show nothing of a run's progress."""


def run_night(instance: dg.DagsterInstance, day: date = LAST, show: ShowStep = silent, **how) -> DayRun:
    """Run a day as `seedtest run` does, without a line on the terminal."""
    return run_day(instance, day, show, **how)


def checks_of(instance: dg.DagsterInstance, run_id: str) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """{(asset, check): evaluation} of a run, but for the check of the alerts themselves; each once."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    checks = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]
    checks = [check for check in checks if check.check_name != ALERTS_SENT.name]
    by_name = {(check.asset_key.to_user_string(), check.check_name): check for check in checks}
    assert len(by_name) == len(checks)
    return by_name
