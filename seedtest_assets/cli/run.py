"""`seedtest run`: what the schedule does, for chosen days."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import ShowStep, console, plain, progress_line
from seedtest_assets.errors import SeedtestError, SettingsError

if TYPE_CHECKING:
    import dagster as dg


def run(
    day_given: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="UTC day (default: yesterday).")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="This many days up to the date, oldest first.")] = 1,
    accept_failed_checks: Annotated[
        bool, typer.Option(help="Write a calibration that a blocking check rejects.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option(help="Only days that answers came late for, of the last 7, and the days after them.")
    ] = False,
) -> None:
    """Do for one day what the 03:00 schedule does."""
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.cli.run_days import days_to_refresh, steps_of_a_day
    from seedtest_assets.cli.status import show_status
    from seedtest_assets.days import days_up_to, last_full_day
    from seedtest_assets.settings import load_settings, old_name_warnings

    load_settings()  # a bad setting is reported before anything starts
    day = day_given.date() if day_given else last_full_day()
    if refresh and days > 1:
        raise SettingsError("--refresh chooses the days itself. Leave --days out")
    for line in old_name_warnings():
        console.print(f"[yellow]warning[/yellow] {plain(line)}", soft_wrap=True, highlight=False)
    with open_instance() as instance, progress_line(None if refresh else days * steps_of_a_day()) as show:
        if refresh:
            show("comparing the source with the lake")
        chosen = days_to_refresh(day) if refresh else days_up_to(day, days)
        run_and_report(instance, chosen, show, accept_failed_checks)
    if refresh:
        console.print(
            f"run again: {', '.join(map(str, chosen))}" if chosen else "nothing to refresh: no answers came late"
        )
    show_status(instance)


def run_and_report(
    instance: "dg.DagsterInstance", days: Sequence[date], show: ShowStep, accept_failed_checks: bool = False
) -> None:
    """Run days in order, and print the checks that did not pass.

    Raises SeedtestError at the first day that fails.
    """
    from seedtest_assets.cli.run_days import run_day

    for day in days:
        result = run_day(instance, day, partial(_show_of_day, show, day), accept_failed_checks=accept_failed_checks)
        for line in result.failed_checks:
            console.print(f"[yellow]{day}[/yellow] {plain(line)}", soft_wrap=True, highlight=False)
        if result.failure:
            raise SeedtestError(f"run {result.run_id} of {day} failed at {result.failure}")


def _show_of_day(show: ShowStep, day: date, line: str, *, detail: bool = False) -> None:
    show(f"{day}: {line}", detail=detail)
