"""Calibrate a file of answers and write the results as files, without any database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from seedtest_assets.calibration import (
    CalibrationRequest,
    CalibrationResult,
    Progress,
    answers_to_calibrate,
    as_parameters,
    linked_blocks,
    no_parameters,
)
from seedtest_assets.cli.rapid_guesses_of_file import with_rapid_guesses
from seedtest_assets.engines.in_process import InProcessEngine, score
from seedtest_assets.errors import InputError, first_few
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, STEP_NAMES, LinkingMethod, Model, PolytomousModel, model_named
from seedtest_assets.irt.priors import NO_PRIORS, Priors
from seedtest_assets.irt.usable_parameters import unusable_anchors
from seedtest_assets.item_steps import reasons_of, steps_column, steps_matrix
from seedtest_assets.storage.answer_files import AnswerFile, read_answer_file
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.text_tables import ROW, read_text_table
from seedtest_assets.usable_answers import trimmed

# Columns that a file of parameters has once for each step, b_1, b_2, ..., stand behind these.
PARAMETERS_IN_FILE, ERRORS_IN_FILE = ["item_id", "model", "a", "b", "c"], ["se_a", "se_b", "se_c"]


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """How a file is to be calibrated: CalibrationRequest as the command line gives it, names in any case, tables as files.

    item_models: a CSV with item_id and model of single items with partial credit. anchors: a CSV with item_id, a, b and, for a
    3PL, c, or model, a and b_1, b_2, ...
    """

    model: str = "2PL"
    polytomous_model: str = "GRM"
    item_models: Path | None = None
    anchors: Path | None = None
    linking_method: str = "stocking_lord"
    priors: Priors = NO_PRIORS

    def of(self, file: AnswerFile) -> CalibrationRequest:
        """Read the files, and request the calibration of these answers. Raises InputError for a file that cannot be used."""
        return CalibrationRequest(
            answers_to_calibrate(file.answers),
            anchors=read_anchors(self.anchors) if self.anchors else no_parameters(),
            model=cast(Model, model_named(self.model)),  # the engine refuses others, with a list
            polytomous_model=cast(PolytomousModel, self.polytomous_model.upper()),
            item_models=read_item_models(self.item_models, file.items) if self.item_models else {},
            linking_method=cast(LinkingMethod, self.linking_method),
            priors=self.priors,
        )


FROM_ANSWERS_ALONE = FileRequest()
"""A 2PL and, of items with partial credit, GRM, linked to nothing."""


@dataclass(frozen=True)
class FileCalibration:
    """The calibration of a file. file: as it was read. scored: as it was read for abilities. anchors: ids of the anchors file."""

    result: CalibrationResult
    file: AnswerFile
    scored: AnswerFile
    anchors: Sequence[str] = ()

    @property
    def anchors_without_answers(self) -> list[str]:
        """Anchors that no answer of the file names, in the order of their file."""
        if not self.anchors:
            return []
        answered = set(self.file.answers["item_id"].unique().to_pylist())
        return [item for item in self.anchors if item not in answered]

    @property
    def n_repeated(self) -> int:
        """Answers to an item that the student had answered before; the first counts, of two at once the incorrect one."""
        first = self.result.items["n_responses"].sum() + self.result.left_out["n_responses"].sum()
        return int(len(self.file.answers) - first)

    @property
    def n_wrong_in_abilities(self) -> int:
        """Answers that the calibration ignored and that count as wrong in abilities."""
        return len(self.scored.answers) - len(self.file.answers)

    def items(self) -> pd.DataFrame:
        """Lay out the calibrated items, in the order of the file: with items of partial credit their b_1, b_2, ..., too."""
        items = _in_order(self.result.items, "item_id", self.file.items)
        steps, errors = (steps_matrix(items[name]) for name in ("steps", "se_steps"))
        n_steps = steps.shape[1]
        # The lists end with the last known value, and the last steps may have no standard error.
        errors = np.pad(errors, ((0, 0), (0, n_steps - errors.shape[1])), constant_values=np.nan)
        columns = {
            **{name: items[name] for name in PARAMETERS_IN_FILE},
            **{STEP_NAMES[k]: steps[:, k] for k in range(n_steps)},
            **{name: items[name] for name in ERRORS_IN_FILE},
            **{f"se_{STEP_NAMES[k]}": errors[:, k] for k in range(n_steps)},
            **{name: items[name] for name in ("n_responses", "flag")},
        }
        return pd.DataFrame(columns)

    def abilities(self) -> pd.DataFrame:
        """Give ABILITY_COLUMNS of every student of the file, in its order; without an answer it is the population's mean and SD."""
        spec, missing = self.result.model_spec, self.scored.students_without_answers
        unanswered = pd.DataFrame(
            {"user_id": missing, "theta": spec["group_mean"], "se": spec["group_sd"], "n_responses": 0}
        )
        parts = [self.result.abilities, *[unanswered] * bool(missing)]
        return _in_order(pd.concat(parts, ignore_index=True), "user_id", self.file.students)

    def reading(self) -> dict[str, Any]:
        """Describe for fit_meta.json what was read and what was left out."""
        file = self.file
        return {
            "answers": file.n_rows,
            "used": len(file.answers) - self.n_repeated,
            "repeated": self.n_repeated,
            "left_out": dict(file.count_bad()),
            "not_answered": dict(file.not_answered),
            "students_without_answers": len(self.scored.students_without_answers),
            "notes": list(file.notes),
            **file.rapid_guesses.facts,
            **({"wrong_in_abilities": self.n_wrong_in_abilities} if self.n_wrong_in_abilities else {}),
        }


def read_log(
    path: Path, *, skip_bad: bool = False, rules: MarkRules = MARKS_AS_THEY_ARE, rapid_guesses: str = "keep"
) -> AnswerFile:
    """Read a long or wide log. Raises InputError for a file that cannot be used, and for bad rows without skip_bad."""
    file = read_answer_file(path, needs_time=False, rules=rules)
    if len(file.bad) and not skip_bad:
        raise InputError(f"{path} has {file.number_of_bad()}: {file.describe_bad()}. {file.remedy()}")
    return with_rapid_guesses(file, rapid_guesses, path)


def calibrate_file(
    file: AnswerFile,
    request: FileRequest = FROM_ANSWERS_ALONE,
    *,
    max_iterations: int | None = None,
    progress: Progress | None = None,
) -> FileCalibration:
    """Calibrate a log. Raises InputError for answers that cannot be calibrated, or anchors that cannot be linked to."""
    engine = InProcessEngine(max_iterations) if max_iterations else InProcessEngine()
    calibration_request = request.of(file)
    result = engine.calibrate(calibration_request, progress)
    if request.anchors and request.linking_method != "none" and result.model_spec["linked_to"] == "none":
        raise InputError(
            f"the calibration cannot be linked to the anchors of {request.anchors}, and nothing was written: "
            f"{'; '.join(result.warnings)}. Correct the anchors, or calibrate without linking by --linking none"
        )
    for constants in linked_blocks(result.model_spec):
        if constants.get("se_A", 0.0) >= abs(constants["A"]):
            raise InputError(
                f"the anchors of {request.anchors} do not determine the scale, and nothing was written: A = {constants['A']:.3g} has a "
                f"standard error of {constants['se_A']:.3g}. {'; '.join(result.warnings)}. Correct them, or add --linking none"
            )
    return FileCalibration(result, file, file, calibration_request.anchors["item_id"].tolist())


def score_file(calibration: FileCalibration, scored: AnswerFile) -> FileCalibration:
    """Estimate all abilities again from the same file as it is read for abilities, in the whole population."""
    result = calibration.result
    population = result.model_spec["group_mean"], result.model_spec["group_sd"]
    abilities, warnings = score(answers_to_calibrate(scored.answers), result.items, *population)
    result = replace(result, abilities=abilities, warnings=result.warnings + warnings)
    return replace(calibration, result=result, scored=scored)


def read_anchors(path: Path) -> pd.DataFrame:
    """Read PARAMETER_COLUMNS from a CSV; raises InputError naming the items without valid parameters or with two rows."""
    table = _text_columns(path)
    names = [name for name in STEP_NAMES if name in table]
    missing = {"item_id", "a", *(["model"] if names else ["b"])} - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}. It has {', '.join(table.columns)}")
    table["c"] = table["c"].fillna("0") if "c" in table else "0"
    table["b"] = table.get("b")
    given = table[["a", "b", "c", *names]]
    table[given.columns] = given.apply(pd.to_numeric, errors="coerce")
    table["model"] = table["model"].str.upper() if "model" in table else None
    table["steps"] = steps_column(table[names].to_numpy(float))
    reasons = reasons_of(table, unusable_anchors)
    for name in (*names[::-1], *"cba"):
        for row in np.flatnonzero(table[name].isna() & given[name].notna()):
            reasons[row] = f"{name} is not a number: {given[name][row]}"
    reasons[table["item_id"].duplicated().to_numpy()] = "the item has a row already"
    reasons[table["item_id"].isna().to_numpy()] = "item_id is missing"
    bad = [
        f"row {row} ({reason})" if pd.isna(item) else f"row {row}, {item} ({reason})"
        for row, (item, reason) in enumerate(zip(table["item_id"], reasons, strict=True), 1)
        if reason
    ]
    if bad:
        raise InputError(f"{path}: {first_few(bad)}")
    return as_parameters(table)


def read_item_models(path: Path, items: Sequence[str]) -> dict[str, PolytomousModel]:
    """Read the models of single items from a CSV with item_id and model.

    items: ids of the file of answers. Raises InputError naming the rows that cannot be used.
    """
    table = _text_columns(path)
    missing = {"item_id", "model"} - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}. It has {', '.join(table.columns)}")
    table["model"] = table["model"].fillna("").str.upper()
    nameless = table["item_id"].isna()
    bad = [f"row {row} (item_id is missing)" for row in np.flatnonzero(nameless) + 1]
    table = table[~nameless]
    unknown, given = ~table["item_id"].isin(items), table["model"].isin(POLYTOMOUS_MODELS)
    bad += [
        *(f"{item} (no answer names it)" for item in table["item_id"][unknown]),
        *(
            f"{row.item_id} (the model {row.model or 'is missing'} is not one of {', '.join(POLYTOMOUS_MODELS)})"
            for row in table[~given].itertuples()
        ),
        *(f"{item} (the item has a row already)" for item in table["item_id"][table["item_id"].duplicated()]),
    ]
    if bad:
        raise InputError(f"{path}: {first_few(bad)}")
    return dict(zip(table["item_id"], table["model"], strict=True))


def _text_columns(path: Path) -> pd.DataFrame:
    """Read PARAMETER_COLUMNS as text, trimmed, blanks as null; every row must be as wide as the header."""
    text = read_text_table(path, [frozenset({"item_id"})])
    if text.misfits:
        raise InputError(f"{path}: {first_few([f'row {row} ({reason})' for row, reason in text.misfits])}")
    names = {name.lower(): name for name in text.rows.column_names if name != ROW}
    return pa.table({name: trimmed(text.rows[column]) for name, column in names.items()}).to_pandas()


def _in_order(table: pd.DataFrame, column: str, ids: Sequence[str]) -> pd.DataFrame:
    position = pc.index_in(pa.array(table[column], pa.string()), pa.array(ids, pa.string())).to_numpy()
    return table.take(np.argsort(position, kind="stable")).reset_index(drop=True)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table of many rows, the first column of which is text; Arrow takes a tenth of the time of pandas."""
    rows = pa.Table.from_pandas(table, preserve_index=False)
    # Arrow writes quotes around each text, or around none.
    quotes = pc.any(pc.match_substring_regex(rows.column(0), '[",\\r\\n]')).as_py()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed" if quotes else "none")
    with path.open("wb") as file:
        file.write((",".join(table.columns) + "\n").encode())
        pyarrow.csv.write_csv(rows, file, options)


def write_files(calibration: FileCalibration, folder: Path) -> list[Path]:
    """Write item_params.csv, abilities.csv and fit_meta.json, and give their paths."""
    result = calibration.result
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("item_params.csv", "abilities.csv", "fit_meta.json")]
        calibration.items().to_csv(paths[0], index=False)
        _write_csv(calibration.abilities(), paths[1])
        facts = {
            "model_spec": result.model_spec,
            "metrics": result.metrics,
            "left_out": result.left_out.to_dict("records"),
            "flagged": result.to_review[["item_id", "flag", "n_responses"]].to_dict("records"),
            "warnings": result.warnings,
            "file": calibration.reading(),
        }
        paths[2].write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose another folder with --out") from None
    return paths
