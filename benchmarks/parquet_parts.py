"""Answers in Parquet files, one a bucket of students: what a calibration of a large lake reads.

python -m benchmarks.parquet_parts S6 FOLDER      # writes them: 500 million answers are 64 files, 1.4 GB, 3 minutes
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data_sets import SETS, load
from seedtest_assets.tables_on_demand import PartsOnDemand

LARGE = {"S6": (1006, 1_000_000, 20_000, 500, 64)}
"""name: (seed, persons, items in the bank, items a person, files)"""

FILES_OF_A_SET = 16


@dataclass(frozen=True)
class ParquetParts(PartsOnDemand):
    """The files, each read where it is asked for, with some columns."""

    paths: tuple[str, ...]
    columns: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> pa.Table:
        """Read a file; ids are dictionary-encoded."""
        columns = None if self.columns is None else list(self.columns)
        return pq.read_table(self.paths[number], columns=columns, read_dictionary=["student_id", "item_id"])

    def select(self, columns: Sequence[str]) -> "ParquetParts":
        """Read fewer columns."""
        return ParquetParts(self.paths, tuple(columns))


def written(name: str, folder: Path) -> ParquetParts:
    """Give the files of a set, which are written on first use."""
    folder = folder / name
    n_files = LARGE[name][4] if name in LARGE else FILES_OF_A_SET
    paths = [folder / f"bucket={number:02d}.parquet" for number in range(n_files)]
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        for path, table in zip(paths, _large(name) if name in LARGE else _parts_of_set(name), strict=True):
            pq.write_table(table, path)
            print(f"{path.name}: {len(table):,} answers", flush=True)
    return ParquetParts(tuple(map(str, paths)))


def n_answers(name: str) -> int:
    """Count the answers of a set."""
    _, persons, items, per_person = LARGE[name][:4] if name in LARGE else SETS[name]
    return persons * (per_person or items)


def _table(person: np.ndarray, item: np.ndarray, correct: np.ndarray, n_items: int) -> pa.Table:
    """Lay out answers as a calibration takes them. person: codes; their answers are in order of time."""
    persons, codes = np.unique(person, return_inverse=True)
    second = np.arange(len(person), dtype=np.int64) * 1_000_000
    return pa.table(
        {
            "student_id": pa.DictionaryArray.from_arrays(
                pa.array(codes, pa.int32()), [f"student-{code:07d}" for code in persons.tolist()]
            ),
            "item_id": pa.DictionaryArray.from_arrays(
                pa.array(item, pa.int32()), [f"item-{code:05d}" for code in range(n_items)]
            ),
            "correct": correct.astype(bool),
            "answered_at": pa.array(second).cast(pa.timestamp("us", tz="UTC")),
        }
    )


def _parts_of_set(name: str):
    data = load(name)
    for number in range(FILES_OF_A_SET):
        chosen = data.person % FILES_OF_A_SET == number
        yield _table(data.person[chosen], data.item[chosen], data.correct[chosen], data.n_items)


def _large(name: str):
    """Draw a set that is never in memory as a whole: theta ~ N(0, 1), a ~ lognormal(0, 0.3), b ~ N(0, 1).

    The items of a person are a walk around the bank with a random start and a random stride, which has no factor in common
    with the size of the bank, so that no item comes twice.
    """
    seed, n_persons, n_items, per_person, n_files = LARGE[name]
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.3, n_items), rng.normal(0, 1, n_items)
    strides = np.flatnonzero(np.gcd(np.arange(1, n_items), n_items) == 1) + 1
    for number in range(n_files):
        person = np.arange(number, n_persons, n_files)
        theta = rng.normal(0, 1, (len(person), 1))
        start, stride = rng.integers(0, n_items, (len(person), 1)), rng.choice(strides, (len(person), 1))
        item = ((start + stride * np.arange(per_person)) % n_items).astype(np.int32)
        correct = rng.random(item.shape, np.float32) < 1 / (1 + np.exp(-a[item] * (theta - b[item])))
        yield _table(np.repeat(person, per_person), item.ravel(), correct.ravel(), n_items)


if __name__ == "__main__":
    written(sys.argv[1], Path(sys.argv[2]))
