"""Compare the groups of a file of answers item by item, without any database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.calibration import answers_to_calibrate
from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.features.group_comparison import (
    GroupComparison,
    compare_group,
    comparison_table,
    group_sizes,
    reference_group,
)
from seedtest_assets.irt.models import model_named
from seedtest_assets.storage.answer_files import AnswerFile, read_answer_file
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.text_tables import read_text_table
from seedtest_assets.usable_answers import trimmed


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
        parts = [comparison_table(comparison) for comparison in self.comparisons if comparison.dif is not None]
        table = pd.concat(parts, ignore_index=True)
        place = {item: number for number, item in enumerate(self.file.items)}
        order = np.lexsort([table["item_id"].map(place), table["group"].map(list(self.sizes).index)])
        return table.iloc[order].reset_index(drop=True)


def read_grouped_log(
    path: Path, group: str, *, skip_bad: bool = False, rules: MarkRules = MARKS_AS_THEY_ARE
) -> AnswerFile:
    """Read a long or wide log with a column of groups. Raises InputError for bad rows without skip_bad."""
    file = read_answer_file(path, needs_time=False, rules=rules, group=group)
    if len(file.bad) and not skip_bad:
        raise InputError(f"{path} has {file.number_of_bad()}: {file.describe_bad()}. {file.remedy()}")
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
    answers = [answers_to_calibrate(file.answers)]
    sizes = group_sizes(answers, file.groups)
    reference = reference_group(sizes, reference)
    given = None if anchors is None else _anchor_ids(anchors, file)
    comparisons = [
        compare_group(answers, file.groups, group, reference, anchors=given, model=model)
        for group in sizes
        if group != reference
    ]
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


def write_dif(table: pd.DataFrame, out: Path) -> Path:
    """Write dif.csv into a folder, which is made if needed; raises InputError if it cannot be written."""
    path = out / "dif.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return path
