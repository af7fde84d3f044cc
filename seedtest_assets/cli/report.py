"""`seedtest report`: where the calibration report of a day is."""

import webbrowser
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console
from seedtest_assets.errors import InputError

if TYPE_CHECKING:
    from seedtest_assets.storage.lake import Lake


def report(
    day_given: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="UTC day (default: the newest).")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve all reports to this machine, until Ctrl-C.")] = False,
    port: Annotated[int | None, typer.Option(help="With --serve (default: 3001).", min=1, max=65535)] = None,
    open_it: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open it in a browser (default: from a terminal only).")
    ] = None,
) -> None:
    """Print the path of a day's calibration report, and open it; or serve all of them over HTTP."""
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.lake import Lake

    enter_project()
    lake = Lake(load_settings().seedtest_lake)
    if serve:
        _serve(lake, port)
        return
    days = lake.report_days()
    if not days:
        raise InputError(f"{lake.url} has no report yet. seedtest run makes one")
    day = day_given.date() if day_given else days[-1]
    if day not in days:
        raise InputError(f"{day} has no report. There are {len(days)}, from {days[0]} to {days[-1]}")
    path = lake.report_path(day)
    console.print(path, highlight=False, soft_wrap=True, markup=False)
    if lake.local_folder and (open_it if open_it is not None else console.is_terminal):
        webbrowser.open(Path(path).absolute().as_uri())


def _serve(lake: "Lake", port: int | None) -> None:
    from seedtest_assets.report.server import serve_reports
    from seedtest_assets.settings import REPORTS_PORT

    folder = lake.reports_folder()
    if folder is None:
        raise InputError(f"SEEDTEST_LAKE={lake.url} is no folder of this machine. Its store serves the reports itself")
    serve_reports(
        folder,
        REPORTS_PORT if port is None else port,
        lambda address: console.print(f"Reports: {address}", highlight=False),
    )
