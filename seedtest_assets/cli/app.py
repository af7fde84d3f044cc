"""`seedtest …`: everything that can be done from a terminal."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.core import TyperGroup

from seedtest_assets.cli.alert import alert
from seedtest_assets.cli.serve import serve
from seedtest_assets.errors import SeedtestError, SettingsError

# Commands import what they need when they run: `seedtest --help` answers at once, and a bad setting is told in one line.
console, errors = Console(), Console(stderr=True)


class OneLineErrors(TyperGroup):
    """A user's mistake is one line on stderr and exit code 1, no stack trace."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SeedtestError as error:
            errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
            ctx.exit(1)


app = typer.Typer(cls=OneLineErrors, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.command()(serve)
app.add_typer(alert, name="alert")


@app.command()
def demo() -> None:
    """Load a simulated school and run its last days."""
    from seedtest_assets.cli.demo import load_school, simulate_school
    from seedtest_assets.days import last_full_day
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database

    with _instance() as instance, _steps() as tell:
        tell("starting the embedded PostgreSQL")
        database = prepared_database(load_settings())
        tell("simulating a school of 2,000 students")
        school = simulate_school(last_full_day())
        tell(f"loading {len(school.answers):,} answers")
        load_school(database, school)
        # A day of the previous 14-day window, so that improvement can rest on abilities, and the last three.
        _run_days(instance, [last_full_day() - timedelta(days=before) for before in (14, 2, 1, 0)], tell)
    _show_status(instance)
    console.print("Open the UI with [bold]make dev[/bold], then http://localhost:3000")


@app.command()
def dev(port: int = 3000, host: str = "127.0.0.1") -> None:
    """Open the Dagster UI on this project: webserver and daemon, until Ctrl-C."""
    with _instance():  # makes the storage and its limits, before anybody can press a button
        import seedtest_assets.definitions  # noqa: F401  what it would not load with is told here, in one line
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", "--host", host, "--port", str(port)])


@app.command()
def env() -> None:
    """Print the environment that `dagster …` commands need: eval "$(seedtest env)"."""
    from seedtest_assets.project import dagster_environment

    for name, value in dagster_environment().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command("import")
def import_(
    file: Path,
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of stopping.")] = False,
) -> None:
    """Load a Parquet or CSV log of answers into the database's attempt table."""
    from seedtest_assets.project import project_root
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.importing import import_answers

    file = file.resolve()
    os.chdir(project_root())
    with _steps() as tell:
        tell(f"reading and loading {file.name}")
        done = import_answers(file, load_settings(), skip_bad=skip_bad)
    console.print(f"{done.n_rows:,} rows, {done.first_day} to {done.last_day}: {done.n_new:,} new, {done.n_bad:,} bad")
    if done.bad:
        console.print(f"left out: {escape(done.bad)}")


@app.command()
def run(
    date_: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="UTC day; by default yesterday.")
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
    from seedtest_assets.cli.run_days import days_to_refresh
    from seedtest_assets.days import last_full_day

    day = date_.date() if date_ else last_full_day()
    if refresh and days > 1:
        raise SettingsError("--refresh chooses the days itself; leave --days out")
    with _instance() as instance, _steps() as tell:
        tell("comparing the source with the lake" if refresh else str(day))
        chosen = days_to_refresh(day) if refresh else [day - timedelta(days=before) for before in reversed(range(days))]
        _run_days(instance, chosen, tell, accept_failed_checks)
    if refresh:
        console.print(
            f"run again: {', '.join(map(str, chosen))}" if chosen else "nothing to refresh: no answers came late"
        )
    _show_status(instance)


@app.command()
def calibrate(
    file: Path,
    model: str = "2PL",
    anchors: Annotated[Path | None, typer.Option(help="CSV with item_id, a, b and optionally c.")] = None,
    linking: str = "stocking_lord",
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("calibration"),
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of stopping.")] = False,
) -> None:
    """Calibrate a file of answers, long or wide, without any database."""
    from seedtest_assets.cli.calibrate_file import calibrate_file, write_files

    with _steps() as tell:
        tell(f"reading {file}")
        result = calibrate_file(
            file,
            model=model,
            anchors=anchors,
            linking_method=linking,
            skip_bad=skip_bad,
            progress=lambda iteration, change, loglik: tell(
                f"iteration {iteration}: change {change:.1e}, logLik {loglik:,.3f}"
            ),
        )
        paths = write_files(result, out)
    spec, metrics = result.model_spec, result.metrics
    table = Table(show_header=False, box=None)
    table.add_row(
        "model",
        f"{spec['model']}, {spec['n_items']:,} items, {spec['n_persons']:,} persons, {spec['n_observations']:,} answers",
    )
    table.add_row("fit", f"logLik {metrics['loglik']:,.3f}, AIC {metrics['aic']:,.1f}, BIC {metrics['bic']:,.1f}")
    table.add_row(
        "converged",
        f"{'yes' if metrics['converged'] else 'NO'}, {metrics['iterations']} iterations, {metrics['seconds']} s",
    )
    if "linking_constants" in spec:
        constants = spec["linking_constants"]
        table.add_row(
            "linked",
            f"theta_bank = {constants['A']:.4f} theta + {constants['B']:.4f} "
            f"({constants['method']}, {constants['n_anchors_used']} items, {len(constants['screened_out'])} screened out)",
        )
    for _, row in result.left_out.head(10).iterrows():
        table.add_row("left out", escape(f"{row['item_id']}: {row['reason']} ({row['n_responses']} answers)"))
    if len(result.left_out) > 10:
        table.add_row("left out", f"{len(result.left_out) - 10} more, see fit_meta.json")
    for warning in result.warnings:
        table.add_row("[yellow]warning[/yellow]", escape(warning))
    table.add_row("written", ", ".join(str(path) for path in paths))
    console.print(table)


@app.command()
def status() -> None:
    """Show the last partitions, row counts, the newest fit, schedule and alerts."""
    with _instance() as instance:
        _show_status(instance)


@app.command()
def down() -> None:
    """Stop the embedded PostgreSQL; the data stays in .seedtest/."""
    from seedtest_assets.project import project_root
    from seedtest_assets.storage.embedded import stop_embedded

    os.chdir(project_root())
    console.print("stopped" if stop_embedded() else "was not running")


def main() -> None:
    """The console script."""
    app()


@contextmanager
def _instance() -> Iterator[Any]:
    from seedtest_assets.project import dagster_environment

    os.environ.update(dagster_environment())
    import dagster as dg

    from seedtest_assets.schedules import limit_runs

    with dg.DagsterInstance.get() as instance:
        limit_runs(instance)
        yield instance


@contextmanager
def _steps() -> Iterator[Any]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(pulse_style="grey50"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda line: progress.update(task, description=line)


def _run_days(instance: Any, days: list[date], tell: Any, accept_failed_checks: bool = False) -> None:
    from seedtest_assets.cli.run_days import run_day

    for day in days:

        def tell_day(line: str, day: date = day) -> None:
            tell(f"{day}: {line}")

        done = run_day(instance, day, tell_day, accept_failed_checks=accept_failed_checks)
        for line in done.failed_checks:
            console.print(f"[yellow]{day}[/yellow] {escape(line)}", soft_wrap=True, highlight=False)
        if done.failure:
            raise SeedtestError(f"run {done.run_id} of {day} failed at {done.failure}")


def _show_status(instance: Any) -> None:
    from seedtest_assets.cli.status import status_lines
    from seedtest_assets.settings import load_settings

    table = Table(show_header=False, box=None)
    for what, how in status_lines(instance, load_settings()):
        table.add_row(what, escape(how))
    console.print(table)
