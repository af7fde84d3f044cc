"""A calibration on a Dask cluster of this machine against the same in one process: wall, memory, what is sent.

    python -m benchmarks.cluster S5 FOLDER           # in one process and with local:2
    python -m benchmarks.cluster S6 FOLDER dask      # 500 million answers, on the cluster only

Both read the same Parquet files, which are written to FOLDER on first use. Memory is the most that all processes had together (PSS,
where what they share counts once), sampled five times a second. `fit` is what the calibration itself took, without starting workers.
Then what the measured seconds and bytes of a step predict for more workers; docs/scale.md has the formula.
"""

import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from benchmarks.parquet_parts import n_answers, written
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult
from seedtest_assets.engines.cluster.engine import ClusterEngine
from seedtest_assets.engines.in_process import InProcessEngine

WORKERS = 2
# Of a network between machines: bytes a second, and seconds until an empty message is there.
BANDWIDTH, LATENCY = 1.25e9, 1e-3
TASK = 1e-3
"""Seconds that the scheduler spends on a task."""


class Memory:
    """The most memory that this process and its children had together, in MB, while the context is open."""

    def __enter__(self) -> "Memory":
        self.peak, self._open = 0.0, True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()

    def _sample(self) -> None:
        here = psutil.Process()
        while self._open:
            total = 0
            for process in [here, *here.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total / 1e6)
            time.sleep(0.2)


def measured(engine: ClusterEngine | InProcessEngine, request: CalibrationRequest) -> CalibrationResult:
    """Calibrate, and print a line."""
    with Memory() as memory:
        started = time.perf_counter()
        result = engine.calibrate(request)
        wall = time.perf_counter() - started
    facts = result.metrics
    print(
        f"{engine.name:11} {wall:8.1f} s  fit {facts['seconds']:8.1f} s  {memory.peak:8.0f} MB  {facts['iterations']:3} steps  "
        f"logLik {facts['loglik']:.6f}  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    if "cluster" in facts:
        cluster = facts["cluster"]
        print(
            "  "
            + ", ".join(f"{name} {value:,}" for name, value in cluster.items() if name not in ("scheduler", "work"))
        )
        print(pd.DataFrame(cluster["work"]).to_string(index=False))
    return result


def predict(name: str, result: CalibrationResult) -> None:
    """Print the seconds that more workers would take, by the measured seconds an answer and bytes a step."""
    cluster, n = result.metrics["cluster"], n_answers(name)
    steps = result.metrics["iterations"] + 4  # and the E-steps of the tests, the errors and the abilities
    an_answer = cluster["seconds_computing"] / n
    a_step = cluster["bytes_received"] / steps
    here = max(result.metrics["seconds"] - cluster["seconds_waiting"], 0.0)
    print(
        f"predicted: {an_answer * 1e9:.0f} ns an answer, {a_step / 1e6:.1f} MB a step, {steps} steps, {here:.1f} s of the client; "
        f"{BANDWIDTH / 1e9:g} GB/s, {LATENCY * 1e3:g} ms"
    )
    print(f"{'answers':>15}" + "".join(f"{workers:>9} workers" for workers in (1, 8, 64)))
    for answers in (10**8, 10**9, 10**10):
        seconds = []
        for workers in (1, 8, 64):
            depth = np.ceil(np.log2(workers)) + 1
            tasks = max(64, 2 * workers)
            sending = steps * (depth * (LATENCY + a_step / BANDWIDTH) + tasks * TASK)
            seconds.append(an_answer * answers / workers + sending + here)
        print(f"{answers:15,}" + "".join(f"{each:15,.0f} s" for each in seconds))


def main(name: str, folder: Path, only: str = "") -> None:
    """Measure the engines on a set."""
    request = CalibrationRequest(written(name, folder))
    print(f"{name}: {n_answers(name):,} answers in {len(request.parts)} files")
    alone = measured(InProcessEngine(), request) if not only else None
    result = measured(ClusterEngine(f"local:{WORKERS}"), request)
    if alone is not None:
        difference = max(np.abs(result.items[x].to_numpy() - alone.items[x].to_numpy()).max() for x in "ab")
        print(f"largest difference of a parameter {difference:.1e}")
    predict(name, result)


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
