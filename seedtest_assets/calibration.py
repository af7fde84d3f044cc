"""The request and the result of a calibration, whichever engine runs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from seedtest_assets.irt.models import LinkingMethod, Model, PolytomousModel
from seedtest_assets.irt.priors import Priors

ANSWER_SCHEMA = pa.schema(
    [
        ("student_id", pa.string()),
        ("item_id", pa.string()),
        ("correct", pa.bool_()),
        ("answered_at", pa.timestamp("us", tz="UTC")),
    ]
)
# Beside ANSWER_SCHEMA where a source tells more than right and wrong; null where it does not.
SCORE_SCHEMA = pa.schema([("score", pa.float64()), ("max_score", pa.float64())])

# model: the item's own, None where it is not known; steps, se_steps: lists b_1, b_2, ... of items with partial credit, else
# None; see item_steps.py.
PARAMETER_COLUMNS = ["item_id", "model", "a", "b", "c", "steps"]
ITEM_COLUMNS = [
    "item_id",
    "model",
    "a",
    "b",
    "c",
    "steps",
    "se_a",
    "se_b",
    "se_c",
    "se_steps",
    "n_responses",
    "is_anchor",
    "flag",
]
ABILITY_COLUMNS = ["user_id", "theta", "se", "n_responses"]
ITEM_PRIOR_COLUMNS = ["item_id", "log_a_mean", "log_a_sd", "b_mean", "b_sd"]
LEFT_OUT_COLUMNS = ["item_id", "n_responses", "reason"]

# Called after each iteration with its number, the largest parameter change, and the log-likelihood.
Progress = Callable[[int, float, float], None]


def answers_to_calibrate(answers: pa.Table) -> pa.Table:
    """Select the columns of ANSWER_SCHEMA, and of SCORE_SCHEMA where there are any, from answers as sources give them."""
    answers = answers.rename_columns({"completed_at": "answered_at"})
    scores = [name for name in SCORE_SCHEMA.names if name in answers.column_names]
    return answers.select([*ANSWER_SCHEMA.names, *scores])


def linked_blocks(specification: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the linking constants of a calibration: of each block of items that was linked, none where it was not linked."""
    constants = specification.get("linking_constants")
    return [constants, *constants.get("other_blocks", [])] if constants else []


def n_linking_items(specification: Mapping[str, Any]) -> int:
    """Count the items that linked a calibration to its scale."""
    return sum(int(block.get("n_anchors_used") or 0) for block in linked_blocks(specification))


def screened_out(specification: Mapping[str, Any]) -> dict[str, str]:
    """Give the reason of each item that could have linked a calibration and was not used, by item id."""
    return {
        item: reason
        for block in linked_blocks(specification)
        for item, reason in (block.get("screened_out") or {}).items()
    }


def as_parameters(table: pd.DataFrame, columns: Sequence[str] = PARAMETER_COLUMNS) -> pd.DataFrame:
    """Select PARAMETER_COLUMNS, or ITEM_COLUMNS; the item's model and steps are None where the table does not have them."""
    absent = {name: None for name in ("model", "steps", "se_steps") if name not in table.columns}
    return table.assign(**absent)[list(columns)]


def no_parameters() -> pd.DataFrame:
    """Make an empty table of item parameters."""
    return as_parameters(pd.DataFrame({"item_id": pd.Series(dtype="str"), "a": [], "b": [], "c": []}))


def no_item_priors() -> pd.DataFrame:
    """Make an empty table of priors of single items."""
    return pd.DataFrame({name: pd.Series(dtype="str" if name == "item_id" else "float") for name in ITEM_PRIOR_COLUMNS})


@dataclass(frozen=True)
class CalibrationRequest:
    """A calibration to be run.

    answers: table of ANSWER_SCHEMA, and of SCORE_SCHEMA where there is partial credit, in any order; later answers of a
        student to the same item are set aside. Or a sequence of such tables without a common student, each of which is read
        when it is asked for.
    model: "Rasch", "2PL" or "3PL", of items that are right or wrong.
    polytomous_model: "GRM", "GPCM" or "PCM", of items with partial credit; item_models: of single ones of them, by item id.
    anchors: PARAMETER_COLUMNS of the items whose bank parameters are trusted; may be empty. Anchors without usable
        parameters are left out with a warning.
    starts: PARAMETER_COLUMNS that only start the estimation; may be empty.
    previous: PARAMETER_COLUMNS of the newest earlier calibration, linked to when there are no anchors; may be empty.
    linking_method: one of irt.LINKING_METHODS.
    priors: of the items' parameters; an IRT service refuses any.
    item_priors: ITEM_PRIOR_COLUMNS of items whose own priors replace those, on the bank's scale; may be empty, and an IRT
        service refuses any.
    population: mean and SD of ability on the bank's scale, by which item_priors are moved to the calibrated persons'.
    attempt: number of the attempt of the step, from 1, for logs and metrics.
    """

    answers: pa.Table | Sequence[pa.Table]
    model: Model = "2PL"
    anchors: pd.DataFrame = field(default_factory=no_parameters)
    starts: pd.DataFrame = field(default_factory=no_parameters)
    previous: pd.DataFrame = field(default_factory=no_parameters)
    linking_method: LinkingMethod = "stocking_lord"
    priors: Priors = field(default_factory=Priors)
    item_priors: pd.DataFrame = field(default_factory=no_item_priors)
    population: tuple[float, float] = (0.0, 1.0)
    attempt: int = 1
    polytomous_model: PolytomousModel = "GRM"
    item_models: Mapping[str, PolytomousModel] = field(default_factory=dict)

    @property
    def parts(self) -> Sequence[pa.Table]:
        """The answers, in parts without a common student."""
        return [self.answers] if isinstance(self.answers, pa.Table) else self.answers

    @property
    def item_ids(self) -> list[str]:
        """The items that were answered, each once."""
        return sorted({name for part in self.parts for name in part["item_id"].unique().drop_null().to_pylist()})

    @property
    def table(self) -> pa.Table:
        """All answers."""
        return self.answers if isinstance(self.answers, pa.Table) else pa.concat_tables(list(self.answers))


@dataclass(frozen=True)
class CalibrationResult:
    """A finished calibration; parameters and abilities are on the bank's scale.

    items: ITEM_COLUMNS, a row per fitted item. flag: why it is to be reviewed, empty for most.
    abilities: ABILITY_COLUMNS, a row per student.
    left_out: LEFT_OUT_COLUMNS, a row per item that could not be fitted.
    model_spec: model, n_items, n_persons, n_observations, linked_to ("anchors", "previous" or "none"), and
        priors where given, and linking_constants (A, B, method, n_anchors_used, screened_out and, where known, the errors of
        irt's LinkingErrors and contradictory) when linked. Where no person connects blocks of items, these are of the largest, those of the
        others are in other_blocks, each has its anchors, and n_items_not_linked counts the items of blocks without.
    metrics: loglik, aic, bic, iterations, converged (each None where an IRT service does not give it), seconds, engine,
        n_set_aside, and what else the engine gives.
    warnings: one line each, for the operator.
    provisional: why an item's parameters are provisional, by item id; history flags them, and no check counts them.
    """

    items: pd.DataFrame
    abilities: pd.DataFrame
    left_out: pd.DataFrame
    model_spec: dict[str, Any]
    metrics: dict[str, Any]
    warnings: tuple[str, ...] = ()
    provisional: Mapping[str, str] = field(default_factory=dict)

    @property
    def to_review(self) -> pd.DataFrame:
        """The items that have a flag."""
        return self.items[self.items["flag"] != ""]


class CalibrationEngine(Protocol):
    """An engine that calibrates: this process, the workers of a cluster, or a service over HTTP."""

    name: str

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link.

        Raises InputError for data that cannot be calibrated, TransientError where a retry may help.
        """
        ...
