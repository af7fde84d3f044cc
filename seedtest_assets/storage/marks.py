"""What the marks of an answer file mean: correct, incorrect, no answer, or nothing that can be read."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import first_few, number_of
from seedtest_assets.irt.models import MOST_CATEGORIES
from seedtest_assets.storage.answer_keys import compare_with_key
from seedtest_assets.storage.full_marks import (
    describe_full_marks,
    find_full_marks,
    marks_of_items,
    stated_full_marks,
)
from seedtest_assets.storage.mark_names import BLANK, CORRECT, INCORRECT, NO_ANSWER, Kind, number, plain
from seedtest_assets.storage.mark_rules import MarkRules
from seedtest_assets.storage.unread_marks import reasons_of, refuse_responses
from seedtest_assets.storage.wide_scores import NO_WIDE_SCORES, WideScores, find_wide_scores

_NOTHING, _IGNORED = "(no answer)", "(ignored)"
# What a mark is that cannot be read, and what to add where it is a number of points.
_NOT_A_MARK = ("neither correct nor incorrect", ", and scores of partial credit belong in a column score")
_NOT_A_SCORE = (
    "not read as a score of partial credit",
    f", which is an integer from 0 to {MOST_CATEGORIES - 1} in a wide file",
)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What the marks of some rows mean.

    correct: null for no answer, and for marks that cannot be read, of which `unreadable` says why; unreadable is None where all can.
    ignored: rows that are no answers by a code. score: marks that are scores of items with partial credit, as text; None where no
    item has any.
    """

    correct: pa.Array
    unreadable: pa.Array | None
    ignored: pa.Array
    score: pa.Array | None

    @property
    def is_answer(self) -> pa.Array:
        """Which rows have a mark, readable or not."""
        given = self.correct.is_valid()
        return given if self.unreadable is None else pc.or_(given, self.unreadable.is_valid())


class MarkCounts:
    """How often each mark of a file occurs, over all its parts. by_item: whether marks of different items are counted apart."""

    def __init__(self, rules: MarkRules) -> None:
        self.by_item = bool(rules.key)
        self._codes = rules.codes.keys()
        self._counts: Counter[tuple[str | None, str | None]] = Counter()

    def count(self, parts: Callable[[], Iterable[tuple[pa.DictionaryArray, pa.DictionaryArray]]]) -> list[Kind]:
        """Count the marks of all parts. parts: gives the marks and the items' ids of each, as often as it is called."""
        if not self.by_item:
            for marks, _ in parts():
                self._add(marks, marks.dictionary, np.bincount(_codes(marks), minlength=len(marks.dictionary) + 1))
            # Marks such as 1 and 0 need no look at the items.
            different = {plain(mark or "") for _, mark in self._counts} - {"0", "1"} - self._codes
            self.by_item = any(number(mark) is not None for mark in different)
            if self.by_item:
                self._counts.clear()
        if self.by_item:
            for marks, items in parts():
                for (item, mark), n_rows in _pairs(marks, items)[0].items():
                    self._counts[item, mark] += n_rows
        return [Kind(item, mark or BLANK, plain(mark or ""), n_rows) for (item, mark), n_rows in self._counts.items()]

    def _add(self, marks: pa.DictionaryArray, dictionary: pa.Array, counts: np.ndarray) -> None:
        for mark, n_rows in zip([*dictionary.to_pylist(), None], counts.tolist(), strict=True):
            if n_rows:
                self._counts[None, mark] += n_rows


def _codes(values: pa.DictionaryArray) -> np.ndarray:
    """Give the codes of values; that of null is the one after the last."""
    codes: np.ndarray = values.indices.fill_null(len(values.dictionary)).to_numpy()
    return codes


def read_marks(kinds: Sequence[Kind], rules: MarkRules, *, by_item: bool, scored: bool = False) -> "Meanings":
    """Find what the marks of a file mean, each distinct one of an item once. kinds, by_item: of MarkCounts.

    scored: whether marks may be the scores 0..m of an item with partial credit. Its highest is right.
    Raises InputError where the marks are not what the rules say, or more needs to be known.
    """
    answers = [kind for kind in kinds if not _is_no_answer(kind, rules)]
    notes = _not_in_file(kinds, rules)
    partial = find_wide_scores(answers) if scored and not rules.key and not rules.full_mark else NO_WIDE_SCORES
    answers = [kind for kind in answers if kind.item not in partial.scores]
    full_marks: Mapping[str | None, str] = {}
    if rules.key:
        notes += compare_with_key(answers, rules.key)
    else:
        refuse_responses(answers)
        of_item = marks_of_items(answers)
        full_marks = stated_full_marks(of_item, rules.full_mark) if rules.full_mark else find_full_marks(of_item)
        notes += describe_full_marks(full_marks, of_item)
    if partial.scores:
        named = first_few([str(item) for item in partial.scores])
        notes.append(f"{number_of(len(partial.scores), 'item')} with partial credit: {named}")
    meanings = [(kind, _meaning(kind, rules, full_marks.get(kind.item), partial)) for kind in kinds]
    reasons = _reasons([kind for kind, meaning in meanings if meaning is None], partial)
    no_answer: Counter[str] = Counter()
    for kind, meaning in meanings:
        if meaning in (_NOTHING, _IGNORED):
            no_answer[_named(kind, rules)] += kind.n_rows
    return Meanings(
        of_kind={(kind.item, kind.mark): meaning or reasons[kind] for kind, meaning in meanings},
        by_item=by_item,
        no_answer=no_answer,
        notes=notes,
        partial=partial,
    )


@dataclass(frozen=True, kw_only=True)
class Meanings:
    """What the marks of a file mean.

    of_kind: by item (null where marks mean the same in all) and mark: true, false, no answer, ignored, or why it cannot be read.
    no_answer: how often which mark was no answer. notes: what to tell, a sentence each.
    """

    of_kind: Mapping[tuple[str | None, str], str]
    by_item: bool
    no_answer: Mapping[str, int]
    notes: Sequence[str]
    partial: WideScores

    def of_rows(self, marks: pa.DictionaryArray, items: pa.DictionaryArray) -> Marks:
        """Give the meanings of some rows."""
        if self.by_item:
            pairs, codes = _pairs(marks, items)
            kinds = [(item, mark or BLANK) for item, mark in pairs]
        else:
            codes = _codes(marks)
            kinds = [(None, mark or BLANK) for mark in [*marks.dictionary.to_pylist(), None]]
        # A dictionary may have marks that no row has.
        meanings = [self.of_kind.get(kind, _NOTHING) for kind in kinds]
        correct = [meaning == "true" if meaning in ("true", "false") else None for meaning in meanings]
        reasons = [None if meaning in ("true", "false", _NOTHING, _IGNORED) else meaning for meaning in meanings]
        scores = [_score(*kind, self.partial) for kind in kinds] if self.partial.scores else []
        return Marks(
            correct=pa.array(correct, pa.bool_()).take(codes := pa.array(codes)),
            unreadable=pa.array(reasons, pa.string()).take(codes) if any(reasons) else None,
            ignored=pa.array([meaning == _IGNORED for meaning in meanings], pa.bool_()).take(codes),
            score=pa.array(scores, pa.string()).take(codes) if self.partial.scores else None,
        )


def _pairs(
    marks: pa.DictionaryArray, items: pa.DictionaryArray
) -> tuple[dict[tuple[str | None, str | None], int], np.ndarray]:
    """Count the pairs of an item and a mark in some rows, and give each row the place of its pair."""
    n_marks = len(marks.dictionary) + 1
    encoded = pa.array(_codes(items).astype(np.int64) * n_marks + _codes(marks)).dictionary_encode()
    places = encoded.indices.to_numpy()
    item, mark = np.divmod(encoded.dictionary.to_numpy(), n_marks)
    item_names, mark_names = [*items.dictionary.to_pylist(), None], [*marks.dictionary.to_pylist(), None]
    names = [(item_names[i], mark_names[m]) for i, m in zip(item.tolist(), mark.tolist(), strict=True)]
    return dict(zip(names, np.bincount(places, minlength=len(names)).tolist(), strict=True)), places


def _reasons(unread: Sequence[Kind], partial: WideScores) -> dict[Kind, str]:
    """Say why marks cannot be read."""
    stray = [kind for kind in unread if kind.item in partial.scores]
    others = [kind for kind in unread if kind.item not in partial.scores and kind.item not in partial.unclear]
    reasons = {kind: partial.unclear[kind.item] for kind in unread if kind.item in partial.unclear}
    for kinds, *texts in ((stray, *_NOT_A_SCORE), (others, *_NOT_A_MARK)):
        of_marks = reasons_of(kinds, *texts)
        reasons |= {kind: of_marks[kind.mark] for kind in kinds}
    return reasons


def _score(item: str | None, mark: str, partial: WideScores) -> str | None:
    """Give the score of an answer to an item with partial credit, None for others."""
    as_plain = plain(mark)
    return as_plain if as_plain in partial.scores.get(item, ()) else None


def _is_no_answer(kind: Kind, rules: MarkRules) -> bool:
    return kind.plain in rules.codes or kind.plain == BLANK or kind.plain in NO_ANSWER


def _meaning(kind: Kind, rules: MarkRules, full_mark: str | None, partial: WideScores) -> str | None:
    """Say what the marks of a kind mean; null if they cannot be read. full_mark: of the item, if it is not 1."""
    if kind.plain in rules.codes:
        return "false" if rules.codes[kind.plain][1] == "wrong" else _IGNORED
    if _is_no_answer(kind, rules):
        return _NOTHING
    if kind.item in partial.unclear:
        return None
    if scores := partial.scores.get(kind.item):
        return None if kind.plain not in scores else "true" if partial.is_full(kind) else "false"
    if rules.key:
        return "true" if kind.plain.upper() in rules.key.get(kind.item or "", ()) else "false"
    if kind.plain in CORRECT or kind.plain == (full_mark or "1"):
        return "true"
    return "false" if kind.plain in INCORRECT or kind.plain == "0" else None


def _not_in_file(kinds: Iterable[Kind], rules: MarkRules) -> list[str]:
    """Mention codes and a full mark that no row has, but not the ways to write no answer, which a night names as codes."""
    stated = [(code, f"the code {code} of --{kind.replace(' ', '-')}") for code, (kind, _) in rules.codes.items()]
    if rules.full_mark:
        stated.append((rules.full_mark, f"the full mark {rules.full_mark} of --full-mark"))
    known = {kind.plain for kind in kinds} | NO_ANSWER | {BLANK}
    return [f"{text} is not in the file" for mark, text in stated if mark not in known]


def _named(kind: Kind, rules: MarkRules) -> str:
    code = rules.codes.get(kind.plain)
    return f"{kind.mark} ({code[0]})" if code else kind.mark
