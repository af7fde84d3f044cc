"""DIF by logistic regression: does the group add to what the matching says, at all abilities alike or not."""

import numpy as np
from scipy.special import chdtrc, expit

from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.dif_matching import Matching

STEPS = 30
# Ridge that keeps a regression finite where a group is perfectly separated; it changes no chi-square in the 6th digit.
RIDGE = 1e-8


def logistic_regression(answers: GroupedAnswers, matching: Matching) -> tuple[np.ndarray, np.ndarray]:
    """Test group and group x matching together, 2 df, for every studied item (Swaminathan & Rogers, 1990).

    Gives chi-square and p, float64 [n_items], NaN for other items.
    """
    chi_square = np.full(answers.n_items, np.nan)
    for j in np.flatnonzero(answers.studied):
        given = answers.by_item[j]
        value, group, right = matching.value[given], answers.of_focal[given], answers.correct[given]
        value = (value - value.mean()) / max(value.std(), 1e-12)
        matched = np.column_stack([np.ones(len(value)), value])
        grouped = np.column_stack([matched, group, value * group])
        chi_square[j] = max(2 * (_log_likelihood(grouped, right) - _log_likelihood(matched, right)), 0.0)
    return chi_square, chdtrc(2, chi_square)


def _log_likelihood(columns: np.ndarray, right: np.ndarray) -> float:
    """Maximise the log-likelihood of a logistic regression by Newton steps, halved while they lead downhill."""
    beta = np.zeros(columns.shape[1])
    best = _at(beta, columns, right)
    for _ in range(STEPS):
        p = expit(columns @ beta)
        information = (columns * (p * (1 - p))[:, None]).T @ columns + RIDGE * np.eye(len(beta))
        step = np.linalg.solve(information, columns.T @ (right - p) - RIDGE * beta)
        while (value := _at(beta + step, columns, right)) < best and np.abs(step).max() > 1e-10:
            step /= 2
        beta, gain, best = beta + step, value - best, max(value, best)
        if gain < 1e-9:
            break
    return best


def _at(beta: np.ndarray, columns: np.ndarray, right: np.ndarray) -> float:
    z = columns @ beta
    return float(right @ z - np.logaddexp(0, z).sum())
