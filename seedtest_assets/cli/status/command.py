"""`seedtest status`: what there is, how fresh it is, whether anything will happen tonight, and what needs a person."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Annotated

import typer

from seedtest_assets.cli.terminal import console, plain

_LENGTH = re.compile(r"([1-9]\d{0,3})([dw])")
_DAYS = {"d": 1, "w": 7}


def status(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE|7d|2w",
            help="First UTC day that is shown and judged, or how many days up to yesterday (default: 7d, and all open incidents).",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the last days, row counts, the newest fit, schedule and alerts. Exit code 1 where something needs a person."""
    now = datetime.now(timezone.utc)
    first = None if since is None else _first_day(since, now.date() - timedelta(days=1))

    from seedtest_assets.cli.status.attention import needs
    from seedtest_assets.cli.status.facts import look_up
    from seedtest_assets.cli.status.json_form import status_json
    from seedtest_assets.cli.status.lines import status_lines
    from seedtest_assets.cli.status.nights import nights
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings

    enter_project()
    facts = look_up(load_settings(), now, first)
    days = nights(facts)
    needed = needs(facts, days)
    if as_json:
        print(status_json(facts, days, needed))
    else:
        for name, line in status_lines(facts, days):
            console.print(f"{name:20}  {plain(line)}", soft_wrap=True, highlight=False)
        for need in needed:
            text = f"[yellow]needs a person[/yellow]        {plain(need.text)}. What to do: {plain(need.what_to_do)}"
            console.print(text, soft_wrap=True, highlight=False)
    if needed:
        raise typer.Exit(1)


def _first_day(since: str, last: date) -> date:
    """Read --since: a day, or a number of days or weeks that end with the last full day."""
    length = _LENGTH.fullmatch(since)
    if length:
        return last - timedelta(days=int(length[1]) * _DAYS[length[2]] - 1)
    try:
        day = datetime.strptime(since, "%Y-%m-%d").date()
    except ValueError:
        raise typer.BadParameter(
            f"{since!r} is neither a day nor a number of days or weeks. Write 2026-11-20, 7d or 2w",
            param_hint="--since",
        ) from None
    if day > last:
        raise typer.BadParameter(
            f"{day} is after {last}, the last full day. Write an earlier one", param_hint="--since"
        )
    return day
