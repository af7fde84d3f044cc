"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981), parameter-expanded and accelerated.

Parameter expansion (Liu, Rubin & Wu, 1998): after each M-step the expected abilities have some mean m and SD s;
moving the items onto the scale on which they are N(0, 1) again (a <- a s, d <- d + a m) is an EM step of the model in
which m and s are free. It has the same optimum, and the scale no longer crawls towards it. Anderson's mixing of the
last few steps (Walker & Ni, 2011) does the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seedtest_assets.irt.estep import Answers, Expectation, code_tables, expect
from seedtest_assets.irt.grid import N_NODES, Grid, normal_grid
from seedtest_assets.irt.mstep import GUESSING_MEAN, GUESSING_SD, INTERCEPT_LIMIT, SLOPE_LIMIT, maximise

Progress = Callable[[int, float, float], None]
SINGLE_PRECISION_FROM = (
    2e-5  # tolerance from which single precision is harmless; see docs/method.md for what it changes
)
SINGLE_PRECISION_STEPS = 15  # who needs more has an item that is hard to estimate
PATIENCE = 20  # steps that an item may take to come back from the limit of its slope
HISTORY = 5


@dataclass(frozen=True)
class State:
    """Parameters while they are estimated: slope a, intercept d and logit guessing g, float64 [n_items] each; mean
    and SD of each population, float64 [n_groups]."""

    a: np.ndarray
    d: np.ndarray
    g: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def vector(self) -> np.ndarray:
        return np.concatenate([self.a, self.d, self.g, self.mean, np.log(self.sd)])

    def like(self, vector: np.ndarray) -> "State":
        """A state of these sizes from its vector, each number inside its limits."""
        n, groups = len(self.a), len(self.mean)
        a, d, g, mean, log_sd = np.split(vector, [n, 2 * n, 3 * n, 3 * n + groups])
        a, d = np.clip(a, -SLOPE_LIMIT, SLOPE_LIMIT), np.clip(d, -INTERCEPT_LIMIT, INTERCEPT_LIMIT)
        return State(a, d, np.clip(g, -INTERCEPT_LIMIT, INTERCEPT_LIMIT), mean, np.exp(np.clip(log_sd, -5, 5)))


@dataclass(frozen=True)
class Seeds:
    """A prior in the form of answers: each item answered `weight` times (float64 [n_items]) by N(0, 1) persons, as a,
    d, c foretell."""

    a: np.ndarray
    d: np.ndarray
    c: np.ndarray
    weight: np.ndarray

    def answers(self, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Answers and right ones at each node, float64 [n_items, n_nodes]."""
        everything = self.weight[:, None] * np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
        return everything, everything * np.exp(code_tables(self.a, self.d, self.c, node)[1::2])

    def log_likelihood(self, a, d, c, node: np.ndarray) -> float:
        everything, right = self.answers(node)
        table = code_tables(a, d, c, node)
        return float(np.sum((everything - right) * table[0::2] + right * table[1::2]))


@dataclass(frozen=True)
class Problem:
    """What is estimated: the free items of `answers` (bool [n_items]) under `model`, the others keep their parameters.

    With held items the populations' means and SDs are estimated on the held items' scale, otherwise the persons
    together have mean 0 and SD 1.
    """

    answers: Answers
    model: str
    free: np.ndarray
    n_nodes: int = N_NODES
    seeds: Seeds | None = None

    @property
    def anchored(self) -> bool:
        return not self.free.all()

    def guessing(self, state: State) -> np.ndarray:
        return 1 / (1 + np.exp(-state.g)) if self.model == "3PL" else np.zeros_like(state.g)

    def grid(self, state: State) -> Grid:
        return normal_grid(state.mean, state.sd, self.n_nodes)

    def expect(self, state: State, **wanted: bool) -> Expectation:
        """The E-step at `state`, the seeds' answers added; see estep.expect."""
        grid = self.grid(state)
        expected = expect(self.answers, state.a, state.d, self.guessing(state), grid, **wanted)
        if self.seeds is None or not wanted.get("counts", True):
            return expected
        everything, right = self.seeds.answers(grid.node)
        return replace(
            expected,
            answers=expected.answers + everything,
            right=expected.right + right if self.model == "3PL" else expected.right,
            right_theta=expected.right_theta + right @ grid.node,
        )

    def right(self) -> np.ndarray:
        """Right answers of each item, the seeds' included, float64 [n_items]."""
        right = self.answers.count[:, 1].astype(np.float64)
        return (
            right
            if self.seeds is None
            else right + self.seeds.answers(normal_grid(n_nodes=self.n_nodes).node)[1].sum(axis=1)
        )

    def log_prior(self, state: State) -> float:
        """What the priors add to the log-likelihood."""
        guessing = -0.5 * np.sum(((state.g - GUESSING_MEAN) / GUESSING_SD) ** 2) if self.model == "3PL" else 0.0
        if self.seeds is None:
            return float(guessing)
        return float(guessing) + self.seeds.log_likelihood(
            state.a, state.d, self.guessing(state), self.grid(state).node
        )


@dataclass(frozen=True)
class Fit:
    """Where the estimation ended: its state, the steps it took, whether the last one was within the tolerance."""

    state: State
    iterations: int
    converged: bool


def fit(problem: Problem, state: State, tolerance: float, max_iterations: int, progress: Progress | None = None) -> Fit:
    """Estimate from `state`; converged when an EM step changes no parameter by more than `tolerance`.

    A step after which the likelihood has fallen is taken back; when that happens again and again, plain EM steps,
    which cannot fall, finish. Ends early when a slope stays at its limit: such an item has no finite estimate.
    """
    n_answers = problem.answers.count.sum(axis=1)
    right = problem.right()
    weight = np.concatenate([np.sqrt(np.tile(n_answers, 3)), np.full(2 * len(state.mean), np.sqrt(n_answers.sum()))])
    mixer = _Mixer(weight)
    fallback, best = state, -np.inf
    iteration, falls = 0, 0
    while iteration < max_iterations:
        iteration += 1
        single = tolerance >= SINGLE_PRECISION_FROM and problem.model != "3PL" and iteration <= SINGLE_PRECISION_STEPS
        expected = problem.expect(state, single=single)
        objective = expected.loglik + problem.log_prior(state)
        new = _step(problem, state, expected, right, expand=falls < 5 and problem.seeds is None)
        here, there = state.vector(), new.vector()
        change = float(np.max(np.abs(there - here), initial=0.0))
        if progress is not None:
            progress(iteration, change, expected.loglik)
        if change <= tolerance:
            return Fit(new, iteration, True)
        if iteration >= PATIENCE and (problem.free & (np.abs(new.a) >= SLOPE_LIMIT)).any():
            return Fit(new, iteration, False)
        if objective < best - (2e-6 if single else 1e-9) * abs(best):
            falls += 1
            best = -np.inf
            if not mixer.empty:
                mixer.clear()
                state = fallback
                continue
        best, fallback = max(best, objective), new
        state = state.like(mixer.next(here, there) if falls < 5 else there)
    return Fit(fallback, iteration, False)


def _step(problem: Problem, state: State, expected: Expectation, right: np.ndarray, expand: bool) -> State:
    """The M-step, the populations' moments, and the way back to mean 0 and SD 1; `expand` one population's scale,
    too."""
    node = problem.grid(state).node
    a, d, g = maximise(problem.model, state.a, state.d, state.g, expected, right, node, problem.free)
    persons = expected.mass.sum(axis=1)
    mean = expected.mass @ node / np.maximum(persons, 1e-300)
    variance = expected.mass @ node**2 / np.maximum(persons, 1e-300) - mean**2
    mean, variance = np.where(persons > 0, mean, state.mean), np.where(persons > 0, variance, state.sd**2)
    if not problem.anchored:
        if len(mean) == 1 and not expand:
            return State(a, d, g, state.mean, state.sd)
        middle = persons @ mean / persons.sum()
        spread = np.sqrt(persons @ (variance + (mean - middle) ** 2) / persons.sum())
        a, d = np.clip(a * spread, -SLOPE_LIMIT, SLOPE_LIMIT), d + a * middle
        mean, variance = (mean - middle) / spread, variance / spread**2
        if len(mean) == 1:
            mean, variance = np.zeros(1), np.ones(1)
    least_sd = 0.6 * (node[1] - node[0])  # less cannot be told apart on these nodes
    return State(a, d, g, mean, np.sqrt(np.maximum(variance, least_sd**2)))


class _Mixer:
    """Anderson mixing: the combination of the last steps whose residual is least, by weighted least squares."""

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight
        self.clear()

    @property
    def empty(self) -> bool:
        return len(self.points) < 2

    def clear(self) -> None:
        self.points: list[np.ndarray] = []
        self.residuals: list[np.ndarray] = []

    def next(self, here: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Where to go after an EM step led from `here` to `there`."""
        self.points = [*self.points, there][-HISTORY - 1 :]
        self.residuals = [*self.residuals, (there - here) * self.weight][-HISTORY - 1 :]
        if self.empty:
            return there
        steps = np.diff(self.residuals, axis=0)
        share = np.linalg.lstsq(steps @ steps.T, steps @ self.residuals[-1], rcond=1e-10)[0]
        return there - share @ np.diff(self.points, axis=0)


def starting_values(count: np.ndarray, n_groups: int = 1) -> State:
    """Slope 1 and the intercept that gives each item its share of right answers; count: int64 [n_items, 2], wrong and
    right ones."""
    share = (count[:, 1] + 0.5) / (count.sum(axis=1) + 1)
    n = len(share)
    return State(
        np.ones(n), 1.2 * np.log(share / (1 - share)), np.full(n, GUESSING_MEAN), np.zeros(n_groups), np.ones(n_groups)
    )
