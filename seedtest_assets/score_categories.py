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


class ScoreCategories(NamedTuple):
    """score: uint8 [n], 0 and 1 for right and wrong; usable: bool [n], None where all are; left_out: (item code, number of
    answers, reason) of items whose scores are no categories; units: of items that are counted in parts of a point, by code;
    n_marked: answers without a score to items that have scores elsewhere; impossible: answers to the other items with a score below
    0 or above max_score, (item code, number); highest: the category of all points of each item, int64 [n_items], 1 of those that were
    left out."""

    score: np.ndarray
    usable: np.ndarray | None
    left_out: tuple[tuple[int, int, str], ...]
    units: dict[int, Fraction]
    n_marked: int
    highest: np.ndarray
    impossible: tuple[tuple[int, int], ...] = ()

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
    plain = _all_or_nothing(item, n_items, score, highest)[item] & scored
    score, highest = np.where(plain, score > 0, score), np.where(plain, 1.0, highest)
    tops = _tops(item, n_items, score, highest)
    graded = tops > 0  # the items that have scores
    units, reasons = _units(item, score, highest, n_items)
    unit = np.ones(n_items)
    for code, step in units.items():
        unit[code] = float(step)
    n_scores = np.rint(tops / unit) + 1
    for many in np.flatnonzero(graded & (n_scores > MOST_CATEGORIES)).tolist():
        found = f"{n_scores[many]:.0f} scores from 0 to {tops[many]:g}, and at most {MOST_CATEGORIES} are categories"
        reasons.setdefault(many, found)
    category = np.where(scored, np.rint(score / unit[item]), _of_marks(answers, item, graded, tops, unit))
    refused = np.zeros(n_items, bool)
    refused[list(reasons)] = True
    usable = possible & ~refused[item]
    n_answers = np.bincount(item, minlength=n_items)
    impossible = np.bincount(item[~possible & ~refused[item]], minlength=n_items)
    return ScoreCategories(
        score=np.where(usable, category, 0).astype(np.uint8),
        usable=None if usable.all() else usable,
        left_out=tuple((code, int(n_answers[code]), reasons[code]) for code in sorted(reasons)),
        units={code: step for code, step in units.items() if code not in reasons},
        n_marked=int(np.sum(usable & ~scored & (graded & (n_scores > 2))[item])),
        impossible=tuple((int(code), int(impossible[code])) for code in np.flatnonzero(impossible)),
        highest=np.where(graded & ~refused, n_scores - 1, 1).astype(np.int64),
    )


def scores_of_parameters(
    answers: pa.Table, item: np.ndarray, items: irt.ItemParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Give the categories of answers, uint8 [n], and which of them the parameters know, bool [n].

    answers: as of `score_categories`, all of those that the parameters rest on, so that parts of points count alike; item: int [n],
    codes of `items`, -1 for none. An answer to an item without parameters counts as known.
    """
    n_items = max(int(item.max(initial=-1)), int(items.item.max(initial=-1))) + 1
    categories = score_categories(answers, item, n_items)
    known = np.ones(len(item), bool) if categories.usable is None else categories.usable.copy()
    scores, fitted = items.scores, np.zeros(n_items, bool)
    possible = np.zeros((n_items, MOST_CATEGORIES), bool)
    possible[items.item[scores.item], scores.score.astype(np.int64)] = True
    fitted[items.item] = True
    known &= possible[item, categories.score] | ~fitted[item]
    return categories.score, known


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


def _units(
    item: np.ndarray, score: np.ndarray, highest: np.ndarray, n_items: int
) -> tuple[dict[int, Fraction], dict[int, str]]:
    """Find the unit of each item with parts of points, and the reasons of those that have none."""
    scored = ~np.isnan(score)
    told = scored & ~np.isnan(highest)
    of, values = np.concatenate([item[scored], item[told]]), np.concatenate([score[scored], highest[told]])
    with_parts = np.zeros(n_items, bool)
    with_parts[of[np.abs(values - np.rint(values)) > NEAR]] = True
    of, values = _distinct(of[with_parts[of]], values[with_parts[of]])
    units: dict[int, Fraction] = {}
    reasons: dict[int, str] = {}
    codes, starts = np.unique(of, return_index=True)
    for code, distinct in zip(codes.tolist(), np.split(values, starts)[1:], strict=True):
        if len(distinct) > MOST_CATEGORIES + 1:  # max_score may be one more
            reasons[code] = f"{len(distinct):,} different scores, and at most {MOST_CATEGORIES} are categories"
        elif (unit := common_step(distinct)) is None:
            shown = first_few([f"{value:g}" for value in distinct])
            reasons[code] = f"scores without a common step of at least 1/{MOST_STEPS_A_POINT}: {shown}"
        else:
            units[code] = unit
    return units, reasons


def _distinct(of: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each value of an item once, in order: answers are many, values few."""
    values = np.round(values, 9)  # 0.1 + 0.2 is 0.3
    order = np.lexsort((values, of))
    of, values = of[order], values[order]
    first = np.ones(len(of), bool)
    first[1:] = (np.diff(of) != 0) | (np.diff(values) != 0)
    return of[first], values[first]


def common_step(values: Iterable[float]) -> Fraction | None:
    """Find the greatest number of which all values are multiples; None where they have none that is a simple fraction."""
    fractions = [Fraction(float(value)).limit_denominator(MOST_STEPS_A_POINT) for value in values]
    if any(abs(float(part) - value) > NEAR for part, value in zip(fractions, values, strict=True)):
        return None
    denominator = lcm(*(part.denominator for part in fractions))
    if denominator > MOST_STEPS_A_POINT:
        return None
    return Fraction(gcd(*(int(part * denominator) for part in fractions)), denominator)
