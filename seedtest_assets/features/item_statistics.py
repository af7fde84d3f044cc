"""The statistics of every item that was answered in the look-back window, and its flags."""

from collections.abc import Iterator, Mapping, Sequence
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
from seedtest_assets.irt.fit_statistics import answered_by, fit_sums, group_limits, item_fit_of
from seedtest_assets.irt.remarks import REVERSED
from seedtest_assets.item_steps import kinds_of
from seedtest_assets.score_categories import SCORED_COLUMNS, ItemScores, item_scores, known_scores
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.lake import Omissions
from seedtest_assets.tables_on_demand import narrowed
from seedtest_assets.thresholds import Thresholds

ANSWER_COLUMNS = ("student_id", "completed_at", *SCORED_COLUMNS)
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
    parts: Sequence[pa.Table],
    calibrated: CalibratedItems,
    exposure: pd.DataFrame,
    omissions: Omissions | None,
    limits: Thresholds,
) -> pd.DataFrame:
    """Compute COLUMNS, a row an item in the order of the ids.

    parts: student_id, item_id, correct, completed_at, perhaps score and max_score of the look-back window, no student in two of them;
    exposure: as of `exposure_of_items`; omissions: answers without a mark, None where they were not counted.
    """
    scores = item_scores(narrowed(parts, SCORED_COLUMNS))
    names, parameters = scores.item_ids, coded(calibrated.items, scores.item_ids)
    of_parts = _CodedParts(narrowed(parts, ANSWER_COLUMNS), scores, parameters, calibrated)
    classical, score_counts, theta = _first_sums(of_parts)
    rows = pd.DataFrame({"item_id": pd.Series(names.to_pandas(), dtype=object), **classical._asdict()})
    rows["n_rarest_score"] = _n_rarest_score(score_counts, scores.highest)
    rows = rows.merge(_fit(of_parts, group_limits(theta)), on="item_id", how="left")
    rows = rows.merge(exposure, on="item_id", how="left")
    rows["anchor_drift"] = rows["b"] - rows["item_id"].map(_comparable_anchors(calibrated)["b"])
    rows["omission_share"] = _omission_share(rows["item_id"], omissions)
    rows["flags"] = flags_of(rows, limits)
    return rows.sort_values("item_id", ignore_index=True)[COLUMNS]


class _Persons(NamedTuple):
    """The answers of a part that count. theta: of its persons, float64 [n_persons]."""

    responses: irt.Responses
    theta: np.ndarray


class _CodedParts:
    """Parts of the window with students and items as numbers, 5 bytes an answer: read once, gone through twice."""

    def __init__(
        self,
        parts: Sequence[pa.Table],
        scores: ItemScores,
        parameters: irt.ItemParameters | None,
        calibrated: CalibratedItems,
    ) -> None:
        self.scores, self.parameters, self.calibrated = scores, parameters, calibrated
        self._parts, self._read = parts, list[_Persons]()

    def __iter__(self) -> Iterator[_Persons]:
        yield from self._read
        for number in range(len(self._read), len(self._parts)):
            self._read.append(self._persons_of(self._parts[number]))
            yield self._read[-1]

    def _persons_of(self, answers: pa.Table) -> _Persons:
        item, score, counts = self.scores.coded(answers)
        if self.parameters is not None:
            counts = counts & known_scores(self.parameters, item, score)
        if not counts.all():
            answers, item, score = answers.filter(pa.array(counts)), item[counts], score[counts]
        person, students = codes_and_names(answers["student_id"])
        responses = irt.Responses.from_answers(
            person,
            item,
            score,
            answers["completed_at"].to_numpy(),
            n_persons=len(students),
            n_items=len(self.scores.item_ids),
        )
        # Without the order in time, which no statistic asks for.
        return _Persons(replace(responses, order=responses.order[:0]), _abilities_of(students, self.calibrated))


def _first_sums(parts: _CodedParts) -> tuple[irt.ClassicalStatistics, np.ndarray, np.ndarray]:
    """Compute what needs no model, how often each item has each score, int64 [n_items, width], and the abilities of the persons
    with answers to calibrated items."""
    highest = parts.scores.highest
    width = int(highest.max(initial=1)) + 1
    sums: ClassicalSums | None = None
    counts, theta = np.zeros((len(highest), width), np.int64), [np.empty(0)]
    for responses, ability in parts:
        of_part = classical_sums(responses, highest)
        sums = of_part if sums is None else sums.plus(of_part)
        cells = responses.item.astype(np.int64) * width + responses.score
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
        if parts.parameters is not None:
            theta.append(ability[answered_by(responses, parts.parameters)])
    assert sums is not None  # a window has a part, if only one without answers
    return classical_statistics_of(sums), counts, np.concatenate(theta)


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


def _fit(parts: _CodedParts, limit: np.ndarray) -> pd.DataFrame:
    """Compute item_id, a, b, se_b, reversed_key, infit, outfit, rmsd and p of the calibrated items."""
    columns = ["item_id", "a", "b", "se_b", "reversed_key", "infit", "outfit", "rmsd", "p"]
    parameters, calibrated = parts.parameters, parts.calibrated
    if parameters is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], float))
    specification, sums = calibrated.model_spec, None
    population = {"mean": specification["group_mean"], "sd": specification["group_sd"]}
    for responses, theta in parts:
        of_part = fit_sums(responses, parameters, theta, limit, **population)
        sums = of_part if sums is None else sums.plus(of_part)
    assert sums is not None
    fit = item_fit_of(sums, limit, irt.free_parameters(parameters, specification["model"]))
    names = parts.scores.item_ids.take(pa.array(parameters.item)).to_pylist()
    fitted = calibrated.items.set_index("item_id").loc[names].reset_index()
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
