"""The simulated sets that every engine is timed on: 2PL answers with known truth.

    python -m benchmarks.data_sets S3        # makes benchmarks/out/S3.npz, once

theta ~ N(0, 1), a ~ lognormal(0, 0.3), b ~ N(0, 1), P(right) = logistic(a (theta - b)); sparse sets draw each
person's items uniformly without replacement. The same numbers, drawn in the same order, as the CSV files that R mirt
was timed on.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent / "out"

# name: (seed, persons, items in the bank, items a person or None for all)
SETS = {
    "S1": (1001, 5_000, 50, None),
    "S2": (1002, 50_000, 100, None),
    "S3": (1003, 20_000, 500, 50),
    "S4": (1004, 100_000, 2_000, 50),
    "S5": (1005, 1_000_000, 10_000, 50),
}


@dataclass(frozen=True)
class DataSet:
    """Answers in the order of persons: codes int32 [n], right or wrong uint8 [n], and the truth they came from."""

    name: str
    n_persons: int
    n_items: int
    person: np.ndarray
    item: np.ndarray
    correct: np.ndarray
    a: np.ndarray
    b: np.ndarray
    theta: np.ndarray


def load(name: str) -> DataSet:
    """The set of that name, drawn on first use."""
    path = OUT / f"{name}.npz"
    if not path.exists():
        OUT.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_draw(*SETS[name]))
    _, n_persons, n_items, per_person = SETS[name]
    with np.load(path) as drawn:
        person = np.repeat(np.arange(n_persons, dtype=np.int32), per_person or n_items)
        return DataSet(
            name, n_persons, n_items, person, *(drawn[key] for key in ("item", "correct", "a", "b", "theta"))
        )


def _draw(seed: int, n_persons: int, n_items: int, per_person: int | None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0, 0.3, n_items)
    b = rng.normal(0, 1, n_items)
    theta = rng.normal(0, 1, n_persons)
    width = per_person or n_items
    item = np.empty((n_persons, width), np.int32)
    correct = np.empty((n_persons, width), np.uint8)
    for p in range(n_persons):
        seen = np.arange(n_items) if per_person is None else np.sort(rng.choice(n_items, per_person, replace=False))
        chance = 1 / (1 + np.exp(-a[seen] * (theta[p] - b[seen])))
        item[p] = seen
        correct[p] = rng.random(width) < chance
    return {"item": item.ravel(), "correct": correct.ravel(), "a": a, "b": b, "theta": theta}


if __name__ == "__main__":
    for each in sys.argv[1:] or SETS:
        load(each)
        print(f"{each}: {OUT / each}.npz")
