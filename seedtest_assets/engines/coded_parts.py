"""Answers in parts that no two students share, translated to the codes of irt/ part by part.

What a part says of items is looked at in all parts first: which ids there are, and which scores. Everything is a function of a
part, so that other processes can hold the parts; see irt/shards.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.calibration import SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.engines.coded_request import CodedShards, FoundAnswers, coded_items, times_of, with_mark
from seedtest_assets.engines.codes import codes_and_names, in_order, places_among, sorted_names
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.shards import Shards, ShardsHere
from seedtest_assets.memory import give_back_memory
from seedtest_assets.score_categories import ScoreCategories, ScoreRules, count_alike, has_scores, score_categories
from seedtest_assets.usable_answers import with_usable_ids

SCORES = ["correct", *SCORE_SCHEMA.names]
NO_ROWS = pa.schema([("correct", pa.bool_()), ("n", pa.int64())]).empty_table()


class ScoredRows(NamedTuple):
    """Usable answers of a part, some of which have a score: person, item: int32 [n]; time: int64 [n], microseconds; scores: SCORES."""

    person: np.ndarray
    item: np.ndarray
    time: np.ndarray
    scores: pa.Table


@dataclass(frozen=True, kw_only=True)
class HeldPart:
    """The usable answers of a part, in codes of its own; those of items are in the order of `item_ids`, which is sorted.

    marked: the answers that count where each is right or wrong; scored: all answers otherwise, of which the scores of the other
    parts decide which count. alike: as of `count_alike`.
    """

    student_ids: pa.Array
    item_ids: pa.Array
    without_ids: Mapping[str, int]
    marked: irt.Responses | None
    scored: ScoredRows | None
    alike: pa.Table


class PartFacts(NamedTuple):
    """What a part says of items. has_scores: whether some answer has a score; alike: see HeldPart."""

    item_ids: pa.Array
    without_ids: Mapping[str, int]
    has_scores: bool
    alike: pa.Table


def hold_part(number: int, parts: Sequence[pa.Table]) -> HeldPart:
    """Read a part and code it."""
    held = _held(parts[number])
    # What reading took, some 200 MB a process, would stay for as long as the calibration takes.
    give_back_memory()
    return held


def _held(answers: pa.Table) -> HeldPart:
    answers, without_ids = with_usable_ids(with_mark(answers))
    person, student_ids = codes_and_names(answers["student_id"])
    item, item_ids = in_order(*codes_and_names(answers["item_id"]))
    names = [name for name in SCORES if name in answers.column_names] if has_scores(answers) else SCORES[:1]
    scores = answers.select(names)
    marked, scored = None, None
    if len(names) > 1:
        scored = ScoredRows(person, item, times_of(answers), scores)
    else:
        mark = scores["correct"].fill_null(False).to_numpy(zero_copy_only=False)
        marked = irt.Responses.from_answers(
            person, item, mark, times_of(answers), n_persons=len(student_ids), n_items=len(item_ids)
        )
    return HeldPart(
        student_ids=student_ids,
        item_ids=item_ids,
        without_ids=without_ids,
        marked=marked,
        scored=scored,
        alike=count_alike(scores, item, len(item_ids)),
    )


def facts_of(held: HeldPart) -> PartFacts:
    """Tell what a part says of items."""
    return PartFacts(held.item_ids, held.without_ids, held.scored is not None, held.alike)


def students_of(held: HeldPart) -> pa.Array:
    """List the ids of a part's students."""
    return held.student_ids


def code_part(held: HeldPart, item_ids: pa.Array, rules: ScoreRules | None) -> irt.Responses:
    """Translate a part to the codes of the whole bank. rules: of its items, None where every answer is right or wrong."""
    code = places_among(held.item_ids, item_ids)
    marked = held.marked
    if marked is not None and rules is None:  # both are sorted by id, so that the order of a person's answers stays
        return replace(marked, item=code[marked.item], n_items=len(item_ids))
    if marked is not None:
        person = np.repeat(np.arange(marked.n_persons, dtype=np.int32), np.diff(marked.person_start))
        rows = ScoredRows(person, marked.item, marked.order, pa.table({"correct": marked.score.astype(bool)}))
    else:
        assert held.scored is not None
        rows = held.scored
    assert rules is not None
    person, item, time = rows.person, code[rows.item], rows.time
    score, usable = rules.categories(rows.scores, item)
    responses = irt.Responses.from_answers(
        person[usable],
        item[usable],
        score[usable],
        time=time[usable],
        n_persons=len(held.student_ids),
        n_items=len(item_ids),
    )
    if marked is None:
        return responses
    # Of items that are not refused, as where all answers are in one part.
    aside = np.bincount(held.alike["item"], held.alike["n"], marked.n_items) - np.bincount(
        marked.item, minlength=marked.n_items
    )
    return replace(responses, n_set_aside=int(aside[~rules.refused[code]].sum()))


def code_in_shards(request: CalibrationRequest, held: Shards[HeldPart]) -> CodedShards:
    """Translate a request of which other processes may hold the answers."""
    found, student_ids = _found(held), pa.concat_arrays(held.each(students_of))
    shards = held.derive(code_part, found.item_ids, found.categories.rules)
    del held  # each part makes room for its responses
    return _coded(request, found, shards, student_ids)


def code_here(request: CalibrationRequest) -> CodedShards:
    """Translate a request in this process, one part after the other, to one shard."""
    parts = request.parts
    held = [hold_part(number, parts) for number in range(len(parts))]
    found = _found(ShardsHere(held))
    responses, student_ids = [], []
    while held:
        part = held.pop(0)  # each makes room for its responses
        student_ids.append(part.student_ids)
        responses.append(code_part(part, found.item_ids, found.categories.rules))
    return _coded(request, found, ShardsHere([irt.Responses.joined(responses)]), pa.concat_arrays(student_ids))


class _Found(NamedTuple):
    """item_ids: sorted, so that the codes do not depend on the parts; categories: without those of the answers."""

    item_ids: pa.Array
    without_ids: Mapping[str, int]
    categories: ScoreCategories


def _found(held: Shards[HeldPart]) -> _Found:
    facts = held.each(facts_of)
    item_ids = sorted_names([part.item_ids for part in facts])
    without_ids = reduce(lambda total, part: total + Counter(part.without_ids), facts, Counter[str]())
    rows, item = NO_ROWS, np.empty(0, np.int32)
    if any(part.has_scores for part in facts):
        rows = pa.concat_tables([part.alike for part in facts], promote_options="default")
        codes = [places_among(part.item_ids, item_ids)[part.alike["item"].to_numpy()] for part in facts]
        item = np.concatenate(codes)
    return _Found(item_ids, without_ids, score_categories(rows, item, len(item_ids), rows["n"].to_numpy()))


def _coded(
    request: CalibrationRequest, found: _Found, shards: Shards[irt.Responses], student_ids: pa.Array
) -> CodedShards:
    responses = ResponseShards.of(shards, np.asarray(found.item_ids, dtype=object))
    return CodedShards(
        responses=responses,
        student_ids=student_ids,
        n_responses=np.concatenate(shards.each(_n_responses)),
        n_set_aside=responses.n_set_aside,
        **coded_items(request, FoundAnswers(found.item_ids, found.categories, responses.count, found.without_ids)),
    )


def _n_responses(responses: irt.Responses) -> np.ndarray:
    return np.diff(responses.person_start)
