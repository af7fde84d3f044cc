"""`seedtest demo`, `dev`, `env`, `down`: a project on this machine."""

import os
import shlex
import sys
from datetime import timedelta
from pathlib import Path

from seedtest_assets.cli.terminal import console, progress_line


def demo() -> None:
    """Load a simulated school and run its last days."""
    from seedtest_assets.cli.demo import load_school, simulate_school
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.cli.run import run_and_report
    from seedtest_assets.cli.status import show_status
    from seedtest_assets.days import last_full_day
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database

    with open_instance() as instance, progress_line() as show:
        show("starting the embedded PostgreSQL")
        database = prepared_database(load_settings())
        show("simulating a school of 2,000 students")
        school = simulate_school(last_full_day())
        show(f"loading {len(school.answers):,} answers")
        load_school(database, school)
        # A day of the previous 14-day window, so that improvement can rest on abilities, and the last three.
        run_and_report(instance, [last_full_day() - timedelta(days=before) for before in (14, 2, 1, 0)], show)
    show_status(instance)
    console.print(
        "The database has 90 days of answers, the lake those days that the four runs needed, each with its look-back"
    )
    console.print("Open the UI with [bold]make dev[/bold], then http://localhost:3000")


def dev(port: int = 3000, host: str = "127.0.0.1") -> None:
    """Open the Dagster UI on this project: webserver and daemon, until Ctrl-C."""
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.settings import load_settings

    load_settings()  # a value that is not allowed is reported before anything starts
    with open_instance():  # makes the storage and its limits before anybody can start a run
        import seedtest_assets.definitions  # noqa: F401  an error in the settings is shown here, in one line
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", "--host", host, "--port", str(port)])


def env() -> None:
    """Print the environment that `dagster …` commands need: eval "$(seedtest env)"."""
    from seedtest_assets.cli.instance import dagster_environment

    for name, value in dagster_environment().items():
        print(f"export {name}={shlex.quote(value)}")


def down() -> None:
    """Stop the embedded PostgreSQL; the data stays in .seedtest/."""
    from seedtest_assets.project import enter_project
    from seedtest_assets.storage.embedded import stop_embedded

    enter_project()
    console.print("stopped" if stop_embedded() else "was not running")
