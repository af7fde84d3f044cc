"""Write what an IRT service is asked: only what can be fitted, so that no service chokes on the rest."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest
from seedtest_assets.engines.in_process import CodedRequest

DEFAULT_METHOD = "stocking_lord"


class Observation(msgspec.Struct, omit_defaults=True, gc=False):
    """One answer on the wire."""

    user_id: str
    item_id: str
    is_correct: bool
    responded_at: str | None = None


@dataclass(frozen=True)
class Asked:
    """What was sent of a request.

    fitted: codes of the items sent, int32, ascending; n_answers: answers to each.
    left_out: (code, answers, reason) of the other items.
    target, source: the items to link to and what they are ("anchors" or "previous"), None and "" for nothing.
    sent_anchors: whether the target went along as true anchors.
    """

    body: bytes
    fitted: np.ndarray
    n_answers: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    target: irt.ItemParameters | None
    source: str
    sent_anchors: bool
    warnings: tuple[str, ...]


def write_request(request: CalibrationRequest, coded: CodedRequest) -> Asked:
    """The body to post: first answers to items that can be fitted, true anchors, and starting values.

    A previous calibration stays here, to be linked to afterwards; only a fixed-item calibration needs to send it.

    Raises irt.DataError when no item can be fitted.
    """
    fitted, left_out = irt.fittable_items(coded.responses, irt.MIN_RESPONSES)
    n_answers = np.bincount(coded.responses.item, minlength=coded.responses.n_items)[fitted]
    target, source, warnings = irt.link_target(coded.anchors, coded.previous, fitted, request.linking_method)
    sent_anchors = target is not None and source == "anchors"
    body: dict[str, Any] = {"observations": _observations(request.answers, coded, fitted), "model": request.model}
    anchors = _anchors(target if sent_anchors else None, (coded.anchors, coded.starts), fitted, coded.item_ids)
    if anchors:
        body["anchors"] = anchors
    if request.linking_method != DEFAULT_METHOD and sent_anchors:
        body["linking_method"] = request.linking_method
    return Asked(
        msgspec.json.encode(body), fitted, n_answers, tuple(left_out), target, source, sent_anchors, tuple(warnings)
    )


def _observations(answers: pa.Table, coded: CodedRequest, fitted: np.ndarray) -> list[Observation]:
    # The lake's ids come dictionary-encoded, and Arrow sorts no dictionaries.
    answers = answers.filter(pc.is_valid(answers["is_correct"])).cast(ANSWER_SCHEMA)
    if coded.responses.n_set_aside:
        answers = _first_answers(answers)
    wanted = pc.is_in(answers["item_id"], coded.item_ids.take(pa.array(fitted)))
    answers = answers.filter(wanted)
    times = pc.strftime(pc.cast(answers["responded_at"], pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    columns = (answers["user_id"], answers["item_id"], answers["is_correct"], times)
    return list(map(Observation, *(column.to_pylist() for column in columns)))


def _first_answers(answers: pa.Table) -> pa.Table:
    """One answer per person and item by the rule of irt.Responses: the earliest, at the same time the wrong one."""
    first = answers.sort_by([(name, "ascending") for name in ("user_id", "item_id", "responded_at", "is_correct")])
    user, item = (
        first[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in ("user_id", "item_id")
    )
    new = np.ones(len(first), bool)
    new[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    return first.filter(pa.array(new))


def _anchors(
    fixed: irt.ItemParameters | None,
    starts: tuple[irt.ItemParameters | None, ...],
    fitted: np.ndarray,
    item_ids: pa.Array,
) -> list[dict[str, Any]]:
    """True anchors, and what is known of other fitted items as values to start from."""
    rows: dict[int, dict[str, Any]] = {}
    wanted = set(fitted.tolist())
    for items, is_fixed in ((fixed, True), *((items, False) for items in starts)):
        if items is None:
            continue
        for code, *abc in zip(*(values.tolist() for values in (items.item, items.a, items.b, items.c)), strict=True):
            params = dict(zip("abc", abc, strict=True))
            rows.setdefault(code, {"item_id": item_ids[code].as_py(), "params": params, "fixed": is_fixed})
    return [row for code, row in rows.items() if code in wanted]
