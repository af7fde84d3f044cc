"""The abilities over which everything is integrated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

N_NODES = 61
LIMIT = 6.0


@dataclass(frozen=True)
class Grid:
    """Equally spaced abilities and the log of their normal weights, normalised to sum 1.

    Parameters
    ----------
    node : float64 [n_nodes]
        Abilities, ascending.
    log_weight : float64 [n_nodes] or [n_groups, n_nodes]
        Log of the weights; a row for each of several populations.

    See Also
    --------
    normal_grid : make one.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> grid = irt.normal_grid()
    >>> grid
    Grid(61 nodes from -6 to 6)
    >>> round(float(grid.weight.sum()), 12)
    1.0
    """

    node: np.ndarray
    log_weight: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """Weights of the nodes, in the shape of `log_weight`."""
        return np.exp(self.log_weight)

    def __repr__(self) -> str:
        return f"Grid({len(self.node)} nodes from {self.node[0]:g} to {self.node[-1]:g})"


def normal_grid(mean: ArrayLike = 0.0, sd: ArrayLike = 1.0, n_nodes: int = N_NODES) -> Grid:
    """Make nodes from -6 to 6 with weights of N(mean, sd^2); more, as far apart, where mean +- 4 sd leaves that range.

    Parameters
    ----------
    mean, sd : float or float64 [n_groups]
        The population, or one of several each.
    n_nodes : int
        Nodes between -6 and 6; 61 are 0.2 apart.

    Returns
    -------
    Grid

    Notes
    -----
    Gauss-Hermite nodes are too few and too far apart for long tests, where a posterior is narrower than their gaps;
    equal steps of h leave a relative error of about exp(-2 (pi sd_posterior / h)^2) [1]_.

    References
    ----------
    .. [1] Trefethen, L. N., & Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule.
       SIAM Review, 56(3), 385-458.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.normal_grid(mean=4.0, sd=1.5)
    Grid(96 nodes from -6 to 13)
    """
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    step = 2 * LIMIT / (n_nodes - 1)
    low, high = (mean - 4 * sd).min(), (mean + 4 * sd).max()
    below = int(np.ceil((2 * sd.max() - LIMIT - low) / step)) if low < -LIMIT else 0
    above = int(np.ceil((2 * sd.max() - LIMIT + high) / step)) if high > LIMIT else 0
    node = np.linspace(-LIMIT - below * step, LIMIT + above * step, n_nodes + below + above)
    log_density = -0.5 * ((node - mean[..., None]) / sd[..., None]) ** 2
    return Grid(node, log_density - np.logaddexp.reduce(log_density, axis=-1, keepdims=True))


def normal_grid_at(node: np.ndarray, mean: ArrayLike, sd: ArrayLike) -> Grid:
    """Weight equally spaced nodes by N(mean, sd^2) x step: their sum is 1 only where they hold the whole population."""
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    log_density = -0.5 * ((node - mean[..., None]) / sd[..., None]) ** 2
    return Grid(node, log_density + np.log((node[1] - node[0]) / (sd[..., None] * np.sqrt(2 * np.pi))))


def nodes_for(test_length: float) -> int:
    """Count the nodes from -6 to 6 that a test of that many answers needs: 61 up to about 135 answers, more beyond.

    An answer is worth about 0.26 of information (slope 1.02 at its difficulty), so the posterior SD is
    1 / sqrt(1 + 0.26 n); a step of at most 1.2 of it keeps the error of the sum below 1e-6.
    """
    return nodes_with(1.2 / np.sqrt(1 + 0.26 * test_length))


def nodes_with(step: float) -> int:
    """Count the nodes from -6 to 6 that are no further apart than `step`, at least 61."""
    return max(N_NODES, 2 * int(np.ceil(LIMIT / step)) + 1)
