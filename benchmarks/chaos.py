"""Nights that are killed: whatever dies and whenever, every table is in the end what undisturbed nights give.

    python -m benchmarks.chaos [--nights 4] [--kills 200] [--seed 1] [--kinds run sessions server daemon worker network]

A small school, twice: once undisturbed, once with faults at random moments of each night, one fault a try, until the night's share of
faults is used up; then the night is run to its end. Faults: SIGKILL of the run's process, of the PostgreSQL server, of the daemon and of
a worker of the IRT service, the end of all sessions of the database, and a network that goes silent and then breaks. After each, every
(table, day) is as in the undisturbed school, or not there at all; and no process is left. The same seed is the same plan.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil

from seedtest_assets.cli.simulated_school import load_school
from seedtest_assets.days import days_up_to
from seedtest_assets.errors import SeedtestError
from seedtest_assets.storage.database import Database, migrate, sql
from seedtest_assets.storage.embedded import embedded_address, start_embedded, stop_embedded
from seedtest_assets_tests.checksums import checksums, published
from seedtest_assets_tests.conftest import ROOT, execute, python_path
from seedtest_assets_tests.deployment import free_port, wait_for
from seedtest_assets_tests.school import LAST, small_school

BIN = Path(sys.executable).parent
KINDS = ("run", "sessions", "server", "daemon", "worker", "network")


class Proxy:
    """A way to the database over TCP that can be silent, and break."""

    def __init__(self, target: str) -> None:
        self.target, self.silent, self.pairs = target, threading.Event(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                while self.silent.is_set():
                    time.sleep(0.05)
                target.sendall(content)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stall(self, seconds: float) -> None:
        """Carry nothing for some seconds, then break every connection."""
        self.silent.set()
        time.sleep(seconds)
        self._break()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a connection
        self._break()

    def _break(self) -> None:
        pairs, self.pairs = self.pairs, []
        for connection in (end for pair in pairs for end in pair):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.silent.clear()


@dataclass
class School:
    """A project in a folder of its own on the shared server, and the environment of its processes."""

    folder: Path
    database: Database
    environment: dict[str, str]
    daemon: subprocess.Popen | None = field(default=None)

    def night(self, day: date) -> subprocess.Popen:
        return subprocess.Popen(
            [BIN / "seedtest", "run", "--date", str(day)],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def start_daemon(self) -> None:
        log = (self.folder / "daemon.log").open("ab")
        self.daemon = subprocess.Popen(
            [BIN / "dagster-daemon", "run"],
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def stop_daemon(self) -> None:
        if self.daemon:
            os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()


def new_school(folder: Path, home: Path, database: str, service: str) -> School:
    folder.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    url = start_embedded(database, home)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "PYTHONPATH": python_path(),
        "DATABASE_URL": url,
        "DAGSTER_POSTGRES_URL": start_embedded(f"{database}_runs", home),
        "SEEDTEST_LAKE": str(folder / "lake"),
        "SEEDTEST_ALERT_URLS": "",
        "MIRT_LOOKBACK_DAYS": "10",
        "MIRT_RETRY_DELAY_SECS": "0.5",
        "R_IRT_BASE_URL": service,
    }
    made = School(folder, Database(url), environment)
    with made.database.transaction() as connection:
        connection.exec_driver_sql(sql("platform.sql"))
    migrate(made.database)
    load_school(made.database, small_school())
    return made


@contextmanager
def irt_service() -> Iterator[tuple[str, subprocess.Popen]]:
    """An IRT service with two workers; gives its address."""
    port = free_port()
    command = [BIN / "seedtest", "serve", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for("the service", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield f"http://127.0.0.1:{port}", process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def faults(
    school: School, home: Path, proxy: Proxy, service: subprocess.Popen
) -> dict[str, Callable[[subprocess.Popen], None]]:
    """What can go wrong, each as a function of the night's process."""

    def kill_run(night: subprocess.Popen) -> None:
        os.killpg(night.pid, signal.SIGKILL)

    def end_sessions(_: subprocess.Popen) -> None:
        execute(
            school.database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )

    def kill_server(_: subprocess.Popen) -> None:
        os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        time.sleep(0.5)
        start_embedded("postgres", home)

    def kill_daemon(_: subprocess.Popen) -> None:
        school.stop_daemon()
        school.start_daemon()

    def kill_worker(_: subprocess.Popen) -> None:
        workers = [
            one
            for one in psutil.Process(service.pid).children(recursive=True)
            if "spawn_main" in " ".join(one.cmdline())
        ]
        random.choice(workers).kill()

    return {
        "run": kill_run, "sessions": end_sessions, "server": kill_server, "daemon": kill_daemon, "worker": kill_worker,
        "network": lambda _: proxy.stall(1.0),
    }  # fmt: skip


@dataclass
class Tally:
    """What became of the tries of one kind of fault."""

    tries: int = 0
    survived: int = 0
    seconds: float = 0.0

    def add(self, code: int, seconds: float) -> None:
        self.tries += 1
        self.survived += code == 0
        self.seconds += seconds


def struck_night(
    school: School, day: date, moment: float, strike: Callable[[subprocess.Popen], None]
) -> tuple[int, float]:
    """Run a night that something happens to at a moment; gives its exit code, and the seconds from then to its end."""
    night = school.night(day)
    with suppress(subprocess.TimeoutExpired):
        night.wait(moment)
    struck = time.monotonic()
    with suppress(
        psutil.Error, SeedtestError, IndexError, ProcessLookupError
    ):  # what it would have struck is gone already
        strike(night)
    return night.wait(600), time.monotonic() - struck


def left_processes(school: School) -> list[str]:
    """Processes of nights of this school that still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if (
            process.info["cwd"] == str(school.folder)
            and "run" in (process.info["cmdline"] or [])
            and "--date" in process.info["cmdline"]
        ):
            found.append(" ".join(process.info["cmdline"]))
    return found


def differences(school: School, control: dict, when: str) -> list[str]:
    """What a fault left that undisturbed nights do not: a (table, day) with other rows."""
    wrong = [
        f"{table} of {day}"
        for (table, day), rows in checksums(school.database).items()
        if control.get((table, day)) != rows
    ]
    return [f"{when}: {what}" for what in (*wrong, *left_processes(school))]


def main(nights: int, kills: int, seed: int, kinds: Sequence[str] = KINDS) -> int:
    """Give 0 if no fault left a trace, else 1."""
    plan = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        home = folder / "server"
        stack.callback(stop_embedded, home)
        service, service_process = stack.enter_context(irt_service()) if "worker" in kinds else ("", None)
        days = days_up_to(LAST, nights)
        undisturbed = new_school(folder / "undisturbed", home, "undisturbed", service)
        began = time.monotonic()
        for day in days:
            night = undisturbed.night(day)
            assert night.wait() == 0, night.stdout.read()
        usual = (time.monotonic() - began) / nights
        control, control_published = checksums(undisturbed.database), published(undisturbed.database)

        school = new_school(folder / "disturbed", home, "disturbed", service)
        address = embedded_address("disturbed", home)
        proxy = Proxy(f"{address.partition('host=')[2]}/.s.PGSQL.5432")
        school.environment["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{proxy.port}/disturbed"
        stack.callback(proxy.close)
        if "daemon" in kinds:
            school.start_daemon()
            stack.callback(school.stop_daemon)
        strike = faults(school, home, proxy, service_process)
        tallies, wrong = {kind: Tally() for kind in kinds}, []
        for number in range(kills):
            day, kind = days[number * nights // kills], plan.choice(sorted(kinds))
            moment = plan.uniform(0, 1.2) * usual
            tallies[kind].add(*struck_night(school, day, moment, strike[kind]))
            found = differences(school, control, f"{number} {kind} at {moment:.1f} s of {day}")
            wrong += found
            print("".join(f"\n{line}" for line in found), end="", file=sys.stderr)
            print(f"\r{number + 1} of {kills}, {len(wrong)} wrong", end="", file=sys.stderr, flush=True)
            if number + 1 == kills or days[(number + 1) * nights // kills] != day:  # the day's last fault
                night = school.night(day)
                output, _ = night.communicate()
                if night.returncode:
                    wrong.append(f"{day} does not run to its end: {output[-300:]}")
        complete = checksums(school.database) == control and published(school.database) == control_published
        n_unfinished = len(list((school.folder / "lake").rglob("*.unfinished")))
    print(
        f"\n{kills} faults in {nights} nights, seed {seed}, {usual:.1f} s an undisturbed night, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'fault':10}{'tries':>7}{'night ended well all the same':>32}{'s to its end, mean':>20}")
    for kind, tally in tallies.items():
        print(f"{kind:10}{tally.tries:7}{tally.survived:32}{tally.seconds / max(1, tally.tries):20.1f}")
    print("\n".join(wrong) or "after every fault: each table and day whole or absent, no process left")
    print(
        f"in the end {'every' if complete else 'NOT every'} table is as in undisturbed nights; {n_unfinished} unfinished files in the lake"
    )
    return 0 if complete and not wrong else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    for name, default in (("nights", 4), ("kills", 200), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    sys.exit(main(**vars(parser.parse_args())))
