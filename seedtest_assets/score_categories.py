"""Scores of answers as the categories 0..m of items with partial credit.

Integers keep their numbers. An item with fractions (0.5 of 1) is counted in its own unit, the greatest common step of its
scores and of its highest possible score.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.table_shards import TableShards
from seedtest_assets.tables_on_demand import cached_by_rows

# Steps that a fraction may be made of: 1/3 of a point is one, 0.137 is a measurement.
MOST_STEPS_A_POINT = 12
NEAR = 1e-6
# Parts that have no end in decimals may be rounded: any to three decimals, as 0.333 or 0.143; to two only thirds and sixths, as
# 0.33 and 0.17, because 0.45 is rather a measurement than 5/11.
_ROUNDED_TO_TWO = (3, 6)
_EQUAL = 1e-9
# A few scores, fewer than this many answers of an item and at most this share of them, do not change how an item is counted.
FEW_ANSWERS = 30
FEW_OF_ALL = 0.02

SCORED_COLUMNS = ("item_id", "correct", *SCORE_SCHEMA.names)
"""What `item_scores` reads of the answers."""
FIRST_ANSWER_COLUMNS = ("student_id", "completed_at", *SCORED_COLUMNS)
"""With what says which answer of a student to an item is the first."""


class ScoreCategories(NamedTuple):
    """score: uint8 [n], 0 and 1 for right and wrong; usable: bool [n], None where all are; left_out: (item code, number of
    answers, reason) of items whose scores are no categories; units: of items that are counted in parts of a point, by code;
    n_marked: answers without a score to items that have scores elsewhere; odd: scores that are no steps of an item and that hardly
    any of its answers has, (item code, scores); tops: items with several max_score, (item code, lowest, highest); impossible: answers to the other items with a score below
    0 or above max_score, (item code, number); highest: the category of all points of each item, int64 [n_items], 1 of those that were
    left out; rules: how scores were counted, None without any."""

    score: np.ndarray
    usable: np.ndarray | None
    left_out: tuple[tuple[int, int, str], ...]
    units: dict[int, Fraction]
    n_marked: int
    highest: np.ndarray
    impossible: tuple[tuple[int, int], ...] = ()
    odd: tuple[tuple[int, tuple[float, ...]], ...] = ()
    tops: tuple[tuple[int, float, float], ...] = ()
    rules: "ScoreRules | None" = None

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


@dataclass(frozen=True, kw_only=True)
class ScoreRules:
    """How the scores of items become categories; of each item, [n_items].

    parts: a score that is no multiple of 1 / this is odd, 0 where none is. plain: it is right or wrong, whatever the points.
    top: the highest possible score, 0 for an item without scores. unit: the points of a step. refused: its scores are no categories.
    """

    parts: np.ndarray
    plain: np.ndarray
    top: np.ndarray
    unit: np.ndarray
    refused: np.ndarray

    def categories(self, answers: pa.Table, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the categories of answers, uint8 [n], and which of them can be used, bool [n]; item: int [n], codes."""
        given = _given_scores(answers)
        odd = _odd(item, given, self.parts)
        scored = ~np.isnan(given.score) & ~odd
        score = np.where(self.plain[item], given.score > 0, given.score)
        category = np.where(scored, np.rint(score / self.unit[item]), self._of_marks(answers, item))
        usable = given.possible & ~odd & ~self.refused[item]
        return np.where(usable, category, 0).astype(np.uint8), usable

    def _of_marks(self, answers: pa.Table, item: np.ndarray) -> np.ndarray:
        """Give the category of an answer that is only marked: the item's highest or 0, and 1 or 0 where it has no scores."""
        top = np.where(self.top > 0, np.rint(self.top / self.unit), 1.0)
        return np.where(_marks(answers), top[item], 0.0)


class _GivenScores(NamedTuple):
    """score: float64 [n], NaN for none and for an impossible one; highest: as told, NaN for none; possible: bool [n]."""

    score: np.ndarray
    highest: np.ndarray
    possible: np.ndarray


def score_categories(
    answers: pa.Table, item: np.ndarray, n_items: int, n_answers: np.ndarray | None = None
) -> ScoreCategories:
    """Turn marks and scores into categories.

    answers: `correct`, and where the source tells them `score` and `max_score`, null where it only tells right or wrong; item:
    int [n], codes. n_answers: int64 [n], how many answers each row stands for, by default 1.
    """
    if not has_scores(answers):
        return ScoreCategories(_marks(answers).astype(np.uint8), None, (), {}, 0, np.ones(n_items, np.int64))
    weight = np.ones(len(item), np.int64) if n_answers is None else n_answers
    given = _given_scores(answers)
    units, parts, reasons = _units(item, given, n_items, weight)
    odd = _odd(item, given, parts)
    odd_item, odd_score = item[odd], np.round(given.score[odd], 9)
    score, highest = np.where(odd, np.nan, given.score), given.highest
    scored = ~np.isnan(score)
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
    refused = np.zeros(n_items, bool)
    refused[list(reasons)] = True
    rules = ScoreRules(parts=parts, plain=plain, top=tops, unit=unit, refused=refused)
    category, usable = rules.categories(answers, item)
    n_of_item = np.bincount(item, weight, n_items).astype(np.int64)
    wrong = ~given.possible & ~refused[item]
    impossible = np.bincount(item[wrong], weight[wrong], n_items).astype(np.int64)
    return ScoreCategories(
        score=category,
        usable=None if usable.all() else usable,
        left_out=tuple((code, int(n_of_item[code]), reasons[code]) for code in sorted(reasons)),
        units={code: step for code, step in units.items() if code not in reasons},
        n_marked=int(weight[usable & ~scored & (graded & (n_scores > 2))[item]].sum()),
        impossible=tuple((int(code), int(impossible[code])) for code in np.flatnonzero(impossible)),
        odd=tuple((int(code), tuple(np.unique(odd_score[odd_item == code]))) for code in np.unique(odd_item)),
        tops=_several_tops(item, n_items, np.where(scored, highest, np.nan)),
        highest=np.where(graded & ~refused, n_scores - 1, 1).astype(np.int64),
        rules=rules,
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
    if fitted.all():
        return scores_of_parameters(answers, item, items)
    answers = answers.select([name for name in ("correct", "score", "max_score") if name in answers.column_names])
    score, known = np.zeros(len(item), np.uint8), np.zeros(len(item), bool)
    score[fitted], known[fitted] = scores_of_parameters(answers.filter(pa.array(fitted)), item[fitted], items)
    return score, known


@dataclass(frozen=True, kw_only=True)
class ItemScores:
    """Items of answers that come in parts, and how their scores count: by all answers to an item.

    item_ids: of the items; highest: as of ScoreCategories, int64 [n_items]; rules: None where no answer has a score.
    """

    item_ids: pa.Array
    highest: np.ndarray
    rules: ScoreRules | None

    def coded(self, answers: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the items of answers as codes, their categories, and which of them can be used: int64, uint8, bool [n]."""
        items = dictionary_of(answers["item_id"])
        code = pc.index_in(items.dictionary.cast(pa.string()), self.item_ids).fill_null(-1).to_numpy()
        item = code.astype(np.int64)[items.indices.to_numpy()] if len(code) else np.empty(0, np.int64)
        if self.rules is None:
            return item, _marks(answers).astype(np.uint8), np.ones(len(item), bool)
        return item, *self.rules.categories(answers, item)


@cached_by_rows(2)
def item_scores(parts: TableShards) -> ItemScores:
    """Find how the scores of items count.

    parts: item_id, correct, and perhaps score and max_score of some of the answers each; gone through once.
    """
    names = ["item_id", "correct", "score", "max_score"]
    counted = parts.narrowed(SCORED_COLUMNS).each(_distinct_answers)
    schema = pa.schema([(names[0], pa.string()), (names[1], pa.bool_()), *SCORE_SCHEMA, ("n", pa.int64())])
    rows = pa.concat_tables([schema.empty_table(), *counted], promote_options="default")
    rows = rows.group_by(names, use_threads=False).aggregate([("n", "sum")])
    items = dictionary_of(rows["item_id"])
    n_answers = rows["n_sum"].to_numpy()
    found = score_categories(rows, items.indices.to_numpy(), len(items.dictionary), n_answers)
    return ItemScores(item_ids=items.dictionary, highest=found.highest, rules=found.rules)


def count_alike(answers: pa.Table, item: np.ndarray, n_items: int) -> pa.Table:
    """Count the answers of each item with the same mark, score and highest score.

    answers: as of `score_categories`; item: int [n], codes. Gives `item` (int32), `correct`, SCORE_SCHEMA where some answer has a score,
    and `n`.
    """
    if not has_scores(answers):
        n = np.bincount(2 * item.astype(np.int64) + _marks(answers), minlength=2 * n_items)
        given = np.flatnonzero(n)
        return pa.table({"item": (given // 2).astype(np.int32), "correct": given % 2 == 1, "n": n[given]})
    names = ["correct", *(name for name in SCORE_SCHEMA.names if name in answers.column_names)]
    rows = answers.select(names).append_column("item", pa.array(item.astype(np.int32)))
    counts = rows.group_by(["item", *names], use_threads=False).aggregate([([], "count_all")])
    return counts.rename_columns(["item", *names, "n"])


def _distinct_answers(answers: pa.Table) -> pa.Table:
    items = dictionary_of(answers["item_id"])
    counts = count_alike(answers, items.indices.to_numpy(), len(items.dictionary))
    names = items.dictionary.cast(pa.string()).take(counts["item"])
    return counts.set_column(0, "item_id", names)


def has_scores(answers: pa.Table) -> bool:
    """Tell whether some answer has a score."""
    return _numbers(answers, "score") is not None


def _given_scores(answers: pa.Table) -> _GivenScores:
    nothing = np.full(len(answers), np.nan)
    score, highest = _numbers(answers, "score"), _numbers(answers, "max_score")
    score, highest = nothing if score is None else score, nothing if highest is None else highest
    possible = ~((score < 0) | (score > highest + NEAR))
    return _GivenScores(np.where(possible, score, np.nan), highest, possible)


def _odd(item: np.ndarray, given: _GivenScores, parts: np.ndarray) -> np.ndarray:
    """Tell which answers have an odd score, bool [n]. parts: as of ScoreRules."""
    found = np.zeros(len(item), bool)
    rows = np.flatnonzero(~np.isnan(given.score) & (parts > 0)[item])
    found[rows] = ~_are_multiples(given.score[rows], given.highest[rows], parts[item[rows]])
    return found


def _numbers(answers: pa.Table, name: str) -> np.ndarray | None:
    if name not in answers.column_names or answers[name].null_count == len(answers):
        return None
    values = answers[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return None if np.isnan(values).all() else values


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


def _several_tops(item: np.ndarray, n_items: int, highest: np.ndarray) -> tuple[tuple[int, float, float], ...]:
    """Find the items whose answers tell different highest possible scores: code, lowest and highest of these."""
    low, high = np.full(n_items, np.inf), np.full(n_items, -np.inf)
    np.fmin.at(low, item, highest)
    np.fmax.at(high, item, highest)
    return tuple((code, float(low[code]), float(high[code])) for code in np.flatnonzero(high - low > NEAR).tolist())


def _units(
    item: np.ndarray, given: _GivenScores, n_items: int, weight: np.ndarray
) -> tuple[dict[int, Fraction], np.ndarray, dict[int, str]]:
    """Find the unit of each item with parts of points, the parts of ScoreRules, and the reasons of items that have no unit.

    An odd answer is one of few whose score is no multiple of the step that all other scores of the item have in common.
    """
    score, highest = given.score, given.highest
    fractions = ~np.isnan(score) & ~_are_multiples(score, highest, 1)
    rows = np.flatnonzero(~np.isnan(score) & (np.bincount(item, fractions, minlength=n_items) > 0)[item])
    rows = rows[np.argsort(item[rows], kind="stable")]
    codes, starts = np.unique(item[rows], return_index=True)
    units: dict[int, Fraction] = {}
    reasons: dict[int, str] = {}
    parts = np.zeros(n_items, np.int64)
    for code, of_item in zip(codes.tolist(), np.split(rows, starts)[1:], strict=True):
        parts[code] = _parts_of_a_point(score[of_item], highest[of_item], weight[of_item])
        if not parts[code]:
            reasons[code] = _why_no_step(_distinct(score[of_item], highest[of_item]))
            continue
        counted = of_item[_are_multiples(score[of_item], highest[of_item], parts[code])]
        values = _distinct(score[counted], highest[counted])
        unit = common_step(values)
        if unit is not None and not _is_multiple(values, 1).all():
            units[code] = unit
    return units, parts, reasons


def _distinct(score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """List the different scores and highest possible scores of an item, in order."""
    return np.unique(np.round(np.concatenate([score, highest[~np.isnan(highest)]]), 9))  # 0.1 + 0.2 is 0.3


def _why_no_step(values: np.ndarray) -> str:
    """Say why the distinct scores of an item are no categories."""
    if len(values) > MOST_CATEGORIES + 1:  # max_score may be one more
        return f"{len(values):,} different scores, and at most {MOST_CATEGORIES} are categories"
    listed = first_few([f"{value:g}" for value in values])
    return f"scores without a common step of at least 1/{MOST_STEPS_A_POINT}: {listed}"


def _parts_of_a_point(score: np.ndarray, highest: np.ndarray, weight: np.ndarray) -> int:
    """Find the first of 1, 2, ... parts of a point of which all but a few answers have multiples; 0 if there is none."""
    few = min(FEW_ANSWERS, int(FEW_OF_ALL * weight.sum()) + 1)
    for parts in range(1, MOST_STEPS_A_POINT + 1):
        if weight[~_are_multiples(score, highest, parts)].sum() < few:
            return parts
    return 0


def _are_multiples(score: np.ndarray, highest: np.ndarray, parts: int | np.ndarray) -> np.ndarray:
    """Tell which answers have a score that is a multiple of 1 / parts, and a max_score that is one or is not known, bool [n]."""
    return _is_multiple(score, parts) & (np.isnan(highest) | _is_multiple(highest, parts))


def _is_multiple(values: np.ndarray, parts: int | np.ndarray) -> np.ndarray:
    """Tell which values are multiples of 1 / parts, perhaps rounded, bool [n]; NaN is none."""
    with np.errstate(invalid="ignore"):
        multiple = np.rint(values * parts) / parts
        found: np.ndarray = np.abs(values - multiple) <= NEAR
        found |= np.abs(values - np.round(multiple, 3)) <= _EQUAL
        found |= np.isin(parts, _ROUNDED_TO_TWO) & (np.abs(values - np.round(multiple, 2)) <= _EQUAL)
    return found


def common_step(values: Iterable[float]) -> Fraction | None:
    """Find the greatest number of which all values are multiples; None where they have none that is a simple fraction."""
    fractions = [Fraction(float(value)).limit_denominator(MOST_STEPS_A_POINT) for value in values]
    if not all(_is_multiple(np.array(value), part.denominator) for part, value in zip(fractions, values, strict=True)):
        return None
    denominator = lcm(*(part.denominator for part in fractions))
    if denominator > MOST_STEPS_A_POINT:
        return None
    return Fraction(gcd(*(int(part * denominator) for part in fractions)), denominator)
