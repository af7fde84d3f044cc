"""Whole nights as users run them: seconds of each stage, peak memory, and bytes moved, for 1, 10 and 100 million answers.

    python -m benchmarks.night [millions ...] [--folder FOLDER]

A tenth of the answers is of the last day. The bank has 2,000 items in 20 topics at 10 million answers, answered by 100,000 students,
50 answers a student and day. The lake's days but the last are written directly; the last day is imported, and `seedtest run` does the
rest on an embedded database in a scratch folder. The picture of where the seconds go is night.png in FOLDER (benchmarks/out).

Memory is that of the process of `seedtest run` and its children; PostgreSQL is counted apart. Steps run side by side, so the
processor seconds and the memory beside one are those of the process meanwhile. The limit is the time in which the
bytes that both read and wrote could be copied once by the disk and once by the memory.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.storage.observations import OBSERVATION_SCHEMA

DAYS, EACH, TOPICS, TOPIC_SD = 10, 50, 20, 0.4
FIRST = date(2025, 3, 1)
LAST = FIRST + timedelta(days=DAYS - 1)
PAUSE = 0.05
"""Seconds between two looks at the processes."""
BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]


def main(millions: list[int], folder: Path) -> None:
    nights = [measured_night(size * 1_000_000) for size in millions]
    folder.mkdir(exist_ok=True)
    draw(nights, folder / "night.png")
    print(f"drawn: {folder / 'night.png'}")


@dataclass(frozen=True, kw_only=True)
class School:
    """How many there are of each, and the abilities and parameters that the answers follow from."""

    n_answers: int

    @property
    def n_students(self) -> int:
        return self.n_answers // 100

    @property
    def n_items(self) -> int:
        return round(2_000 * np.sqrt(self.n_answers / 10_000_000) / TOPICS) * TOPICS

    def days(self) -> Iterator[tuple[date, pa.Table]]:
        """Give the answers of each day, OBSERVATION_SCHEMA."""
        random = np.random.default_rng(20250101)
        a, b = random.lognormal(0, 0.3, self.n_items), random.normal(0, 1, self.n_items)
        theta = random.normal(size=(self.n_students, 1)) + TOPIC_SD * random.normal(size=(self.n_students, TOPICS))
        names = {
            "student_id": [f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(self.n_students)],
            "item_id": [f"item-{number:05d}" for number in range(self.n_items)],
            "topic_id": [f"topic-{number:02d}" for number in range(TOPICS)],
        }
        dictionaries = {name: pa.array(ids) for name, ids in names.items()}
        a_day = self.n_answers // DAYS // EACH
        for number in range(DAYS):
            students = (np.arange(a_day) + number * a_day) % self.n_students
            person = np.repeat(students, EACH)
            item = random.integers(0, self.n_items, a_day).repeat(EACH) + np.tile(np.arange(EACH) * 37, a_day)
            item %= self.n_items
            chance = 1 / (1 + np.exp(-a[item] * (theta[person, item % TOPICS] - b[item])))
            day = FIRST + timedelta(days=number)
            microseconds = np.arange(len(person)) * (86_400_000_000 // len(person))
            columns: dict[str, Any] = {
                name: dictionaries[name].take(pa.array(codes))
                for name, codes in (("student_id", person), ("item_id", item), ("topic_id", item % TOPICS))
            }
            columns["correct"] = pa.array(random.random(len(person)) < chance)
            columns["response_time_ms"] = pa.array(random.integers(3_000, 90_000, len(person)).astype(np.int32))
            instants = np.datetime64(day, "us") + microseconds.astype("timedelta64[us]")
            columns["completed_at"] = pa.array(instants, pa.timestamp("us", tz="UTC"))
            nothing = {field.name: pa.nulls(len(person), field.type) for field in OBSERVATION_SCHEMA}
            yield day, pa.table(nothing | columns, schema=OBSERVATION_SCHEMA)


@dataclass
class Usage:
    """What processes used: processor seconds, bytes of reading and writing calls, and those of the disk.

    seen: second of each look, and processor seconds and MB of all of them together then.
    """

    seen: list[tuple[float, float, float]] = field(default_factory=list)
    processor: dict[int, float] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    on_disk: dict[int, int] = field(default_factory=dict)

    def look(self, processes: list[psutil.Process]) -> None:
        """Take the figures of the processes as they are now."""
        memory = 0
        for process in processes:
            try:
                memory += process.memory_info().rss - process.memory_info().shared
                times, io = process.cpu_times(), process.io_counters()
            except psutil.Error:
                continue
            self.processor[process.pid] = times.user + times.system
            self.moved[process.pid] = io.read_chars + io.write_chars
            self.on_disk[process.pid] = io.read_bytes + io.write_bytes
        self.seen.append((time.time(), sum(self.processor.values()), memory / 1e6))

    def between(self, begin: float, end: float) -> tuple[float, float]:
        """Processor seconds, and the peak MB, between two seconds."""
        second, processor, memory = np.array(self.seen).T
        used = np.diff(np.interp([begin, end], second, processor))[0]
        during = memory[(second >= begin - PAUSE) & (second <= end + PAUSE)]
        return float(used), float(during.max(initial=0.0))

    @property
    def peak_mb(self) -> float:
        """The peak of all looks."""
        return max((memory for *_, memory in self.seen), default=0.0)

    def since(self, before: "Usage") -> tuple[float, float, float]:
        """Processor seconds, GB moved and GB on disk since then."""
        processor = sum(self.processor.values()) - sum(before.processor.values())
        moved, on_disk = (
            (sum(now.values()) - sum(then.values())) / 1e9
            for now, then in ((self.moved, before.moved), (self.on_disk, before.on_disk))
        )
        return processor, moved, on_disk


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a night took. steps: name, and its first and last second in the night; fit_seconds: of the engine alone."""

    n_answers: int
    began: float
    seconds: float
    usage: Usage
    steps: list[tuple[str, float, float]]
    fit_seconds: float
    load: float


def measured_night(n_answers: int) -> Night:
    """Make a school in a scratch folder, run its last night, and print what it took."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "night"
        seedtest(Path(scratch), "init", str(home))
        with (home / ".env").open("a") as settings:
            settings.write(f"SEEDTEST_START_DATE={FIRST}\n")
        in_own_process(make, n_answers, home)
        try:
            imported = timed(lambda: seedtest(home, "import", "day.parquet"))
            night, database = run_night(n_answers, home)
        finally:
            seedtest(home, "down")
    processor, moved, on_disk = night.usage.since(Usage())
    of_database = database[1].since(database[0])
    print(f"\n{n_answers:,} answers in the window, {n_answers // DAYS:,} of them on the day; load {night.load:.1f}")
    print(f"{'import of the day':34}{imported:8.1f} s")
    print(
        f"{'seedtest run':34}{night.seconds:8.1f} s {processor:8.1f} s of processor time {night.usage.peak_mb:8.0f} MB"
    )
    print(f"{'  its PostgreSQL':34}{'':10} {of_database[0]:8.1f} s of processor time {database[1].peak_mb:8.0f} MB")
    for name, begin, end in night.steps:
        used, peak = night.usage.between(night.began + begin, night.began + end)
        print(f"  {name:32}{end - begin:8.1f} s {used:8.1f} s of processor time {peak:8.0f} MB, from {begin:.1f}")
    print(f"  {'calibration, engine alone':32}{night.fit_seconds:8.1f} s")
    disk, memory = disk_speed(), memory_speed()
    moved, on_disk = moved + of_database[1], on_disk + of_database[2]
    print(
        f"limit: {moved:.1f} GB through calls at {memory:.1f} GB/s is {moved / memory:.1f} s, "
        f"{on_disk:.1f} GB on disk at {disk:.1f} GB/s is {on_disk / disk:.1f} s",
        flush=True,
    )
    return night


def make(n_answers: int, home: Path) -> None:
    """Write the days but the last into the lake, and the last into day.parquet."""
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.lake import Lake

    os.chdir(home)
    settings = load_settings()
    lake = Lake(settings.seedtest_lake)
    for day, answers in School(n_answers=n_answers).days():
        if day < LAST:
            lake.write_observations(day, answers)
        else:
            given = ["student_id", "item_id", "topic_id", "correct", "response_time_ms", "completed_at"]
            pq.write_table(answers.select(given), "day.parquet")


def run_night(n_answers: int, home: Path) -> tuple[Night, tuple[Usage, Usage]]:
    """Run `seedtest run` and look at it and at PostgreSQL while it runs; the second before and after."""
    before, after, usage = Usage(), Usage(), Usage()
    before.look(servers(home))
    load, began, clock = os.getloadavg()[0], time.perf_counter(), time.time()
    command = [BIN / "seedtest", "run", "--date", str(LAST)]
    with subprocess.Popen(command, cwd=home, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        root, looks = psutil.Process(process.pid), 0
        while process.poll() is None:
            usage.look([root, *root.children(recursive=True)])
            if looks % 10 == 0:  # the server's processes are looked up among all processes
                after.look(servers(home))
            looks += 1
            time.sleep(PAUSE)
        seconds = time.perf_counter() - began
        if process.returncode:
            sys.exit(process.communicate()[0])
    after.look(servers(home))
    steps, fit_seconds = in_own_process(what_it_did, home, clock)
    night = Night(
        n_answers=n_answers,
        began=clock,
        seconds=seconds,
        usage=usage,
        steps=steps,
        fit_seconds=fit_seconds,
        load=load,
    )
    return night, (before, after)


def what_it_did(home: Path, began: float) -> tuple[list[tuple[str, float, float]], float]:
    """Read the seconds of each step from Dagster, and of the engine from the fit's metrics."""
    from seedtest_assets.cli.instance import open_instance
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.history import fit_meta

    os.chdir(home)
    steps: list[tuple[str, float, float]] = []
    with open_instance() as instance:
        for record in instance.get_run_records():
            for step in instance.get_run_step_stats(record.dagster_run.run_id):
                if step.start_time and step.end_time:
                    steps.append((step.step_key, step.start_time - began, step.end_time - began))
    fit = fit_meta(prepared_database(load_settings()), LAST)
    assert fit is not None
    return sorted(steps, key=lambda step: step[1]), float(fit["metrics"]["seconds"])


def servers(home: Path) -> list[psutil.Process]:
    """List the processes of the folder's PostgreSQL."""
    pid_file = next((home / ".seedtest" / "postgres").rglob("postmaster.pid"), None)
    if pid_file is None:
        return []
    postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
    return [postmaster, *postmaster.children()]


def draw(nights: list[Night], path: Path) -> None:
    """Draw when each step of each night ran."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.6 + 2.6 * len(nights)), layout="constrained")
    for axes, night in zip(np.atleast_1d(figure.subplots(len(nights))), nights, strict=True):
        names = [name for name, *_ in night.steps]
        axes.barh(names, [end - begin for _, begin, end in night.steps], left=[begin for _, begin, _ in night.steps])
        axes.barh(["start and end"], [night.seconds], color="0.85", zorder=0)
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)
        axes.set_title(f"{night.n_answers:,} answers: {night.seconds:.0f} s, {night.usage.peak_mb:,.0f} MB", fontsize=9)
    axes.set_xlabel("seconds of seedtest run")
    figure.savefig(path, dpi=90)


def disk_speed(size: int = 512 << 20) -> float:
    """GB/s of writing a file through to the disk."""
    content = np.random.default_rng(1).bytes(size)
    with tempfile.TemporaryFile() as file:
        began = time.perf_counter()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return size / 1e9 / (time.perf_counter() - began)


def memory_speed(size: int = 512 << 20) -> float:
    """GB/s of copying memory, the fastest of some."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    return size / 1e9 / min(timed(lambda: np.copyto(target, source)) for _ in range(5))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def seedtest(folder: Path, *arguments: str) -> None:
    subprocess.run([BIN / "seedtest", *arguments], cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)


def environment() -> dict[str, str]:
    """The environment without settings of another deployment, with this checkout's package."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SEEDTEST_", "DAGSTER_", "MIRT_"))
    }
    kept.pop("DATABASE_URL", None)
    return kept | {"PYTHONPATH": str(ROOT)}


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, whose working directory and memory are its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("millions", nargs="*", type=int, default=[1, 10], help="millions of answers in the window")
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "out", help="of the picture")
    given = parser.parse_args()
    main(given.millions, given.folder)
