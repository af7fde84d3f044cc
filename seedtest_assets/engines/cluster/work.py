"""What runs on a worker: functions of irt/ on what the worker holds, timed.

The scheduler imports this module too, so it imports nothing large.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Any, NamedTuple

import distributed

PACKAGES = ("seedtest-assets", "distributed", "numpy", "numba", "pyarrow", "duckdb")
"""Packages whose version must be the same everywhere, beside Python."""

_seconds: dict[str, dict[str, float]] = {}
"""Of each connection, by function."""
_lock = Lock()


class Call(NamedTuple):
    """A function to be called with what each shard holds.

    run, name: of the connection and of the function, for the times. arguments: the same for every shard; those at `places` are
    parts, one for each shard.
    """

    run: str
    name: str
    work: Callable[..., Any]
    arguments: Sequence[Any]
    places: Sequence[int]


class Held:
    """A value on a worker.

    Dask asks for its size, to place work where the data are, and would take a dataclass of arrays for some bytes.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        buffers: list[pickle.PickleBuffer] = []
        inline = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        self.n_bytes = len(inline) + sum(buffer.raw().nbytes for buffer in buffers)

    def __sizeof__(self) -> int:
        return self.n_bytes


class WorkerSettings(distributed.WorkerPlugin):
    """Let kernels use the threads that a worker was given, not all cores of its machine."""

    name = "seedtest-worker-settings"

    def setup(self, worker: distributed.Worker) -> None:
        """Set the number of threads, for this process and for numba, wherever it has been imported already."""
        import numba

        from seedtest_assets.irt.parallel import threads

        os.environ["NUMBA_NUM_THREADS"] = str(worker.state.nthreads)
        numba.config.reload_config()
        threads.cache_clear()


class WorkerFacts(NamedTuple):
    """Seconds of work for a connection by function, and bytes that a worker sent so far."""

    seconds: dict[str, float]
    bytes_sent: int


def load(call: bytes) -> Held:
    """Unpack a call, on the first worker that needs it."""
    return Held(pickle.loads(call))


def run(call: bytes | Held, group: Held | Sequence[int], *parts: Held | bytes) -> Held:
    """Call a function with what each shard of a group holds."""
    return Held(_results(call, group, parts))


def run_and_pack(call: bytes | Held, group: Held | Sequence[int], *parts: Held | bytes) -> bytes:
    """Call a function with what each shard of a group holds, and pack the results for the client."""
    return pickle.dumps(_results(call, group, parts), protocol=5)


def total(call: bytes | Held, add: bytes, group: Held | Sequence[int], *parts: Held | bytes) -> Held:
    """Call a function with what each shard of a group holds, and sum the results."""
    return Held(_sum(add, _results(call, group, parts)))


def add_up(add: bytes, values: Sequence[Held]) -> Held:
    """Sum neighbouring values as pairwise_sum does."""
    return Held(_sum(add, map(_given, values)))


def add_up_and_pack(add: bytes, values: Sequence[Held]) -> bytes:
    """Sum the last values, and pack the sum for the client."""
    return pickle.dumps(_sum(add, map(_given, values)), protocol=5)


def _results(call: bytes | Held, group: Held | Sequence[int], parts: Sequence[Held | bytes]) -> list[Any]:
    called, parts_of_shards = _given(call), [_given(part) for part in parts]
    results, arguments = [], list(called.arguments)
    with _timed(called):
        for shard, held in enumerate(_given(group)):
            for place, of_group in zip(called.places, parts_of_shards, strict=True):
                arguments[place] = of_group[shard]
            results.append(called.work(held, *arguments))
    return results


def _sum(add: bytes, values: Iterable[Any]) -> Any:
    from seedtest_assets.irt.shards import pairwise_sum

    called = _given(add)
    with _timed(called):
        return pairwise_sum(values, called.work)


def facts_of_worker(run: str, dask_worker: distributed.Worker) -> WorkerFacts:
    """Give what a worker did; forgets the seconds of the connection."""
    with _lock:
        return WorkerFacts(_seconds.pop(run, {}), dask_worker.transfer_outgoing_bytes_total)


def versions() -> dict[str, str]:
    """Give the versions of Python and of what must be the same everywhere."""
    found = {"Python": ".".join(map(str, sys.version_info[:2]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def _given(value: Any) -> Any:
    if isinstance(value, Held):
        return value.value
    return pickle.loads(value) if isinstance(value, bytes) else value


@contextmanager
def _timed(call: Call) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        with _lock:
            of_run = _seconds.setdefault(call.run, {})
            of_run[call.name] = of_run.get(call.name, 0.0) + time.perf_counter() - started
