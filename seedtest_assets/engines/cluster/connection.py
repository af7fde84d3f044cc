"""A connection to a Dask cluster for one step of a night: what is sent and waited for, what is counted, and what can go wrong."""

import gc
import logging
import pickle
import time
from asyncio import TimeoutError as AsyncTimeoutError
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from threading import Lock
from typing import Any, cast
from uuid import uuid4

import dask
import distributed
from distributed.scheduler import KilledWorker
from distributed.system import MEMORY_LIMIT

from seedtest_assets.engines.cluster import work as on_worker
from seedtest_assets.errors import (
    InputError,
    SeedtestError,
    SettingsError,
    TransientError,
    first_few,
    first_line,
    number_of,
)

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for the scheduler, and for a worker where there is none."""

CHECK_EVERY = 2.0
"""Seconds of waiting for results after which the scheduler and its workers are looked at."""

LOCAL = "local:"
"""What SEEDTEST_DASK begins with where workers are processes of this machine, until the run ends."""

MORE_MEMORY = (
    "Give workers more memory, or use more of them; where a single bucket is too large, raise SEEDTEST_BUCKETS and run "
    "`seedtest lake rebucket`"
)

SUM = "sum_of_"
"""What the names of tasks begin with that add up."""

BROKEN = (OSError, TimeoutError, AsyncTimeoutError, CancelledError)
"""What the client raises when the scheduler is out of reach."""


@dataclass
class WorkDone:
    """Calls of a function for all shards; bytes of the client; seconds of computing on all workers, sums included, and of the
    client's waiting, also for what had to be done before."""

    calls: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds_computing: float = 0.0
    seconds_waiting: float = 0.0

    def rounded(self) -> dict[str, float]:
        """Give the figures by name."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


class Connection:
    """Sends work to the workers of a cluster, and brings results.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler, or `local:N`, as messages name it.
    patience : float
        Seconds to wait for the scheduler, or for a worker where there is none.

    Attributes
    ----------
    groups : list of range
        Shards of each group, for messages.
    done : dict of WorkDone
        By function, in the order of the first calls.
    """

    def __init__(self, client: distributed.Client, address: str, patience: float = PATIENCE) -> None:
        self.client, self.address, self.patience = client, address, patience
        self.run = uuid4().hex[:8]
        self.done: dict[str, WorkDone] = {}
        self.groups: list[range] = []
        with self._named():
            try:
                client.wait_for_workers(1, timeout=patience)
            except (TimeoutError, AsyncTimeoutError):
                raise TransientError(
                    f"no worker has joined the Dask scheduler at {address} within {patience:g} s. Start workers"
                ) from None
            self._check_versions()
            client.register_plugin(on_worker.WorkerSettings())
            self.threads = client.nthreads()
            logger.info(
                "at work on the Dask cluster at %s: %s, %s%s",
                address,
                number_of(len(self.threads), "worker"),
                number_of(sum(self.threads.values()), "thread"),
                "" if address.startswith(LOCAL) else f". Dashboard: {client.dashboard_link}",
            )
            self._sent_before = {worker: facts.bytes_sent for worker, facts in self._of_workers().items()}

    @property
    def bytes_sent(self) -> int:
        """Bytes that the client sent to workers."""
        return sum(done.bytes_sent for done in self.done.values())

    def packed(
        self, name: str, work: Callable[..., Any], arguments: Sequence[Any] = (), places: Sequence[int] = ()
    ) -> bytes:
        """Pack a call. name: of the function, for the figures; places: of the arguments that shards give."""
        return pickle.dumps(on_worker.Call(self.run, name, work, arguments, places), protocol=5)

    def sent_once(self, name: str, call: bytes) -> distributed.Future:
        """Send a call to one worker, from which the others fetch it.

        As a task, which is run again where its worker dies; what is scattered would be lost.
        """
        self._done(name).bytes_sent += len(call)
        with self._named():
            return self.client.submit(on_worker.load, call, key=f"arguments-{uuid4().hex[:8]}")

    def submit(self, task: Callable[..., Any], name: str, columns: Sequence[Sequence[Any]]) -> list[distributed.Future]:
        """Submit tasks; gives their futures. name: of the function; columns: each argument, of every task.

        Tasks go where their data are, those without any to whoever has least to do. They are not bound to a worker: Dask never gives
        such tasks to the worker that replaces the last one.
        """
        done = self._done(name.removeprefix(SUM))
        done.calls += not name.startswith(SUM)
        done.bytes_sent += sum(len(value) for column in columns for value in column if isinstance(value, bytes))
        with self._named():
            return self.client.map(task, *columns, key=_keys(name, len(columns[0])), pure=False)

    def bring(self, name: str, futures: Sequence[distributed.Future]) -> list[Any]:
        """Wait for packed results of a function, and unpack them.

        Raises what a task raised, InputError for shards that are too large for their worker, TransientError where the
        scheduler or all workers are gone.
        """
        started = time.perf_counter()
        with self._named():
            self._wait(futures)
            failed = next((future for future in futures if future.status == "error"), None)
            packed = self.client.gather(list(futures)) if failed is None else []
        done = self._done(name)
        done.seconds_waiting += time.perf_counter() - started
        if failed is not None:
            raise self._explained(failed.exception())
        done.bytes_received += sum(map(len, packed))
        return [pickle.loads(result) for result in packed]

    def facts(self) -> dict[str, Any]:
        """Log and give what the metadata of a run shows of its cluster.

        Seconds of workers that are gone are not counted; bytes between workers are those of all steps that worked meanwhile.
        """
        with self._named():
            of_workers = self._of_workers()
        for facts in of_workers.values():
            for name, seconds in facts.seconds.items():
                self._done(name).seconds_computing += seconds
        bytes_received = sum(done.bytes_received for done in self.done.values())
        totals = {
            "scheduler": self.address,
            "workers": len(self.threads),
            "threads": sum(self.threads.values()),
            "bytes_sent": self.bytes_sent,
            "bytes_received": bytes_received,
            "bytes_between_workers": max(
                0,
                sum(facts.bytes_sent - self._sent_before.get(worker, 0) for worker, facts in of_workers.items())
                - bytes_received,
            ),
            "seconds_computing": round(sum(done.seconds_computing for done in self.done.values()), 3),
            "seconds_waiting": round(sum(done.seconds_waiting for done in self.done.values()), 3),
            **({} if self.address.startswith(LOCAL) else {"dashboard": self.client.dashboard_link}),
        }
        work = [{"function": name, **done.rounded()} for name, done in self.done.items()]
        logger.info("done on the Dask cluster: %s", _listed(totals))
        for row in work:
            logger.info("  %s", _listed(row))
        return totals | {"work": work}

    def _done(self, name: str) -> WorkDone:
        return self.done.setdefault(name, WorkDone())

    def _of_workers(self) -> dict[str, on_worker.WorkerFacts]:
        # Without those of a worker that is about to be replaced: a step does not fail for want of a figure.
        return self.client.run(on_worker.facts_of_worker, self.run, on_error="ignore")

    def _wait(self, futures: Sequence[distributed.Future]) -> None:
        since, timed_out = None, False
        while True:
            try:
                distributed.wait(futures, timeout=CHECK_EVERY)
                if timed_out:
                    # The exceptions are in cycles with our callers' frames, and so with futures: workers would keep what nobody needs.
                    gc.collect()
                return
            except (TimeoutError, AsyncTimeoutError):
                timed_out = True
            failure = self._failure()
            since = None if failure is None else since or time.monotonic()
            if failure and since and time.monotonic() - since > self.patience:
                raise failure

    def _failure(self) -> SeedtestError | None:
        """Look for a reason why no result will come."""
        workers = self.client.scheduler_info()["workers"].values()
        if not workers:
            return TransientError(f"the Dask scheduler at {self.address} has lost all its workers. Start workers")
        if all(
            worker["status"] == "paused" and not worker["metrics"]["task_counts"].get("executing") for worker in workers
        ):
            return InputError(f"no worker of {self.address} has memory for more work. {MORE_MEMORY}")
        return None

    def _explained(self, error: BaseException) -> BaseException:
        """Say in the user's terms why a task failed."""
        if not isinstance(error, KilledWorker):
            return error
        # What is sent once has a name only.
        name, number = cast(tuple[str, int], error.task) if isinstance(error.task, tuple) else (SUM, 0)
        group = self.groups[number] if number < len(self.groups) and not name.startswith(SUM) else range(0)
        held = f" with {_buckets(group)} of {self.groups[-1].stop}" if group else ""
        return InputError(
            f"a worker of {self.address} ended {number_of(error.allowed_failures + 1, 'time')} at its work{held}, most often for "
            f"want of memory. {MORE_MEMORY}"
        )

    def _check_versions(self) -> None:
        """Raise SettingsError where a version on the scheduler or on a worker is not that of this process."""
        here = on_worker.versions()
        found = {"the scheduler": self.client.run_on_scheduler(on_worker.versions)}
        found |= self.client.run(on_worker.versions, on_error="return")
        for place, there in found.items():
            if isinstance(there, BaseException):
                raise SettingsError(f"{place} cannot do the work: {first_line(there)}. Install seedtest-assets there")
            other = [
                f"{name} {there.get(name)}, here {version}"
                for name, version in here.items()
                if there.get(name) != version
            ]
            if other:
                raise SettingsError(
                    f"{place} has another version: {first_few(other)}. Install the same versions everywhere"
                )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn failures of the connection into one line that names the scheduler."""
        try:
            yield
        except BROKEN as error:
            raise TransientError(
                f"the Dask scheduler at {self.address} did not answer or closed the connection: {first_line(error)}"
            ) from None


@contextmanager
def connected(address: str, patience: float = PATIENCE) -> Iterator[Connection]:
    """Connect to a scheduler, or for `local:N` to workers on this machine, which work until this process ends.

    Raises TransientError where the scheduler or its workers cannot be reached, SettingsError where their versions differ.
    """
    # Arguments that are sent once may well be larger than what the client would warn of.
    with dask.config.set(
        {
            "distributed.admin.large-graph-warning-threshold": "1 GB",
            "distributed.comm.timeouts.connect": f"{patience} s",
        }
    ):
        if address.startswith(LOCAL):
            with (
                _LOCAL_WORKERS.at_work(int(address.removeprefix(LOCAL))) as cluster,
                distributed.Client(cluster) as client,
            ):
                yield Connection(client, address, patience)
            return
        try:
            client = distributed.Client(address, timeout=patience)
        except (OSError, TimeoutError, AsyncTimeoutError) as error:
            raise TransientError(
                f"the Dask scheduler at {address} could not be reached within {patience:g} s: {first_line(error)}. "
                "Start it, or correct SEEDTEST_DASK"
            ) from None
        with client:
            yield Connection(client, address, patience)


@cache
def workers_here(n: int) -> distributed.LocalCluster:
    """Start workers for all steps of a run: starting them takes seconds. Dask ends them with this process."""
    return distributed.LocalCluster(
        n_workers=n,
        threads_per_worker=1,
        memory_limit=MEMORY_LIMIT // n,
        dashboard_address=":0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
    )


def end_workers_here(n: int) -> None:
    """End the workers of `local:N`; the next step starts others."""
    workers_here(n).close()
    workers_here.cache_clear()


class _LocalWorkers:
    """The workers of `local:N`, which steps that run side by side share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users, self._broken = 0, False

    @contextmanager
    def at_work(self, n: int) -> Iterator[distributed.LocalCluster]:
        """Give the workers, started by the first who asks. After a TransientError they end with their last user, so that a retry starts others."""
        with self._lock:
            cluster = workers_here(n)
            self._users += 1
        try:
            yield cluster
        except TransientError:
            self._broken = True
            raise
        finally:
            with self._lock:
                self._users -= 1
                if self._broken and not self._users:
                    self._broken = False
                    end_workers_here(n)


_LOCAL_WORKERS = _LocalWorkers()


def _listed(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def _buckets(group: range) -> str:
    return f"bucket {group[0]}" if len(group) == 1 else f"buckets {group[0]} to {group[-1]}"


def _keys(name: str, n: int) -> list[Any]:
    """Name tasks: (name with a random part, number)."""
    name = f"{name}-{uuid4().hex[:8]}"
    return [(name, number) for number in range(n)]
