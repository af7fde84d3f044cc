"""Do yesterday's parameters and abilities predict today's answers, better than the item's plain share correct?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import rankdata

from seedtest_assets.checks.judgement import Fit, Judgement, Level, known, robust_spread
from seedtest_assets.checks.thresholds import Thresholds
from seedtest_assets.engines.codes import codes_and_names
from seedtest_assets.irt.parameters import logistic
from seedtest_assets.storage.sources import day_bounds

FEW = 10
"""Answers today below which an item is not looked at by itself."""


@dataclass(frozen=True)
class Predicted:
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

    @property
    def first(self) -> np.ndarray:
        """Which of the answers are a student's first to the item."""
        return ~pd.Series(self.person.astype(np.int64) * len(self.items) + self.item).duplicated().to_numpy()


def predict(answers: pa.Table, day: date, items: pd.DataFrame, abilities: pd.DataFrame) -> Predicted:
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

    chosen = np.flatnonzero(coded.first & today)
    chance = _chance(coded, chosen, items, abilities)
    told = np.isfinite(chance)
    chosen = chosen[told]
    names = np.asarray(coded.items, object)
    return Predicted(names[coded.item[chosen]], coded.correct[chosen], chance[told], share[coded.item[chosen]])


def surprise_by_item(answers: pa.Table, items: pd.DataFrame, abilities: pd.DataFrame) -> pd.DataFrame:
    """How unlike what the parameters expect the items were answered: item_id, answers, seen, predicted, z.

    answers: student_id, item_id, correct, oldest first, of which a student's first to an item counts; items: item_id, a, b, c;
    abilities: user_id, theta, se. z is the score test of the difficulty, before any robust scaling.
    """
    coded = _coded(answers.filter(pa.compute.is_in(answers["item_id"].cast(pa.string()), pa.array(items["item_id"]))))
    chosen = np.flatnonzero(coded.first)
    chance = _chance(coded, chosen, items, abilities)
    told = np.isfinite(chance)
    chosen = chosen[told]
    return _unlike(np.asarray(coded.items, object)[coded.item[chosen]], coded.correct[chosen], chance[told])


def _coded(answers: pa.Table) -> _Coded:
    return _Coded(
        *codes_and_names(answers["student_id"]), *codes_and_names(answers["item_id"]), answers["correct"].to_numpy()
    )


def _chance(coded: _Coded, rows: np.ndarray, items: pd.DataFrame, abilities: pd.DataFrame) -> np.ndarray:
    """The chance that each of the rows is right, NaN where the student or the item is unknown.

    Averaged over the error of the ability: a (theta - b) / sqrt(1 + (a se / 1.702)^2), the normal ogive's exact average
    carried over to the logistic curve (MacKay, 1992).
    """
    ability = abilities.set_index("user_id")[["theta", "se"]].reindex(coded.students.to_pylist()).to_numpy(float)
    parameter = items.set_index("item_id")[["a", "b", "c"]].reindex(coded.items.to_pylist()).to_numpy(float)
    theta, se = ability[coded.person[rows]].T
    a, b, c = parameter[coded.item[rows]].T
    return c + (1 - c) * logistic(a * (theta - b) / np.sqrt(1 + (a * se / 1.702) ** 2))


def predictive_validity(
    predicted: Predicted | None, from_day: date | None, before: Sequence[Fit], limits: Thresholds
) -> Judgement:
    """WARN when the model's log-loss is not below that of the plain shares, its predictions do not mean what they say, or an
    item was answered unlike predicted."""
    to_do = (
        "compare the day's answers with the days before: a wrong key, mixed-up students or a client that reports marks wrongly; "
        "if they are right, look at the linking and at the items named"
    )
    gains = known(before, "predictive_validity", "gain")
    n = 0 if predicted is None else len(predicted.correct)
    if predicted is None or n < limits.seedtest_prediction_min_answers:
        needed = limits.seedtest_prediction_min_answers
        said = f"{n} first answers of known students to known items; {needed} are needed to judge"
        return Judgement(
            "predictive_validity",
            Level.PASS,
            "no earlier partition to predict from" if predicted is None else said,
            to_do,
            {"answers": n, "answers_needed": needed},
            gains,
            "gain in log-loss",
            [0.0],
        )
    seen = predicted.correct.astype(float)
    numbers: dict = {"answers": n, "predicted_from": str(from_day)}
    for suffix, chance in (("", predicted.by_model), ("_of_share", predicted.by_share)):
        numbers |= {
            f"log_loss{suffix}": log_loss(chance, seen),
            f"brier{suffix}": float(np.mean((chance - seen) ** 2)),
            f"auc{suffix}": auc(chance, predicted.correct),
        }
    gain = numbers["log_loss_of_share"] - numbers["log_loss"]
    slope, slope_error = reliability_slope(predicted.by_model, predicted.correct)
    flat = slope < limits.seedtest_slope_warn_below and (1 - slope) / slope_error > limits.seedtest_slope_z
    surprising = surprising_items(predicted, limits)
    numbers |= {
        "gain": gain,
        "gain_needed": 0.0,
        "share_correct": float(seen.mean()),
        "share_correct_predicted": float(predicted.by_model.mean()),
        "slope": slope,
        "slope_error": slope_error,
        "slope_warn_below": limits.seedtest_slope_warn_below,
        "slope_z": limits.seedtest_slope_z,
        "surprising_items": len(surprising),
        "surprise_z": limits.seedtest_surprise_z,
        "surprise_share": limits.seedtest_surprise_share,
    }
    said = (
        f"log-loss {numbers['log_loss']:.3f} against {numbers['log_loss_of_share']:.3f} of the items' plain shares, "
        f"AUC {numbers['auc']:.3f} against {numbers['auc_of_share']:.3f}, Brier {numbers['brier']:.3f} "
        f"against {numbers['brier_of_share']:.3f}, slope {slope:.2f}, {n:,} answers"
    )
    if len(surprising):
        named = ", ".join(
            f"{row.item_id} ({row.seen:.0%} right, {row.predicted:.0%} predicted)"
            for row in surprising.head(3).itertuples()
        )
        said = f"{len(surprising)} items were answered unlike predicted: {named}; {said}"
    if flat:
        said = f"answers do not follow the predictions, their slope is {slope:.2f} where 1 is usual; {said}"
    return Judgement(
        "predictive_validity",
        Level.WARN if gain <= 0 or flat or len(surprising) else Level.PASS,
        said,
        to_do,
        numbers,
        [*gains, gain],
        "gain in log-loss",
        [0.0],
        surprising.head(10) if len(surprising) else None,
        reliability_curve(predicted.by_model, predicted.correct),
    )


def log_loss(chance: np.ndarray, seen: np.ndarray) -> float:
    """Mean of -log of the chance given to what happened."""
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return float(-np.mean(seen * np.log(chance) + (1 - seen) * np.log(1 - chance)))


def auc(chance: np.ndarray, correct: np.ndarray) -> float | None:
    """Chance that a right answer was given a higher one than a wrong answer (Mann-Whitney); None without both."""
    n_right = int(correct.sum())
    n_wrong = len(correct) - n_right
    if not n_right or not n_wrong:
        return None
    return float((rankdata(chance)[correct].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def reliability_curve(chance: np.ndarray, correct: np.ndarray, n_groups: int = 10) -> pd.DataFrame:
    """predicted, seen and answers of groups of like predictions, equally large."""
    group = (np.argsort(np.argsort(chance, kind="stable")) * n_groups) // len(chance)
    rows = pd.DataFrame({"group": group, "predicted": chance, "seen": correct})
    return (
        rows.groupby("group")
        .agg(predicted=("predicted", "mean"), seen=("seen", "mean"), answers=("seen", "size"))
        .reset_index(drop=True)
    )


def reliability_slope(chance: np.ndarray, correct: np.ndarray) -> tuple[float, float]:
    """Slope of what was seen on what was predicted, in log-odds, and its standard error; 1 when a prediction means what it says.

    The first step from 1 towards the slope of Cox (1958): 1 + sum (x - p) l / I with l = logit p and I = sum p (1 - p) l^2.
    Its distance from 1 in standard errors is the score test, so that it needs no iteration and no limit.
    """
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    log_odds = np.log(chance / (1 - chance))
    information = max(float(np.sum(chance * (1 - chance) * log_odds**2)), 1e-12)
    return 1 + float(np.sum((correct - chance) * log_odds)) / information, 1 / sqrt(information)


def surprising_items(predicted: Predicted, limits: Thresholds) -> pd.DataFrame:
    """item_id, answers, seen, predicted, z of items answered unlike predicted, the worst first.

    z is divided by all items' robust SD where that is above 1, so that a model which fits a little less today does not
    accuse every item.
    """
    items = _unlike(predicted.item_id, predicted.correct, predicted.by_model)
    items = items[items["answers"] >= FEW]
    items["z"] /= max(1.0, robust_spread(items["z"].to_numpy())) if len(items) else 1.0
    difference = items["seen"] - items["predicted"]
    unlike = (items["z"].abs() > limits.seedtest_surprise_z) & (difference.abs() > limits.seedtest_surprise_share)
    found = items[unlike]
    return found.reindex(found["z"].abs().sort_values(ascending=False).index)


def _unlike(item_id: np.ndarray, correct: np.ndarray, chance: np.ndarray) -> pd.DataFrame:
    """item_id, answers, seen, predicted and z = (right answers - predicted) / sqrt(sum p (1 - p)) of every item."""
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
