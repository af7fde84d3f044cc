"""Worker processes behind a bounded queue, so that the event loop stays free to answer."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import IO, Any

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from seedtest_assets.service.limits import Refusal
from seedtest_assets.service.messages import Outcome, Task

DISCONNECTED = "the caller disconnected"


class Workers:
    """Run up to `processes` tasks at a time and let `queue` wait; refuse more with 503 and Retry-After.

    A caller who disconnects frees its place, also while its task runs: the process is ended. So is one that works longer
    than `work_seconds`.
    """

    def __init__(self, name: str, processes: int, queue: int, work_seconds: float) -> None:
        self.name = name
        self.processes = processes
        self.queue = queue
        self.work_seconds = work_seconds
        self.admitted = 0
        self.running = 0
        self._typical_seconds = 1.0
        self._turn = asyncio.Semaphore(processes)
        self._limiter = CapacityLimiter(processes)
        self._closed = asyncio.Event()
        self._expired = asyncio.Event()

    async def prepare(self, work: Callable[[], None]) -> None:
        """Start every process by running `work` in it."""
        await asyncio.gather(*(to_process.run_sync(work, limiter=self._limiter) for _ in range(self.processes)))

    async def run(
        self,
        work: Callable[[Task], Outcome],
        read: Callable[[IO[bytes], str], Awaitable[Task]],
        disconnected: Callable[[], Awaitable[None]],
    ) -> Outcome:
        """Take a place, read the task, wait for a process, and run the work in it.

        read: takes a file to write the body to, and the path at which the process finds it.
        disconnected: returns when the caller has closed the connection.

        Raises Refusal 503 when there is no place, when the service stops, or when the process died; 504 when it worked too
        long; 499 when the caller disconnected.
        """
        if self._closed.is_set():
            raise self._stopping()
        if self.admitted >= self.processes + self.queue:
            raise Refusal(
                503,
                f"busy: {self.admitted} {self.name} tasks are running or waiting. Try again later",
                self._retry_after(),
            )
        self.admitted += 1
        try:
            with _shared_file() as (file, path):
                task = await read(file, path)
                left = asyncio.ensure_future(disconnected())
                try:
                    waits = self._turn.locked()
                    await self._first(self._turn.acquire(), left, self._closed)
                    try:
                        if not waits:  # else a process has just ended another task
                            await self._drop_dead_processes()
                        return await self._work(work, task, left)
                    finally:
                        self._turn.release()
                finally:
                    left.cancel()
        finally:
            self.admitted -= 1

    def refuse_waiting(self) -> None:
        """Refuse new and waiting tasks; running ones may end."""
        self._closed.set()

    def refuse_running(self) -> None:
        """End running tasks and refuse them."""
        self._expired.set()

    async def _work(self, work: Callable[[Task], Outcome], task: Task, left: "asyncio.Future[None]") -> Outcome:
        self.running += 1
        began = time.perf_counter()
        try:
            running = to_process.run_sync(work, task, cancellable=True, limiter=self._limiter)
            outcome: Outcome = await self._first(running, left, self._expired, self.work_seconds)
        except BrokenWorkerProcess:
            raise Refusal(
                503, f"the {self.name} process died, perhaps for lack of memory", self._retry_after()
            ) from None
        finally:
            self.running -= 1
        self._typical_seconds = 0.7 * self._typical_seconds + 0.3 * (time.perf_counter() - began)
        return outcome

    async def _drop_dead_processes(self) -> None:
        """Find out which processes died while they had no work, so that no caller's task is given to one."""
        for _ in range(self.processes + 1):
            try:
                await to_process.run_sync(os.getpid, limiter=self._limiter)
            except BrokenWorkerProcess:
                continue
            return

    async def _first(
        self, awaited: Awaitable[Any], left: "asyncio.Future[None]", end: asyncio.Event, seconds: float | None = None
    ) -> Any:
        """Await a result, unless the caller leaves, the end comes or the seconds are over first."""
        main, ended = asyncio.ensure_future(awaited), asyncio.ensure_future(end.wait())
        try:
            done, _ = await asyncio.wait({main, left, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if main in done:
                return main.result()
            if not done:
                raise Refusal(504, f"the {self.name} was ended after {seconds:g} seconds. Send fewer answers")
            raise Refusal(499, DISCONNECTED) if left in done else self._stopping()
        finally:
            ended.cancel()
            if not main.done():
                main.cancel()
                await asyncio.wait({main})

    def _stopping(self) -> Refusal:
        return Refusal(503, "the service is stopping and did not finish this. Send it again", self._retry_after())

    def _retry_after(self) -> dict[str, str]:
        """Estimate when a place is free, from the typical time of earlier tasks: 1 to 120 seconds."""
        seconds = self._typical_seconds * max(1, self.admitted) / self.processes
        return {"Retry-After": str(round(min(120, max(1, seconds))))}


@contextmanager
def _shared_file() -> Iterator[tuple[IO[bytes], str]]:
    """Open a temporary file that another process can open by its path; in memory where the system can.

    The body is written to it in the pieces it arrives in: joining and pickling 50 MB would block every other caller.
    """
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("body"), "wb", buffering=0) as file:
            yield file, f"/proc/{os.getpid()}/fd/{file.fileno()}"
    else:
        with NamedTemporaryFile(buffering=0) as file:
            yield file, file.name
