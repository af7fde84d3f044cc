"""Scores of answers as the categories 0..m of items with partial credit.

Integers keep their numbers. An item with fractions (0.5 of 1) is counted in its own unit, the greatest common step of its
scores and of its highest possible score.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.irt.models import MOST_CATEGORIES

# Steps that a fraction may be made of: 1/3 of a point is one, 0.137 is a measurement.
MOST_STEPS_A_POINT = 12
NEAR = 1e-6
# A few scores, fewer than this many answers of an item and at most this share of them, do not change how an item is counted.
FEW_ANSWERS = 30
FEW_OF_ALL = 0.02


class ScoreCategories(NamedTuple):
    """score: uint8 [n], 0 and 1 for right and wrong; usable: bool [n], None where all are; left_out: (item code, number of
    answers, reason) of items whose scores are no categories; units: of items that are counted in parts of a point, by code;
    n_marked: answers without a score to items that have scores elsewhere; odd: scores that are no steps of an item and that hardly
    any of its answers has, (item code, scores); tops: items with several max_score, (item code, lowest, highest); impossible: answers to the other items with a score below
    0 or above max_score, (item code, number); highest: the category of all points of each item, int64 [n_items], 1 of those that were
    left out."""

    score: np.ndarray
    usable: np.ndarray | None
    left_out: tuple[tuple[int, int, str], ...]
    units: dict[int, Fraction]
    n_marked: int
    highest: np.ndarray
    impossible: tuple[tuple[int, int], ...] = ()
    odd: tuple[tuple[int, tuple[float, ...]], ...] = ()
    tops: tuple[tuple[int, float, float], ...] = ()

    def warnings(self, item_ids: pa.Array) -> tuple[str, ...]:
        """Describe what was not as it came, a line each. item_ids: of the codes."""
        lines = []
        if self.left_out:
            listed = [f"{item_ids[item].as_py()} ({reason})" for item, _, reason in self.left_out]
            lines.append(
                f"the scores of {number_of(len(listed), 'item')} are no categories and were left out: {first_few(listed)}"
            )
        if self.units:
            listed = [f"{item_ids[item].as_py()} (steps of {unit})" for item, unit in self.units.items()]
            lines.append(
                f"the scores of {number_of(len(listed), 'item')} are parts of points, which count as their steps: {first_few(listed)}"
            )
        if self.impossible:
            listed = [f"{item_ids[item].as_py()} ({count:,})" for item, count in self.impossible]
            n_answers = number_of(sum(count for _, count in self.impossible), "answer")
            lines.append(f"{n_answers} with a score below 0 or above max_score left out: {first_few(listed)}")
        if self.odd:
            listed = [
                f"{item_ids[item].as_py()} ({first_few([f'{score:g}' for score in scores])})"
                for item, scores in self.odd
            ]
            lines.append(
                "parts of points that hardly anybody has were left out, so that they do not change what a step of the item is: "
                f"{first_few(listed)}"
            )
        if self.tops:
            listed = [f"{item_ids[item].as_py()} ({low:g} to {high:g})" for item, low, high in self.tops]
            lines.append(
                f"{number_of(len(listed), 'item')} with more than one max_score, the highest of which counts as full marks for "
                f"all answers: {first_few(listed)}"
            )
        if self.n_marked:
            lines.append(
                f"{number_of(self.n_marked, 'answer')} without a score to items with partial credit: a right one counts as the "
                "highest score, a wrong one as 0"
            )
        return tuple(lines)


def score_categories(answers: pa.Table, item: np.ndarray, n_items: int) -> ScoreCategories:
    """Turn marks and scores into categories.

    answers: `correct`, and where the source tells them `score` and `max_score`, null where it only tells right or wrong; item:
    int [n], codes.
    """
    score, highest = _numbers(answers, "score"), _numbers(answers, "max_score")
    if score is None or np.isnan(score).all():
        return ScoreCategories(_marks(answers).astype(np.uint8), None, (), {}, 0, np.ones(n_items, np.int64))
    highest = np.full(len(score), np.nan) if highest is None else highest
    possible = ~((score < 0) | (score > highest + NEAR))
    score = np.where(possible, score, np.nan)
    scored = ~np.isnan(score)
    units, reasons, odd = _units(item, score, highest, n_items)
    odd_item, odd_score = item[odd], np.round(score[odd], 9)
    possible, scored, score = possible & ~odd, scored & ~odd, np.where(odd, np.nan, score)
    plain = _all_or_nothing(item, n_items, score, highest)
    score, highest = np.where(plain[item] & scored, score > 0, score), np.where(plain[item] & scored, 1.0, highest)
    units = {code: step for code, step in units.items() if not plain[code]}
    reasons = {code: reason for code, reason in reasons.items() if not plain[code]}
    tops = _tops(item, n_items, score, highest)
    graded = tops > 0  # the items that have scores
    unit = np.ones(n_items)
    for code, step in units.items():
        unit[code] = float(step)
    n_scores = np.rint(tops / unit) + 1
    for many in np.flatnonzero(graded & (n_scores > MOST_CATEGORIES)).tolist():
        found = f"0 to {tops[many]:g} are {n_scores[many]:.0f} categories, and at most {MOST_CATEGORIES} are possible"
        reasons.setdefault(many, found)
    category = np.where(scored, np.rint(score / unit[item]), _of_marks(answers, item, graded, tops, unit))
    refused = np.zeros(n_items, bool)
    refused[list(reasons)] = True
    usable = possible & ~refused[item]
    n_answers = np.bincount(item, minlength=n_items)
    impossible = np.bincount(item[~possible & ~odd & ~refused[item]], minlength=n_items)
    return ScoreCategories(
        score=np.where(usable, category, 0).astype(np.uint8),
        usable=None if usable.all() else usable,
        left_out=tuple((code, int(n_answers[code]), reasons[code]) for code in sorted(reasons)),
        units={code: step for code, step in units.items() if code not in reasons},
        n_marked=int(np.sum(usable & ~scored & (graded & (n_scores > 2))[item])),
        impossible=tuple((int(code), int(impossible[code])) for code in np.flatnonzero(impossible)),
        odd=tuple((int(code), tuple(np.unique(odd_score[odd_item == code]))) for code in np.unique(odd_item)),
        tops=_several_tops(item, n_items, np.where(scored, highest, np.nan)),
        highest=np.where(graded & ~refused, n_scores - 1, 1).astype(np.int64),
    )


def scores_of_parameters(
    answers: pa.Table, item: np.ndarray, items: irt.ItemParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Give the categories of answers, uint8 [n], and which of them the parameters know, bool [n].

    answers: as of `score_categories`, all of those that the parameters rest on, so that parts of points count alike; item: int [n],
    codes of `items`. An answer to an item without parameters counts as known.
    """
    categories = score_categories(answers, item, int(item.max(initial=-1)) + 1)
    known = known_scores(items, item, categories.score)
    return categories.score, known if categories.usable is None else known & categories.usable


def known_scores(items: irt.ItemParameters, item: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Tell which answers have a score that their item has, bool [n]; those to an item without parameters do.

    item, score: int [n], codes of `items` and categories below MOST_CATEGORIES.
    """
    has = np.ones((max(int(item.max(initial=-1)), int(items.item.max(initial=-1))) + 1, MOST_CATEGORIES), bool)
    has[items.item] = False
    has[items.item[items.scores.item], items.scores.score.astype(np.int64)] = True
    return has[item, score]


def scores_of_fitted(answers: pa.Table, item: np.ndarray, items: irt.ItemParameters) -> tuple[np.ndarray, np.ndarray]:
    """Give the categories of answers to fitted items, uint8 [n], and which of them the parameters know, bool [n].

    As `scores_of_parameters`, where item is -1 for an item that is not fitted.
    """
    fitted = item >= 0
    score, known = np.zeros(len(item), np.uint8), np.zeros(len(item), bool)
    score[fitted], known[fitted] = scores_of_parameters(answers.filter(pa.array(fitted)), item[fitted], items)
    return score, known


def _numbers(answers: pa.Table, name: str) -> np.ndarray | None:
    if name not in answers.column_names or answers[name].null_count == len(answers):
        return None
    return answers[name].to_numpy(zero_copy_only=False).astype(np.float64)


def _marks(answers: pa.Table) -> np.ndarray:
    """Read the marks, bool [n], false where there is none."""
    return answers["correct"].fill_null(False).to_numpy(zero_copy_only=False)


def _tops(item: np.ndarray, n_items: int, score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Find the highest possible score of each item, float64 [n_items]: as told, else as given; 0 for items without scores."""
    tops = np.zeros(n_items)
    np.fmax.at(tops, item, np.where(np.isnan(score), np.nan, np.fmax(score, highest)))
    return tops


def _all_or_nothing(item: np.ndarray, n_items: int, score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Tell which items only ever get 0 or all of their points, bool [n_items]: they are right or wrong, whatever the points."""
    partial = (score > 0) & ~(np.abs(score - highest) <= NEAR)
    return np.bincount(item, partial, minlength=n_items) == 0


def _of_marks(
    answers: pa.Table, item: np.ndarray, graded: np.ndarray, tops: np.ndarray, unit: np.ndarray
) -> np.ndarray:
    """Give the category of an answer that is only marked: the item's highest or 0, and 1 or 0 where it has no scores."""
    top = np.where(graded, np.rint(tops / unit), 1.0)
    return np.where(_marks(answers), top[item], 0.0)


def _several_tops(item: np.ndarray, n_items: int, highest: np.ndarray) -> tuple[tuple[int, float, float], ...]:
    """Find the items whose answers tell different highest possible scores: code, lowest and highest of these."""
    low, high = np.full(n_items, np.inf), np.full(n_items, -np.inf)
    np.fmin.at(low, item, highest)
    np.fmax.at(high, item, highest)
    return tuple((code, float(low[code]), float(high[code])) for code in np.flatnonzero(high - low > NEAR).tolist())


def _units(
    item: np.ndarray, score: np.ndarray, highest: np.ndarray, n_items: int
) -> tuple[dict[int, Fraction], dict[int, str], np.ndarray]:
    """Find the unit of each item with parts of points, the reasons of those that have none, and the odd answers, bool [n].

    An odd answer is one of few whose score is no multiple of the step that all other scores of the item have in common.
    """
    parts = ~np.isnan(score) & ~_are_multiples(score, highest, 1)
    rows = np.flatnonzero(~np.isnan(score) & (np.bincount(item, parts, minlength=n_items) > 0)[item])
    rows = rows[np.argsort(item[rows], kind="stable")]
    codes, starts = np.unique(item[rows], return_index=True)
    units: dict[int, Fraction] = {}
    reasons: dict[int, str] = {}
    odd = np.zeros(len(item), bool)
    for code, of_item in zip(codes.tolist(), np.split(rows, starts)[1:], strict=True):
        counted = _multiples_of_a_step(score[of_item], highest[of_item])
        if not counted.any():
            reasons[code] = _why_no_step(_distinct(score[of_item], highest[of_item]))
            continue
        odd[of_item] = ~counted
        values = _distinct(score[of_item[counted]], highest[of_item[counted]])
        unit = common_step(values)
        if unit is not None and not _is_multiple(values, 1).all():
            units[code] = unit
    return units, reasons, odd


def _distinct(score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """List the different scores and highest possible scores of an item, in order."""
    return np.unique(np.round(np.concatenate([score, highest[~np.isnan(highest)]]), 9))  # 0.1 + 0.2 is 0.3


def _why_no_step(values: np.ndarray) -> str:
    """Say why the distinct scores of an item are no categories."""
    if len(values) > MOST_CATEGORIES + 1:  # max_score may be one more
        return f"{len(values):,} different scores, and at most {MOST_CATEGORIES} are categories"
    listed = first_few([f"{value:g}" for value in values])
    return f"scores without a common step of at least 1/{MOST_STEPS_A_POINT}: {listed}"


def _multiples_of_a_step(score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Tell which answers have multiples of 1/1, 1/2, ... of a point, of the first of these that all but a few have; bool [n], none if
    there is none."""
    few = min(FEW_ANSWERS, int(FEW_OF_ALL * len(score)) + 1)
    for parts in range(1, MOST_STEPS_A_POINT + 1):
        multiple = _are_multiples(score, highest, parts)
        if np.count_nonzero(~multiple) < few:
            return multiple
    return np.zeros(len(score), bool)


def _are_multiples(score: np.ndarray, highest: np.ndarray, parts: int) -> np.ndarray:
    """Tell which answers have a score that is a multiple of 1 / parts, and a max_score that is one or is not known, bool [n]."""
    return _is_multiple(score, parts) & (np.isnan(highest) | _is_multiple(highest, parts))


def _is_multiple(values: np.ndarray, parts: int) -> np.ndarray:
    """Tell which values are multiples of 1 / parts, but for rounding, bool [n]; NaN is none."""
    with np.errstate(invalid="ignore"):
        near: np.ndarray = np.abs(values * parts - np.rint(values * parts)) <= NEAR * parts
    return near


def common_step(values: Iterable[float]) -> Fraction | None:
    """Find the greatest number of which all values are multiples; None where they have none that is a simple fraction."""
    fractions = [Fraction(float(value)).limit_denominator(MOST_STEPS_A_POINT) for value in values]
    if any(abs(float(part) - value) > NEAR for part, value in zip(fractions, values, strict=True)):
        return None
    denominator = lcm(*(part.denominator for part in fractions))
    if denominator > MOST_STEPS_A_POINT:
        return None
    return Fraction(gcd(*(int(part * denominator) for part in fractions)), denominator)
