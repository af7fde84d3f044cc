"""`seedtest dev`: the Dagster UI, its daemon, and the reports, on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from seedtest_assets.cli.terminal import console, print_step, progress_line
from seedtest_assets.errors import SeedtestError, SettingsError

if TYPE_CHECKING:
    from seedtest_assets.settings import Settings

UI_PORT = 3000
# Between two looks whether the UI answers.
PAUSE_SECONDS = 0.2


def dev(
    port: Annotated[int, typer.Option(help="Of the Dagster UI.", min=1, max=65535)] = UI_PORT,
    host: Annotated[str, typer.Option(help="Address that the UI listens on.")] = "127.0.0.1",
    reports_port: Annotated[
        int | None, typer.Option(help="Of the reports on 127.0.0.1 (default: 3001).", min=1, max=65535)
    ] = None,
) -> None:
    """Open the Dagster UI on this project: webserver, daemon and the reports of a local lake, until Ctrl-C."""

    def show_addresses(ui: str, reports: str | None) -> None:
        console.print(f"UI:      {ui}", highlight=False)
        if reports:
            console.print(f"Reports: {reports}", highlight=False)
        console.print("Ctrl-C stops both", highlight=False)

    run_until_stopped(show_addresses, port=port, host=host, reports_port=reports_port)


def run_until_stopped(
    ready: Callable[[str, str | None], None],
    *,
    port: int = UI_PORT,
    host: str = "127.0.0.1",
    reports_port: int | None = None,
) -> None:
    """Run webserver, daemon and reports until INT or TERM; call ready with the addresses of UI and reports once they answer.

    Raises SettingsError for a port that is taken or a setting that is not allowed, SeedtestError when Dagster ends by itself.
    """
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings

    _require_one_value_each(enter_project())
    settings = load_settings()  # a value that is not allowed is reported before anything starts
    with ExitStack() as stack:
        reports = stack.enter_context(_reports(settings, reports_port))
        _require_free(host, port)
        stopped = Event()
        with progress_line() as show:
            show("loading the project")
            with open_instance():  # makes the storage and its limits before anybody can start a run
                import seedtest_assets.definitions  # noqa: F401  an error in the settings is shown here, in one line
        print_step("starting the Dagster UI")  # whose own lines would run into one that moves
        dagster = stack.enter_context(_dagster_dev(settings, host, port, stopped))
        ui = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"
        _wait_until_it_answers(ui, dagster)
        if dagster.poll() is None:
            ready(ui, reports)
        dagster.wait()
    if not stopped.is_set():
        raise SeedtestError("Dagster ended by itself. Its last lines are above")


def _require_one_value_each(folder: Path) -> None:
    """Refuse variables with two values: the processes of Dagster, which read .env themselves, would take the other one."""
    from seedtest_assets.env_file import contradictions

    names = contradictions(folder)
    if names:
        raise SettingsError(
            f"{', '.join(names)} in the environment differs from {folder / '.env'}, which Dagster's processes prefer. Change one of the two"
        )


@contextmanager
def _reports(settings: "Settings", port: int | None) -> Iterator[str | None]:
    """Serve the reports of a local lake; gives the address, or None for a lake that is elsewhere."""
    from seedtest_assets.report.server import serving_reports
    from seedtest_assets.settings import REPORTS_PORT
    from seedtest_assets.storage.lake import Lake

    folder = Lake(settings.seedtest_lake).reports_folder()
    if folder is None:
        yield None
        return
    with serving_reports(folder, REPORTS_PORT if port is None else port) as address:
        if port is not None and settings.seedtest_reports_url is None:
            os.environ["SEEDTEST_REPORTS_URL"] = address  # for the links of the runs that are started here
        yield address


def _require_free(host: str, port: int) -> None:
    from seedtest_assets.report.server import listen

    listen(port, "--port", host).close()


@contextmanager
def _dagster_dev(settings: "Settings", host: str, port: int, stopped: Event) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `dagster dev` as a child; INT, TERM and HUP of this process end it and set stopped. So does leaving the context."""
    if port != UI_PORT and "seedtest_ui_url" not in settings.model_fields_set:
        os.environ["SEEDTEST_UI_URL"] = f"http://localhost:{port}"
    program = str(Path(sys.executable).with_name("dagster"))

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        child.send_signal(signal.SIGINT)

    # Set before the child starts, which inherits ignored signals: those of a shell's background jobs.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda *_: None) for number in signals}
    child = subprocess.Popen(
        [program, "dev", "--host", host, "--port", str(port), "--log-level", "warning"],
        start_new_session=True,  # Ctrl-C reaches it once, through this process
        env=os.environ
        | {"PYTHONWARNINGS": f"ignore:Function `dev_command` is superseded,{os.environ.get('PYTHONWARNINGS', '')}"},
    )
    for number in handlers:
        signal.signal(number, stop)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        child.wait()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _wait_until_it_answers(ui: str, dagster: "subprocess.Popen[bytes]") -> None:
    """Wait until the UI answers, or Dagster has ended."""
    import requests

    while dagster.poll() is None:
        try:
            if requests.get(f"{ui}/server_info", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(PAUSE_SECONDS)
