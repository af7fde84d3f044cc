"""The answers of all persons, in shards, and what is known of them without looking at a person."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.kernel_arguments import ItemScores
from seedtest_assets.irt.shards import Shards, ShardsHere


@dataclass(frozen=True)
class AnswerShards:
    """Answers to the items in question.

    count: int64 [n_codes], answers with each code; persons_with: int64 [longest + 1], persons with 0, 1, 2, ... answers;
    persons_of_group: int64 [n_groups], those with answers.
    """

    shards: Shards[Answers]
    scores: ItemScores
    count: np.ndarray
    persons_with: np.ndarray
    persons_of_group: np.ndarray

    @classmethod
    def of(cls, shards: Shards[Answers], scores: ItemScores) -> "AnswerShards":
        """Count what is in the shards. scores: of the items, the same in each."""
        tally = shards.total(_tally, add=_add_tallies)
        return cls(shards, scores, tally.of_codes, tally.persons_with, tally.persons_of_group)

    @classmethod
    def here(cls, answers: Answers) -> "AnswerShards":
        """Take the answers of one process."""
        return cls.of(ShardsHere([answers]), answers.scores)

    @property
    def n_items(self) -> int:
        return len(self.scores.kind)

    @property
    def n_groups(self) -> int:
        return len(self.persons_of_group)

    @property
    def n_answered(self) -> int:
        """Number of persons with answers."""
        return int(self.persons_with[1:].sum())

    @property
    def n_answers(self) -> np.ndarray:
        """Answers to each item, int64 [n_items]."""
        return np.add.reduceat(self.count, self.scores.first[:-1]) if len(self.count) else self.count

    def length_quantile(self, share: float, *, answered: bool = False) -> float:
        """Compute a quantile of the number of answers a person has, as np.quantile does; `answered`: of those who have some."""
        persons = self.persons_with.copy()
        if answered:
            persons[0] = 0
        up_to = np.cumsum(persons)
        at = share * (up_to[-1] - 1)
        below, above = np.searchsorted(up_to, [np.floor(at), np.ceil(at)], side="right")
        return float(below + (above - below) * (at - np.floor(at)))

    def in_groups(self, groups: Shards[np.ndarray], n_groups: int) -> "AnswerShards":
        """Put persons into populations. groups: int32 [n_persons] of each shard."""
        return AnswerShards.of(self.shards.derive(_in_groups, groups, n_groups), self.scores)

    def without_persons(self) -> "AnswerShards":
        """Keep the counts only."""
        return replace(self, shards=ShardsHere([]))

    def sample(self, n: int) -> Answers:
        """Bring at most n of the persons with answers here, from all over the shards: a list may be sorted by form."""
        answered = self.shards.each(_n_answered)
        last = np.cumsum(answered)
        chosen = np.linspace(0, last[-1] - 1, min(n, int(last[-1]))).astype(np.int64)
        places = [
            chosen[(chosen >= end - size) & (chosen < end)] - (end - size)
            for end, size in zip(last, answered, strict=True)
        ]
        return _together(self.shards.each(_take_answered, ShardsHere(places)))


class _Tally(NamedTuple):
    of_codes: np.ndarray
    persons_with: np.ndarray
    persons_of_group: np.ndarray


def _tally(answers: Answers) -> _Tally:
    return _Tally(
        answers.count,
        np.bincount(np.diff(answers.start)),
        np.bincount(answers.group[answers.answered], minlength=answers.n_groups),
    )


def _add_tallies(one: _Tally, other: _Tally) -> _Tally:
    persons_with = np.zeros(max(len(one.persons_with), len(other.persons_with)), np.int64)
    for each in (one, other):
        persons_with[: len(each.persons_with)] += each.persons_with
    return _Tally(one.of_codes + other.of_codes, persons_with, one.persons_of_group + other.persons_of_group)


def _in_groups(answers: Answers, group: np.ndarray, n_groups: int) -> Answers:
    return replace(answers, group=group, n_groups=n_groups)


def _n_answered(answers: Answers) -> int:
    return int(np.count_nonzero(answers.answered))


def _take_answered(answers: Answers, places: np.ndarray) -> Answers:
    """Select persons by their place among those with answers."""
    return answers.take(np.flatnonzero(answers.answered)[places])


def _together(parts: list[Answers]) -> Answers:
    """Put the persons of several lists into one."""
    first, *others = parts
    if not others:
        return first
    lengths = np.concatenate([np.diff(part.start) for part in parts])
    return Answers(
        start=np.concatenate([[0], np.cumsum(lengths)]),
        code=np.concatenate([part.code for part in parts]),
        count=np.sum([part.count for part in parts], axis=0),
        scores=first.scores,
        group=np.concatenate([part.group for part in parts]),
        n_groups=first.n_groups,
        order=np.concatenate([part.order for part in parts]),
    )
