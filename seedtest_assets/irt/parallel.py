"""Run compiled kernels on every core: plain threads around kernels that release the interpreter lock.

numba's own parallel loops end the process when two threads of a service start one at the same time; these do not.
"""

import logging
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.extending import overload

from seedtest_assets.irt.kernel_cache import KernelCache

T = TypeVar("T")
logger = logging.getLogger(__name__)


# Enough work to be worth a call, few enough that a core that was busy elsewhere does not hold up the rest.
ANSWERS_A_CHUNK = 100_000
PERSONS_A_CHUNK = 1 << 14


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function with numba; compiled once a machine, then read from the cache on disk."""
    if function is None:
        return partial(kernel, **options)
    # Nothing calls a kernel by its address, which would be one more function to compile.
    compiled = numba.njit(function, nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)
    if not numba.config.DISABLE_JIT:
        compiled._cache = KernelCache(function)
    return compiled


@lru_cache(maxsize=1)
def announce_compilation() -> None:
    """Log, once a process, that the first use may take a while."""
    logger.info("loading the compiled estimation, which a fresh machine compiles first, once, in about 10 seconds")


@lru_cache(maxsize=1)
def threads() -> int:
    """Count the cores this process may use: the least of its affinity, a container's quota and NUMBA_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        pass
    return max(1, min(cores, numba.config.NUMBA_NUM_THREADS))


def chunks(start: np.ndarray) -> list[tuple[int, int]]:
    """Cut persons into consecutive ranges (low, high) of about the same number of answers.

    start: int64 [n_persons + 1], where each person's answers begin.
    """
    n_persons = len(start) - 1
    parts = max(int(start[-1]) // ANSWERS_A_CHUNK, -(-n_persons // PERSONS_A_CHUNK), 1)
    inner = np.searchsorted(start, np.linspace(0, start[-1], parts + 1)[1:-1])
    bounds = np.unique(np.concatenate([[0], inner, [n_persons]]))
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def spread(
    work: Callable[[int, int, T], Any], ranges: Sequence[tuple[int, int]], new_buffers: Callable[[], T]
) -> list[T]:
    """Call `work(low, high, buffers)` for every range, on all cores, and return the buffers, of which each core has its own."""
    queue = iter(ranges)

    def one_core() -> T:
        buffers = new_buffers()
        for low, high in queue:
            work(low, high, buffers)
        return buffers

    n = min(threads(), len(ranges))
    if n <= 1:
        return [one_core()]
    return [future.result() for future in [_pool(os.getpid()).submit(one_core) for _ in range(n)]]


def run(work: Callable[[int, int], Any], ranges: Sequence[tuple[int, int]]) -> None:
    """Call `work(low, high)` for every range, on all cores."""
    spread(lambda low, high, _: work(low, high), ranges, lambda: None)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Start the pool of this process; a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(threads(), thread_name_prefix="irt")


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Allocate zeros that begin on a cache line, so that a row of nodes touches no line twice."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(dtype).reshape(shape)


def read_only(array: np.ndarray) -> np.ndarray:
    """Make a view that is read-only, as arrays of Arrow and pandas are: kernels are compiled apart for those."""
    view = array.view()
    view.flags.writeable = False
    return view


def exponential(x: Any) -> Any:
    """Compute exp(x) for x <= 0 such that compilers can vectorise it; relative error 2e-7 in float32, 1e-15 in float64."""
    return np.exp(x)


@overload(exponential, inline="always")
def _exponential(x: Any) -> Any:
    if x == numba.types.float32:
        return _exponential_single
    return _exponential_double


def _exponential_single(x: Any) -> Any:
    x = max(x, np.float32(-87.0))
    k = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    r = (x - k * np.float32(0.693359375)) + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)


def _exponential_double(x: Any) -> Any:
    x = max(x, -708.0)
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 6.93145751953125e-1) - k * 1.42860682030941723212e-6
    p = 1 / 6227020800.0
    p = p * r + 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r * r + r + 1.0
    return p * np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
