"""DIF by the Mantel-Haenszel method: odds of a right answer in two groups, between persons who are matched."""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.dif_matching import Matching

# ETS's scale of the log odds ratio, on which a harder item has the higher delta.
DELTA = -2.35
# ETS's limits (Zieky, 1993): below 1 negligible, from 1.5 large.
SLIGHT, LARGE = 1.0, 1.5
SIGNIFICANT = 0.05
# One-sided, so that a large delta is above SLIGHT by more than chance.
Z_ONE_SIDED = 1.645


class MantelHaenszel(NamedTuple):
    """delta = -2.35 ln(alpha), negative where the item is harder for the focal group; its standard error; chi-square
    with 1 df and its p; ETS's class. NaN, and class A, where no stratum has both groups; float64 and str [n_items]."""

    delta: np.ndarray
    se: np.ndarray
    chi_square: np.ndarray
    p: np.ndarray
    ets_class: np.ndarray


def mantel_haenszel(answers: GroupedAnswers, matching: Matching) -> MantelHaenszel:
    """Test every studied item (Holland & Thayer, 1988), with Robins, Breslow & Greenland's (1986) standard errors."""
    delta, se, chi_square = np.full((3, answers.n_items), np.nan)
    for j in np.flatnonzero(answers.studied).tolist():
        delta[j], se[j], chi_square[j] = _of_tables(_tables(answers, matching, j))
    p = chdtrc(1, chi_square)
    return MantelHaenszel(delta, se, chi_square, p, ets_class(delta, se, p))


def ets_class(delta: np.ndarray, se: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Classify: A below 1 or not significant, C from 1.5 if significantly above 1, else B."""
    size = np.abs(delta)
    with np.errstate(invalid="ignore", divide="ignore"):
        negligible = ~(size >= SLIGHT) | ~(p < SIGNIFICANT)
        large = (size >= LARGE) & ((size - SLIGHT) / se > Z_ONE_SIDED)
    return np.where(negligible, "A", np.where(large, "C", "B"))


def _tables(answers: GroupedAnswers, matching: Matching, j: int) -> np.ndarray:
    """Count the answers to an item by stratum, group (reference, focal) and mark (wrong, right)."""
    given = answers.by_item[j]
    stratum = matching.strata(given, int(answers.count[1, j].sum()))
    cell = 4 * stratum + 2 * answers.of_focal[given] + answers.correct[given]
    return np.bincount(cell, minlength=4 * (int(stratum.max()) + 1)).reshape(-1, 2, 2).astype(np.float64)


def _of_tables(tables: np.ndarray) -> tuple[float, float, float]:
    """Compute delta, its standard error and chi-square from tables [stratum, group, mark]."""
    tables = tables[(tables.sum(axis=2) > 0).all(axis=1)]
    (wrong_r, right_r), (wrong_f, right_f) = tables[:, 0].T, tables[:, 1].T
    n = tables.sum(axis=(1, 2))
    agree, disagree = right_r * wrong_f / n, wrong_r * right_f / n
    R, S = agree.sum(), disagree.sum()
    if R + S == 0:
        return np.nan, np.nan, np.nan
    P, Q = (right_r + wrong_f) / n, (wrong_r + right_f) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            P @ agree / (2 * R**2) + (P @ disagree + Q @ agree) / (2 * R * S) + Q @ disagree / (2 * S**2)
        )  # of ln alpha
        delta, se = DELTA * np.log(R / S), -DELTA * np.sqrt(variance)
    n_r, right = right_r + wrong_r, right_r + right_f
    expected = n_r * right / n
    spread = n_r * (n - n_r) * right * (n - right) / (n**2 * (n - 1))
    excess = max(abs(right_r.sum() - expected.sum()) - 0.5, 0.0)
    return delta, se, excess**2 / spread.sum()
