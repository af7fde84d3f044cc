"""Answers as given parameters and abilities expect them: of a day from the night before, of an item from its bank values."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.days import day_bounds
from seedtest_assets.engines.codes import codes_and_names


@dataclass(frozen=True)
class PredictedAnswers:
    """Answers of a day as they were predicted the night before.

    item_id: object [n]; correct: bool [n]; by_model, by_share: chance of a right answer, float64 [n], from the earlier
    calibration, and from the item's share correct in the days before.
    """

    item_id: np.ndarray
    correct: np.ndarray
    by_model: np.ndarray
    by_share: np.ndarray


@dataclass(frozen=True)
class _Coded:
    """Answers with students and items as numbers: person, item: int [n], into students and items; correct: bool [n]."""

    person: np.ndarray
    students: pa.Array
    item: np.ndarray
    items: pa.Array
    correct: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """Which of the answers are a student's first to the item."""
        return irt.first_answers(self.person, self.item, self.correct, time=np.arange(len(self.person)))


def predict(answers: pa.Table, day: date, items: pd.DataFrame, abilities: pd.DataFrame) -> PredictedAnswers:
    """Predict the answers of a day that are a student's first to the item.

    answers: student_id, item_id, correct, completed_at of the window that ends with the day, oldest first.
    items: item_id, a, b, c, and abilities: user_id, theta, se, of an earlier partition; answers of others are left out.
    """
    coded = _coded(answers)
    start = pa.scalar(day_bounds(day)[0], answers["completed_at"].type)
    today = pa.compute.greater_equal(answers["completed_at"], start).to_numpy()
    earlier = coded.first & ~today
    n = np.bincount(coded.item[earlier], minlength=len(coded.items))
    right = np.bincount(coded.item[earlier], weights=coded.correct[earlier], minlength=len(coded.items))
    share = (right + 0.5) / (n + 1)

    chosen, chance = _chances(coded, coded.first & today, items, abilities)
    names = np.asarray(coded.items, object)
    return PredictedAnswers(names[coded.item[chosen]], coded.correct[chosen], chance, share[coded.item[chosen]])


def residuals_of(answers: pa.Table, items: pd.DataFrame, abilities: pd.DataFrame) -> pd.DataFrame:
    """Compute `item_residuals` of the items under given parameters, over the answers that are a student's first to the item.

    answers: student_id, item_id, correct, oldest first; items: item_id, a, b, c; abilities: user_id, theta, se.
    """
    coded = _coded(answers.filter(pa.compute.is_in(answers["item_id"], pa.array(items["item_id"], pa.string()))))
    chosen, chance = _chances(coded, coded.first, items, abilities)
    return item_residuals(np.asarray(coded.items, object)[coded.item[chosen]], coded.correct[chosen], chance)


def _coded(answers: pa.Table) -> _Coded:
    return _Coded(
        *codes_and_names(answers["student_id"]), *codes_and_names(answers["item_id"]), answers["correct"].to_numpy()
    )


def _chances(
    coded: _Coded, wanted: np.ndarray, items: pd.DataFrame, abilities: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Select the wanted answers with a known student and item, and compute the chance that each is right.

    Averaged over the error of the ability: a (theta - b) / sqrt(1 + (a se / 1.702)^2), the normal ogive's exact average
    carried over to the logistic curve (MacKay, 1992).
    """
    ability = abilities.set_index("user_id")[["theta", "se"]].reindex(coded.students.to_pylist()).to_numpy(float)
    parameter = items.set_index("item_id")[["a", "b", "c"]].reindex(coded.items.to_pylist()).to_numpy(float)
    rows = np.flatnonzero(wanted)
    theta, se = ability[coded.person[rows]].T
    a, b, c = parameter[coded.item[rows]].T
    chance = c + (1 - c) * expit(a * (theta - b) / np.sqrt(1 + (a * se / 1.702) ** 2))
    known = np.isfinite(chance)
    return rows[known], chance[known]


def item_residuals(item_id: np.ndarray, correct: np.ndarray, chance: np.ndarray) -> pd.DataFrame:
    """Compare every item's right answers with those expected: item_id, answers, seen, predicted, z.

    z = (right answers - expected) / sqrt(sum p (1 - p)), the standardised residual; with known abilities and c = 0 it is the
    score test of the difficulty.
    """
    rows = pd.DataFrame({"item_id": item_id, "seen": correct, "predicted": chance, "variance": chance * (1 - chance)})
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
