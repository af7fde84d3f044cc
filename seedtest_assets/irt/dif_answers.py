"""Answers of two groups, as the DIF methods take them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.responses import Responses


@dataclass(frozen=True, kw_only=True)
class GroupedAnswers:
    """Answers to the items that at least one group's answers can place, recoded.

    items: int32 [n_items], codes in the responses; start: int64 [n_persons + 1]; item: int32 [n], rows of `items`;
    correct: uint8 [n]; focal: bool [n_persons]; count: int64 [2, n_items, 2], wrong and right answers of the reference
    and the focal group; studied: bool [n_items], items that both groups' answers can place.
    """

    items: np.ndarray
    start: np.ndarray
    item: np.ndarray
    correct: np.ndarray
    focal: np.ndarray
    count: np.ndarray
    studied: np.ndarray

    @classmethod
    def of(cls, responses: Responses, focal: ArrayLike, min_responses: int) -> "GroupedAnswers":
        """Keep an item's answers in a group where they are enough, with right and wrong ones among them.

        Items with partial credit are left out.
        """
        focal = _checked(focal, responses)
        length = np.diff(responses.person_start)
        group = np.repeat(focal, length).astype(np.int64)
        n_items = responses.n_items
        right_or_wrong = responses.max_score == 1
        cell = 2 * (group * n_items + responses.item) + np.minimum(responses.score, 1)
        count = np.bincount(cell, minlength=4 * n_items).reshape(2, n_items, 2)
        enough = (count.sum(axis=2) >= min_responses) & (count > 0).all(axis=2) & right_or_wrong
        items = np.flatnonzero(enough.any(axis=0)).astype(np.int32)
        kept = enough[group, responses.item]
        row = np.zeros(n_items, np.int32)
        row[items] = np.arange(len(items), dtype=np.int32)
        before = np.concatenate([[0], np.cumsum(kept)])
        return cls(
            items=items,
            start=before[responses.person_start],
            item=row[responses.item[kept]],
            correct=responses.score[kept],
            focal=focal,
            count=np.where(enough[:, :, None], count, 0)[:, items],
            studied=enough[:, items].all(axis=0),
        )

    def without(self, unusable: np.ndarray) -> "GroupedAnswers":
        """Leave out items, bool [n_items], with all their answers."""
        kept = ~unusable[self.item]
        before = np.concatenate([[0], np.cumsum(kept)])
        return GroupedAnswers(
            items=self.items[~unusable],
            start=before[self.start],
            item=(np.cumsum(~unusable) - 1).astype(np.int32)[self.item[kept]],
            correct=self.correct[kept],
            focal=self.focal,
            count=self.count[:, ~unusable],
            studied=self.studied[~unusable],
        )

    @property
    def n_items(self) -> int:
        return len(self.items)

    @cached_property
    def person(self) -> np.ndarray:
        """Who gave each answer, int64 [n]."""
        return np.repeat(np.arange(len(self.focal)), np.diff(self.start))

    @cached_property
    def of_focal(self) -> np.ndarray:
        """Whether each answer is of the focal group, bool [n]."""
        return self.focal[self.person]

    @cached_property
    def by_item(self) -> list[np.ndarray]:
        """Positions of the answers to each item, int64 each."""
        order = np.argsort(self.item, kind="stable")
        return np.split(order, np.cumsum(self.count.sum(axis=(0, 2)))[:-1])

    @property
    def complete(self) -> bool:
        """Whether everybody with answers answered every item."""
        return len(self.item) == np.count_nonzero(np.diff(self.start)) * self.n_items

    def row_of(self, codes: ArrayLike) -> np.ndarray:
        """Find the row of each item by its code, int64 [n]; -1 for an item that is not studied."""
        codes = np.asarray(codes, dtype=np.int64)
        row = np.searchsorted(self.items, codes).clip(max=self.n_items - 1)
        return np.where((self.items[row] == codes) & self.studied[row], row, -1)


def _checked(focal: ArrayLike, responses: Responses) -> np.ndarray:
    focal = np.asarray(focal)
    if focal.shape != (responses.n_persons,) or focal.dtype != np.bool_:
        raise DataError(f"focal must be {responses.n_persons} values of true or false, one a person")
    answered = np.diff(responses.person_start) > 0
    for name, members in (("reference", ~focal), ("focal", focal)):
        if not (answered & members).any():
            raise DataError(f"nobody of the {name} group has answers")
    return focal
