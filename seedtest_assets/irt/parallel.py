"""Compiled kernels on every core: plain threads around kernels that release the interpreter lock.

numba's own parallel loops end the process when two threads of a service start one at the same time; these do not.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import numba
import numpy as np

kernel = partial(numba.njit, nogil=True, cache=True)
"""Decorator of every compiled kernel; compiled once a machine, then read from numba's cache."""


def threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split_by_answers(start: np.ndarray, parts: int) -> list[tuple[int, int]]:
    """Cut persons into consecutive ranges with about the same number of answers.

    start: int64 [n_persons + 1], where each person's answers begin.
    """
    n_persons = len(start) - 1
    cuts = np.searchsorted(start, np.linspace(0, start[-1], parts + 1)[1:-1])
    bounds = [0, *(int(cut) for cut in cuts), n_persons]
    return [(low, high) for low, high in zip(bounds[:-1], bounds[1:], strict=True) if high > low]


def run(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Call `work` once for each tuple of arguments, side by side; results in their order."""
    if len(arguments) == 1:
        return [work(*arguments[0])]
    return list(_pool(threads(), os.getpid()).map(lambda one: work(*one), arguments))


@lru_cache(maxsize=1)
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    """One pool a process: a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(workers, thread_name_prefix="irt")
