"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981), parameter-expanded and accelerated.

Parameter expansion (Liu, Rubin & Wu, 1998): after each M-step the expected abilities have some mean m and SD s;
moving the items onto the scale on which they are N(0, 1) again (a <- a s, d <- d + a m) is an EM step of the model in
which m and s are free. It has the same optimum, and the scale no longer crawls towards it. Anderson's mixing of the
last few steps (Walker & Ni, 2011) does the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.estep import Expectation
from seedtest_assets.irt.item_scores import extra_codes
from seedtest_assets.irt.mstep import maximise
from seedtest_assets.irt.problem import Problem
from seedtest_assets.irt.state import SLOPE_LIMIT, State

Progress = Callable[[int, float, float], None]

# Tolerance from which single precision is harmless; docs/method.md says what it changes.
SINGLE_PRECISION_FROM = 2e-5
# Times the tolerance: the last steps are done in double precision, so that the estimates do not depend on the order of sums.
DOUBLE_PRECISION_WITHIN = 30
# A calibration that needs more steps has an item that is hard to estimate.
SINGLE_PRECISION_STEPS = 15
# Steps that an item may take to come back from the limit of its slope.
PATIENCE = 20
# Likelihood falls after which the estimation goes on by plain EM steps.
MOST_FALLS = 5
HISTORY = 5


@dataclass(frozen=True)
class Solution:
    """Where the estimation ended: its state, the steps it took, whether the last one was within the tolerance.

    at_maximum: False where the likelihood still rises in some direction, by the second-order test.
    """

    state: State
    iterations: int
    converged: bool
    at_maximum: bool = True


@dataclass(frozen=True)
class Stopping:
    """When the estimation stops, and what is called after each step."""

    tolerance: float
    max_iterations: int
    progress: Progress | None = None


def solve(problem: Problem, state: State, stopping: Stopping) -> Solution:
    """Estimate from `state`; converged when an EM step changes no parameter by more than the tolerance.

    A step after which the likelihood has fallen is taken back; when that happens again and again, plain EM steps,
    which cannot fall, finish. Ends early when a slope stays at its limit: such an item has no finite estimate.
    """
    n_answers = problem.answers.n_answers
    counts = problem.counts()
    of_extra = n_answers[problem.scores.item[extra_codes(problem.scores)]]
    weight = np.sqrt(np.concatenate([np.tile(n_answers, 3), of_extra, np.full(2 * len(state.mean), n_answers.sum())]))
    mixer = _Mixer(weight)
    fallback, best = state, -np.inf
    iteration, falls, change, single = 0, 0, np.inf, True
    while iteration < stopping.max_iterations:
        iteration += 1
        was_single, single = single, single and _single_precision(problem, stopping.tolerance, iteration, change)
        if was_single and not single:  # steps of another precision lead elsewhere
            mixer.clear()
        expected = problem.expect(state, single=single)
        objective = expected.loglik + problem.log_prior(state)
        if not np.isfinite(objective) and not mixer.empty:
            # A mixed state may have no likelihood, such as with thresholds of a GRM that do not ascend.
            falls, best, state = falls + 1, -np.inf, fallback
            mixer.clear()
            continue
        new = _step(problem, state, expected, counts, expand=falls < MOST_FALLS and not problem.shrunk)
        before, after = state.vector(), new.vector()
        change = float(np.max(np.abs(after - before), initial=0.0))
        if stopping.progress is not None:
            stopping.progress(iteration, change, expected.loglik)
        if change <= stopping.tolerance and not single:
            return Solution(new, iteration, True)
        if iteration >= PATIENCE and (problem.free & (np.abs(new.a) >= SLOPE_LIMIT)).any():
            return Solution(new, iteration, False)
        if objective < best - (2e-6 if single else 1e-9) * abs(best):
            falls += 1
            best = -np.inf
            if not mixer.empty:
                mixer.clear()
                state = fallback
                continue
        best, fallback = max(best, objective), new
        state = state.like(mixer.next(before, after) if falls < MOST_FALLS else after)
    return Solution(fallback, iteration, False)


def _single_precision(problem: Problem, tolerance: float, iteration: int, change: float) -> bool:
    if change <= DOUBLE_PRECISION_WITHIN * tolerance or problem.guessing.any():
        return False
    return tolerance >= SINGLE_PRECISION_FROM and iteration <= SINGLE_PRECISION_STEPS


def _step(problem: Problem, state: State, expected: Expectation, counts: np.ndarray, expand: bool) -> State:
    """Do the M-step and bring the populations back to mean 0 and SD 1; `expand` the scale of a single one, too."""
    node = expected.node
    a, d, g, extra = maximise(problem, state, expected, counts)
    persons = expected.mass.sum(axis=1)
    mean = expected.mass @ node / np.maximum(persons, 1e-300)
    variance = expected.mass @ node**2 / np.maximum(persons, 1e-300) - mean**2
    mean, variance = np.where(persons > 0, mean, state.mean), np.where(persons > 0, variance, state.sd**2)
    if not problem.anchored:
        if len(mean) == 1 and not expand:
            return State(a, d, g, state.mean, state.sd, extra)
        middle = persons @ mean / persons.sum()
        spread = np.sqrt(persons @ (variance + (mean - middle) ** 2) / persons.sum())
        a, d = np.clip(a * spread, -SLOPE_LIMIT, SLOPE_LIMIT), d + a * middle
        mean, variance = (mean - middle) / spread, variance / spread**2
        if len(mean) == 1:
            mean, variance = np.zeros(1), np.ones(1)
    least_sd = 0.6 * (node[1] - node[0])  # these nodes cannot resolve less
    return State(a, d, g, mean, np.sqrt(np.maximum(variance, least_sd**2)), extra)


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

    def next(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Choose the next point after an EM step led from `before` to `after`."""
        self.points = [*self.points, after][-HISTORY - 1 :]
        self.residuals = [*self.residuals, (after - before) * self.weight][-HISTORY - 1 :]
        if self.empty:
            return after
        steps = np.diff(self.residuals, axis=0)
        share = np.linalg.lstsq(steps @ steps.T, steps @ self.residuals[-1], rcond=1e-10)[0]
        return after - share @ np.diff(self.points, axis=0)
