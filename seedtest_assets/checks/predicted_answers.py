"""Answers as given parameters and abilities expect them: of a day from the night before, of an item from its bank values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.days import day_bounds
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.irt.category_curves import log_category_probabilities
from seedtest_assets.score_categories import FIRST_ANSWER_COLUMNS, ItemScores, item_scores
from seedtest_assets.table_shards import TableShards
from seedtest_assets.tables_on_demand import narrowed

# Nodes and weights over the error of an ability, N(0, 1): to 1e-3 where slope times error is 1.5, and far closer below.
ERROR_NODES, ERROR_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
ERROR_WEIGHTS = ERROR_WEIGHTS / ERROR_WEIGHTS.sum()


class Prediction(NamedTuple):
    """What was expected of answers: the score as a share of the item's highest and its variance, and the chance of the score
    that was given; float64 [n] each."""

    expected: np.ndarray
    variance: np.ndarray
    of_answer: np.ndarray

    @classmethod
    def of_scores(cls, p: np.ndarray, score: np.ndarray, max_score: np.ndarray) -> "Prediction":
        """Sum up the chances of scores 0, 1, ..., float64 [n, n_scores]. score, max_score: integers [n]."""
        points = np.arange(p.shape[1], dtype=np.float64)
        expected = p @ points / max_score
        variance = np.maximum(p @ points**2 / max_score**2 - expected**2, 0.0)
        return cls(expected, variance, p[np.arange(len(p)), score])


@dataclass(frozen=True)
class PredictedAnswers:
    """Answers of a day as they were predicted the night before.

    item_id: object [n]; share: score as a share of the item's highest, float64 [n], 1 and 0 for right and wrong; by_model,
    by_share: from the earlier calibration, and from the scores that the item's answers had in the days before.
    """

    item_id: np.ndarray
    share: np.ndarray
    by_model: Prediction
    by_share: Prediction


def predict(parts: Sequence[pa.Table], day: date, items: pd.DataFrame, abilities: pd.DataFrame) -> PredictedAnswers:
    """Predict the answers of a day that are a student's first to the item.

    parts: student_id, item_id, correct, completed_at, and score, max_score where there are any, of the window that ends with
    the day, no student in two of them, oldest first. items: PARAMETER_COLUMNS, and abilities: user_id, theta, se, of an earlier
    partition; answers of others, and of items whose scores are others than then, are left out.
    """
    start, known = day_bounds(day)[0], _KnownItems.of(parts, items)
    seen, rows = np.zeros((len(known.parameters), known.n_scores)), []
    for answers in narrowed(parts, FIRST_ANSWER_COLUMNS):
        given = known.first_answers(answers)
        today = pc.greater_equal(given.answers["completed_at"], pa.scalar(start, given.answers["completed_at"].type))
        of_day = today.to_numpy()
        seen += known.times_given(given.row[~of_day], given.score[~of_day])
        rows.append(_rated(given, of_day, abilities))
    row, score, theta, se = known.comparable(rows)
    highest = known.parameters.max_score[row]
    shares = np.where(known.has, seen, 0.0) + known.has / np.maximum(known.has.sum(axis=1, keepdims=True), 1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return PredictedAnswers(
        known.names[row],
        score / highest,
        Prediction.of_scores(_averaged(known.parameters, row, theta, se, known.n_scores), score, highest),
        Prediction.of_scores(shares[row], score, highest),
    )


def residuals_of(parts: Sequence[pa.Table], items: pd.DataFrame, abilities: pd.DataFrame) -> pd.DataFrame:
    """Compute `item_residuals` of the items under given parameters, over the answers that are a student's first to the item.

    parts: as of `predict`; items: PARAMETER_COLUMNS; abilities: user_id, theta, se.
    """
    parts = parts if len(items) else []  # without items nothing needs to be read
    known, rows = _KnownItems.of(parts, items), []
    for answers in narrowed(parts, FIRST_ANSWER_COLUMNS):
        given = known.first_answers(answers)
        rows.append(_rated(given, np.ones(len(given.row), bool), abilities))
    row, score, theta, se = known.comparable(rows)
    highest = known.parameters.max_score[row]
    p = _averaged(known.parameters, row, theta, se, known.n_scores)
    return item_residuals(known.names[row], score / highest, Prediction.of_scores(p, score, highest))


class _Given(NamedTuple):
    """First answers to known items: row: int [n], of the item's parameters; score: uint8 [n]."""

    answers: pa.Table
    row: np.ndarray
    score: np.ndarray


class _Rated(NamedTuple):
    """Answers of students with an ability: theta and its error, float64 [n]."""

    row: np.ndarray
    score: np.ndarray
    theta: np.ndarray
    se: np.ndarray

    @classmethod
    def nobody(cls) -> "_Rated":
        """Give no answers."""
        return cls(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0), np.empty(0))


class _KnownItems:
    """Items with parameters: names: object [n_items]; has: which scores they have, bool [n_items, n_scores].

    An item is not comparable where an answer has a score that its parameters do not have, or where answers can only have lower
    scores, because they are now counted in other units. Leaving out only such answers would leave those that did worse.
    """

    def __init__(self, scores: ItemScores, parameters: irt.ItemParameters) -> None:
        self.scores, self.parameters = scores, parameters
        self.n_scores = max(parameters.steps.shape[1], 1, int(scores.highest.max(initial=1))) + 1
        self.names = np.asarray(scores.item_ids, object)[parameters.item]
        self.has = np.zeros((len(parameters), self.n_scores), bool)
        self.has[parameters.scores.item, parameters.scores.score.astype(np.int64)] = True
        self._place = np.full(len(scores.item_ids), -1)
        self._place[parameters.item] = np.arange(len(parameters))
        self._alike = scores.highest[parameters.item] >= parameters.max_score

    @classmethod
    def of(cls, parts: Sequence[pa.Table], items: pd.DataFrame) -> "_KnownItems":
        """Find how the scores of the answers count. items: PARAMETER_COLUMNS."""
        scores = item_scores(TableShards.here(parts))
        usable = items[np.isfinite(items[["a", "b"]].to_numpy(float)).all(axis=1)]
        parameters = coded(usable, scores.item_ids)
        return cls(scores, irt.ItemParameters([], [], [], []) if parameters is None else parameters)

    def first_answers(self, answers: pa.Table) -> _Given:
        """Select the answers of a part to these items that are a student's first to the item, and see whether scores are alike."""
        item, score, usable = self.scores.coded(answers)
        wanted = usable & (self._place[item] >= 0)
        answers, row, score = answers.filter(pa.array(wanted)), self._place[item[wanted]], score[wanted]
        self._alike[row[~self.has[row, score]]] = False
        person, _ = codes_and_names(answers["student_id"])
        first = irt.first_answers(person, row, score, time=np.arange(len(person)))
        return _Given(answers.filter(pa.array(first)), row[first], score[first])

    def times_given(self, row: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Count how often each score was given, int64 [n_items, n_scores]."""
        cell = row * self.n_scores + score
        return np.bincount(cell, minlength=self.has.size).reshape(self.has.shape)

    def comparable(self, rows: Sequence[_Rated]) -> _Rated:
        """Put together the answers of all parts to items that are comparable, after all were looked at."""
        together = _Rated(*map(np.concatenate, zip(_Rated.nobody(), *rows, strict=True)))
        return _Rated(*(values[self._alike[together.row]] for values in together))


def _rated(given: _Given, wanted: np.ndarray, abilities: pd.DataFrame) -> _Rated:
    """Select the wanted answers of students with an ability. abilities: user_id, theta, se."""
    person, students = codes_and_names(given.answers["student_id"])
    place = pc.index_in(students, pa.array(abilities["user_id"], pa.string()))
    of_students = abilities[["theta", "se"]].to_numpy(float)
    ability = np.vstack([of_students, np.full(2, np.nan)])[place.fill_null(len(of_students)).to_numpy()]
    kept = wanted & np.isfinite(ability).all(axis=1)[person]
    theta, se = ability[person[kept]].T
    return _Rated(given.row[kept], given.score[kept], theta, se)


def _averaged(
    items: irt.ItemParameters, row: np.ndarray, theta: np.ndarray, se: np.ndarray, n_scores: int
) -> np.ndarray:
    """Compute the chances of scores 0, 1, ... of the items in some rows, each at an ability with an error: [n, n_scores].

    Averaged over the error of the ability: c + (1 - c) logistic(a (theta - b) / sqrt(1 + (a se / 1.702)^2)), the normal
    ogive's exact average carried over to the logistic curve (MacKay, 1992); with partial credit by quadrature.
    """
    a, b, c = items.a[row], items.b[row], items.c[row]
    p = np.zeros((len(row), n_scores))
    p[:, 1] = c + (1 - c) * expit(a * (theta - b) / np.sqrt(1 + (a * se / 1.702) ** 2))
    p[:, 0] = 1 - p[:, 1]
    partial = items.polytomous[row]
    if partial.any():
        of, graded = row[partial], items.graded[row[partial]]
        p[partial] = 0.0
        for node, weight in zip(ERROR_NODES, ERROR_WEIGHTS, strict=True):
            # Steps as seen from each person's ability, so that all are at 0.
            steps = items.steps[of] - (theta + se * node)[partial, None]
            log_p = log_category_probabilities(items.a[of], steps, graded, np.zeros(1))[:, :, 0]
            p[np.flatnonzero(partial), : log_p.shape[1]] += weight * np.exp(log_p)
    return p


def item_residuals(item_id: np.ndarray, share: np.ndarray, prediction: Prediction) -> pd.DataFrame:
    """Compare every item's scores with those expected: item_id, answers, seen, predicted (mean shares), z.

    z = sum(share - expected) / sqrt(sum of its variance), the standardised residual; with known abilities and c = 0 it is the
    score test of the difficulty.
    """
    rows = pd.DataFrame(
        {"item_id": item_id, "seen": share, "predicted": prediction.expected, "variance": prediction.variance}
    )
    items = (
        rows.groupby("item_id")
        .agg(
            answers=("seen", "size"),
            seen=("seen", "mean"),
            predicted=("predicted", "mean"),
            variance=("variance", "sum"),
        )
        .reset_index()
    )
    z = (items["seen"] - items["predicted"]) * items["answers"] / np.sqrt(items["variance"].clip(lower=1e-12))
    return items.drop(columns="variance").assign(z=z)
