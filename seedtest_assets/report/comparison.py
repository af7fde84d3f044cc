"""Compare two sets of results of the same day: the job's that publishes now, and ours. Pure functions on data frames."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.irt.usable_parameters import unusable_parameters
from seedtest_assets.item_steps import kinds_of, parameters_by_position, reasons_of

LARGEST = 12
"""Differences listed by name: what fits on a screen."""
SMALLEST_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1, so that one answer does not decide the mean log-loss."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Results of one job. items: item_id, a, b, c, perhaps model and steps; abilities: student_id, theta; fitted_at: of the newest."""

    items: pd.DataFrame
    abilities: pd.DataFrame
    fitted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How a parameter agrees over what both have.

    both: name, old, ours, sorted by name. slope, intercept: ours = slope * old + intercept in mean and spread; None where
    there are too few, or no spread. rest: SD of what that relation leaves.
    """

    n_old: int
    n_ours: int
    both: pd.DataFrame
    correlation: float | None = None
    slope: float | None = None
    intercept: float | None = None
    rest: float | None = None

    @property
    def largest(self) -> pd.DataFrame:
        """Name, old, ours, difference of the largest differences, largest first."""
        differences = self.both.assign(difference=self.both["ours"] - self.both["old"])
        order = differences["difference"].abs().sort_values(ascending=False, kind="stable").index
        return differences.loc[order].head(LARGEST)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Mean log-loss of both jobs on the same later answers. base: of one chance for all, their share correct."""

    n_answers: int
    old: float | None = None
    ours: float | None = None
    base: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both jobs' results side by side.

    predicted: the day whose answers are predicted, None while the lake lacks it. other_scores: items that have partial credit in
    one of the results only, or other scores or models, whose parameters are not compared.
    """

    day: date
    old_fitted_at: datetime | None
    difficulty: Agreement
    discrimination: Agreement
    ability: Agreement
    other_scores: tuple[str, ...] = ()
    predicted: date | None = None
    prediction: Prediction = field(default_factory=lambda: Prediction(n_answers=0))

    @property
    def agreements(self) -> Mapping[str, Agreement]:
        """The compared parameters by name."""
        return {"difficulty b": self.difficulty, "discrimination a": self.discrimination, "ability": self.ability}


def compare_results(
    day: date, old: Results, ours: Results, *, predicted: date | None = None, answers: pd.DataFrame | None = None
) -> Comparison:
    """Compare two jobs' results. answers: student_id, item_id, correct, completed_at of the day after, where it is known."""
    later = answers if answers is not None else pd.DataFrame(columns=["student_id", "item_id", "correct"])
    if len(later) and old.fitted_at is not None:
        later = later[later["completed_at"] > old.fitted_at]  # what the old job has learnt from is no prediction
    apart = _of_other_scores(old.items, ours.items)
    return Comparison(
        day=day,
        old_fitted_at=old.fitted_at,
        difficulty=agreement(old.items, ours.items, key="item_id", value="b", apart=apart),
        discrimination=agreement(old.items, ours.items, key="item_id", value="a", apart=apart),
        other_scores=apart,
        ability=agreement(old.abilities, ours.abilities, key="student_id", value="theta"),
        predicted=predicted,
        prediction=predict(old, ours, later),
    )


def _of_other_scores(old: pd.DataFrame, ours: pd.DataFrame) -> tuple[str, ...]:
    """List the items of both whose b and a mean something else: of other scores, or of another model of partial credit."""
    kinds = [pd.Series(kinds_of(items), index=items["item_id"].astype(str)) for items in (old, ours)]
    both = pd.concat(kinds, axis=1, join="inner", keys=["old", "ours"])
    return tuple(sorted(both.index[both["old"] != both["ours"]]))


def agreement(old: pd.DataFrame, ours: pd.DataFrame, *, key: str, value: str, apart: Collection[str] = ()) -> Agreement:
    """Compare a value over the keys that both have, but for those that are apart."""
    both = old[[key, value]].merge(ours[[key, value]], on=key, suffixes=("_old", "_ours"))
    both = both[~both[key].isin(apart)]
    both.columns = pd.Index(["name", "old", "ours"])
    both = both[np.isfinite(both[["old", "ours"]]).all(axis=1)].sort_values("name", ignore_index=True)
    counts = {"n_old": len(old), "n_ours": len(ours)}
    spread = both[["old", "ours"]].std(ddof=0)
    if len(both) < 3 or not (spread > 0).all():
        return Agreement(both=both, **counts)
    slope = float(spread["ours"] / spread["old"])
    intercept = float(both["ours"].mean() - slope * both["old"].mean())
    return Agreement(
        both=both,
        correlation=float(both["old"].corr(both["ours"])),
        slope=slope,
        intercept=intercept,
        rest=float((both["ours"] - slope * both["old"] - intercept).std(ddof=0)),
        **counts,
    )


def predict(old: Results, ours: Results, answers: pd.DataFrame) -> Prediction:
    """Compute both jobs' mean log-loss on answers of students and items that both know, the first of a student to an item."""
    answers = answers.drop_duplicates(["student_id", "item_id"])
    chances = pd.DataFrame({"old": probabilities(old, answers), "ours": probabilities(ours, answers)})
    known = chances.notna().all(axis=1).to_numpy()
    if not known.any():
        return Prediction(n_answers=0)
    correct = answers.loc[known, "correct"].to_numpy(bool)
    return Prediction(
        n_answers=int(known.sum()),
        old=log_loss(chances.loc[known, "old"].to_numpy(float), correct),
        ours=log_loss(chances.loc[known, "ours"].to_numpy(float), correct),
        base=log_loss(np.full(len(correct), correct.mean()), correct),
    )


def probabilities(results: Results, answers: pd.DataFrame) -> np.ndarray:
    """Compute the chance of a correct answer, c + (1 - c) / (1 + exp(-a (theta - b))); NaN where a part is unknown.

    An answer to an item with partial credit is correct with the highest score.
    """
    items = results.items.set_index("item_id")
    theta = answers["student_id"].map(results.abilities.set_index("student_id")["theta"]).to_numpy(float)
    a, b = (answers["item_id"].map(items[name]).to_numpy(float) for name in ("a", "b"))
    c = answers["item_id"].map(items["c"].fillna(0.0)).to_numpy(float)
    chance = np.asarray(c + (1 - c) / (1 + np.exp(-a * (theta - b))))
    with_steps = results.items[kinds_of(results.items) != ""]
    if not len(with_steps):
        return chance
    chance[answers["item_id"].isin(with_steps["item_id"])] = np.nan
    # Another job may have published steps that no item can have.
    with_steps = with_steps[reasons_of(with_steps, unusable_parameters) == ""].reset_index(drop=True)
    place, parameters = (
        pd.Index(with_steps["item_id"]).get_indexer(answers["item_id"]),
        parameters_by_position(with_steps),
    )
    for item in np.unique(place[(place >= 0) & ~np.isnan(theta)]).tolist():
        rows = (place == item) & ~np.isnan(theta)
        only = parameters.take(np.array([item]))
        chance[rows] = irt.category_probabilities(theta[rows], only)[0, only.max_score[0]]
    return chance


def log_loss(chance: np.ndarray, correct: np.ndarray) -> float:
    """Compute the mean negative log of the chance that was given to what happened."""
    chance = np.clip(chance, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.log(np.where(correct, chance, 1 - chance))))
