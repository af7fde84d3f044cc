"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981), parameter-expanded so that the scale does not crawl.

After each M-step the expected abilities have some mean m and SD s; moving the items onto the scale on which they are
N(0, 1) again (a <- a s, d <- d + a m) is an EM step of the model in which m and s are free (Liu, Rubin & Wu, 1998) and has the
same optimum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seedtest_assets.irt.estep import expected_counts, log_probability_table
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.mstep import GUESSING_MEAN, maximise

Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class State:
    """Parameters while they are estimated: slope a, intercept d and logit guessing g, float64 [n_items] each; the population."""

    a: np.ndarray
    d: np.ndarray
    g: np.ndarray
    mean: float = 0.0
    sd: float = 1.0

    def guessing(self, model: str) -> np.ndarray:
        return 1 / (1 + np.exp(-self.g)) if model == "3PL" else np.zeros_like(self.g)

    def distance(self, other: "State") -> float:
        pairs = [(self.a, other.a), (self.d, other.d), (self.g, other.g), (self.mean, other.mean), (self.sd, other.sd)]
        return float(max(np.max(np.abs(np.subtract(one, two)), initial=0.0) for one, two in pairs))


@dataclass(frozen=True)
class Fit:
    """Where the estimation ended; loglik without the prior."""

    state: State
    loglik: float
    iterations: int
    converged: bool


def fit(
    start: np.ndarray,
    code: np.ndarray,
    state: State,
    model: str,
    free: np.ndarray,
    population_free: bool,
    tolerance: float,
    max_iterations: int,
    progress: Progress | None = None,
) -> Fit:
    """Estimate the free items, from `state`.

    start, code: see estep.expected_counts; free: bool [n_items], False holds an item's parameters;
    population_free: estimate the population's mean and SD (needs held items), else it is N(0, 1).
    Converged when an iteration changes no parameter by more than `tolerance`.
    """
    for iteration in range(1, max_iterations + 1):
        new, loglik = step(start, code, state, model, free, population_free)
        change = state.distance(new)
        state = new
        if progress is not None:
            progress(iteration, change, loglik)
        if change < tolerance:
            break
    return Fit(state, evaluate(start, code, state, model), iteration, change < tolerance)


def evaluate(start, code, state: State, model: str) -> float:
    """Log-likelihood at `state`."""
    table = log_probability_table(state.a, state.d, state.guessing(model), _grid(state).node)
    return expected_counts(start, code, table, _grid(state))[2]


def step(start, code, state: State, model: str, free, population_free: bool) -> tuple[State, float]:
    """One EM step; the log-likelihood is that of the state it started from."""
    grid = _grid(state)
    table = log_probability_table(state.a, state.d, state.guessing(model), grid.node)
    counts, mass, loglik = expected_counts(start, code, table, grid)
    mean = mass @ grid.node / mass.sum()
    sd = np.sqrt(mass @ (grid.node - mean) ** 2 / mass.sum())
    a, d, g = state.a.copy(), state.d.copy(), state.g.copy()
    if model == "Rasch":
        _maximise_intercepts(a, d, counts, grid.node, free)
    else:
        maximise(a, d, g, counts, grid.node, model == "3PL", free, 5)
    if population_free:
        return replace(state, a=a, d=d, g=g, mean=float(mean), sd=float(sd)), loglik
    if free.all():
        a, d = a * sd, d + a * mean
    return replace(state, a=a, d=d, g=g), loglik


def starting_values(n_answers: np.ndarray, n_right: np.ndarray) -> State:
    """Slope 1 and the intercept that gives each item its share of right answers."""
    share = np.clip(n_right / n_answers, 0.01, 0.99)
    return State(np.ones(len(share)), 1.2 * np.log(share / (1 - share)), np.full(len(share), GUESSING_MEAN))


def _grid(state: State) -> Grid:
    return normal_grid(state.mean, state.sd)


def _maximise_intercepts(a, d, counts, node, free) -> None:
    answers, right = counts[0::2] + counts[1::2], counts[1::2].sum(axis=1)
    for _ in range(5):
        p = 1 / (1 + np.exp(-(a[:, None] * node + d[:, None])))
        change = (right - (answers * p).sum(axis=1)) / np.maximum((answers * p * (1 - p)).sum(axis=1), 1e-12)
        d[free] += np.clip(change, -2, 2)[free]
