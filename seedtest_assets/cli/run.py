"""`seedtest run`: what the schedule does, for chosen days."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import ShowStep, console, plain, progress_line
from seedtest_assets.errors import SeedtestError, SettingsError, sentences

if TYPE_CHECKING:
    import dagster as dg

    from seedtest_assets.cli.run_days import DayRun


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
        in_short = refresh or days > 1
        run_and_report(instance, chosen, show, in_short=in_short, accept_failed_checks=accept_failed_checks)
    if refresh:
        console.print(
            f"run again: {', '.join(map(str, chosen))}" if chosen else "nothing to refresh: no answers came late"
        )


def run_and_report(
    instance: "dg.DagsterInstance",
    days: Sequence[date],
    show: ShowStep,
    *,
    in_short: bool = True,
    accept_failed_checks: bool = False,
) -> None:
    """Run days in order, and print what each came to: in short a line, and one for each check that did not pass.

    Raises SeedtestError at the first day that fails.
    """
    from seedtest_assets.cli.day_outcome import outcome_in_short, outcome_of_day
    from seedtest_assets.cli.run_days import run_day

    for day in days:
        result = run_day(instance, day, partial(_show_of_day, show, day), accept_failed_checks=accept_failed_checks)
        if in_short:
            lines = [(str(day), line) for line in outcome_in_short(result)]
        else:
            lines = [("day", str(day)), *outcome_of_day(result), *_report(day, result)]
        for name, line in lines:
            console.print(f"{name:10} {plain(line)}", soft_wrap=True, highlight=False)
        if result.failure:
            raise SeedtestError(_failure(result, [each for each in days if each >= day], accept_failed_checks))


def _report(day: date, result: "DayRun") -> list[tuple[str, str]]:
    """Say where the report is: a file where the lake is a folder of this machine, else its link."""
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.lake import Lake

    link = result.metadata.get("calibration_report", {}).get("report")
    lake = Lake(load_settings().seedtest_lake)
    return [("report", lake.report_path(day) if lake.local_folder else str(link))] if link else []


def _failure(result: "DayRun", days_left: Sequence[date], accept_failed_checks: bool) -> str:
    """Say in one line why a day failed and what to do, with the command that runs it and the days after it."""
    from seedtest_assets.cli.how_to_run import how_to_run
    from seedtest_assets.cli.run_days import INTERRUPTED

    option = " --accept-failed-checks" if accept_failed_checks else ""
    interrupted = result.failure == INTERRUPTED
    return sentences(
        f"run {result.run_id} of {days_left[0]} {'was interrupted' if interrupted else f'failed at {result.failure}'}",
        result.advice,
        f"To run it again: {how_to_run(days_left)}{option}",
    )


def _show_of_day(show: ShowStep, day: date, line: str, *, detail: bool = False) -> None:
    show(f"{day}: {line}", detail=detail)
