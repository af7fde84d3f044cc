"""Do yesterday's parameters and abilities predict today's answers, better than the item's plain share correct?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

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


def predict(answers: pa.Table, day: date, items: pd.DataFrame, abilities: pd.DataFrame) -> Predicted:
    """Predict the answers of a day that are a student's first to the item.

    answers: student_id, item_id, correct, completed_at of the window that ends with the day, oldest first.
    items: item_id, a, b, c, and abilities: user_id, theta, se, of an earlier partition; answers of others are left out.
    The chance is averaged over the error of the ability: a (theta - b) / sqrt(1 + (a se / 1.702)^2), the normal
    ogive's exact average carried over to the logistic curve (MacKay, 1992).
    """
    person, students = codes_and_names(answers["student_id"])
    item, names = codes_and_names(answers["item_id"])
    correct = answers["correct"].to_numpy()
    start = pa.scalar(day_bounds(day)[0], answers["completed_at"].type)
    today = pa.compute.greater_equal(answers["completed_at"], start).to_numpy()
    first = ~pd.Series(person.astype(np.int64) * len(names) + item).duplicated().to_numpy()
    earlier = first & ~today
    n = np.bincount(item[earlier], minlength=len(names))
    share = (np.bincount(item[earlier], weights=correct[earlier], minlength=len(names)) + 0.5) / (n + 1)

    ability = abilities.set_index("user_id")[["theta", "se"]].reindex(students.to_pylist()).to_numpy(float)
    parameter = items.set_index("item_id")[["a", "b", "c"]].reindex(names.to_pylist()).to_numpy(float)
    chosen = np.flatnonzero(first & today)
    theta, se = ability[person[chosen]].T
    a, b, c = parameter[item[chosen]].T
    chance = c + (1 - c) * logistic(a * (theta - b) / np.sqrt(1 + (a * se / 1.702) ** 2))
    told = np.isfinite(chance)
    chosen = chosen[told]
    return Predicted(np.asarray(names, object)[item[chosen]], correct[chosen], chance[told], share[item[chosen]])


def predictive_validity(
    predicted: Predicted | None, from_day: date | None, before: Sequence[Fit], limits: Thresholds
) -> Judgement:
    """WARN when the model's log-loss is not below that of the plain shares, or an item was answered unlike predicted."""
    if predicted is None:
        return Judgement("predictive_validity", Level.PASS, "no earlier partition to predict from")
    n = len(predicted.correct)
    if n < limits.seedtest_prediction_min_answers:
        return Judgement(
            "predictive_validity",
            Level.PASS,
            f"{n} first answers of known students to known items; {limits.seedtest_prediction_min_answers} are needed to judge",
            numbers={"answers": n, "answers_needed": limits.seedtest_prediction_min_answers},
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
    surprising = surprising_items(predicted, limits)
    numbers |= {
        "gain": gain,
        "gain_needed": 0.0,
        "share_correct": float(seen.mean()),
        "share_correct_predicted": float(predicted.by_model.mean()),
        "surprising_items": len(surprising),
        "surprise_z": limits.seedtest_surprise_z,
        "surprise_share": limits.seedtest_surprise_share,
    }
    said = (
        f"log-loss {numbers['log_loss']:.3f} against {numbers['log_loss_of_share']:.3f} of the items' plain shares, "
        f"AUC {numbers['auc']:.3f} against {numbers['auc_of_share']:.3f}, Brier {numbers['brier']:.3f} "
        f"against {numbers['brier_of_share']:.3f}, {n:,} answers"
    )
    if len(surprising):
        named = ", ".join(
            f"{row.item_id} ({row.seen:.0%} right, {row.predicted:.0%} predicted)"
            for row in surprising.head(3).itertuples()
        )
        said = f"{len(surprising)} items were answered unlike predicted: {named}; {said}"
    return Judgement(
        "predictive_validity",
        Level.WARN if gain <= 0 or len(surprising) else Level.PASS,
        said,
        "compare the day's answers with the days before: a wrong key, mixed-up students or a client that reports marks wrongly; "
        "if they are right, look at the linking and at the items named",
        numbers,
        [*known(before, "predictive_validity", "gain"), gain],
        "gain in log-loss",
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


def surprising_items(predicted: Predicted, limits: Thresholds) -> pd.DataFrame:
    """item_id, answers, seen, predicted, z of items answered unlike predicted, the worst first.

    z of an item: (right answers - predicted) / sqrt(sum p (1 - p)), divided by all items' robust SD where that is above 1,
    so that a model which fits a little less today does not accuse every item.
    """
    rows = pd.DataFrame({"item_id": predicted.item_id, "seen": predicted.correct, "predicted": predicted.by_model})
    rows["variance"] = rows["predicted"] * (1 - rows["predicted"])
    items = rows.groupby("item_id").agg(
        answers=("seen", "size"), seen=("seen", "mean"), predicted=("predicted", "mean"), variance=("variance", "sum")
    )
    items = items[items["answers"] >= FEW].reset_index()
    if items.empty:
        return items.assign(z=[])
    difference = items["seen"] - items["predicted"]
    z = (difference * items["answers"] / np.sqrt(items["variance"])).to_numpy()
    items["z"] = z / max(1.0, robust_spread(z))
    unlike = (items["z"].abs() > limits.seedtest_surprise_z) & (difference.abs() > limits.seedtest_surprise_share)
    found = items[unlike].drop(columns="variance")
    return found.reindex(found["z"].abs().sort_values(ascending=False).index)
