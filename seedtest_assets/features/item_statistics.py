"""The statistics of every item that was answered in the look-back window, and its flags."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.features.flagging import flags_of
from seedtest_assets.irt.classical import ClassicalSums, classical_statistics_of, classical_sums
from seedtest_assets.irt.fit_statistics import FitSums, answered_by, fit_sums, group_limits, item_fit_of
from seedtest_assets.irt.remarks import REVERSED
from seedtest_assets.irt.shards import Shards
from seedtest_assets.item_steps import kinds_of
from seedtest_assets.score_categories import FIRST_ANSWER_COLUMNS, ItemScores, item_scores, known_scores
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.lake import Omissions
from seedtest_assets.table_shards import TableShards
from seedtest_assets.thresholds import Thresholds

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
    parts: TableShards,
    calibrated: CalibratedItems,
    exposure: pd.DataFrame,
    omissions: Omissions | None,
    limits: Thresholds,
) -> pd.DataFrame:
    """Compute COLUMNS, a row an item in the order of the ids.

    parts: student_id, item_id, correct, completed_at, perhaps score and max_score of the look-back window, no student in two of them;
    exposure: as of `exposure_of_items`; omissions: answers without a mark, None where they were not counted.
    """
    scores = item_scores(parts)
    names, parameters = scores.item_ids, coded(calibrated.items, scores.item_ids)
    abilities = pa.table({name: pa.array(calibrated.abilities[name]) for name in ("user_id", "theta")})
    persons = parts.narrowed(FIRST_ANSWER_COLUMNS).derive(
        _persons_of_part,
        scores,
        parameters,
        parts.of_students(abilities, "user_id"),
        float(calibrated.model_spec["group_mean"]),
    )
    sums = persons.total(_sums_of_part, scores.highest, add=_Sums.plus)
    classical = classical_statistics_of(sums.classical)
    rows = pd.DataFrame({"item_id": pd.Series(names.to_pandas(), dtype=object), **classical._asdict()})
    rows["n_rarest_score"] = _n_rarest_score(sums.counts, scores.highest)
    rows = rows.merge(_fit(persons, names, parameters, calibrated), on="item_id", how="left")
    rows = rows.merge(exposure, on="item_id", how="left")
    rows["anchor_drift"] = rows["b"] - rows["item_id"].map(_comparable_anchors(calibrated)["b"])
    rows["omission_share"] = _omission_share(rows["item_id"], omissions)
    rows["flags"] = flags_of(rows, limits)
    return rows.sort_values("item_id", ignore_index=True)[COLUMNS]


class _Persons(NamedTuple):
    """The answers of a part that count, 5 bytes each. theta: of its persons, float64 [n_persons]."""

    responses: irt.Responses
    theta: np.ndarray


def _persons_of_part(
    answers: pa.Table,
    scores: ItemScores,
    parameters: irt.ItemParameters | None,
    abilities: pa.Table,
    mean: float,
) -> _Persons:
    """Code a part. abilities: user_id, theta of its students, perhaps of others; mean: for a student who has none."""
    item, score, counts = scores.coded(answers)
    if parameters is not None:
        counts = counts & known_scores(parameters, item, score)
    if not counts.all():
        answers, item, score = answers.filter(pa.array(counts)), item[counts], score[counts]
    person, students = codes_and_names(answers["student_id"])
    responses = irt.Responses.from_answers(
        person,
        item,
        score,
        answers["completed_at"].to_numpy(),
        n_persons=len(students),
        n_items=len(scores.item_ids),
    )
    # Without the order in time, which no statistic asks for.
    return _Persons(replace(responses, order=responses.order[:0]), _abilities_of(students, abilities, mean))


class _Sums(NamedTuple):
    """Of some parts: what needs no model; how often each item has each score, int64 [n_items, width]."""

    classical: ClassicalSums
    counts: np.ndarray

    def plus(self, other: "_Sums") -> "_Sums":
        return _Sums(self.classical.plus(other.classical), self.counts + other.counts)


def _sums_of_part(persons: _Persons, highest: np.ndarray) -> _Sums:
    responses, width = persons.responses, int(highest.max(initial=1)) + 1
    cells = responses.item.astype(np.int64) * width + responses.score
    counts = np.bincount(cells, minlength=len(highest) * width).reshape(len(highest), width)
    return _Sums(classical_sums(responses, highest), counts)


def _abilities_of_answered(persons: _Persons, parameters: irt.ItemParameters) -> np.ndarray:
    """Select the abilities of the persons with answers to calibrated items."""
    return persons.theta[answered_by(persons.responses, parameters)]


def _fit_of_part(
    persons: _Persons, parameters: irt.ItemParameters, limit: np.ndarray, mean: float, sd: float
) -> FitSums:
    return fit_sums(persons.responses, parameters, persons.theta, limit, mean=mean, sd=sd)


def _n_rarest_score(counts: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Count the answers with the score that fewest have, of each item with partial credit; NaN for the others."""
    possible = np.arange(counts.shape[1]) <= highest[:, None]
    rarest = np.where(possible, counts, np.iinfo(np.int64).max).min(axis=1)
    return np.where(highest > 1, rarest, np.nan)


def _comparable_anchors(calibrated: CalibratedItems) -> pd.DataFrame:
    """Select the anchors whose scores and model are those of the calibration, by id: else b is the mean of other steps."""
    anchors, kinds = calibrated.anchors, dict(zip(calibrated.items["item_id"], kinds_of(calibrated.items), strict=True))
    alike = kinds_of(anchors) == anchors["item_id"].map(kinds).to_numpy(object)
    return anchors[alike].set_index("item_id")


def _fit(
    persons: Shards[_Persons], names: pa.Array, parameters: irt.ItemParameters | None, calibrated: CalibratedItems
) -> pd.DataFrame:
    """Compute item_id, a, b, se_b, reversed_key, infit, outfit, rmsd and p of the calibrated items. names: of the codes of items."""
    columns = ["item_id", "a", "b", "se_b", "reversed_key", "infit", "outfit", "rmsd", "p"]
    if parameters is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], float))
    specification = calibrated.model_spec
    limit = group_limits(np.concatenate(persons.each(_abilities_of_answered, parameters)))
    population = specification["group_mean"], specification["group_sd"]
    sums = persons.total(_fit_of_part, parameters, limit, *population, add=FitSums.plus)
    fit = item_fit_of(sums, limit, irt.free_parameters(parameters, specification["model"]))
    fitted_ids = names.take(pa.array(parameters.item)).to_pylist()
    fitted = calibrated.items.set_index("item_id").loc[fitted_ids].reset_index()
    return fitted.assign(
        reversed_key=fitted["flag"] == REVERSED, infit=fit.infit, outfit=fit.outfit, rmsd=fit.rmsd, p=fit.p
    )[columns]


def _abilities_of(students: pa.Array, abilities: pa.Table, mean: float) -> np.ndarray:
    """Order the abilities as the students are coded; the mean for one that the calibration does not have."""
    place = pc.index_in(students, abilities["user_id"].cast(students.type).combine_chunks())
    theta = np.append(abilities["theta"].to_numpy(), mean)
    return theta[place.fill_null(len(abilities)).to_numpy()]


def _omission_share(item_ids: pd.Series, omissions: Omissions | None) -> pd.Series:
    """Give the share of the answers to each item, repeated ones too, that have no mark; NaN where that was not counted."""
    if omissions is None:
        return pd.Series(np.nan, item_ids.index)
    n_omitted, n_given = (item_ids.map(counts).fillna(0) for counts in (omissions.n_omitted, omissions.n_given))
    return n_omitted / (n_omitted + n_given)
