"""How often the checks cry wolf, and whether they see the wolf: 200 healthy nights, then 20 faults of each kind.

    python benchmarks/false_alarms.py [nights] [faults of each kind] [seed]

Every night is the real thing except for Dagster: answers into the lake, the window calibrated in-process, topic abilities
and features into an embedded PostgreSQL, and the checks as the assets' steps call them. A fault is put into one
night of that history and judged against the same healthy past. Prints the table of docs/checks.md.
"""

import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
from faults import FAULTS
from healthy_school import FIRST, HealthySchool, healthy_school
from nights import Platform

from seedtest_assets.checks.judgement import Level
from seedtest_assets.settings import Settings
from seedtest_assets.storage.embedded import stop_embedded

DAYS_A_MONTH = 30.4


def main(n_nights: int = 200, n_faults: int = 20, seed: int = 1) -> None:
    settings = Settings(mirt_lookback_days=60)
    first = settings.mirt_lookback_days + settings.seedtest_history_partitions - 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(Path(folder), healthy_school(first + n_nights, seed=seed), settings, first, n_nights, n_faults)
        finally:
            stop_embedded(Path(folder))


def run(home: Path, school: HealthySchool, settings: Settings, first: int, n_nights: int, n_faults: int) -> None:
    platform = Platform(home, school, replace_lake(settings, home))
    for day in school.answers:
        platform.lake.write_observations(day, school.answers[day])
    warm_up = settings.seedtest_history_partitions
    chosen = set(np.linspace(first, first + n_nights - 1, n_faults).astype(int).tolist())
    alarms, found, seconds = [], defaultdict(Counter), 0.0
    for number in range(first - warm_up, first + n_nights):
        day, began = FIRST + timedelta(days=number), time.perf_counter()
        night = platform.night(day)
        judgements = night.judgements()
        seconds += time.perf_counter() - began
        if number >= first:
            alarms += [(day, one) for one in judgements if not one.passed]
        for one in judgements:
            if not one.passed:
                print(f"{day} {one.level.name} {one.check}: {one.said}", file=sys.stderr)
        if number in chosen:
            rng = np.random.default_rng(number)
            for fault in FAULTS:
                told = fault.inject(night, rng)
                failed = {one.check: one.level for one in told if not one.passed and "broke" not in one.said}
                seen = failed.get(fault.check, Level.PASS)
                found[fault.name]["found" if seen >= fault.level else "missed"] += 1
                if seen < fault.level:
                    print(f"{day} missed: {fault.name}; failed {failed}", file=sys.stderr)
        night.publish()
    print(f"{n_nights} healthy nights, {seconds / (n_nights + warm_up):.1f} s each, load {os.getloadavg()[0]:.1f}\n")
    print(f"Alerts: {len(alarms)}, {len(alarms) / n_nights * DAYS_A_MONTH:.2f} a month\n")
    for check, count in Counter(one.check for _, one in alarms).items():
        print(f"- {check}: {count}")
    print("\n| fault, put into one night | found by | at least | found the same day |\n|---|---|---|---|")
    for fault in FAULTS:
        told = found[fault.name]
        print(f"| {fault.name} | {fault.check} | {fault.level.name} | {told['found']} of {told.total()} |")


def replace_lake(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"seedtest_lake": str(home / "lake")})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
