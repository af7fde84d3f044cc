"""The statistics of every item that was answered in the look-back window, and its flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import duckdb
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.days import day_bounds
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.errors import InputError, first_line
from seedtest_assets.features.flagging import flags_of
from seedtest_assets.features.lake_files import open_answers
from seedtest_assets.irt.remarks import REVERSED
from seedtest_assets.item_steps import kinds_of
from seedtest_assets.score_categories import score_categories, scores_of_parameters
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.lake import Omissions
from seedtest_assets.thresholds import Thresholds

EXPOSURE_DAYS = 60
WEEK = 7
COLUMNS = [name for name in HISTORY["item_statistics_history"].names if name not in ("partition_date", "computed_at")]


@dataclass(frozen=True, kw_only=True)
class CalibratedItems:
    """A calibration, as the statistics of its items need it.

    items: ITEM_COLUMNS; abilities: ABILITY_COLUMNS; model_spec: of the fit; anchors: PARAMETER_COLUMNS as the bank has them.
    """

    items: pd.DataFrame
    abilities: pd.DataFrame
    model_spec: Mapping[str, Any]
    anchors: pd.DataFrame


def item_statistics_of_window(
    answers: pa.Table,
    calibrated: CalibratedItems,
    exposure: pd.DataFrame,
    omissions: Omissions | None,
    limits: Thresholds,
) -> pd.DataFrame:
    """Compute COLUMNS, a row an item in the order of the ids.

    answers: student_id, item_id, correct, completed_at, perhaps score and max_score of the look-back window; exposure: as of
    `exposure_of_items`; omissions: answers without a mark, None where they were not counted.
    """
    person, students = codes_and_names(answers["student_id"])
    item, names = codes_and_names(answers["item_id"])
    parameters, categories = coded(calibrated.items, names), score_categories(answers, item, len(names))
    score, counts = categories.score, categories.usable
    if parameters is not None:
        score, counts = scores_of_parameters(answers, item, parameters)
    if counts is not None and not counts.all():
        answers, person, item, score = answers.filter(pa.array(counts)), person[counts], item[counts], score[counts]
    responses = irt.Responses.from_answers(
        person, item, score, answers["completed_at"].to_numpy(), n_persons=len(students), n_items=len(names)
    )
    highest = np.maximum(categories.highest, responses.max_score)
    classical = irt.classical_statistics(responses, highest)
    rows = pd.DataFrame({"item_id": pd.Series(names.to_pandas(), dtype=object), **classical._asdict()})
    rows["n_rarest_score"] = _n_rarest_score(responses, highest)
    rows = rows.merge(_fit(responses, parameters, names, students, calibrated), on="item_id", how="left")
    rows = rows.merge(exposure, on="item_id", how="left")
    rows["anchor_drift"] = rows["b"] - rows["item_id"].map(_comparable_anchors(calibrated)["b"])
    rows["omission_share"] = _omission_share(rows["item_id"], omissions)
    rows["flags"] = flags_of(rows, limits)
    return rows.sort_values("item_id", ignore_index=True)[COLUMNS]


def exposure_of_items(
    day: date, observations: Sequence[str], filesystem: fsspec.AbstractFileSystem | None = None
) -> pd.DataFrame:
    """Compute item_id, exposure_7_days, exposure_60_days (shares of sessions) and median_time_ms.

    observations: Parquet files of OBSERVATION_SCHEMA of the 60 days that end with `day`.

    Raises InputError for files that cannot be read.
    """
    week = day_bounds(day - timedelta(days=WEEK - 1))[0]
    statement = files("seedtest_assets.features").joinpath("item_exposure.sql").read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            open_answers(connection, observations, filesystem)
            return connection.sql(statement, params={"week": week}).df()
        except duckdb.Error as error:
            raise InputError(f"the exposure of items up to {day} cannot be computed: {first_line(error)}") from None


def _n_rarest_score(responses: irt.Responses, highest: np.ndarray) -> np.ndarray:
    """Count the answers with the score that fewest have, of each item with partial credit; NaN for the others."""
    width = int(highest.max(initial=1)) + 1
    counts = np.bincount(responses.item.astype(np.int64) * width + responses.score, minlength=len(highest) * width)
    possible = np.arange(width) <= highest[:, None]
    rarest = np.where(possible, counts.reshape(-1, width), np.iinfo(np.int64).max).min(axis=1)
    return np.where(highest > 1, rarest, np.nan)


def _comparable_anchors(calibrated: CalibratedItems) -> pd.DataFrame:
    """Select the anchors whose scores and model are those of the calibration, by id: else b is the mean of other steps."""
    anchors, kinds = calibrated.anchors, dict(zip(calibrated.items["item_id"], kinds_of(calibrated.items), strict=True))
    alike = kinds_of(anchors) == anchors["item_id"].map(kinds).to_numpy(object)
    return anchors[alike].set_index("item_id")


def _fit(
    responses: irt.Responses,
    parameters: irt.ItemParameters | None,
    names: pa.Array,
    students: pa.Array,
    calibrated: CalibratedItems,
) -> pd.DataFrame:
    """Compute item_id, a, b, se_b, reversed_key, infit, outfit, rmsd and p of the calibrated items."""
    columns = ["item_id", "a", "b", "se_b", "reversed_key", "infit", "outfit", "rmsd", "p"]
    if parameters is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], float))
    specification = calibrated.model_spec
    fit = irt.item_fit(
        responses,
        parameters,
        _abilities_of(students, calibrated),
        n_parameters=irt.free_parameters(parameters, specification["model"]),
        mean=specification["group_mean"],
        sd=specification["group_sd"],
    )
    fitted = calibrated.items.set_index("item_id").loc[names.take(pa.array(parameters.item)).to_pylist()].reset_index()
    return fitted.assign(
        reversed_key=fitted["flag"] == REVERSED, infit=fit.infit, outfit=fit.outfit, rmsd=fit.rmsd, p=fit.p
    )[columns]


def _abilities_of(students: pa.Array, calibrated: CalibratedItems) -> np.ndarray:
    """Order the abilities as the students are coded; the group's mean for one that the calibration does not have."""
    place = pc.index_in(students, pa.array(calibrated.abilities["user_id"], students.type))
    theta = calibrated.abilities["theta"].to_numpy(float)
    known = place.is_valid().to_numpy(zero_copy_only=False)
    mean = float(calibrated.model_spec["group_mean"])
    return np.where(known, np.append(theta, mean)[place.fill_null(len(theta)).to_numpy()], mean)


def _omission_share(item_ids: pd.Series, omissions: Omissions | None) -> pd.Series:
    """Give the share of the answers to each item, repeated ones too, that have no mark; NaN where that was not counted."""
    if omissions is None:
        return pd.Series(np.nan, item_ids.index)
    n_omitted, n_given = (item_ids.map(counts).fillna(0) for counts in (omissions.n_omitted, omissions.n_given))
    return n_omitted / (n_omitted + n_given)
