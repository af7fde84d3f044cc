"""Write the request to an IRT service: only what can be fitted, since R services fail on the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest
from seedtest_assets.engines.coded_request import CodedRequest, times_of
from seedtest_assets.engines.codes import codes_and_names
from seedtest_assets.irt.linking import link_target
from seedtest_assets.irt.screening import fittable_items, score_counts
from seedtest_assets.item_steps import steps_as_params, steps_column

DEFAULT_METHOD = "stocking_lord"


class SentAnswer(msgspec.Struct, omit_defaults=True, gc=False):
    """One answer on the wire."""

    user_id: str
    item_id: str
    is_correct: bool
    responded_at: str | None = None
    score: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceRequest:
    """What is sent of a calibration request, and what stays here.

    fitted: codes of the items that are sent, int32, ascending; n_answers: answers to each.
    left_out: (code, answers, reason) of the other items.
    polytomous: codes of the items that are sent with scores of partial credit.
    link_target, link_source: the items to link to and what they are ("anchors" or "previous"); None and "" for nothing.
    anchors_sent: whether the link target is sent as true anchors.
    """

    body: bytes
    fitted: np.ndarray
    n_answers: np.ndarray
    polytomous: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    link_target: irt.ItemParameters | None
    link_source: str
    anchors_sent: bool
    warnings: tuple[str, ...]


def write_request(request: CalibrationRequest, coded: CodedRequest) -> ServiceRequest:
    """Write the body: first answers to items that can be fitted, true anchors, and starting values.

    A previous calibration is not sent: the reply is linked to it here.

    Raises irt.DataError when no item can be fitted.
    """
    fitted, left_out = fittable_items(score_counts(coded.responses), irt.MIN_RESPONSES)
    n_answers = np.bincount(coded.responses.item, minlength=coded.responses.n_items)[fitted]
    target, source, warnings = link_target(coded.anchors, coded.previous, fitted, request.linking_method)
    anchors_sent = target is not None and source == "anchors"
    polytomous = fitted[coded.responses.max_score[fitted] > 1]
    body: dict[str, Any] = {"observations": _observations(coded, fitted, polytomous), "model": request.model}
    if len(polytomous):
        models = {str(coded.item_ids[code]): model for code, model in coded.item_models.items() if code in polytomous}
        body |= {"polytomous_model": request.polytomous_model, **({"item_models": models} if models else {})}
    anchors = _anchors(target if anchors_sent else None, coded, fitted)
    if anchors:
        body["anchors"] = anchors
    if request.linking_method != DEFAULT_METHOD and anchors_sent:
        body["linking_method"] = request.linking_method
    return ServiceRequest(
        body=msgspec.json.encode(body),
        fitted=fitted,
        n_answers=n_answers,
        polytomous=polytomous,
        left_out=tuple(left_out),
        link_target=target,
        link_source=source,
        anchors_sent=anchors_sent,
        warnings=coded.warnings + tuple(warnings),
    )


def _observations(coded: CodedRequest, fitted: np.ndarray, polytomous: np.ndarray) -> list[SentAnswer]:
    # The ids of the lake are dictionary-encoded, and Arrow sorts no dictionaries.
    answers = coded.answers.select(ANSWER_SCHEMA.names).cast(ANSWER_SCHEMA)
    if len(polytomous):
        answers = _with_scores(answers, coded, polytomous)
    else:
        answers = answers.set_column(2, "correct", pa.array(coded.categories == 1))
    if coded.responses.n_set_aside:
        answers = _first_answers(answers, coded.categories)
    answers = answers.filter(pc.is_in(answers["item_id"], coded.item_ids.take(pa.array(fitted))))
    times = pc.strftime(pc.cast(answers["answered_at"], pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    columns = [answers["student_id"], answers["item_id"], answers["correct"], times]
    if len(polytomous):
        columns.append(answers["score"])
    return list(map(SentAnswer, *(column.to_pylist() for column in columns)))


def _with_scores(answers: pa.Table, coded: CodedRequest, polytomous: np.ndarray) -> pa.Table:
    """Add the scores of items with partial credit. An old service reads `correct`: the highest score, where there is no mark."""
    with_score = pc.is_in(answers["item_id"], coded.item_ids.take(pa.array(polytomous)))
    codes = pc.index_in(answers["item_id"], coded.item_ids).to_numpy()
    highest = pa.array(coded.categories == coded.responses.max_score[codes])
    marks = pc.if_else(with_score, answers["correct"].fill_null(highest), highest)
    scores = pc.if_else(with_score, pa.array(coded.categories), pa.scalar(None, pa.uint8()))
    return answers.set_column(2, "correct", marks).append_column("score", scores)


def _first_answers(answers: pa.Table, score: np.ndarray) -> pa.Table:
    """Select the answer of each person to each item that counts."""
    person, item = (codes_and_names(answers[name])[0] for name in ("student_id", "item_id"))
    return answers.filter(pa.array(irt.first_answers(person, item, score, times_of(answers))))


def _anchors(target: irt.ItemParameters | None, coded: CodedRequest, fitted: np.ndarray) -> list[dict[str, Any]]:
    """List the true anchors and, of other fitted items, what is known of them as values to start from."""
    rows: dict[int, dict[str, Any]] = {}
    for items, fixed in ((target, True), (coded.anchors, False), (coded.starts, False)):
        for code, params in _parameters(items):
            rows.setdefault(code, {"item_id": coded.item_ids[code].as_py(), "params": params, "fixed": fixed})
    sent = set(fitted.tolist())
    return [row for code, row in rows.items() if code in sent]


def _parameters(items: irt.ItemParameters | None) -> Iterator[tuple[int, dict[str, Any]]]:
    if items is not None:
        columns = (items.item.tolist(), items.a.tolist(), items.b.tolist(), items.c.tolist(), items.model.tolist())
        for code, a, b, c, model, steps in zip(*columns, steps_column(items.steps), strict=True):
            yield code, {"a": a, "b": b, "c": c} | ({"model": model} | steps_as_params(steps) if model else {})
