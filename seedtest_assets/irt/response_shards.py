"""The responses of all persons, in shards, and how often each score was given."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.kernel_arguments import ItemScores
from seedtest_assets.irt.models import Models
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import answers_to, score_counts
from seedtest_assets.irt.shards import Shards, ShardsHere


@dataclass(frozen=True)
class ResponseShards:
    """Responses of persons in shards, no person in two of them; all with the same items.

    Parameters
    ----------
    shards : Shards of Responses
        `ShardsHere` in this process.
    count : int64 [n_items, highest score + 1]
        Answers with each score.
    n_persons : int64 [n_shards]
    n_set_aside : int
    item_ids : object [n_items], optional
    person_ids : object [n_persons], optional
        Of the persons of all shards, one shard after the other.
    """

    shards: Shards[Responses]
    count: np.ndarray
    n_persons: np.ndarray
    n_set_aside: int
    item_ids: np.ndarray | None = None
    person_ids: np.ndarray | None = None

    @classmethod
    def of(cls, shards: Shards[Responses], item_ids: np.ndarray | None = None) -> "ResponseShards":
        """Count what is in the shards."""
        sizes = shards.each(_sizes)
        return cls(
            shards,
            shards.total(score_counts, add=_added_counts),
            np.array([n_persons for n_persons, _ in sizes]),
            sum(n_set_aside for _, n_set_aside in sizes),
            item_ids,
        )

    @classmethod
    def here(cls, responses: Responses) -> "ResponseShards":
        """Take the responses of one process."""
        return cls(
            ShardsHere([responses]),
            score_counts(responses),
            np.array([responses.n_persons]),
            responses.n_set_aside,
            responses.item_ids,
            responses.person_ids,
        )

    @property
    def n_items(self) -> int:
        return len(self.count)

    @property
    def max_score(self) -> np.ndarray:
        """Highest score given to each item, int64 [n_items]: 1 of one that is only right or wrong."""
        return highest_scores(self.count)

    def models_of_items(self, models: Models) -> np.ndarray:
        """Give the model of each item with partial credit, "" of the others, object [n_items].

        Raises DataError for the model of an item that does not exist.
        """
        of_items = np.full(self.n_items, models.polytomous_model, object)
        for item, model in models.item_models.items():
            if not isinstance(item, (int, np.integer)) or not 0 <= item < len(of_items):
                raise DataError(
                    f"item_models names the item {item!r}, which is no code from 0 to {len(of_items) - 1}. "
                    "The code of an id is its position in responses.item_ids"
                )
            of_items[item] = model
        return np.where(self.max_score > 1, of_items, "")

    def answers_to(
        self, items: np.ndarray, scores: ItemScores, groups: Shards[np.ndarray], n_groups: int
    ) -> AnswerShards:
        """Select the answers to some items, see screening.answers_to. groups: int32 [n_persons] of each shard."""
        return AnswerShards.of(self.shards.derive(answers_to, items, scores, groups, n_groups), scores)

    def one_group(self) -> Shards[np.ndarray]:
        """Put all persons into one population."""
        return self.shards.derive(_no_groups)

    def groups_of(self, groups: ArrayLike) -> tuple[Shards[np.ndarray], int]:
        """Check the population of each person, and say how many there are. Raises DataError for what are no codes."""
        groups, n_persons = np.asarray(groups), int(self.n_persons.sum())
        if groups.shape != (n_persons,) or groups.dtype.kind not in "iu" or (groups.size and groups.min() < 0):
            raise DataError(f"groups must be {n_persons} integer codes from 0, one a person")
        of_shards = np.split(groups.astype(np.int32), np.cumsum(self.n_persons)[:-1])
        return self.shards.derive(_given, ShardsHere(of_shards)), int(groups.max(initial=0)) + 1


def highest_scores(count: np.ndarray) -> np.ndarray:
    """Find the highest score given to each item, int64 [n_items], at least 1. count: of answers with each score."""
    return ((count > 0) * np.arange(count.shape[1])).max(axis=1, initial=1)


def _sizes(responses: Responses) -> tuple[int, int]:
    return responses.n_persons, responses.n_set_aside


def _no_groups(responses: Responses) -> np.ndarray:
    return np.zeros(responses.n_persons, np.int32)


def _given(_: Responses, group: np.ndarray) -> np.ndarray:
    return group


def _added_counts(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if one.shape[1] < other.shape[1]:
        one, other = other, one
    total = one.copy()
    total[:, : other.shape[1]] += other
    return total
