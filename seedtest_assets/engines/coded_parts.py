"""Answers in parts that no two students share, translated to the codes of irt/ part by part.

What a part says of items is looked at in all parts first: which ids there are, and which scores. Everything is a function of a
part, so that other processes can hold the parts; see irt/shards.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.engines.coded_request import CodedShards, FoundAnswers, coded_items, times_of, with_mark
from seedtest_assets.engines.codes import codes_and_names
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.shards import Shards, ShardsHere
from seedtest_assets.score_categories import ScoreCategories, ScoreRules, has_scores, score_categories
from seedtest_assets.usable_answers import with_usable_ids

SCORES = ["correct", *SCORE_SCHEMA.names]
NO_ROWS = pa.schema([("item_id", pa.string()), ("correct", pa.bool_()), *SCORE_SCHEMA, ("n", pa.int64())]).empty_table()


@dataclass(frozen=True, kw_only=True)
class HeldPart:
    """The usable answers of a part, in codes of its own.

    person, item: int32 [n]; time: int64 [n], microseconds; scores: the columns of SCORES, only `correct` where there are no others.
    """

    student_ids: pa.Array
    item_ids: pa.Array
    without_ids: Mapping[str, int]
    person: np.ndarray
    item: np.ndarray
    time: np.ndarray
    scores: pa.Table


class PartFacts(NamedTuple):
    """What a part says of items. has_scores: whether some answer has a score."""

    item_ids: pa.Array
    without_ids: Mapping[str, int]
    has_scores: bool


def hold_part(number: int, parts: Sequence[pa.Table]) -> HeldPart:
    """Read a part and code it."""
    answers, without_ids = with_usable_ids(with_mark(parts[number]))
    person, student_ids = codes_and_names(answers["student_id"])
    item, item_ids = codes_and_names(answers["item_id"])
    return HeldPart(
        student_ids=student_ids,
        item_ids=item_ids,
        without_ids=without_ids,
        person=person,
        item=item,
        time=times_of(answers),
        scores=answers.select(SCORES if has_scores(answers) else SCORES[:1]),
    )


def facts_of(held: HeldPart) -> PartFacts:
    """Tell what a part says of items."""
    return PartFacts(held.item_ids, held.without_ids, len(held.scores.column_names) > 1)


def score_rows(held: HeldPart) -> pa.Table:
    """Count the answers that are alike: item_id, SCORES, and n."""
    columns = held.scores.column_names
    coded = held.scores.append_column("item", pa.array(held.item))
    alike = coded.group_by(["item", *columns], use_threads=False).aggregate([([], "count_all")])
    named = {"item_id": held.item_ids.take(alike["item"]), "n": alike["count_all"]}
    return pa.table({**named, **{name: alike[name] for name in columns}})


def students_of(held: HeldPart) -> pa.Array:
    """List the ids of a part's students."""
    return held.student_ids


def code_part(held: HeldPart, item_ids: pa.Array, rules: ScoreRules | None) -> irt.Responses:
    """Translate a part to the codes of the whole bank. rules: of its items, None where every answer is right or wrong."""
    person, item, time = held.person, _codes_among(held.item_ids, item_ids)[held.item], held.time
    if rules is None:
        score = held.scores["correct"].fill_null(False).to_numpy(zero_copy_only=False)
    else:
        score, usable = rules.categories(held.scores, item)
        person, item, time, score = (values[usable] for values in (person, item, time, score))
    return irt.Responses.from_answers(
        person, item, score, time=time, n_persons=len(held.student_ids), n_items=len(item_ids)
    )


def code_in_shards(request: CalibrationRequest, held: Shards[HeldPart]) -> CodedShards:
    """Translate a request of which other processes may hold the answers."""
    found = _found(held)
    shards = held.derive(code_part, found.item_ids, found.categories.rules)
    return _coded(request, found, shards, pa.concat_arrays(held.each(students_of)))


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
    item_ids = pc.unique(pa.concat_arrays([part.item_ids for part in facts]))
    item_ids = item_ids.take(pc.sort_indices(item_ids))
    without_ids = reduce(lambda total, part: total + Counter(part.without_ids), facts, Counter[str]())
    of_parts = held.each(score_rows) if any(part.has_scores for part in facts) else []
    rows = pa.concat_tables([*of_parts, NO_ROWS], promote_options="default")
    item = _codes_among(rows["item_id"], item_ids)
    return _Found(item_ids, without_ids, score_categories(rows, item, len(item_ids), rows["n"].to_numpy()))


def _codes_among(ids: pa.Array | pa.ChunkedArray, item_ids: pa.Array) -> np.ndarray:
    """Give the code of each id in the whole bank, int32 [n]."""
    return pc.index_in(ids, item_ids).to_numpy().astype(np.int32)


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
