"""Scores of a long file, and the marks of the answers that have a score and no mark."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.storage.mark_names import BLANK, NO_ANSWER, plain
from seedtest_assets.storage.mark_rules import MarkRules


def refuse_rules_of_marks(path: str | Path, rules: MarkRules, *, marked: bool) -> None:
    """Raise InputError for rules that have no meaning beside scores. marked: whether the file has marks, too."""
    if rules.key:
        raise InputError(
            f"{path} has a column score, which counts, so that --key has no meaning. Leave --key or the column out"
        )
    if rules.full_mark and not marked:
        raise InputError(
            f"{path} has scores and no marks, so that --full-mark has no meaning. A column max_score has the highest score of an item"
        )


def parted_scores(values: pa.ChunkedArray | pa.Array, rules: MarkRules) -> tuple[pa.Array, pa.DictionaryArray]:
    """Part text into scores and what stands for none, null elsewhere.

    Codes and the ways to write no answer mean in the column of scores what they mean in that of marks, and are no scores.
    """
    encoded = dictionary_of(values.cast(pa.string()))
    nothing = _is_no_answer(encoded, rules)[:-1]
    null = pa.scalar(None, pa.string())
    score = pc.if_else(nothing, null, encoded.dictionary)
    no_score = pc.if_else(nothing, encoded.dictionary, null)
    return score.take(encoded.indices), pa.DictionaryArray.from_arrays(encoded.indices, no_score)


class MarksOfScores:
    """Marks of the answers that only have a score: one that is the item's highest is correct.

    That is the highest max_score of the item, else its highest score in the file, which is only an assumption where it is not 1.
    """

    def __init__(self) -> None:
        self._given: dict[str, float] = {}
        self._reached: dict[str, float] = {}
        self._assumed: dict[str, None] = {}
        self._n_scores = 0

    def add(self, part: pa.Table) -> None:
        """Take account of some rows: item_id, score, max_score, has_score."""
        items = dictionary_of(part["item_id"])
        names = items.dictionary.to_pylist()
        self._n_scores += pc.sum(part["has_score"]).as_py() or 0
        for column, highest in (("max_score", self._given), ("score", self._reached)):
            values = part[column]
            known = pa.table({"item": items.indices, "value": values}).filter(pc.is_finite(values))
            of_item = known.group_by("item").aggregate([("value", "max")])
            for code, value in zip(of_item["item"].to_pylist(), of_item["value_max"].to_pylist(), strict=True):
                if code is not None:
                    highest[names[code]] = max(value, highest.get(names[code], -np.inf))

    def marks_of(self, part: pa.Table) -> pa.DictionaryArray:
        """Give the marks of rows that were added: their own, else those of their scores, else what stands for no score.

        part: item_id, mark, score, has_score and no_score. A score that is no number is marked false; its reader gives the reason.
        """
        marks, items = dictionary_of(part["mark"]), dictionary_of(part["item_id"])
        unmarked = _is_no_answer(marks, MarkRules()).take(marks.indices.fill_null(len(marks.dictionary)))
        if not pc.any(unmarked).as_py():
            return marks
        names = items.dictionary.to_pylist()
        of_name = [self._given.get(name, self._reached.get(name, np.nan)) for name in names]
        highest = pa.array([*of_name, np.nan]).take(items.indices.fill_null(len(names)))
        score = part["score"].combine_chunks()
        full = pc.fill_null(pc.and_(pc.greater(score, 0), pc.greater_equal(score, highest)), False)
        scored = part["has_score"].combine_chunks()
        of_score = pc.if_else(scored, pc.if_else(full, "true", "false"), pa.scalar(None, pa.string()))
        self._assume(items, names, pc.and_(unmarked, scored))
        texts = [dictionary_of(part["no_score"]).cast(pa.string()), marks.cast(pa.string())]
        return pc.if_else(unmarked, pc.coalesce(of_score, *texts), texts[1]).dictionary_encode()

    def notes(self, *, marked: bool) -> list[str]:
        """Tell what was assumed, a sentence each. marked: whether the file has marks, too."""
        notes = ["no row has a score"] if marked and not self._n_scores else []
        if self._assumed:
            named: Sequence[str] = list(self._assumed)
            items = f"{number_of(len(named), 'item')} without max_score: {first_few(named)}"
            notes.append(f"the highest score in the file counts as correct for {items}")
        return notes

    def _assume(self, items: pa.DictionaryArray, names: Sequence[str], rows: pa.Array) -> None:
        for code in items.indices.filter(rows).unique().drop_null().to_pylist():
            if names[code] not in self._given and self._reached.get(names[code], 1) != 1:
                self._assumed[names[code]] = None


def _is_no_answer(encoded: pa.DictionaryArray, rules: MarkRules) -> pa.Array:
    """Tell of each distinct mark or score, and last of a missing one, whether it stands for no answer, or is a code."""
    meanings = [plain(mark or "") for mark in encoded.dictionary.to_pylist()]
    nothing = [mark == BLANK or mark in NO_ANSWER or mark in rules.codes for mark in meanings]
    return pa.array([*nothing, True], pa.bool_())
