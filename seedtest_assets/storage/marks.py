"""What the marks of an answer file mean: correct, incorrect, no answer, or nothing that can be read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import NAMED_IN_A_MESSAGE, InputError, first_few
from seedtest_assets.storage.text_tables import ROW, read_text_table
from seedtest_assets.usable_answers import trimmed

CORRECT = frozenset({"true", "t", "yes", "y", "o", "○", "정답", "맞음"})
INCORRECT = frozenset({"false", "f", "no", "n", "x", "×", "오답", "틀림"})
NO_ANSWER = frozenset({"na", "n/a", "nan", "null", ".", "-"})
"""Marks in any case; 1 and 0, also as 1.0 and 0.00, are correct and incorrect. A blank is no answer, too."""

Policy = Literal["wrong", "ignored"]
BLANK = "blank"
_NOTHING, _IGNORED = "(no answer)", "(ignored)"
_MEANINGS = ("true", "false", _NOTHING, _IGNORED)
"""What a mark may mean. Another one stands as it is, and cannot be read."""


@dataclass(frozen=True, kw_only=True)
class MarkRules:
    """What the user says of the marks.

    key: right responses by item, in upper case; empty if the marks are marks. codes: {code: (what it is, policy)} of answers
    that were omitted or not reached.
    """

    key: Mapping[str, frozenset[str]] = field(default_factory=dict)
    codes: Mapping[str, tuple[str, Policy]] = field(default_factory=dict)


MARKS_AS_THEY_ARE = MarkRules()


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What marks mean.

    text: "true", "false", null for no answer, and what cannot be read as it stands. ignored: rows that are no answers by a
    code. no_answer: how often which mark was no answer. notes: what to tell, a sentence each.
    """

    text: pa.ChunkedArray
    ignored: pa.ChunkedArray
    no_answer: Mapping[str, int]
    notes: Sequence[str]


def mark_rules(*, key: Path | None = None, omitted: str | None = None, not_reached: str | None = None) -> MarkRules:
    """Make the rules of options: a file of right responses, and codes as "CODE=wrong" or "CODE=ignored"."""
    options = ((omitted, "omitted"), (not_reached, "not reached"))
    parsed = [_parse_code(option, kind) for option, kind in options if option is not None]
    codes = dict(parsed)
    if len(codes) < len(parsed):
        raise InputError(f"{omitted!r} and {not_reached!r} have the same code. Give each a code of its own")
    marks = sorted(codes.keys() & (CORRECT | INCORRECT | {"0", "1"})) if not key else []
    if marks:
        raise InputError(f"{marks[0]!r} is a mark and cannot be the code of an omitted or not reached answer")
    return MarkRules(key=read_key(key) if key else {}, codes=codes)


def _parse_code(option: str, kind: str) -> tuple[str, tuple[str, Policy]]:
    """Read "CODE=wrong" or "CODE=ignored"; kind: "omitted" or "not reached". Raises InputError for anything else."""
    code, separator, policy = option.rpartition("=")
    if not separator or policy not in get_args(Policy):
        raise InputError(f"{option!r} does not say what a {kind} answer counts as. Write CODE=wrong or CODE=ignored")
    return _plain(code), (kind, cast(Policy, policy))


def read_marks(marks: pa.ChunkedArray, items: pa.ChunkedArray, rules: MarkRules) -> Marks:
    """Read the marks of a file, each distinct one once. items: their ids, used with a key.

    Raises InputError where the key lacks an item.
    """
    encoded = trimmed(marks.cast(pa.string())).dictionary_encode(null_encoding="encode").combine_chunks()
    distinct = [BLANK if mark is None else mark for mark in encoded.dictionary.to_pylist()]
    full_mark = None if rules.key else _full_mark(distinct, rules)
    meanings = [_meaning(mark, rules, full_mark) for mark in distinct]
    if not rules.key:
        meanings = _few_unreadable(meanings)
    codes = encoded.indices
    text = pa.array([None if meaning in (_NOTHING, _IGNORED) else meaning for meaning in meanings], pa.string()).take(
        codes
    )
    notes = [] if full_mark is None else [f"the marks are 0 and {full_mark}: {full_mark} was read as correct"]
    if rules.key:
        ids = trimmed(items.cast(pa.string())).combine_chunks()
        notes += _compared(ids, rules)
        text = _scored(text, ids, rules)
    counts = dict(zip(*(column.to_pylist() for column in pc.value_counts(codes).flatten()), strict=True))
    return Marks(
        text=pa.chunked_array([text]),
        ignored=pa.chunked_array([pa.array([meaning == _IGNORED for meaning in meanings], pa.bool_()).take(codes)]),
        no_answer={
            _named(mark, rules): counts[code]
            for code, (mark, meaning) in enumerate(zip(distinct, meanings, strict=True))
            if meaning in (_NOTHING, _IGNORED)
        },
        notes=notes,
    )


def _meaning(mark: str, rules: MarkRules, full_mark: str | None) -> str:
    plain = _plain(mark)
    if plain in rules.codes:
        return "false" if rules.codes[plain][1] == "wrong" else _IGNORED
    if mark == BLANK or plain in NO_ANSWER:
        return _NOTHING
    if rules.key:
        return plain.upper()
    if plain in CORRECT or plain in ("1", full_mark):
        return "true"
    return "false" if plain in INCORRECT or plain == "0" else mark


def _few_unreadable(meanings: list[str]) -> list[str]:
    """Give marks that cannot be read one name for all, where they are many kinds, such as points: reasons are counted by it."""
    unreadable = [meaning for meaning in meanings if meaning not in _MEANINGS]
    if len(unreadable) <= NAMED_IN_A_MESSAGE:
        return meanings
    name = first_few(unreadable)
    return [meaning if meaning in _MEANINGS else name for meaning in meanings]


def _plain(mark: str) -> str:
    """Write marks of the same meaning in the same way: 1.00 as 1, TRUE as true; a blank code as BLANK."""
    number = _number(mark)
    return (mark.strip().lower() or BLANK) if number is None else f"{number:g}"


def _number(mark: str) -> float | None:
    try:
        number = float(mark)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _full_mark(distinct: Sequence[str], rules: MarkRules) -> str | None:
    """Give the number other than 1 that stands for correct: where all marks are 0 and it."""
    plain = {_plain(mark) for mark in distinct} - {BLANK} - NO_ANSWER - rules.codes.keys()
    others = plain - {"0"}
    if "0" not in plain or len(others) != 1:
        return None
    (other,) = others
    return other if (_number(other) or 0) > 1 else None  # -1 is a common code of a missing answer


def _compared(ids: pa.Array, rules: MarkRules) -> list[str]:
    """Refuse a key without one of the items, and tell of items that only the key has."""
    items = set(ids.unique().drop_null().to_pylist())
    missing, unused = sorted(items - rules.key.keys()), sorted(rules.key.keys() - items)
    if missing:
        raise InputError(f"the key has no row for the items {first_few(missing)}. Add them")
    return [f"{len(unused)} items of the key are not in the file: {first_few(unused)}"] if unused else []


def _scored(responses: pa.Array, ids: pa.Array, rules: MarkRules) -> pa.Array:
    """Score responses by the key; what a code made "false" stays, and so does no answer."""
    right = pa.array([f"{item}\0{response}" for item, responses in rules.key.items() for response in responses])
    correct = pc.is_in(pc.binary_join_element_wise(ids, responses, "\0"), right)
    return pc.if_else(responses.is_null(), pa.scalar(None, pa.string()), pc.if_else(correct, "true", "false"))


def _named(mark: str, rules: MarkRules) -> str:
    kind = rules.codes.get(_plain(mark))
    return f"{mark} ({kind[0]})" if kind else mark


def read_key(path: Path) -> dict[str, frozenset[str]]:
    """Read the right responses from a file with item_id and key; an item with several right responses has a row for each.

    Raises InputError naming the rows without an item or a key.
    """
    table = read_text_table(path, [frozenset({"item_id", "key"})])
    columns = {name.lower(): table.rows[name] for name in table.rows.column_names}
    if not {"item_id", "key"} <= columns.keys():
        raise InputError(f"{path} has no column item_id and key. It has {', '.join(columns.keys() - {ROW})}")
    bad = [f"row {row} ({reason})" for row, reason in table.misfits]
    right: dict[str, set[str]] = {}
    cells = (trimmed(columns["item_id"]).to_pylist(), trimmed(columns["key"]).to_pylist(), columns[ROW].to_pylist())
    for item, response, row in zip(*cells, strict=True):
        if item is None or response is None:
            bad.append(f"row {row} (item_id or key is missing)")
        else:
            right.setdefault(item, set()).add(_plain(response).upper())
    if bad:
        raise InputError(f"{path}: {first_few(bad)}")
    return {item: frozenset(responses) for item, responses in right.items()}
