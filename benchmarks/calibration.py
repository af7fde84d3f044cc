"""Calibration side by side: every engine on every set it can do, in one run on one machine.

    python -m benchmarks.calibration            # S1 to S5; PyPI mirt up to S4, girth on S1: about 10 minutes
    python -m benchmarks.calibration S1 S3 seedtest     # some sets, some engines

Prints a table (docs/method.md has one) and draws benchmarks/out/calibration.png. Seconds are medians of the repeats after a first
run; processor seconds (of all cores together) are the least that a repeat took, and hardly move when others use the machine;
memory is the peak of the process, the answers included.
"""

import json
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.data_sets import OUT, SETS

ENGINES = {
    "seedtest": ("peer_seedtest", {"S1": 15, "S2": 5, "S3": 9, "S4": 5, "S5": 3}, []),
    "seedtest with errors": ("peer_seedtest", {"S1": 5, "S2": 3, "S3": 3, "S4": 3, "S5": 0}, ["errors"]),
    "mirt 1.2.0": ("peer_mirt", {"S1": 5, "S2": 1, "S3": 3, "S4": 0}, []),
    "girth 0.8.0": ("peer_girth", {"S1": 1}, []),
}
REACHED_BY_R = {"S1": -141212.586, "S2": -2845487.156, "S3": -558618.173, "S4": -2774287.652}  # R mirt 1.45.1


def main(sets: list[str], chosen: list[str]) -> None:
    results = {}
    header = f"{'set':4} {'engine':22} {'seconds':>9} {'fastest':>9} {'processor':>9} {'first':>7} {'peak MB':>8} {'logLik':>15} {'- R':>8}"
    print(f"{header} {'load':>5}")
    for name in sets:
        for engine, (module, repeats, more) in ENGINES.items():
            if name in repeats and (not chosen or engine.split()[0] in chosen):
                got = results[engine, name] = _run(module, name, repeats[name], more)
                beyond = f"{got['loglik'] - REACHED_BY_R[name]:+8.3f}" if name in REACHED_BY_R else " " * 8
                print(
                    f"{name:4} {engine:22} {got['seconds']:9.4f} {got['fastest']:9.4f} {got['processor']:9.4f} "
                    f"{got['first']:7.2f} {got['peak_mb']:8.0f} {got['loglik']:15.3f} {beyond} {got['load']:5.1f}",
                    flush=True,
                )
    _draw(results, sets)


def _run(module: str, name: str, repeats: int, more: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", f"benchmarks.{module}", name, str(repeats), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _draw(results: dict[tuple[str, str], dict[str, float]], sets: list[str]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for axis, key, label in ((axes[0], "seconds", "seconds"), (axes[1], "peak_mb", "peak memory of the process, MB")):
        for i, engine in enumerate(ENGINES):
            known = [(k, results[engine, name][key]) for k, name in enumerate(sets) if (engine, name) in results]
            if known:
                axis.bar([k + 0.2 * i - 0.3 for k, _ in known], [value for _, value in known], 0.2, label=engine)
        axis.set_yscale("log")
        axis.set_xticks(range(len(sets)), [f"{name}\n{_size(name)}" for name in sets])
        axis.set_ylabel(label)
        axis.grid(axis="y", alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(OUT / "calibration.png", dpi=150)
    print(OUT / "calibration.png")


def _size(name: str) -> str:
    _, persons, items, per_person = SETS[name]
    return f"{persons * (per_person or items) / 1e6:g} million"


if __name__ == "__main__":
    asked = sys.argv[1:]
    main([name for name in SETS if name in asked] or list(SETS), [name for name in asked if name not in SETS])
