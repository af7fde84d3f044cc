"""`seedtest …`: everything that can be done from a terminal."""

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from seedtest_assets.cli.alert import alert
from seedtest_assets.cli.backup import backup, restore
from seedtest_assets.cli.calibrate import calibrate
from seedtest_assets.cli.compare import compare
from seedtest_assets.cli.demo import demo
from seedtest_assets.cli.dev import dev
from seedtest_assets.cli.dif import dif
from seedtest_assets.cli.doctor.command import doctor
from seedtest_assets.cli.import_answers import import_
from seedtest_assets.cli.init import init
from seedtest_assets.cli.items import items
from seedtest_assets.cli.lake import lake
from seedtest_assets.cli.local import down, env
from seedtest_assets.cli.publish import publish
from seedtest_assets.cli.report import report
from seedtest_assets.cli.run import run
from seedtest_assets.cli.serve import serve
from seedtest_assets.cli.status.command import status
from seedtest_assets.cli.terminal import errors, plain
from seedtest_assets.cli.warm import warm
from seedtest_assets.env_file import apply_env_file
from seedtest_assets.errors import SeedtestError


class OneLineErrors(TyperGroup):
    """Print a user's mistake as one line on stderr and exit code 1, no stack trace."""

    def invoke(self, ctx: Any) -> Any:
        try:
            apply_env_file()
            return super().invoke(ctx)
        except SeedtestError as error:
            errors.print(f"[red]error:[/red] {plain(str(error))}", highlight=False, soft_wrap=True)
            ctx.exit(1)


# Commands import what they need when they run: `seedtest --help` answers at once.
app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for command in (
    init,
    demo,
    dev,
    env,
    run,
    calibrate,
    dif,
    serve,
    report,
    items,
    status,
    doctor,
    compare,
    publish,
    backup,
    restore,
    warm,
    down,
):
    app.command()(command)
app.command("import")(import_)
app.add_typer(alert, name="alert")
app.add_typer(lake, name="lake")


def main() -> None:
    """Run the console script."""
    # Loading Dagster and numba makes a million objects and no garbage, which by default is looked for every few hundred of them.
    gc.set_threshold(10_000)
    try:
        app()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        _leave(end.code or 0)


def _leave(code: int) -> NoReturn:
    """End the process as the interpreter does, but without taking apart every object first, which takes up to a second.

    As multiprocessing ends its processes: threads are waited for, and what is registered with atexit is done.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the process was started without it
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):  # its reader has gone, or it is closed
            continue
        except OSError as error:
            with suppress(OSError):
                os.write(2, f"error: the output cannot be written: {error.strerror}\n".encode())
            code = code or 1
    os._exit(code)
