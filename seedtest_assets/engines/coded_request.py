"""A calibration request in the codes of irt/: what every engine starts from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.codes import coded, coded_priors, codes_and_names, in_order
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, PolytomousModel
from seedtest_assets.irt.remarks import model_warnings
from seedtest_assets.irt.response_shards import ResponseShards, highest_scores
from seedtest_assets.irt.screening import score_counts
from seedtest_assets.irt.usable_parameters import unusable_anchors, unusable_parameters
from seedtest_assets.item_steps import reasons_of
from seedtest_assets.score_categories import ScoreCategories, score_categories
from seedtest_assets.usable_answers import with_usable_ids


@dataclass(frozen=True, kw_only=True)
class CodedItems:
    """What a calibration knows beside the answers, in the codes of irt/. The code of a student or an item is its position among the ids.

    n_responses: int64 [n_students], answers that count; n_set_aside: later answers to an item. item_models: of single items with
    partial credit, by code. units: points of a step of the items that are counted in parts of points, by code.
    left_out: (item code, number of answers, reason) of items whose scores are no categories. warnings: what was left out, a
    line each.
    """

    student_ids: pa.Array
    item_ids: pa.Array
    n_responses: np.ndarray
    n_set_aside: int
    anchors: irt.ItemParameters | None
    starts: irt.ItemParameters | None
    previous: irt.ItemParameters | None
    warnings: tuple[str, ...]
    item_priors: irt.PriorsByItem | None = None
    item_models: Mapping[int, PolytomousModel] = field(default_factory=dict)
    left_out: tuple[tuple[int, int, str], ...] = ()
    units: Mapping[int, Fraction] = field(default_factory=dict)

    @property
    def answered(self) -> np.ndarray:
        """Which persons answered anything, bool [n_persons]."""
        return self.n_responses > 0


@dataclass(frozen=True, kw_only=True)
class CodedRequest(CodedItems):
    """A request of which all answers are here.

    answers: the usable answers of the request, those of `responses`; categories: uint8 [n], of each.
    """

    answers: pa.Table
    categories: np.ndarray
    responses: irt.Responses


@dataclass(frozen=True, kw_only=True)
class CodedShards(CodedItems):
    """A request whose answers are in shards."""

    responses: ResponseShards


class FoundAnswers(NamedTuple):
    """What the answers say of the items: ids; categories of their scores; score_counts, int64 [n_items, highest score + 1], of the answers
    that count; without_ids: answers without usable ids, counted by reason."""

    item_ids: pa.Array
    categories: ScoreCategories
    score_counts: np.ndarray
    without_ids: Mapping[str, int]


def code_request(request: CalibrationRequest) -> CodedRequest:
    """Translate ids to codes; leave out answers without usable ids or mark, and parameters that cannot be used."""
    answers, without_ids = with_usable_ids(with_mark(request.table))
    person, student_ids = codes_and_names(answers["student_id"])
    item, item_ids = in_order(*codes_and_names(answers["item_id"]))
    categories = score_categories(answers, item, len(item_ids))
    score = categories.score
    if categories.usable is not None:
        answers = answers.filter(pa.array(categories.usable))
        person, item, score = (values[categories.usable] for values in (person, item, score))
    responses = irt.Responses.from_answers(
        person,
        item,
        score,
        time=times_of(answers),
        n_persons=len(student_ids),
        n_items=len(item_ids),
    )
    found = FoundAnswers(item_ids, categories, score_counts(responses), without_ids)
    return CodedRequest(
        answers=answers,
        categories=score,
        responses=replace(responses, item_ids=np.asarray(item_ids, dtype=object)),
        student_ids=student_ids,
        n_responses=np.diff(responses.person_start),
        n_set_aside=responses.n_set_aside,
        **coded_items(request, found),
    )


def coded_items(request: CalibrationRequest, found: FoundAnswers) -> dict[str, Any]:
    """Code what a request says of items; gives the fields of CodedItems that do not depend on students."""
    item_ids, categories = found.item_ids, found.categories
    unusable = reasons_of(request.anchors, unusable_anchors)
    usable = request.anchors[unusable == ""]
    anchors = coded(usable, item_ids)
    starts, previous = (
        coded(parameters[reasons_of(parameters, unusable_parameters) == ""], item_ids)
        for parameters in (request.starts, request.previous)
    )
    named_models = _codes(request.item_models, item_ids).values()
    return {
        "item_ids": item_ids,
        "anchors": anchors,
        "starts": starts,
        "previous": previous,
        "item_priors": coded_priors(request.item_priors, item_ids, request.population),
        "item_models": _models_by_code(request, found.score_counts, item_ids),
        "left_out": categories.left_out,
        "units": categories.units,
        "warnings": (
            *_answers_left_out(found.without_ids),
            *categories.warnings(item_ids),
            *_highest_scores_not_given(categories.highest, found.score_counts, item_ids),
            *model_warnings(found.score_counts, named_models, np.asarray(item_ids, dtype=object)),
            *_anchors_left_out(request.anchors, unusable),
            *(_unmatched_anchors(usable, item_ids) if anchors is None and request.linking_method != "none" else ()),
        ),
    }


def _highest_scores_not_given(highest: np.ndarray, count: np.ndarray, item_ids: pa.Array) -> tuple[str, ...]:
    """Describe items of which nobody got the highest possible scores, by item int64 [n_items]."""
    most = highest_scores(count)
    cut = np.flatnonzero(count.any(axis=1) & (most < highest))
    if not len(cut):
        return ()
    listed = [f"{item_ids[code].as_py()} (at most {most[code]} of {highest[code]})" for code in cut.tolist()]
    return (
        f"{number_of(len(cut), 'item')} without an answer of full marks, so that steps to them are unknown: {first_few(listed)}",
    )


def with_mark(answers: pa.Table) -> pa.Table:
    """Select the answers that have a mark or a score; the others are no answers."""
    if not answers["correct"].null_count:
        return answers
    given = pc.is_valid(answers["correct"])
    return answers.filter(pc.or_(given, pc.is_valid(answers["score"])) if "score" in answers.column_names else given)


def _models_by_code(request: CalibrationRequest, count: np.ndarray, item_ids: pa.Array) -> dict[int, PolytomousModel]:
    """Give the model of single items with partial credit by code: as requested, else of the anchor or the starting value.

    Items without a score above 1 have none.
    """
    models: dict[str, PolytomousModel] = {}
    for known in (request.starts, request.anchors):
        if "model" in known.columns:
            named = known[known["model"].isin(POLYTOMOUS_MODELS)]
            models.update(zip(named["item_id"], named["model"], strict=True))
    models.update(request.item_models)
    if not models:
        return {}
    highest = highest_scores(count)
    return {code: models[item] for item, code in _codes(models, item_ids).items() if highest[code] > 1}


def _codes(names: Collection[str], item_ids: pa.Array) -> dict[str, int]:
    """Give the codes of those items that have answers."""
    if not names:
        return {}
    return {name: code for code, name in enumerate(item_ids.to_pylist()) if name in names}


def times_of(answers: pa.Table) -> np.ndarray:
    """Read the times in microseconds, int64 [n]; an answer without a time counts as the latest."""
    return pc.fill_null(answers["answered_at"].cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()


def _answers_left_out(left_out: Mapping[str, int]) -> tuple[str, ...]:
    if not left_out:
        return ()
    listed = ", ".join(f"{reason} ({count:,})" for reason, count in left_out.items())
    return (f"{number_of(sum(left_out.values()), 'answer')} without usable ids left out: {listed}",)


def _anchors_left_out(anchors: pd.DataFrame, reasons: np.ndarray) -> tuple[str, ...]:
    unusable = reasons != ""
    if not unusable.any():
        return ()
    items = [f"{item} ({reason})" for item, reason in zip(anchors["item_id"][unusable], reasons[unusable], strict=True)]
    return (f"anchors without usable parameters left out ({len(items)} of {len(anchors)}): {first_few(items)}",)


def _unmatched_anchors(usable: pd.DataFrame, item_ids: pa.Array) -> tuple[str, ...]:
    if usable.empty or not len(item_ids):
        return ()
    named, answered = (first_few([repr(item) for item in ids]) for ids in (usable["item_id"], item_ids.to_pylist()))
    none = "the only anchor has no" if len(usable) == 1 else f"none of the {len(usable)} anchors has an"
    return (f"{none} answer. Anchors: {named}. Items with answers: {answered}. Write the ids in both places alike",)
