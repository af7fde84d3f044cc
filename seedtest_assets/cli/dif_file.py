"""Compare the groups of a file of answers item by item, without any database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.engines.coded_request import CodedRequest, code_request
from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.irt.models import Model, model_named
from seedtest_assets.storage.answer_files import AnswerFile, read_answer_file
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.text_tables import read_text_table
from seedtest_assets.usable_answers import trimmed

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
"""Groups beyond which the column is likely to be another one, such as a name."""


@dataclass(frozen=True, kw_only=True)
class GroupComparison:
    """A focal group beside the reference group. dif: None, with the reason, where they cannot be compared."""

    group: str
    dif: irt.ItemDif | None
    item_ids: Sequence[str] = ()
    anchor_ids: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FileDif:
    """What a file shows. sizes: students with answers of each group, the largest first. given_anchors: ids of their file."""

    file: AnswerFile
    reference: str
    sizes: Mapping[str, int]
    n_without_group: int
    comparisons: Sequence[GroupComparison]
    given_anchors: Sequence[str] | None

    @property
    def anchors_without_answers(self) -> list[str]:
        """Anchors that no answer of the file names."""
        answered = set(self.file.answers["item_id"].unique().to_pylist())
        return [item for item in self.given_anchors or () if item not in answered]

    def table(self) -> pd.DataFrame:
        """Give DIF_COLUMNS and FURTHER_COLUMNS, a row an item and focal group, in the order of the file."""
        parts = [_table(comparison) for comparison in self.comparisons if comparison.dif is not None]
        table = pd.concat(parts, ignore_index=True)
        place = {item: number for number, item in enumerate(self.file.items)}
        order = np.lexsort([table["item_id"].map(place), table["group"].map(list(self.sizes).index)])
        return table.iloc[order].reset_index(drop=True)


def _table(comparison: GroupComparison) -> pd.DataFrame:
    dif = cast(irt.ItemDif, comparison.dif)
    plain = {name: getattr(dif, name) for name in [*DIF_COLUMNS, *FURTHER_COLUMNS] if hasattr(dif, name)}
    of_groups = {
        f"{name}_{group}": getattr(getattr(dif, group), name) for group in ("reference", "focal") for name in "abc"
    }
    columns = {"item_id": list(comparison.item_ids), "group": comparison.group} | plain | of_groups
    return pd.DataFrame(columns)[[*DIF_COLUMNS, *FURTHER_COLUMNS]].astype({"df": "Int64"})


def read_grouped_log(
    path: Path, group: str, *, skip_bad: bool = False, rules: MarkRules = MARKS_AS_THEY_ARE
) -> AnswerFile:
    """Read a long or wide log with a column of groups. Raises InputError for bad rows without skip_bad."""
    file = read_answer_file(path, needs_time=False, rules=rules, group=group)
    if len(file.bad) and not skip_bad:
        raise InputError(f"{path} has {file.number_of_bad()}: {file.describe_bad()}. Correct them, or add --skip-bad")
    return file


def compare_groups(
    file: AnswerFile, *, reference: str | None = None, anchors: Path | None = None, model: str = "2PL"
) -> FileDif:
    """Compare each group with the reference group, by default the largest.

    anchors: path of a CSV with item_id. Raises InputError for groups or anchors that cannot be compared.
    """
    try:
        irt.model_facts(model_named(model))
    except irt.DataError as error:
        raise InputError(str(error)) from None
    answered = file.answers["student_id"].unique().to_pylist()
    sizes = dict(Counter(file.groups[student] for student in answered if student in file.groups).most_common())
    reference = _reference(sizes, reference)
    given = None if anchors is None else _anchor_ids(anchors, file)
    comparisons = [_compare(file, reference, group, given, model) for group in sizes if group != reference]
    if all(comparison.dif is None for comparison in comparisons):
        reasons = "; ".join(f"{comparison.group}: {comparison.reason}" for comparison in comparisons)
        raise InputError(f"no group can be compared with {reference}, and nothing was written. {reasons}")
    return FileDif(
        file=file,
        reference=reference,
        sizes=sizes,
        n_without_group=sum(student not in file.groups for student in file.students),
        comparisons=comparisons,
        given_anchors=given,
    )


def _reference(sizes: Mapping[str, int], reference: str | None) -> str:
    listed = first_few([f"{group} ({size:,})" for group, size in sizes.items()]) or "none"
    if len(sizes) < 2:
        raise InputError(f"two groups of students with answers are needed. The column has: {listed}")
    if len(sizes) > MOST_GROUPS:
        raise InputError(
            f"the column has {len(sizes):,} groups, and at most {MOST_GROUPS} are compared: {listed}. "
            "Name a column of few groups by --group, or merge groups"
        )
    if reference is not None and reference.strip() not in sizes:
        raise InputError(f"no student with answers is of the group {reference}. The groups are: {listed}")
    return reference.strip() if reference is not None else next(iter(sizes))


def _anchor_ids(path: Path, file: AnswerFile) -> list[str]:
    """Read the ids of anchors; raises InputError if none of them has an answer."""
    text = read_text_table(path, [frozenset({"item_id"})])
    if text.misfits:
        raise InputError(f"{path}: {first_few([f'row {row} ({reason})' for row, reason in text.misfits])}")
    column = next((name for name in text.rows.column_names if name.strip().lower() == "item_id"), None)
    if column is None:
        raise InputError(f"{path} has no column item_id. Give each anchor a row with its item_id")
    ids = list(dict.fromkeys(trimmed(text.rows[column]).drop_null().to_pylist()))
    known = set(file.items)
    if not known.intersection(ids):
        raise InputError(
            f"none of the {number_of(len(ids), 'anchor')} of {path} has an answer. Anchors: {first_few(ids) or 'none'}. "
            f"Items with answers: {first_few(file.items)}. Write the ids in both places alike"
        )
    return ids


def _compare(
    file: AnswerFile, reference: str, group: str, anchors: Sequence[str] | None, model: str
) -> GroupComparison:
    """Compare one group with the reference group by their own answers."""
    members = pa.array([student for student, of in file.groups.items() if of in (reference, group)], pa.string())
    answers = file.answers.filter(pc.is_in(file.answers["student_id"], members))
    coded = code_request(CalibrationRequest(answers_to_calibrate(answers)))
    focal = np.array([file.groups[student] == group for student in coded.student_ids.to_pylist()])
    try:
        dif = irt.differential_item_functioning(
            coded.responses, focal, cast(Model, model_named(model)), anchors=_codes(coded, anchors)
        )
    except irt.DataError as error:
        return GroupComparison(group=group, dif=None, reason=str(error))
    ids = np.asarray(coded.item_ids, dtype=object)
    return GroupComparison(group=group, dif=dif, item_ids=ids[dif.item].tolist(), anchor_ids=ids[dif.anchors].tolist())


def _codes(coded: CodedRequest, anchors: Sequence[str] | None) -> np.ndarray | None:
    if anchors is None:
        return None
    return np.flatnonzero(np.isin(np.asarray(coded.item_ids, dtype=object), np.asarray(anchors, dtype=object)))


def write_dif(table: pd.DataFrame, out: Path) -> Path:
    """Write dif.csv into a folder, which is made if needed; raises InputError if it cannot be written."""
    path = out / "dif.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return path
