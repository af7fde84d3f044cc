"""The flags of an item: why it has one, and what a person does about it. features/flagging.py decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ItemFlag:
    """reason: a sentence with names of the item's statistics in braces; action: what a person does about it.

    needs_a_person: False for a state that passes by itself.
    """

    name: str
    reason: str
    action: str
    needs_a_person: bool = True


FLAGS = (
    ItemFlag(
        name="key_suspect",
        reason="Students who do well on it do worse on the other items: point-biserial {point_biserial:.2f}, a {a:.2f}.",
        action="Check the key. Then read the text for a second right answer.",
    ),
    ItemFlag(
        name="drifting",
        reason="Its difficulty is {b:.2f}. It moved by {anchor_drift:+.2f} from the value that the bank has for this anchor.",
        action="Ask whether it was leaked or edited. Then untag the anchor or give it new values.",
    ),
    ItemFlag(
        name="misfit",
        reason="Its answers do not follow its curve: RMSD {rmsd:.2f}, infit {infit:.2f}, outfit {outfit:.2f}.",
        action="Look at its curve in the report: a step, a plateau or a fall says whether text, key or guessing is at fault.",
    ),
    ItemFlag(
        name="not_discriminating",
        reason="It hardly tells strong students from weak ones: point-biserial {point_biserial:.2f}, a {a:.2f}.",
        action="Read it as a student: an ambiguous text, a trick or another topic. Replace it if nothing can be mended.",
    ),
    ItemFlag(
        name="overexposed",
        reason="It came in {exposure_7_days:.0%} of the sessions of the last 7 days, far more than the others.",
        action="Lower its weight in the selection, or give its topic more items of this difficulty.",
    ),
    ItemFlag(
        name="too_hard",
        reason="Only {share_correct:.0%} of its points are earned.",
        action="Check the key. If it is right, use the item for stronger students or retire it.",
    ),
    ItemFlag(
        name="too_easy",
        reason="{share_correct:.0%} of its points are earned, so that it measures next to nothing.",
        action="Keep it for weaker students, or retire it.",
    ),
    ItemFlag(
        name="rare_score",
        reason="Hardly any answer has one of its scores, or none has: the step to it is hardly known, or merged with the next.",
        action="Nothing: more answers settle it. Where the score is never given, take it out of the marking scheme.",
        needs_a_person=False,
    ),
    ItemFlag(
        name="provisional",
        reason="Its difficulty is not known well yet: standard error {se_b:.2f} from {n_answers:,} answers.",
        action="Nothing: more answers settle it.",
        needs_a_person=False,
    ),
)
"""Worst first."""

BY_NAME = {flag.name: flag for flag in FLAGS}
NEED_A_PERSON = [flag.name for flag in FLAGS if flag.needs_a_person]


def with_flags(statistics: "pd.DataFrame", wanted: Collection[str]) -> "pd.DataFrame":
    """Select the items that have one of some flags."""
    return statistics.iloc[[row for row, flags in enumerate(statistics["flags"]) if set(wanted) & set(flags)]]


def worst_first(statistics: "pd.DataFrame") -> "pd.DataFrame":
    """Sort items by their flags: the worst flag first, of the same those with most answers."""
    rank = {flag.name: place for place, flag in enumerate(FLAGS)}
    ranks = [min((rank[name] for name in flags), default=len(FLAGS)) for flags in statistics["flags"]]
    keys = list(zip(ranks, -statistics["n_answers"], strict=True))
    return statistics.iloc[sorted(range(len(keys)), key=keys.__getitem__)]


def reason_of(flag: str, item: Mapping[str, Any]) -> str:
    """Say why an item has a flag. item: its statistics."""
    return BY_NAME[flag].reason.format(**shown_numbers(item))


def shown_numbers(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give an item's statistics as a sentence shows them: a dash for what is not known."""
    return {name: _Shown(value) if isinstance(value, float) else value for name, value in item.items()}


class _Shown(float):
    def __format__(self, specification: str) -> str:
        return super().__format__(specification) if isfinite(self) else "–"
