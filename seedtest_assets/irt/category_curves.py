"""Probabilities of scores 0..m: category response curves of items with partial credit.

With z_k = a (theta - b_k), the graded response model (Samejima, 1969) says P(score >= k) = logistic(z_k), and the
generalised partial credit model (Muraki, 1992) log P(k) / P(k') = (k - k') z_k, where k' < k are scores that follow each
other. Masters' partial credit model (1982) is the latter with one slope for all items.

A score that nobody has (b_k is NaN) has probability 0, and the next higher one follows the next lower one. Scores below the
lowest one that anybody has are passed by everybody: their steps are at -inf.
"""

import numpy as np
from scipy.special import log_expit, logsumexp

GRADED = "GRM"
PARTIAL_CREDIT = ("GPCM", "PCM")


def log_category_probabilities(a: np.ndarray, steps: np.ndarray, graded: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Compute log P of each score, float64 [n_items, n_steps + 1, n_theta], -inf for a score that nobody has.

    a: float64 [n_items]; steps: b_k, float64 [n_items, n_steps]; graded: whether an item's model is GRM, bool [n_items];
    theta: float64 [n_theta].
    """
    n_items, n_steps = steps.shape
    out = np.full((n_items, n_steps + 1, len(theta)), -np.inf)
    if graded.any():
        out[graded] = _graded(a[graded], steps[graded], theta)
    if not graded.all():
        out[~graded] = _partial_credit(a[~graded], steps[~graded], theta)
    return out


def _graded(a: np.ndarray, steps: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """P(k) = logistic(z_k) - logistic(z_k''), written as a product so that small differences keep their digits."""
    n_items, n_steps = steps.shape
    out = np.full((n_items, n_steps + 1, len(theta)), -np.inf)
    above = np.full((n_items, len(theta)), -np.inf)  # z of the next higher score that somebody has
    for k in range(n_steps, -1, -1):
        used = ~np.isnan(steps[:, k - 1]) if k else np.ones(n_items, bool)
        z = np.full((n_items, len(theta)), np.inf)
        if k:
            finite = np.isfinite(steps[:, k - 1])
            z[finite] = a[finite, None] * (theta - steps[finite, k - 1, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.where(np.isposinf(z) & np.isposinf(above), 0.0, z - above)
            log_p = log_expit(z) + log_expit(-above) + np.log(-np.expm1(-gap))
        out[used, k] = log_p[used]
        above[used] = z[used]
    return out


def _partial_credit(a: np.ndarray, steps: np.ndarray, theta: np.ndarray) -> np.ndarray:
    n_items, n_steps = steps.shape
    out = np.full((n_items, n_steps + 1, len(theta)), -np.inf)
    total = np.zeros((n_items, len(theta)))
    lowest = np.sum(np.isneginf(steps), axis=1)
    last = lowest.astype(np.float64)
    out[lowest == 0, 0] = 0.0
    for k in range(1, n_steps + 1):
        base, used = lowest == k, np.isfinite(steps[:, k - 1])
        out[base, k] = 0.0
        jump = (k - last)[used, None]
        total[used] += jump * a[used, None] * (theta - steps[used, k - 1, None])
        out[used, k] = total[used]
        last[used] = k
    return out - logsumexp(out, axis=1, keepdims=True)


def location(steps: np.ndarray, graded: np.ndarray) -> np.ndarray:
    """Compute the mean of each item's steps, float64 [n_items]; without GRM each step counts as often as scores it passes.

    That is where the lowest and the highest score of such an item are equally probable. NaN for an item without steps.
    """
    finite = np.isfinite(steps)
    weight = np.where(graded[:, None], 1.0, jumps(steps)) * finite
    with np.errstate(invalid="ignore"):
        return np.sum(weight * np.where(finite, steps, 0.0), axis=1) / weight.sum(axis=1)


def jumps(steps: np.ndarray) -> np.ndarray:
    """Count the scores that each step goes up by, float64 [n_items, n_steps], 0 where there is no step."""
    n_items, n_steps = steps.shape
    last = np.sum(np.isneginf(steps), axis=1).astype(np.float64)
    out = np.zeros((n_items, n_steps))
    for k in range(1, n_steps + 1):
        used = np.isfinite(steps[:, k - 1])
        out[used, k - 1] = k - last[used]
        last[used] = k
    return out
