"""Worker processes behind a bounded queue: the event loop hands work over and stays free to answer."""

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


class Workers:
    """`processes` tasks run at a time and `queue` wait; more are refused with 503 and Retry-After.

    A caller who hangs up gives its place back, also in the middle of the work: the process is ended.
    """

    def __init__(self, name: str, processes: int, queue: int) -> None:
        self.name = name
        self.processes = processes
        self.queue = queue
        self.admitted = 0
        self.running = 0
        self._typical_seconds = 1.0
        self._turn = asyncio.Semaphore(processes)
        self._limiter = CapacityLimiter(processes)
        self._no_more = asyncio.Event()
        self._out_of_time = asyncio.Event()

    async def prepare(self, work: Callable[[], None]) -> None:
        """Start every process by doing `work` in it."""
        await asyncio.gather(*(to_process.run_sync(work, limiter=self._limiter) for _ in range(self.processes)))

    async def run(
        self,
        work: Callable[[Task], Outcome],
        read: Callable[[IO[bytes], str], Awaitable[Task]],
        gone: Callable[[], Awaitable[None]],
    ) -> Outcome:
        """Take a place, read the task, wait for a process, and do the work in it.

        read: takes a file to write the body to, and the path under which the process finds it.
        gone: returns when the caller has hung up; its result is then wanted by nobody.

        Raises Refusal 503 when there is no place, when the service stops, or when the process died; 499 when the
        caller left.
        """
        if self._no_more.is_set():
            raise self._stopping()
        if self.admitted >= self.processes + self.queue:
            raise Refusal(
                503, f"busy: {self.admitted} {self.name} tasks are running or waiting; try again", self._retry_after()
            )
        self.admitted += 1
        try:
            with _shared_file() as (file, path):
                task = await read(file, path)
                left = asyncio.ensure_future(gone())
                try:
                    await self._first(self._turn.acquire(), left, self._no_more)
                    try:
                        return await self._work(work, task, left)
                    finally:
                        self._turn.release()
                finally:
                    left.cancel()
        finally:
            self.admitted -= 1

    def refuse_waiting(self) -> None:
        """Take nothing more and send away who waits; what runs may end."""
        self._no_more.set()

    def refuse_running(self) -> None:
        """End what still runs, telling its callers."""
        self._out_of_time.set()

    async def _work(self, work: Callable[[Task], Outcome], task: Task, left: "asyncio.Future[None]") -> Outcome:
        self.running += 1
        began = time.perf_counter()
        try:
            running = to_process.run_sync(work, task, cancellable=True, limiter=self._limiter)
            outcome: Outcome = await self._first(running, left, self._out_of_time)
        except BrokenWorkerProcess:
            raise Refusal(
                503, f"the {self.name} process died on the way, perhaps for want of memory", self._retry_after()
            ) from None
        finally:
            self.running -= 1
        self._typical_seconds = 0.7 * self._typical_seconds + 0.3 * (time.perf_counter() - began)
        return outcome

    async def _first(self, wanted: Awaitable[Any], left: "asyncio.Future[None]", end: asyncio.Event) -> Any:
        """Await what is wanted, unless the caller leaves or the end comes first."""
        main, ended = asyncio.ensure_future(wanted), asyncio.ensure_future(end.wait())
        try:
            await asyncio.wait({main, left, ended}, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                return main.result()
            raise Refusal(499, "the caller hung up") if left.done() else self._stopping()
        finally:
            ended.cancel()
            if not main.done():
                main.cancel()
                await asyncio.wait({main})

    def _stopping(self) -> Refusal:
        return Refusal(503, "the service is stopping and did not finish this; send it again", self._retry_after())

    def _retry_after(self) -> dict[str, str]:
        """When a place may be free: the typical time of those before, between 1 and 120 seconds."""
        seconds = self._typical_seconds * max(1, self.admitted) / self.processes
        return {"Retry-After": str(round(min(120, max(1, seconds))))}


@contextmanager
def _shared_file() -> Iterator[tuple[IO[bytes], str]]:
    """A file that another process can open by its path, gone at the end; in memory where the system can.

    A body goes this way in the pieces it arrives in: joining and pickling 50 MB would hold up every other caller.
    """
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("body"), "wb", buffering=0) as file:
            yield file, f"/proc/{os.getpid()}/fd/{file.fileno()}"
    else:
        with NamedTemporaryFile(buffering=0) as file:
            yield file, file.name
