"""Answers with known truth, and a direct marginal likelihood to check the engine against."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets import irt


@dataclass(frozen=True)
class Truth:
    """What the answers were drawn from: theta [n_persons], items, and who saw what [n_persons, n_items]."""

    theta: np.ndarray
    items: irt.ItemParameters
    seen: np.ndarray
    right: np.ndarray

    @property
    def responses(self) -> irt.Responses:
        return responses_of(np.where(self.seen, self.right, np.nan))


def simulate(n_persons, n_items, seed, *, seen=1.0, c=0.0, common_slope=None) -> Truth:
    """theta and b from N(0, 1), a lognormal(0, 0.3) or one for all; seen: share of items answered, or bool
    [n_persons, n_items]."""
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0, 0.3, n_items) if common_slope is None else np.full(n_items, common_slope)
    items = irt.ItemParameters(np.arange(n_items), a, rng.normal(0, 1, n_items), np.full(n_items, c))
    theta = rng.normal(0, 1, n_persons)
    right = rng.random((n_persons, n_items)) < irt.probability(theta, items).T
    seen = rng.random((n_persons, n_items)) < seen if np.isscalar(seen) else seen
    return Truth(theta, items, seen, right.astype(float))


def responses_of(matrix) -> irt.Responses:
    """From persons x items of 1, 0 and NaN."""
    matrix = np.asarray(matrix, dtype=float)
    person, item = np.nonzero(~np.isnan(matrix))
    return irt.Responses.from_answers(
        person, item, matrix[person, item].astype(int), n_persons=matrix.shape[0], n_items=matrix.shape[1]
    )


def marginal_loglik(matrix, a, d, c=0.0) -> float:
    """Sum of log integral P(answers | theta) under N(0, 1) on the 61 nodes, by the definition: persons x items x
    nodes."""
    node = np.linspace(-6, 6, 61)
    weight = np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
    p = c + (1 - c) / (1 + np.exp(-(np.multiply.outer(a, node) + np.asarray(d)[:, None])))
    matrix = np.asarray(matrix, dtype=float)[:, :, None]
    logs = np.where(np.isnan(matrix), 0.0, np.where(matrix == 1, np.log(p), np.log1p(-p))).sum(axis=1)
    return float(np.log(np.exp(logs) @ weight).sum())
