"""Differential item functioning by name: each group of students beside the reference group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.coded_request import CodedRequest, code_request
from seedtest_assets.engines.codes import is_one_of
from seedtest_assets.errors import InputError, first_few
from seedtest_assets.irt.models import Model, model_named
from seedtest_assets.tables_on_demand import narrowed

DIF_COLUMNS = ["item_id", "mh_delta", "mh_class", "lr_x2", "df", "p", "signed_area", "unsigned_area", "flag"]
FURTHER_COLUMNS = [
    "group",
    "n_reference",
    "n_focal",
    "mh_se",
    "mh_chi_square",
    "logistic_x2",
    "logistic_p",
    "p_adjusted",
]
FURTHER_COLUMNS += ["a_reference", "b_reference", "c_reference", "a_focal", "b_focal", "c_focal"]
MOST_GROUPS = 20
"""Groups beyond which a column is likely to be another one, such as a name."""


@dataclass(frozen=True, kw_only=True)
class GroupComparison:
    """A focal group beside the reference group. dif: None, with the reason, where they cannot be compared."""

    group: str
    dif: irt.ItemDif | None
    item_ids: Sequence[str] = ()
    anchor_ids: Sequence[str] = ()
    reason: str = ""


def group_sizes(parts: Sequence[pa.Table], groups: Mapping[str, str]) -> dict[str, int]:
    """Count the students with answers of each group, the largest first, of the same size in the order of their names.

    parts: student_id of some of the answers each, no student in two of them. groups: of each student who has one.
    """
    sizes: Counter[str] = Counter()
    for part in narrowed(parts, ["student_id"]):
        sizes.update(groups[student] for student in part["student_id"].unique().to_pylist() if student in groups)
    return dict(sorted(sizes.items(), key=lambda group: (-group[1], group[0])))


def reference_group(sizes: Mapping[str, int], wanted: str | None = None) -> str:
    """Choose the group that the others are compared with: by default the largest.

    Raises InputError for fewer than two groups, too many, or one that has no answers.
    """
    listed = first_few([f"{group} ({size:,})" for group, size in sizes.items()]) or "none"
    if len(sizes) < 2:
        raise InputError(f"two groups of students with answers are needed. There are: {listed}")
    if len(sizes) > MOST_GROUPS:
        raise InputError(
            f"there are {len(sizes):,} groups, and at most {MOST_GROUPS} are compared: {listed}. "
            "Name a column of few groups, or merge groups"
        )
    if wanted is not None and wanted.strip() not in sizes:
        raise InputError(f"no student with answers is of the group {wanted}. The groups are: {listed}")
    return wanted.strip() if wanted is not None else next(iter(sizes))


def compare_group(
    parts: Sequence[pa.Table],
    groups: Mapping[str, str],
    group: str,
    reference: str,
    *,
    anchors: Sequence[str] | None = None,
    model: str = "2PL",
) -> GroupComparison:
    """Compare one group with the reference group by their own answers.

    parts: ANSWER_SCHEMA of some of the answers each, perhaps with SCORE_SCHEMA, read one after the other; anchors: ids of items known to
    be fair.

    Items with partial credit are left out, and named in a warning.
    """
    members = pa.array([student for student, of in groups.items() if of in (reference, group)], pa.string())
    answers = [part.filter(is_one_of(part["student_id"], members)) for part in parts]
    coded = code_request(CalibrationRequest(answers))
    focal = np.array([groups[student] == group for student in coded.student_ids.to_pylist()])
    try:
        dif = irt.differential_item_functioning(
            coded.responses, focal, cast(Model, model_named(model)), anchors=_codes(coded, anchors)
        )
    except irt.DataError as error:
        return GroupComparison(group=group, dif=None, reason=str(error))
    ids = np.asarray(coded.item_ids, dtype=object)
    if coded.left_out:
        uncountable = ids[[code for code, _, _ in coded.left_out]].tolist()
        line = f"items not studied ({len(uncountable)}), with scores that are no categories: {first_few(uncountable)}"
        dif = replace(dif, warnings=(*dif.warnings, line))
    return GroupComparison(group=group, dif=dif, item_ids=ids[dif.item].tolist(), anchor_ids=ids[dif.anchors].tolist())


def comparison_table(comparison: GroupComparison) -> pd.DataFrame:
    """Lay out DIF_COLUMNS and FURTHER_COLUMNS, a row an item; none for a group that could not be compared."""
    dif = comparison.dif
    if dif is None:
        return pd.DataFrame(columns=[*DIF_COLUMNS, *FURTHER_COLUMNS])
    plain = {name: getattr(dif, name) for name in [*DIF_COLUMNS, *FURTHER_COLUMNS] if hasattr(dif, name)}
    of_groups = {
        f"{name}_{group}": getattr(getattr(dif, group), name) for group in ("reference", "focal") for name in "abc"
    }
    columns = {"item_id": list(comparison.item_ids), "group": comparison.group} | plain | of_groups
    return pd.DataFrame(columns)[[*DIF_COLUMNS, *FURTHER_COLUMNS]].astype({"df": "Int64"})


def _codes(coded: CodedRequest, anchors: Sequence[str] | None) -> np.ndarray | None:
    if anchors is None:
        return None
    return np.flatnonzero(np.isin(np.asarray(coded.item_ids, dtype=object), np.asarray(anchors, dtype=object)))
