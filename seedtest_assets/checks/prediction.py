"""Do yesterday's parameters and abilities predict today's answers, better than the item's plain share correct?"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from seedtest_assets.checks.judgement import Fit, Judgement, Level, known
from seedtest_assets.checks.predicted_answers import Predicted, item_residuals
from seedtest_assets.irt.robust import robust_sd
from seedtest_assets.thresholds import Thresholds

FEW = 10
"""Answers today below which an item is not looked at by itself."""
NEWTON_STEPS = 25


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
    if predicted is None or n < limits.prediction_min_answers:
        needed = limits.prediction_min_answers
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
    intercept, slope, slope_error = reliability_line(predicted.by_model, predicted.correct)
    flat = slope < limits.slope_warn_below and (1 - slope) / slope_error > limits.slope_z
    surprising = surprising_items(predicted, limits)
    numbers |= {
        "gain": gain,
        "gain_needed": 0.0,
        "share_correct": float(seen.mean()),
        "share_correct_predicted": float(predicted.by_model.mean()),
        "intercept": intercept,
        "slope": slope,
        "slope_error": slope_error,
        "slope_warn_below": limits.slope_warn_below,
        "slope_z": limits.slope_z,
        "surprising_items": len(surprising),
        "surprise_z": limits.surprise_z,
        "surprise_share": limits.surprise_share,
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


def reliability_line(chance: np.ndarray, correct: np.ndarray) -> tuple[float, float, float]:
    """Intercept and slope of what was seen on what was predicted, in log-odds (Cox, 1958), and the slope's standard error.

    0 and 1 when a prediction means what it says. The intercept moves on a day that is harder for everybody, the slope
    falls when answers do not follow the predictions. By Newton's method on the logistic likelihood, with halved steps.
    """
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    design = np.column_stack([np.ones(len(chance)), np.log(chance / (1 - chance))])
    line = np.array([0.0, 1.0])
    fit = log_loss(expit(design @ line), correct)
    for _ in range(NEWTON_STEPS):
        p = expit(design @ line)
        information = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (correct - p))
        while np.abs(step).max() > 1e-6 and (better := log_loss(expit(design @ (line + step)), correct)) > fit:
            step /= 2
        if np.abs(step).max() <= 1e-6:
            break
        line, fit = line + step, better
    return float(line[0]), float(line[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))


def surprising_items(predicted: Predicted, limits: Thresholds) -> pd.DataFrame:
    """item_id, answers, seen, predicted, z of items answered unlike predicted, the worst first.

    z is divided by all items' robust SD where that is above 1, so that a model which fits a little less today does not
    accuse every item.
    """
    items = item_residuals(predicted.item_id, predicted.correct, predicted.by_model)
    items = items[items["answers"] >= FEW]
    items["z"] /= max(1.0, robust_sd(items["z"].to_numpy())) if len(items) else 1.0
    difference = items["seen"] - items["predicted"]
    unlike = (items["z"].abs() > limits.surprise_z) & (difference.abs() > limits.surprise_share)
    found = items[unlike]
    return found.reindex(found["z"].abs().sort_values(ascending=False).index)
