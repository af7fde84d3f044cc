"""Calibrate a file of answers and write the results as files, without any database."""

import json
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from seedtest_assets.calibration import (
    PARAMETER_COLUMNS,
    CalibrationRequest,
    CalibrationResult,
    Progress,
    answers_to_calibrate,
    no_parameters,
)
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError, first_few, first_line
from seedtest_assets.irt.models import LinkingMethod, Model
from seedtest_assets.irt.usable_parameters import unusable_anchors
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.usable_answers import trimmed

ITEM_FILE_COLUMNS = ["item_id", "a", "b", "c", "se_a", "se_b", "se_c", "n_responses"]


def calibrate_file(
    path: Path,
    *,
    model: str = "2PL",
    anchors: Path | None = None,
    linking_method: str = "stocking_lord",
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Calibrate a long or wide log. anchors: path of a CSV with item_id, a, b and, for a 3PL, c.

    Raises InputError for a file that cannot be used, bad rows without skip_bad, or anchors that cannot be linked to.
    """
    file = read_answer_file(path, needs_time=False)
    if len(file.bad) and not skip_bad:
        raise InputError(
            f"{path} has {len(file.bad):,} bad rows: {file.describe_bad()}. Correct them, or add --skip-bad"
        )
    request = CalibrationRequest(
        answers_to_calibrate(file.answers),
        model=cast(Model, model),  # the engine refuses others, with a list
        anchors=read_anchors(anchors) if anchors else no_parameters(),
        linking_method=cast(LinkingMethod, linking_method),
    )
    result = InProcessEngine().calibrate(request, progress)
    if anchors and linking_method != "none" and result.model_spec["linked_to"] == "none":
        raise InputError(
            f"the calibration cannot be linked to the anchors of {anchors}, and nothing was written: "
            f"{'. '.join(result.warnings)}. Correct the anchors, or calibrate without linking by --linking none"
        )
    return result


def read_anchors(path: Path) -> pd.DataFrame:
    """Read PARAMETER_COLUMNS from a CSV; raises InputError naming the items without valid parameters or with two rows."""
    table = _text_columns(path)
    missing = {"item_id", "a", "b"} - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}. It has {', '.join(table.columns)}")
    table["c"] = table["c"].fillna("0") if "c" in table else "0"
    for name in "abc":
        table[name] = pd.to_numeric(table[name], errors="coerce")
    reasons = unusable_anchors(table["a"], table["b"], table["c"])
    reasons[table["c"].isna().to_numpy()] = "c is not a number"
    reasons[table["item_id"].duplicated().to_numpy()] = "the item has a row already"
    reasons[table["item_id"].isna().to_numpy()] = "item_id is missing"
    bad = [
        f"row {row} ({reason})" if pd.isna(item) else f"row {row}, {item} ({reason})"
        for row, (item, reason) in enumerate(zip(table["item_id"], reasons, strict=True), 1)
        if reason
    ]
    if bad:
        raise InputError(f"{path}: {first_few(bad)}")
    return table[PARAMETER_COLUMNS]


def _text_columns(path: Path) -> pd.DataFrame:
    """Read a CSV with PARAMETER_COLUMNS as text, ids trimmed; every row must be as wide as the header."""
    as_text = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(PARAMETER_COLUMNS, pa.string()), strings_can_be_null=True
    )
    try:
        table = pa.csv.read_csv(path, convert_options=as_text)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    if "item_id" in table.column_names:
        ids = trimmed(table["item_id"].combine_chunks())
        table = table.set_column(table.column_names.index("item_id"), "item_id", ids)
    return table.to_pandas()


def write_files(result: CalibrationResult, folder: Path) -> list[Path]:
    """Write item_params.csv, abilities.csv and fit_meta.json, and give their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("item_params.csv", "abilities.csv", "fit_meta.json")]
        result.items[ITEM_FILE_COLUMNS].to_csv(paths[0], index=False)
        result.abilities.to_csv(paths[1], index=False)
        facts = {
            "model_spec": result.model_spec,
            "metrics": result.metrics,
            "left_out": result.left_out.to_dict("records"),
            "warnings": result.warnings,
        }
        paths[2].write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose another folder with --out") from None
    return paths
