"""How far an E-step is from what the machine can do: its arithmetic and its traffic between cores and caches, against loops that do
nothing else.

    python -m benchmarks.roofline S3 S4 S5

An answer costs a row of 64 nodes read (256 bytes) and one read and written back (512 bytes), with 128 additions. The ceilings
are measured here: multiply-adds in registers, and rows of a table of the same size added up and added to in random order.
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.data_sets import load
from seedtest_assets.irt import Responses
from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.parallel import aligned_zeros, kernel, spread, threads
from seedtest_assets.irt.problem import Problem, starting_values
from seedtest_assets.irt.screening import answers_to

WIDTH, ROW = 64, 256
ADDITIONS = 2 * WIDTH


def main(names: list[str]) -> None:
    both = [(core, core + 1) for core in range(threads())]
    flops = (
        2 * 64 * 4_000_000 * threads() / _fastest(lambda: spread(_multiply_add, both, lambda: np.zeros(64, np.float32)))
    )
    print(f"{threads()} cores, single precision: {flops / 1e9:.0f} GFLOP/s in registers; load {os.getloadavg()[0]:.1f}")
    print(
        f"{'set':4} {'table':>8} {'E-step s':>9} {'ns':>6} {'GB/s':>6} {'ceiling':>8} {'reached':>8} {'arithmetic':>11}"
    )
    for name in names:
        data = load(name)
        answers = answers_to(
            Responses.from_answers(data.person, data.item, data.correct), np.arange(data.n_items, dtype=np.int32)
        )
        problem = Problem(AnswerShards.here(answers), "2PL", np.ones(data.n_items, bool))
        state = starting_values(answers.count, answers.scores)
        seconds = _fastest(lambda problem=problem, state=state: problem.expect(state, single=True))
        n = len(answers.code)
        traffic = 3 * ROW * n / seconds
        ceiling = _row_bandwidth(data.n_items, answers.code)
        print(
            f"{name:4} {data.n_items * ROW / 1024:6.0f}kB {seconds:9.4f} {seconds / n * 1e9:6.1f} {traffic / 1e9:6.0f} "
            f"{ceiling / 1e9:8.0f} {traffic / ceiling:8.0%} {ADDITIONS * n / seconds / flops:11.0%}",
            flush=True,
        )


def _row_bandwidth(n_items: int, code: np.ndarray) -> float:
    """Bytes a second of the two row operations of an E-step on a table and counts of this size, and nothing else."""
    table = aligned_zeros((n_items, WIDTH), np.float32)
    code = code[:5_000_000]
    halves = [(core * len(code) // threads(), (core + 1) * len(code) // threads()) for core in range(threads())]

    def rows(low: int, high: int, buffer: tuple[np.ndarray, np.ndarray]) -> None:
        _rows(low, high, code, table, *buffer)

    def buffers() -> tuple[np.ndarray, np.ndarray]:
        return aligned_zeros((n_items, WIDTH), np.float32), aligned_zeros((WIDTH,), np.float32)

    return 3 * ROW * len(code) / _fastest(lambda: spread(rows, halves, buffers))


def _fastest(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _multiply_add(low: int, high: int, out: np.ndarray) -> None:
    _fma(out)


@kernel(fastmath=True)
def _fma(out):
    values = out.copy()
    for _ in range(4_000_000):
        for q in range(64):
            values[q] = values[q] * np.float32(0.999) + np.float32(0.001)
    out[:] = values


@kernel(fastmath=True)
def _rows(low, high, code, table, counts, total):
    for k in range(low, high - 3, 4):
        row1, row2 = table[code[k] >> 1], table[code[k + 1] >> 1]
        row3, row4 = table[code[k + 2] >> 1], table[code[k + 3] >> 1]
        for q in range(total.size):
            total[q] += (row1[q] + row2[q]) + (row3[q] + row4[q])
        for i in range(4):
            row = counts[code[k + i] >> 1]
            for q in range(total.size):
                row[q] += total[q]


if __name__ == "__main__":
    main(sys.argv[1:] or ["S1", "S3", "S4", "S5"])
