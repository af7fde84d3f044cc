"""Persons in shards: what a shard holds stays where it is, functions are sent there, and sums come back.

Sums are formed pairwise in the order of the shards, wherever each is, so that a result does not depend on who computed it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Shards(ABC, Generic[T]):
    """What some shards hold, one thing each.

    An argument that is itself of type Shards goes to each shard by its part. Functions have a name, are at the top level of a
    module, and change nothing that they are given, so that another process can do the work, and do it again.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def derive(self, work: Callable[..., R], *arguments: Any) -> "Shards[R]":
        """Keep `work(held, *arguments)` of each shard where the shard is."""

    @abstractmethod
    def each(self, work: Callable[..., R], *arguments: Any) -> list[R]:
        """Bring `work(held, *arguments)` of each shard here."""

    @abstractmethod
    def total(self, work: Callable[..., R], *arguments: Any, add: Callable[[R, R], R]) -> R:
        """Sum `work(held, *arguments)` of all shards, as `pairwise_sum` does, and bring the sum here."""


@dataclass(frozen=True)
class ShardsHere(Shards[T]):
    """Shards that this process holds. One after the other they use all cores."""

    held: Sequence[T]

    def __len__(self) -> int:
        return len(self.held)

    def derive(self, work: Callable[..., R], *arguments: Any) -> "ShardsHere[R]":
        return ShardsHere(self.each(work, *arguments))

    def each(self, work: Callable[..., R], *arguments: Any) -> list[R]:
        parts = [each.held if isinstance(each, ShardsHere) else repeat(each, len(self)) for each in arguments]
        return [work(held, *of_shard) for held, *of_shard in zip(self.held, *parts, strict=True)]

    def total(self, work: Callable[..., R], *arguments: Any, add: Callable[[R, R], R]) -> R:
        return pairwise_sum(self.each(work, *arguments), add)


def pairwise_sum(values: Iterable[R], add: Callable[[R, R], R]) -> R:
    """Sum neighbours, then neighbouring sums, until one is left."""
    level = list(values)
    while len(level) > 1:
        level = [add(*level[k : k + 2]) if k + 1 < len(level) else level[k] for k in range(0, len(level), 2)]
    return level[0]
