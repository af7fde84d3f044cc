"""How often the checks cry wolf, and whether they see the wolf: 200 healthy nights, and 20 faults of each kind.

    python -m benchmarks.false_alarms [nights] [faults of each kind] [schools] [number of the first school] [no-errors]

The nights are those of some schools, a process each; a school's number is its seed; with
no-errors the engine gives no standard errors, as an IRT service over HTTP. Every night is the real thing except for Dagster: answers into the
lake, the window calibrated in-process, topic abilities and features into an embedded PostgreSQL, and the checks as the
assets' steps call them. A fault is put into one night of that history and judged against the same healthy past.
Prints the table of docs/checks.md.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.faults import FAULTS
from benchmarks.healthy_school import FIRST, healthy_school
from benchmarks.nights import Night, Platform
from seedtest_assets.settings import Settings
from seedtest_assets.storage.embedded import stop_embedded

DAYS_A_MONTH = 30.4


@dataclass(frozen=True)
class Seen:
    """alarms: check of each alert on a healthy night; detected, missed: name of each fault put in; seconds: of a night."""

    alarms: list[str]
    detected: list[str]
    missed: list[str]
    seconds: float


def main(
    n_nights: int = 200, n_faults: int = 20, n_schools: int = 4, first_school: int = 1, with_errors: bool = True
) -> None:
    a_school = (n_nights // n_schools, n_faults // n_schools)
    with ProcessPoolExecutor(n_schools, mp_context=get_context("spawn")) as pool:
        schools = range(first_school, first_school + n_schools)
        seen = list(pool.map(of_school, schools, *([part] * n_schools for part in (*a_school, with_errors))))
    alarms = Counter(check for school in seen for check in school.alarms)
    detected, missed = (
        Counter(name for school in seen for name in getattr(school, kind)) for kind in ("detected", "missed")
    )
    nights = a_school[0] * n_schools
    print(
        f"{nights} healthy nights, {np.mean([school.seconds for school in seen]):.1f} s each, load {os.getloadavg()[0]:.1f}\n"
    )
    print(f"Alerts: {alarms.total()}, {alarms.total() / nights * DAYS_A_MONTH:.2f} a month\n")
    for check, count in alarms.items():
        print(f"- {check}: {count}")
    print("\n| fault, put into one night | found by | at least | found the same day |\n|---|---|---|---|")
    for fault in FAULTS:
        n = detected[fault.name]
        print(f"| {fault.name} | `{fault.check}` | {fault.level.name} | {n} of {n + missed[fault.name]} |")


def of_school(seed: int, n_nights: int, n_faults: int, with_errors: bool) -> Seen:
    """The nights of one school, after as many as the checks look back; faults are put into some of them."""
    settings = Settings(mirt_lookback_days=60)
    warm_up = settings.history_partitions
    first = settings.mirt_lookback_days + warm_up - 1
    chosen = set(np.linspace(first, first + n_nights - 1, n_faults).astype(int).tolist())
    school = healthy_school(first + n_nights, seed=seed)
    alarms, detected, missed, seconds = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        platform = Platform(
            home, school, settings.model_copy(update={"seedtest_lake": str(home / "lake")}), with_errors
        )
        for day, answers in school.answers.items():
            platform.lake.write_observations(day, answers)
        try:
            for number in range(first - warm_up, first + n_nights):
                began = time.perf_counter()
                night = platform.night(FIRST + timedelta(days=number))
                failed = [judgement for judgement in night.judgements() if not judgement.passed]
                seconds.append(time.perf_counter() - began)
                for judgement in failed if number >= first else []:
                    alarms.append(judgement.check)
                    print(
                        f"school {seed}, {night.day}, healthy: {judgement.verdict.name} {judgement.check}: {judgement.finding}",
                        file=sys.stderr,
                    )
                if number in chosen:
                    for name, is_detected in put_in(night, np.random.default_rng([seed, number])):
                        (detected if is_detected else missed).append(name)
                night.publish()
        finally:
            stop_embedded(home)
    return Seen(alarms, detected, missed, float(np.median(seconds)))


def put_in(night: Night, rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Inject every fault, and give whether its check detected it; a check that broke detected nothing."""
    outcomes = []
    for fault in FAULTS:
        failed = {
            judgement.check: judgement
            for judgement in fault.inject(night, rng)
            if not judgement.passed and "broke" not in judgement.finding
        }
        is_detected = failed[fault.check].verdict >= fault.level if fault.check in failed else False
        outcomes.append((fault.name, is_detected))
        if not is_detected:
            raised = (
                "; ".join(f"{judgement.verdict.name} {judgement.check}" for judgement in failed.values()) or "nothing"
            )
            print(f"{night.day}, missed: {fault.name}; raised instead: {raised}", file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument != "no-errors"]
    main(*numbers, with_errors="no-errors" not in sys.argv)
