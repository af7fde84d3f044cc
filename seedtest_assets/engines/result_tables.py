"""The tables and the specification of a calibration result: the same for every engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.calibration import ABILITY_COLUMNS, ITEM_COLUMNS, LEFT_OUT_COLUMNS, CalibrationRequest
from seedtest_assets.engines.coded_request import CodedItems
from seedtest_assets.irt.remarks import flag
from seedtest_assets.item_steps import steps_column


def item_table(
    coded: CodedItems,
    items: irt.ItemParameters,
    standard_errors: np.ndarray,
    n_responses: np.ndarray,
    *,
    model: str,
    se_steps: np.ndarray | None = None,
) -> pd.DataFrame:
    """Lay out ITEM_COLUMNS.

    standard_errors: of a, b and c, float64 [3, n_items]; model: of the items that are right or wrong; se_steps: float64
    [n_items, n_steps].
    """
    polytomous = items.polytomous
    errors = (
        np.full_like(items.steps, np.nan) if se_steps is None else np.where(np.isfinite(se_steps), se_steps, np.nan)
    )
    anchors = np.empty(0, np.int32) if coded.anchors is None else coded.anchors.item
    flags = dict(flag(items, standard_errors[0]))
    # Infinite where the data hold no information: neither a table nor JSON has a number for that.
    se_a, se_b, se_c = np.where(np.isfinite(standard_errors), standard_errors, np.nan)
    columns = {
        "item_id": item_ids_of(coded)[items.item],
        "model": np.where(polytomous, items.model, model),
        "a": items.a,
        "b": items.b,
        "c": items.c,
        "steps": steps_column(items.steps),
        "se_a": se_a,
        "se_b": se_b,
        "se_c": se_c,
        "se_steps": steps_column(errors, polytomous),
        "n_responses": n_responses,
        "is_anchor": np.isin(items.item, anchors),
        "flag": [flags.get(item, "") for item in items.item.tolist()],
    }
    return pd.DataFrame(columns)[ITEM_COLUMNS]


def ability_table(coded: CodedItems, theta: np.ndarray, standard_error: np.ndarray) -> pd.DataFrame:
    """Lay out ABILITY_COLUMNS, a row for every person of the request."""
    columns = {
        "user_id": np.asarray(coded.student_ids, dtype=object),
        "theta": theta,
        "se": standard_error,
        "n_responses": coded.n_responses,
    }
    return pd.DataFrame(columns)[ABILITY_COLUMNS]


def left_out_table(coded: CodedItems, left_out: tuple[tuple[int, int, str], ...]) -> pd.DataFrame:
    """Lay out LEFT_OUT_COLUMNS from (item code, number of answers, reason)."""
    item_ids = item_ids_of(coded)
    rows = [(item_ids[item], n_answers, reason) for item, n_answers, reason in left_out]
    return pd.DataFrame(rows, columns=LEFT_OUT_COLUMNS)


def linking_constants(coded: CodedItems, linkings: Sequence[irt.Linking]) -> dict[str, Any]:
    """Describe the linkings of blocks by item id: that of the first, and those of the others under other_blocks.

    Where there are several, `anchors` names what each rests on.
    """
    item_ids = item_ids_of(coded)
    blocks = [
        {
            "A": float(linking.A),
            "B": float(linking.B),
            "method": linking.method,
            "n_anchors_used": len(linking.used),
            "screened_out": {str(item_ids[item]): reason for item, reason in linking.screened_out},
            **linking_uncertainty(linking),
            **({"anchors": [str(item_ids[item]) for item in linking.used]} if len(linkings) > 1 else {}),
        }
        for linking in linkings
    ]
    return constants_of_blocks(blocks)


def constants_of_blocks(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Nest the constants of further blocks in those of the first, as linked_blocks reads them."""
    first, *others = blocks
    return first | {"other_blocks": others} if others else first


def linking_uncertainty(linking: irt.Linking) -> dict[str, Any]:
    """Describe how exact linking constants are: their errors as far as they are known, and whether they are contradictory."""
    known = {name: value for name, value in linking.errors._asdict().items() if np.isfinite(value)}
    return {**known, "contradictory": linking.contradictory} if known else {}


def model_specification(
    coded: CodedItems,
    model: str,
    n_items: int,
    group: tuple[float, float],
    linked_to: str,
    constants: dict[str, Any] | None,
    n_items_not_linked: int,
) -> dict[str, Any]:
    """Describe what was fitted.

    group: mean and SD of the calibrated group's ability; constants: None if not linked; n_items_not_linked: of blocks that
    are on a scale of their own, though others are linked.
    """
    group_mean, group_sd = group
    specification = {
        "model": model,
        "n_items": n_items,
        "n_persons": len(coded.student_ids),
        "n_observations": int(coded.n_responses.sum()),
        "linked_to": linked_to,
        "group_mean": float(group_mean),
        "group_sd": float(group_sd),
    }
    if n_items_not_linked:
        specification["n_items_not_linked"] = n_items_not_linked
    return specification | ({"linking_constants": constants} if constants else {})


def partial_credit_facts(request: CalibrationRequest, coded: CodedItems, items: irt.ItemParameters) -> dict[str, Any]:
    """Describe for model_spec how items with partial credit were fitted; nothing where there are none.

    points_per_step: of the items that are counted in parts of points, by id.
    """
    n = int(items.polytomous.sum())
    units = {str(coded.item_ids[code]): float(unit) for code, unit in coded.units.items()}
    facts = {"polytomous_model": request.polytomous_model, "n_items_partial_credit": n} if n else {}
    return facts | ({"points_per_step": units} if units else {})


def item_ids_of(coded: CodedItems) -> np.ndarray:
    """Give the id of each item code, object [n_items]."""
    return np.asarray(coded.item_ids, dtype=object)
