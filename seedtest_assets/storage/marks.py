"""What the marks of an answer file mean: correct, incorrect, no answer, or nothing that can be read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
from seedtest_assets.usable_answers import trimmed

_NOTHING, _IGNORED = "(no answer)", "(ignored)"
# What a mark is that cannot be read, and what to add where it is a number of points.
_NOT_A_MARK = ("neither correct nor incorrect", ", and scores of partial credit belong in a column score")
_NOT_A_SCORE = (
    "not read as a score of partial credit",
    f", which is an integer from 0 to {MOST_CATEGORIES - 1} in a wide file",
)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What marks mean.

    text: "true", "false", null for no answer, else why the mark cannot be read. ignored: rows that are no answers by a
    code. no_answer: how often which mark was no answer. notes: what to tell, a sentence each. score: marks that are scores of
    items with partial credit, as text; None where no item has any.
    """

    text: pa.ChunkedArray
    ignored: pa.ChunkedArray
    no_answer: Mapping[str, int]
    notes: Sequence[str]
    score: pa.ChunkedArray | None = None


def read_marks(marks: pa.ChunkedArray, items: pa.ChunkedArray, rules: MarkRules, *, scored: bool = False) -> Marks:
    """Read the marks of a file, each distinct one of an item once. items: the items' ids.

    scored: whether marks may be the scores 0..m of an item with partial credit. Its highest is right.
    Raises InputError where the marks are not what the rules say, or more needs to be known.
    """
    kinds, codes = _kinds(marks, items, rules)
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
    text: list[str | None] = []
    for kind, meaning in meanings:
        if meaning in (_NOTHING, _IGNORED):
            no_answer[_named(kind, rules)] += kind.n_rows
            text.append(None)
        else:
            text.append(meaning or reasons[kind])
    ignored = [meaning == _IGNORED for _, meaning in meanings]
    return Marks(
        text=pa.chunked_array([pa.array(text, pa.string()).take(codes)]),
        ignored=pa.chunked_array([pa.array(ignored, pa.bool_()).take(codes)]),
        no_answer=no_answer,
        notes=notes,
        score=_scores(kinds, codes, partial) if partial.scores else None,
    )


def _reasons(unread: Sequence[Kind], partial: WideScores) -> dict[Kind, str]:
    """Say why marks cannot be read."""
    stray = [kind for kind in unread if kind.item in partial.scores]
    others = [kind for kind in unread if kind.item not in partial.scores and kind.item not in partial.unclear]
    reasons = {kind: partial.unclear[kind.item] for kind in unread if kind.item in partial.unclear}
    for kinds, *texts in ((stray, *_NOT_A_SCORE), (others, *_NOT_A_MARK)):
        of_marks = reasons_of(kinds, *texts)
        reasons |= {kind: of_marks[kind.mark] for kind in kinds}
    return reasons


def _scores(kinds: Sequence[Kind], codes: pa.Array, partial: WideScores) -> pa.ChunkedArray:
    """Give the scores of the answers to items with partial credit, null elsewhere."""
    scores = [kind.plain if kind.plain in partial.scores.get(kind.item, ()) else None for kind in kinds]
    return pa.chunked_array([pa.array(scores, pa.string()).take(codes)])


def _kinds(marks: pa.ChunkedArray, items: pa.ChunkedArray, rules: MarkRules) -> tuple[list[Kind], pa.Array]:
    """Give the distinct marks of the items, and the number of its kind for each row."""
    encoded = trimmed(marks.cast(pa.string())).dictionary_encode(null_encoding="encode").combine_chunks()
    distinct = [BLANK if mark is None else mark for mark in encoded.dictionary.to_pylist()]
    as_plain = [plain(mark) for mark in distinct]
    names: list[str | None] = [None]
    codes = pc.cast(encoded.indices, pa.int64())
    # Marks such as 1 and 0 need no look at the items, which takes longer than all else.
    if rules.key or any(number(mark) is not None for mark in set(as_plain) - {"0", "1"} - rules.codes.keys()):
        of_items = trimmed(items.cast(pa.string())).dictionary_encode(null_encoding="encode").combine_chunks()
        names = of_items.dictionary.to_pylist()
        codes = pc.add(pc.multiply(pc.cast(of_items.indices, pa.int64()), len(distinct)), codes)
    pairs = codes.dictionary_encode()
    counts = dict(zip(*(column.to_pylist() for column in pc.value_counts(pairs.indices).flatten()), strict=True))
    kinds = []
    for code, pair in enumerate(pairs.dictionary.to_pylist()):
        item, mark = divmod(pair, len(distinct))
        kinds.append(Kind(names[item], distinct[mark], as_plain[mark], counts[code]))
    return kinds, pairs.indices


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
