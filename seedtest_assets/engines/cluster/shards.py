"""Shards that the workers of a Dask cluster hold."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any, TypeVar

from seedtest_assets.engines.cluster import work as on_worker
from seedtest_assets.engines.cluster.connection import SUM, Connection
from seedtest_assets.irt.shards import Shards, ShardsHere

T = TypeVar("T")
R = TypeVar("R")

LARGE_CALL = 100_000
"""Bytes from which arguments are sent once, and passed on by workers, not once for each task."""

MOST_IN_A_TASK = 8
"""Shards of a task, and sums that a task adds up: a power of two, so that these are whole branches of the pairwise sum."""


@dataclass(frozen=True)
class ClusterShards(Shards[T]):
    """What the workers hold, neighbouring shards in groups: a task costs about a millisecond, whatever it does.

    groups: the numbers of the shards of each group; held: a future for each group, or before anything is held its numbers.
    """

    connection: Connection
    groups: Sequence[range]
    held: Sequence[Any]

    @classmethod
    def numbered(cls, connection: Connection, n: int) -> "ClusterShards[int]":
        """Start with the numbers of n shards, from which `derive` makes what workers hold."""
        size = group_size(n, sum(connection.threads.values()))
        groups = [range(first, min(first + size, n)) for first in range(0, n, size)]
        connection.groups = groups
        return ClusterShards(connection, groups, groups)

    def __len__(self) -> int:
        return self.groups[-1].stop

    def derive(self, work: Callable[..., R], *arguments: Any) -> "ClusterShards[R]":
        return ClusterShards(self.connection, self.groups, self._submit(on_worker.run, work, arguments))

    def each(self, work: Callable[..., R], *arguments: Any) -> list[R]:
        packed = self._submit(on_worker.run_and_pack, work, arguments)
        return list(chain(*self.connection.bring(work.__name__, packed)))

    def total(self, work: Callable[..., R], *arguments: Any, add: Callable[[R, R], R]) -> R:
        call = self.connection.packed(work.__name__, add)
        level = self._submit(on_worker.total, work, arguments, call)
        while len(level) > MOST_IN_A_TASK:
            level = self._add_up(on_worker.add_up, work.__name__, call, level)
        packed = self._add_up(on_worker.add_up_and_pack, work.__name__, call, level)
        return self.connection.bring(work.__name__, packed)[0]

    def _submit(
        self, task: Callable[..., Any], work: Callable[..., Any], arguments: Sequence[Any], *first: bytes
    ) -> list[Any]:
        """Submit a task for each group; gives their futures."""
        places = [place for place, argument in enumerate(arguments) if isinstance(argument, Shards)]
        constant = [None if place in places else argument for place, argument in enumerate(arguments)]
        call = self.connection.packed(work.__name__, work, constant, places)
        given = self.connection.sent_once(work.__name__, call) if len(call) > LARGE_CALL else call
        n = len(self.groups)
        columns = [[value] * n for value in (given, *first)]
        parts = [self._parts(arguments[place]) for place in places]
        return self.connection.submit(task, work.__name__, [*columns, self.held, *parts])

    def _parts(self, argument: Shards[Any]) -> Sequence[Any]:
        """Give what stands for the parts of an argument, for each group."""
        if isinstance(argument, ClusterShards):
            return argument.held
        if not isinstance(argument, ShardsHere):
            raise TypeError(f"{type(argument).__name__} cannot be given to workers")
        return [pickle.dumps([argument.held[shard] for shard in group], protocol=5) for group in self.groups]

    def _add_up(self, task: Callable[..., Any], name: str, call: bytes, level: Sequence[Any]) -> list[Any]:
        groups = [list(level[k : k + MOST_IN_A_TASK]) for k in range(0, len(level), MOST_IN_A_TASK)]
        return self.connection.submit(task, f"{SUM}{name}", [[call] * len(groups), groups])


def group_size(n: int, threads: int) -> int:
    """Find the most shards a task, a power of two, such that no thread gets more shards than it must."""
    size = 1
    while 2 * size <= MOST_IN_A_TASK and _most_of_a_thread(n, threads, 2 * size) <= ceil(n / threads):
        size *= 2
    return size


def _most_of_a_thread(n: int, threads: int, size: int) -> int:
    return ceil(ceil(n / size) / threads) * size
