"""`seedtest demo`: a simulated school whose last days are calibrated, and what to look at then."""

import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from seedtest_assets.cli.terminal import console, progress_line

N_DAYS = 74
"""Days of answers: what the runs of DAYS_BEFORE look back on."""

DAYS_BEFORE = (14, 2, 1, 0)
"""Runs, as days before the last full one: one of the previous 14-day window, so that improvement can rest on abilities."""

FAILED_CHECK = "assets/mirt_item_params?view=checks&checkDetail=anchor_drift"
GRAPH = "locations/seedtest_assets/asset-groups/psychometrics/lineage"


def demo(
    ui: Annotated[
        bool | None, typer.Option("--ui/--no-ui", help="Open the UI afterwards (default: in a terminal only).")
    ] = None,
) -> None:
    """Load a simulated school, run its last days, and open the UI with what there is to see."""
    from seedtest_assets.days import last_full_day
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import REPORTS_URL, load_settings

    enter_project()
    settings = load_settings()  # a value that is not allowed is reported before anything starts
    last = last_full_day()
    warm = [str(Path(sys.executable).with_name("seedtest")), "warm", "--model", settings.mirt_model]
    with subprocess.Popen(warm, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        _load(last)
        _run(last)
    if ui if ui is not None else console.is_terminal:
        from seedtest_assets.cli.dev import run_until_stopped

        run_until_stopped(lambda ui_url, reports_url: _show_what_there_is(last, ui_url, reports_url))
    else:
        console.print(f"\n{_program()} dev opens the Dagster UI and the reports. Then look at", soft_wrap=True)
        _show_what_there_is(last, settings.seedtest_ui_url, REPORTS_URL)


def _load(last: date) -> None:
    with progress_line(3) as show:
        show("starting the embedded PostgreSQL")
        from seedtest_assets.cli.instance import dagster_environment
        from seedtest_assets.cli.simulated_school import (
            SimulatedBank,
            load_school,
            simulate_school,
            with_outdated_anchor,
        )
        from seedtest_assets.settings import load_settings
        from seedtest_assets.storage.database import prepared_database

        os.environ.update(dagster_environment())
        database = prepared_database(load_settings())
        show("simulating a school of 2,000 students")
        school = with_outdated_anchor(simulate_school(last, SimulatedBank(partial_credit=True), n_days=N_DAYS, seed=6))
        show(f"loading {len(school.answers):,} answers")
        load_school(database, school)


def _run(last: date) -> None:
    with progress_line() as show:
        show("loading the project")
        from seedtest_assets.cli.instance import open_instance
        from seedtest_assets.cli.run import run_and_report
        from seedtest_assets.cli.run_days import steps_of_a_day

    days = [last - timedelta(days=before) for before in DAYS_BEFORE]
    with open_instance() as instance, progress_line(len(days) * steps_of_a_day()) as show:
        run_and_report(instance, days, show)


def _show_what_there_is(last: date, ui_url: str, reports_url: str | None) -> None:
    """Print what to look at and what to do next."""
    lines = [
        ("the assets and their checks", f"{ui_url}/{GRAPH}"),
        ("the report of the last day", f"{reports_url}/date={last}/calibration.html"),
        ("a failed check: a question that is no longer as hard as the bank says", f"{ui_url}/{FAILED_CHECK}"),
        ("next: calibrate a file of answers of your own", f"{_program()} calibrate FILE"),
        ("next: see whether your database is ready", f"DATABASE_URL=postgresql://… {_program()} doctor"),
    ]
    for what, line in lines:
        console.print(f"  {what}\n    {line}", highlight=False, soft_wrap=True, markup=False)


def _program() -> str:
    return "seedtest" if shutil.which("seedtest") else os.path.relpath(sys.argv[0])
