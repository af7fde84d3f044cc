"""Answers as given parameters and abilities expect them: of a day from the night before, of an item from its bank values."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.days import day_bounds
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.irt.category_curves import log_category_probabilities
from seedtest_assets.score_categories import score_categories

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


@dataclass(frozen=True)
class _Coded:
    """Answers with students and items as numbers: person, item: int [n], into students and items; score: uint8 [n]; highest: of
    each item, int64 [n_items], as told, else as given."""

    answers: pa.Table
    person: np.ndarray
    students: pa.Array
    item: np.ndarray
    items: pa.Array
    score: np.ndarray
    highest: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """Which of the answers are a student's first to the item."""
        return irt.first_answers(self.person, self.item, self.score, time=np.arange(len(self.person)))


@dataclass(frozen=True)
class _Chances:
    """Chances of the scores of answers: rows: which answers, int [n]; p: float64 [n, n_scores]; parameters: of the items, the
    answers' in `of_rows`, int [n]."""

    rows: np.ndarray
    p: np.ndarray
    parameters: irt.ItemParameters
    of_rows: np.ndarray

    def prediction(self, score: np.ndarray, p: np.ndarray | None = None) -> Prediction:
        return Prediction.of_scores(self.p if p is None else p, score[self.rows], self.max_score)

    @property
    def max_score(self) -> np.ndarray:
        return self.parameters.max_score[self.of_rows]


def predict(answers: pa.Table, day: date, items: pd.DataFrame, abilities: pd.DataFrame) -> PredictedAnswers:
    """Predict the answers of a day that are a student's first to the item.

    answers: student_id, item_id, correct, completed_at, and score, max_score where there are any, of the window that ends with
    the day, oldest first. items: PARAMETER_COLUMNS, and abilities: user_id, theta, se, of an earlier partition; answers of
    others, and of items whose scores are others than then, are left out.
    """
    given = _coded(answers)
    start = pa.scalar(day_bounds(day)[0], answers["completed_at"].type)
    today = pa.compute.greater_equal(given.answers["completed_at"], start).to_numpy()
    chances = _chances(given, given.first & today, items, abilities)
    rows = chances.rows
    return PredictedAnswers(
        np.asarray(given.items, object)[given.item[rows]],
        given.score[rows] / chances.max_score,
        chances.prediction(given.score),
        chances.prediction(given.score, _shares(given, given.first & ~today, chances)),
    )


def residuals_of(answers: pa.Table, items: pd.DataFrame, abilities: pd.DataFrame) -> pd.DataFrame:
    """Compute `item_residuals` of the items under given parameters, over the answers that are a student's first to the item.

    answers: as of `predict`, oldest first; items: PARAMETER_COLUMNS; abilities: user_id, theta, se.
    """
    given = _coded(answers.filter(pa.compute.is_in(answers["item_id"], pa.array(items["item_id"], pa.string()))))
    chances = _chances(given, given.first, items, abilities)
    names = np.asarray(given.items, object)[given.item[chances.rows]]
    return item_residuals(names, given.score[chances.rows] / chances.max_score, chances.prediction(given.score))


def _coded(answers: pa.Table) -> _Coded:
    item, items = codes_and_names(answers["item_id"])
    categories = score_categories(answers, item, len(items))
    score = categories.score
    if categories.usable is not None:
        answers, item, score = (
            answers.filter(pa.array(categories.usable)),
            item[categories.usable],
            score[categories.usable],
        )
    return _Coded(answers, *codes_and_names(answers["student_id"]), item, items, score, categories.highest)


def _chances(given: _Coded, wanted: np.ndarray, items: pd.DataFrame, abilities: pd.DataFrame) -> _Chances:
    """Select the wanted answers of known students to known items, and compute the chances of all scores.

    An item is left out where its answers have a score that its parameters do not have, or can only have lower ones, because
    they are now counted in other units. Leaving out only such answers would leave those that did worse.

    Averaged over the error of the ability: c + (1 - c) logistic(a (theta - b) / sqrt(1 + (a se / 1.702)^2)), the normal
    ogive's exact average carried over to the logistic curve (MacKay, 1992); with partial credit by quadrature.
    """
    usable = items[np.isfinite(items[["a", "b"]].to_numpy(float)).all(axis=1)]
    parameters = coded(usable, given.items)
    if parameters is None:
        nothing = np.empty(0, np.int64)
        return _Chances(nothing, np.empty((0, 2)), irt.ItemParameters([], [], [], []), nothing)
    place = np.full(len(given.items), -1)
    place[parameters.item] = np.arange(len(parameters))
    ability = abilities.set_index("user_id")[["theta", "se"]].reindex(given.students.to_pylist()).to_numpy(float)
    scores, n_scores = parameters.scores, max(parameters.steps.shape[1], 1, int(given.score.max(initial=1))) + 1
    has = np.zeros((len(parameters) + 1, n_scores), bool)  # the last row is of items without parameters
    has[scores.item, scores.score.astype(np.int64)] = True
    alike = np.append(given.highest[parameters.item] >= parameters.max_score, False)
    alike[place[given.item[~has[place[given.item], given.score]]]] = False
    known = np.isfinite(ability).all(axis=1)[given.person] & alike[place[given.item]]
    rows = np.flatnonzero(wanted & known)
    theta, se = ability[given.person[rows]].T
    of_rows = place[given.item[rows]]
    return _Chances(rows, _averaged(parameters, of_rows, theta, se, n_scores), parameters, of_rows)


def _averaged(
    items: irt.ItemParameters, row: np.ndarray, theta: np.ndarray, se: np.ndarray, n_scores: int
) -> np.ndarray:
    """Compute the chances of scores 0, 1, ... of the items in some rows, each at an ability with an error: [n, n_scores]."""
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


def _shares(given: _Coded, earlier: np.ndarray, chances: _Chances) -> np.ndarray:
    """Compute how often the items' answers had each of their scores, as if one more answer were shared by all of these."""
    items, n_scores = chances.parameters, chances.p.shape[1]
    has = np.zeros((len(items), n_scores))
    has[items.scores.item, items.scores.score.astype(np.int64)] = 1.0
    counts = np.bincount(
        given.item[earlier].astype(np.int64) * n_scores + given.score[earlier], minlength=len(given.items) * n_scores
    ).reshape(-1, n_scores)[items.item]
    counts = np.where(has > 0, counts, 0.0) + has / has.sum(axis=1, keepdims=True)
    return (counts / counts.sum(axis=1, keepdims=True))[chances.of_rows]


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
