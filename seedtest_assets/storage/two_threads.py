"""Work on the items of a stream in two threads, in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_THREADS = 2


def in_two_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[tuple[_Item, _Result]]:
    """Give each item with the result of a function of it, in the order of the items; no more than three are in work.

    The function has to release the interpreter's lock for most of its time, as Arrow and numpy do.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[tuple[_Item, Future[_Result]]] = deque()
        for item in items:
            waiting.append((item, threads.submit(function, item)))
            if len(waiting) > _THREADS:
                earliest, result = waiting.popleft()
                yield earliest, result.result()
        while waiting:
            earliest, result = waiting.popleft()
            yield earliest, result.result()
