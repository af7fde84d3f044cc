"""Which items need a person: the flags of an item, why it has one, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets.thresholds import Thresholds


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
        reason="Students who answer it correctly do worse on the other items: point-biserial {point_biserial:.2f}, a {a:.2f}.",
        action="Check the key. Then read the text for a second right answer.",
    ),
    ItemFlag(
        name="drifting",
        reason="Its difficulty is {b:.2f}, {anchor_drift:+.2f} from the value that the bank has for this anchor.",
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
        reason="Only {share_correct:.0%} answer it correctly.",
        action="Check the key. If it is right, use the item for stronger students or retire it.",
    ),
    ItemFlag(
        name="too_easy",
        reason="{share_correct:.0%} answer it correctly, so that it measures next to nothing.",
        action="Keep it for weaker students, or retire it.",
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


def flags_of(statistics: pd.DataFrame, limits: Thresholds) -> list[list[str]]:
    """Flag items, worst first.

    statistics: a row an item: n_answers, n_rest, share_correct, point_biserial, reversed_key (discriminates below 0 beyond
        its error), se_b, rmsd, p (of the fit), exposure_7_days, anchor_drift; NaN where unknown.

    A share, a correlation or a difficulty must also be `item_flag_z` standard errors beyond its limit: every item is tested
    every night. An item with few answers gets no flag but provisional.
    """
    known = {name: statistics[name].to_numpy(float) for name in statistics.columns.drop("item_id")}
    n, z = np.maximum(known["n_answers"], 1), limits.item_flag_z
    enough = known["n_answers"] >= limits.item_flag_min_answers
    r, share, exposure = known["point_biserial"], known["share_correct"], known["exposure_7_days"]
    with np.errstate(invalid="ignore"):
        error = np.sqrt((1 - r**2) / np.maximum(known["n_rest"] - 2, 1))
        against_key = (r + z * error < 0) | (known["reversed_key"] > 0)
        shown = exposure[exposure > 0]
        usual_exposure = np.median(shown) if shown.size else np.nan
        holds = {
            "key_suspect": against_key,
            "drifting": (np.abs(known["anchor_drift"]) >= limits.drift_b_moderate)
            & (np.abs(known["anchor_drift"]) > z * known["se_b"]),
            "misfit": (known["rmsd"] >= limits.item_rmsd) & (known["p"] < limits.item_misfit_p),
            "not_discriminating": ~against_key & (r + z * error < limits.item_point_biserial),
            "overexposed": (exposure >= limits.item_exposure)
            & (exposure >= limits.item_exposure_ratio * usual_exposure),
            "too_hard": share + z * _error_of_share(limits.item_hard, n) < limits.item_hard,
            "too_easy": share - z * _error_of_share(limits.item_easy, n) > limits.item_easy,
            "provisional": known["se_b"] > limits.item_provisional_se_b,
        }
    flagged = np.stack([holds[flag.name] & (enough | (flag.name == "provisional")) for flag in FLAGS], axis=1)
    return [[flag.name for flag, has in zip(FLAGS, row, strict=True) if has] for row in flagged]


def worst_first(statistics: pd.DataFrame) -> pd.DataFrame:
    """Sort items by their flags: the worst flag first, of the same those with most answers."""
    rank = {flag.name: place for place, flag in enumerate(FLAGS)}
    ranks = [min((rank[name] for name in flags), default=len(FLAGS)) for flags in statistics["flags"]]
    order = np.lexsort((-statistics["n_answers"].to_numpy(), np.array(ranks, int)))
    return statistics.iloc[order]


def reason_of(flag: str, item: Mapping[str, Any]) -> str:
    """Say why an item has a flag. item: its statistics."""
    return BY_NAME[flag].reason.format(**shown_numbers(item))


def shown_numbers(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give an item's statistics as a sentence shows them: a dash for what is not known."""
    return {name: _Shown(value) if isinstance(value, float) else value for name, value in item.items()}


class _Shown(float):
    def __format__(self, specification: str) -> str:
        return super().__format__(specification) if isfinite(self) else "–"


def _error_of_share(share: float, n: np.ndarray) -> np.ndarray:
    return np.sqrt(share * (1 - share) / n)
