"""The bank's scale: each block of items that persons connect is linked by itself, because it has a scale of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.linking import SIGN_CHANGED, Linking, TooFewCommonItems, link, linking_items, linking_warnings
from seedtest_assets.irt.linking_curves import is_unlike
from seedtest_assets.irt.models import ScaleTransformation
from seedtest_assets.irt.parameters import ItemParameters, Line, on_scale
from seedtest_assets.irt.remarks import first_names, names_of, number_of
from seedtest_assets.irt.screening import unconnected_blocks
from seedtest_assets.irt.shards import Shards


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The block of each item, int64 [n_items], and of each person, int32 [n_persons] of each shard, 0 of those without answers.

    n_persons: int64 [n_groups, n_blocks], persons with answers of each population.
    """

    of_items: np.ndarray
    of_persons: Shards[np.ndarray]
    n_persons: np.ndarray

    @classmethod
    def of(cls, answers: AnswerShards) -> "Blocks":
        """Number the blocks of items, the one with most items first."""
        block = unconnected_blocks(answers)
        of_items = np.argsort(np.argsort(-np.bincount(block), kind="stable"))[block]
        of_persons = answers.shards.derive(_block_of_persons, of_items)
        n_persons = answers.shards.total(_persons_of_blocks, of_persons, int(block.max(initial=0)) + 1, add=np.add)
        return cls(of_items=of_items, of_persons=of_persons, n_persons=n_persons)

    @property
    def n(self) -> int:
        return int(self.of_items.max(initial=0)) + 1


def _block_of_persons(answers: Answers, of_items: np.ndarray) -> np.ndarray:
    of_persons = np.zeros(len(answers.group), np.int32)
    first_item = answers.scores.item[answers.code[answers.start[:-1][answers.answered]]]
    of_persons[answers.answered] = of_items[first_item]
    return of_persons


def _itself(of_persons: np.ndarray) -> np.ndarray:
    return of_persons


def _persons_of_blocks(answers: Answers, block: np.ndarray, n_blocks: int) -> np.ndarray:
    cell = (answers.group.astype(np.int64) * n_blocks + block)[answers.answered]
    return np.bincount(cell, minlength=answers.n_groups * n_blocks).reshape(-1, n_blocks)


@dataclass(frozen=True, kw_only=True)
class BankScale:
    """How estimates relate to the bank: the linkings, and the lines theta -> A theta + B by which the estimates move.

    of_block: the linking of each block, None where it is not linked.
    A, B: float64 [n_blocks], 1 and 0 for a block that does not move.
    """

    blocks: Blocks
    of_block: tuple[Linking | None, ...]
    A: np.ndarray
    B: np.ndarray
    warnings: tuple[str, ...] = ()

    @classmethod
    def by(cls, line: Line, blocks: Blocks, of_block: Sequence[Linking | None], warnings: list[str]) -> "BankScale":
        """Make the scale of estimates that all move by one line: they are not linked, or their anchors were held."""
        A, B = np.full(blocks.n, line.A), np.full(blocks.n, line.B)
        return cls(blocks=blocks, of_block=tuple(of_block), A=A, B=B, warnings=tuple(warnings))

    @property
    def linkings(self) -> tuple[Linking, ...]:
        """The linkings of the blocks that are linked, largest first."""
        return tuple(linking for linking in self.of_block if linking is not None)

    @cached_property
    def linking(self) -> Linking | None:
        """The linking of the largest linked block, with those of the others; None where nothing is linked."""
        return replace(self.linkings[0], others=self.linkings[1:]) if self.linkings else None

    @property
    def not_linked(self) -> np.ndarray:
        """Which items are on a scale of their own, though others are linked: bool [n_items]."""
        of_block = np.array([linking is None for linking in self.of_block])
        return of_block[self.blocks.of_items] & bool(self.linkings)

    @property
    def of_items(self) -> tuple[np.ndarray, np.ndarray]:
        return self.A[self.blocks.of_items], self.B[self.blocks.of_items]

    @property
    def of_persons(self) -> tuple[np.ndarray, np.ndarray]:
        """A and B of each person, of one shard after the other."""
        block = np.concatenate(self.blocks.of_persons.each(_itself))
        return self.A[block], self.B[block]

    def apply(self, items: ItemParameters) -> ItemParameters:
        return on_scale(items, *self.of_items)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What estimates are linked to: items of the bank, what they are ("anchors" or "previous"), and ids for messages."""

    items: ItemParameters
    source: str
    method: ScaleTransformation
    item_ids: np.ndarray | None = None


def link_blocks(items: ItemParameters, errors: np.ndarray, target: Target, answers: AnswerShards) -> BankScale:
    """Link the blocks of items one by one; what cannot be linked is named in the warnings.

    errors: standard errors of a, b and steps, float64 [2 + n_steps, n_items]; answers: to `items`, by position.
    """
    blocks = Blocks.of(answers)
    A, B = np.ones(blocks.n), np.zeros(blocks.n)
    of_block: list[Linking | None] = [None] * blocks.n
    failures: dict[int, DataError] = {}
    for number in range(blocks.n):
        rows = blocks.of_items == number
        try:
            linking = link(items.take(rows), target.items, target.method, source=target.source, errors=errors[:, rows])
        except DataError as error:
            failures[number] = error
        else:
            A[number], B[number], of_block[number] = linking.A, linking.B, linking
    scale = BankScale(blocks=blocks, of_block=tuple(of_block), A=A, B=B)
    warnings = [
        *(line for linking in scale.linkings for line in linking_warnings(linking, target.item_ids)),
        *_not_comparable(scale.linkings, failures, target),
        *_not_linked(items, failures, blocks, target.item_ids),
    ]
    return replace(scale, warnings=tuple(warnings))


def _not_comparable(linkings: Sequence[Linking], failures: dict[int, DataError], target: Target) -> list[str]:
    """Name the items whose discrimination has the other sign in the bank, and those with other scores or another model."""
    reasons = [linking.screened_out for linking in linkings]
    reasons += [error.screened_out for error in failures.values() if isinstance(error, TooFewCommonItems)]
    screened = list(chain.from_iterable(reasons))
    opposed = [item for item, reason in screened if reason == SIGN_CHANGED]
    unlike = [(item, why) for item, why in screened if is_unlike(why)]
    warnings, what = [], linking_items(target.source)
    if opposed:
        warnings.append(
            f"{what} that discriminate with the other sign than in the bank ({len(opposed)}) are not linked to: "
            f"{names_of(np.array(opposed), target.item_ids)}. Correct their a in the bank, or their keys"
        )
    if unlike and target.source == "anchors":  # a score that nobody had last night needs nobody
        warnings.append(
            f"{what} with other scores or another model than in the bank ({len(unlike)}) are not linked to: "
            f"{_with_reasons(unlike, target.item_ids)}. Give the bank their steps of today, or untag them"
        )
    return warnings


def _with_reasons(items: list[tuple[int, str]], item_ids: np.ndarray | None) -> str:
    """List the first items, each with its reason."""
    return first_names([f"{names_of(np.array([item]), item_ids)} ({reason})" for item, reason in items])


def _not_linked(
    items: ItemParameters, failures: dict[int, DataError], blocks: Blocks, item_ids: np.ndarray | None
) -> list[str]:
    """Name the items that stay on a scale of their own, and say why."""
    if blocks.n == 1:
        return [f"not linked to the bank's scale: {error}" for error in failures.values()]
    of_reason: dict[str, list[int]] = {}
    for number, error in failures.items():
        few = isinstance(error, TooFewCommonItems)
        of_reason.setdefault("their blocks have fewer than 2 anchors" if few else str(error), []).append(number)
    unlinked = [(items.item[np.isin(blocks.of_items, numbers)], reason) for reason, numbers in of_reason.items()]
    return [
        f"{number_of(len(codes), 'item is', 'items are')} not linked to the bank's scale: {names_of(codes, item_ids)}. The reason: {reason}"
        for codes, reason in unlinked
    ]


def mixture(weight: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> tuple[float, float]:
    """Compute mean and SD of a mixture of populations."""
    share = weight / weight.sum()
    middle = float(share @ mean)
    return middle, float(np.sqrt(share @ (sd**2 + (mean - middle) ** 2)))
