"""Do yesterday's parameters and abilities predict today's answers, better than the item's plain share correct, or the shares of its scores?"""

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
    if predicted is None or len(predicted.share) < limits.prediction_min_answers:
        return _too_few(predicted, gains, limits)
    numbers: dict[str, Number] = {"answers": len(predicted.share), "predicted_from": str(from_day)}
    numbers |= scores(predicted)
    gain = log_loss(predicted.by_share.of_answer) - log_loss(predicted.by_model.of_answer)
    intercept, slope, slope_error = reliability_line(predicted.by_model.expected, predicted.share)
    flat = slope < limits.slope_warn_below and (1 - slope) / slope_error > limits.slope_z
    surprising = surprising_items(predicted, limits)
    return Judgement(
        check="predictive_validity",
        verdict=Verdict.WARN if gain <= 0 or flat or len(surprising) else Verdict.PASS,
        finding=". ".join([*_unusual(surprising, predicted, slope if flat else None), _summary(numbers, slope)]),
        advice=ADVICE,
        numbers=numbers
        | {
            "gain": gain,
            "share_correct": float(predicted.share.mean()),
            "share_correct_predicted": float(predicted.by_model.expected.mean()),
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
        curve=reliability_curve(predicted.by_model.expected, predicted.share),
    )


def _too_few(predicted: PredictedAnswers | None, gains: list[float], limits: Thresholds) -> Judgement:
    n, needed = 0 if predicted is None else len(predicted.share), limits.prediction_min_answers
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


def _unusual(surprising: pd.DataFrame, predicted: PredictedAnswers, flat_slope: float | None) -> list[str]:
    findings = []
    if flat_slope is not None:
        findings.append(f"answers do not follow the predictions: their slope is {flat_slope:.2f}, where 1 is usual")
    if len(surprising):
        partial = set(predicted.item_id[(predicted.share > 0) & (predicted.share < 1)])
        named = ", ".join(
            f"{row.item_id} ({row.seen:.0%} {'of the points' if row.item_id in partial else 'right'}, "
            f"{row.predicted:.0%} predicted)"
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
    """Log-loss, Brier score and AUC of the model's predictions and, `_of_share`, of the items' plain shares."""
    numbers: dict[str, Number] = {}
    for suffix, prediction in {"": predicted.by_model, "_of_share": predicted.by_share}.items():
        numbers[f"log_loss{suffix}"] = log_loss(prediction.of_answer)
        numbers[f"brier{suffix}"] = brier(prediction.expected, predicted.share)
        numbers[f"auc{suffix}"] = auc(prediction.expected, predicted.share)
    return numbers


def brier(expected: np.ndarray, share: np.ndarray) -> float:
    """Mean squared difference of the expected and the given score, as shares of the highest."""
    return float(np.mean((expected - share) ** 2))


def log_loss(of_answer: np.ndarray) -> float:
    """Mean of -log of the chance given to what happened: to the mark, or to the score."""
    return float(-np.mean(np.log(np.clip(of_answer, 1e-6, 1 - 1e-6))))


def auc(expected: np.ndarray, share: np.ndarray) -> float | None:
    """Chance that more was expected of a right answer than of a wrong one (Mann-Whitney); None without both.

    An answer with a part of the points counts as that part of a right and the rest of a wrong one.
    """
    wrong = 1.0 - share
    itself = float(share @ wrong)
    pairs = float(share.sum() * wrong.sum()) - itself
    if pairs <= 0:
        return None
    _, place = np.unique(expected, return_inverse=True)
    at = np.bincount(place, wrong)
    return float((share @ (np.cumsum(at) - at / 2)[place] - itself / 2) / pairs)


def reliability_curve(chance: np.ndarray, share: np.ndarray, n_groups: int = 10) -> pd.DataFrame:
    """Group like predictions, equally many each: predicted, seen, answers."""
    group = (np.argsort(np.argsort(chance, kind="stable")) * n_groups) // len(chance)
    rows = pd.DataFrame({"group": group, "predicted": chance, "seen": share})
    return (
        rows.groupby("group")
        .agg(predicted=("predicted", "mean"), seen=("seen", "mean"), answers=("seen", "size"))
        .reset_index(drop=True)
    )


def reliability_line(chance: np.ndarray, share: np.ndarray) -> tuple[float, float, float]:
    """Intercept and slope of what was seen on what was predicted, in log-odds (Cox, 1958), and the slope's standard error.

    0 and 1 when a prediction means what it says. The intercept moves on a day that is harder for everybody, the slope
    falls when answers do not follow the predictions. By Newton's method on the logistic likelihood, with halved steps. A score
    of parts varies less than a mark, so that its error is rather too large (Papke & Wooldridge, 1996).
    """
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    design = np.column_stack([np.ones(len(chance)), np.log(chance / (1 - chance))])
    line = np.array([0.0, 1.0])
    fit = _deviance(expit(design @ line), share)
    for _ in range(NEWTON_STEPS):
        p = expit(design @ line)
        information = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (share - p))
        while np.abs(step).max() > 1e-6 and (better := _deviance(expit(design @ (line + step)), share)) > fit:
            step /= 2
        if np.abs(step).max() <= 1e-6:
            break
        line, fit = line + step, better
    return float(line[0]), float(line[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))


def _deviance(chance: np.ndarray, share: np.ndarray) -> float:
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return float(-np.mean(share * np.log(chance) + (1.0 - share) * np.log1p(-chance)))


def surprising_items(predicted: PredictedAnswers, limits: Thresholds) -> pd.DataFrame:
    """List items answered unlike predicted, the worst first: item_id, answers, seen, predicted, z.

    z is divided by all items' robust SD where that is above 1, so that a model which fits a little less today does not
    accuse every item.
    """
    items = item_residuals(predicted.item_id, predicted.share, predicted.by_model)
    items = items[items["answers"] >= FEW]
    items["z"] /= max(1.0, robust_sd(items["z"].to_numpy())) if len(items) else 1.0
    difference = items["seen"] - items["predicted"]
    unlike = (items["z"].abs() > limits.surprise_z) & (difference.abs() > limits.surprise_share)
    return items[unlike].sort_values("z", key=abs, ascending=False)
