"""The abilities over which everything is integrated."""

from dataclasses import dataclass

import numpy as np

N_NODES = 61
LIMIT = 6.0


@dataclass(frozen=True)
class Grid:
    """Equally spaced abilities and the log of their normal weights, normalised to sum 1.

    node: float64 [n_nodes]; log_weight: float64 [n_nodes].
    """

    node: np.ndarray
    log_weight: np.ndarray

    def reweighted(self, mean: float, sd: float) -> "Grid":
        """The same nodes under N(mean, sd^2)."""
        log_density = -0.5 * ((self.node - mean) / sd) ** 2
        return Grid(self.node, log_density - np.logaddexp.reduce(log_density))


def normal_grid(mean: float = 0.0, sd: float = 1.0) -> Grid:
    """61 nodes from -6 to 6, 0.2 apart, under N(mean, sd^2); more of them, as far apart, where mean +- 4 sd leaves that range.

    Gauss-Hermite nodes are too few and too far apart for long tests, where a posterior is narrower than their gaps;
    equal steps of h leave a relative error of about exp(-2 (pi sd_posterior / h)^2).
    """
    step = 2 * LIMIT / (N_NODES - 1)
    below = np.ceil(max(-LIMIT - (mean - 6 * sd), 0) / step) if mean - 4 * sd < -LIMIT else 0
    above = np.ceil(max(mean + 6 * sd - LIMIT, 0) / step) if mean + 4 * sd > LIMIT else 0
    node = np.linspace(-LIMIT - below * step, LIMIT + above * step, N_NODES + int(below + above))
    return Grid(node, np.zeros_like(node)).reweighted(mean, sd)
