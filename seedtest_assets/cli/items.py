"""`seedtest items`: the items that need a person, why, and what to do; or all statistics as a file."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console, plain
from seedtest_assets.errors import InputError, number_of
from seedtest_assets.item_flags import BY_NAME, NEED_A_PERSON, reason_of, with_flags, worst_first

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from seedtest_assets.storage.database import Database

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so."""


def items(
    flag: Annotated[str | None, typer.Option(help=f"Only items with this flag: {', '.join(BY_NAME)}.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every statistic of the items to this file.")] = None,
    day_given: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="UTC day (default: the newest).")
    ] = None,
) -> None:
    """List the items that need a person, worst first, each with its reason and what to do."""
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.item_statistics import read_item_statistics

    if flag is not None and flag not in BY_NAME:
        raise InputError(f"--flag {flag}: there is no such flag. There are {', '.join(BY_NAME)}")
    target = None if csv is None else csv.absolute()  # before the project's folder becomes the working directory
    enter_project()
    database = prepared_database(load_settings())
    day = _day(database, day_given.date() if day_given else None)
    statistics = worst_first(read_item_statistics(database, day))
    wanted = [flag] if flag else NEED_A_PERSON
    flagged = with_flags(statistics, wanted)
    if target is not None:
        rows = flagged if flag else statistics
        _write(rows, target)
        console.print(f"{number_of(len(rows), 'item')} of {day} written to {plain(str(csv))}", highlight=False)
        return
    for row in flagged.to_dict("records"):
        shown = [flag] if flag else [name for name in row["flags"] if name in wanted]
        console.print(f"[bold]{plain(str(row['item_id']))}[/bold]  {', '.join(shown)}", highlight=False)
        for name in shown:
            console.print(f"    {reason_of(name, row)} {BY_NAME[name].action}", highlight=False, soft_wrap=True)
    what = f"have the flag {flag}" if flag else "need a person"
    console.print(f"{len(flagged):,} of the {number_of(len(statistics), 'item')} of {day} {what}", highlight=False)


def _day(database: "Database", wanted: "date | None") -> "date":
    from seedtest_assets.storage.item_statistics import newest_day_of_statistics

    newest = newest_day_of_statistics(database, wanted)
    if newest is None:
        raise InputError(
            f"there are no item statistics{f' up to {wanted}' if wanted else ' yet'}. seedtest run makes them"
        )
    if wanted and newest != wanted:
        raise InputError(f"{wanted} has no item statistics. The newest before it are of {newest}")
    return newest


def _write(rows: "pd.DataFrame", path: Path) -> None:
    """Write a CSV that a spreadsheet opens as text: an id that it would run as a formula begins with an apostrophe."""
    ids = [f"'{item}" if str(item).startswith(FORMULA_STARTS) else item for item in rows["item_id"]]
    table = rows.assign(item_id=ids, flags=[";".join(flags) for flags in rows["flags"]])
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
