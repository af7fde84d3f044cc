"""Do yesterday's parameters and abilities predict today's answers, better than the item's plain share correct?"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit

from seedtest_assets.checks.judgement import (
    EarlierFit,
    Judgement,
    Number,
    Trend,
    Verdict,
    recorded,
)
from seedtest_assets.checks.predicted_answers import PredictedAnswers, item_residuals
from seedtest_assets.irt.robust import robust_sd
from seedtest_assets.thresholds import Thresholds

FEW = 10
"""Answers today below which an item is not judged by itself."""
NEWTON_STEPS = 25
ADVICE = (
    "Compare the day's answers with the days before: a wrong key, mixed-up students, or a client that reports marks wrongly? "
    "If they are right, see the linking and the items named"
)


def predictive_validity(
    predicted: PredictedAnswers | None, from_day: date | None, before: Sequence[EarlierFit], limits: Thresholds
) -> Judgement:
    """WARN when the model's log-loss is not below that of the plain shares, its predictions do not mean what they say, or an
    item was answered unlike predicted."""
    gains = recorded(before, "predictive_validity", "gain")
    if predicted is None or len(predicted.correct) < limits.prediction_min_answers:
        return _too_few(predicted, gains, limits)
    numbers: dict[str, Number] = {"answers": len(predicted.correct), "predicted_from": str(from_day)}
    numbers |= scores(predicted)
    gain = log_loss(predicted.by_share, predicted.correct) - log_loss(predicted.by_model, predicted.correct)
    intercept, slope, slope_error = reliability_line(predicted.by_model, predicted.correct)
    flat = slope < limits.slope_warn_below and (1 - slope) / slope_error > limits.slope_z
    surprising = surprising_items(predicted, limits)
    return Judgement(
        check="predictive_validity",
        verdict=Verdict.WARN if gain <= 0 or flat or len(surprising) else Verdict.PASS,
        finding=". ".join([*_unusual(surprising, slope if flat else None), _summary(numbers, slope)]),
        advice=ADVICE,
        numbers=numbers
        | {
            "gain": gain,
            "share_correct": float(predicted.correct.mean()),
            "share_correct_predicted": float(predicted.by_model.mean()),
            "intercept": intercept,
            "slope": slope,
            "slope_error": slope_error,
            "surprising_items": len(surprising),
        },
        limits={
            "gain_above": 0.0,
            "slope_warn_below": limits.slope_warn_below,
            "slope_z": limits.slope_z,
            "surprise_z": limits.surprise_z,
            "surprise_share": limits.surprise_share,
        },
        history=_gains([*gains, gain]),
        worst=surprising.head(10) if len(surprising) else None,
        curve=reliability_curve(predicted.by_model, predicted.correct),
    )


def _too_few(predicted: PredictedAnswers | None, gains: list[float], limits: Thresholds) -> Judgement:
    n, needed = 0 if predicted is None else len(predicted.correct), limits.prediction_min_answers
    return Judgement(
        check="predictive_validity",
        verdict=Verdict.PASS,
        finding="no earlier partition to predict from"
        if predicted is None
        else f"{n} first answers of known students to known items. At least {needed} are needed to judge",
        advice=ADVICE,
        numbers={"answers": n},
        limits={"answers_needed": needed},
        history=_gains(gains),
    )


def _gains(values: list[float]) -> Trend:
    return Trend(values=values, label="gain in log-loss", limits=[0.0])


def _unusual(surprising: pd.DataFrame, flat_slope: float | None) -> list[str]:
    findings = []
    if flat_slope is not None:
        findings.append(f"answers do not follow the predictions: their slope is {flat_slope:.2f}, where 1 is usual")
    if len(surprising):
        named = ", ".join(
            f"{row.item_id} ({row.seen:.0%} right, {row.predicted:.0%} predicted)"
            for row in surprising.head(3).itertuples()
        )
        findings.append(f"{len(surprising)} items were answered unlike predicted: {named}")
    return findings


def _summary(numbers: Mapping[str, Number], slope: float) -> str:
    auc_of_model, auc_of_share = (
        "unknown" if numbers[name] is None else f"{numbers[name]:.3f}" for name in ("auc", "auc_of_share")
    )
    return (
        f"log-loss {numbers['log_loss']:.3f} against {numbers['log_loss_of_share']:.3f} of the items' plain shares, "
        f"AUC {auc_of_model} against {auc_of_share}, Brier {numbers['brier']:.3f} "
        f"against {numbers['brier_of_share']:.3f}, slope {slope:.2f}, {numbers['answers']:,} answers"
    )


def scores(predicted: PredictedAnswers) -> dict[str, Number]:
    """Log-loss, Brier score and AUC of the model's predictions and, `_of_share`, of the items' plain shares correct."""
    correct, both = predicted.correct, {"": predicted.by_model, "_of_share": predicted.by_share}
    return {
        f"{name}{suffix}": score(chance, correct)
        for suffix, chance in both.items()
        for name, score in (("log_loss", log_loss), ("brier", brier), ("auc", auc))
    }


def brier(chance: np.ndarray, correct: np.ndarray) -> float:
    """Mean squared difference of chance and outcome."""
    return float(np.mean((chance - correct) ** 2))


def log_loss(chance: np.ndarray, correct: np.ndarray) -> float:
    """Mean of -log of the chance given to what happened."""
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.log(np.where(correct, chance, 1 - chance))))


def auc(chance: np.ndarray, correct: np.ndarray) -> float | None:
    """Chance that a right answer was given a higher one than a wrong answer (Mann-Whitney); None without both."""
    n_right = int(correct.sum())
    n_wrong = len(correct) - n_right
    if not n_right or not n_wrong:
        return None
    return float(
        (pd.Series(chance).rank().to_numpy()[correct].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong)
    )


def reliability_curve(chance: np.ndarray, correct: np.ndarray, n_groups: int = 10) -> pd.DataFrame:
    """Group like predictions, equally many each: predicted, seen, answers."""
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


def surprising_items(predicted: PredictedAnswers, limits: Thresholds) -> pd.DataFrame:
    """List items answered unlike predicted, the worst first: item_id, answers, seen, predicted, z.

    z is divided by all items' robust SD where that is above 1, so that a model which fits a little less today does not
    accuse every item.
    """
    items = item_residuals(predicted.item_id, predicted.correct, predicted.by_model)
    items = items[items["answers"] >= FEW]
    items["z"] /= max(1.0, robust_sd(items["z"].to_numpy())) if len(items) else 1.0
    difference = items["seen"] - items["predicted"]
    unlike = (items["z"].abs() > limits.surprise_z) & (difference.abs() > limits.surprise_share)
    return items[unlike].sort_values("z", key=abs, ascending=False)
