"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981), parameter-expanded and accelerated.

Parameter expansion (Liu, Rubin & Wu, 1998): after each M-step the expected abilities have some mean m and SD s;
moving the items onto the scale on which they are N(0, 1) again (a <- a s, d <- d + a m) is an EM step of the model in
which m and s are free. It has the same optimum, and the scale no longer crawls towards it. Anderson's mixing of the
last few steps (Walker & Ni, 2011) does the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.estep import Answers, Expectation, expect
from seedtest_assets.irt.grid import N_NODES, Grid, normal_grid
from seedtest_assets.irt.item_priors import ItemPriors, item_priors
from seedtest_assets.irt.kernel_arguments import Curves, Moments
from seedtest_assets.irt.models import Model, ModelFacts, model_facts
from seedtest_assets.irt.mstep import maximise
from seedtest_assets.irt.own_grids import Part, merged, own_parts, unresolved
from seedtest_assets.irt.prior_densities import log_prior
from seedtest_assets.irt.priors import GUESSING_MEAN, Priors
from seedtest_assets.irt.state import SLOPE_LIMIT, State

Progress = Callable[[int, float, float], None]

# Tolerance from which single precision is harmless; docs/method.md says what it changes.
SINGLE_PRECISION_FROM = 2e-5
# A calibration that needs more steps has an item that is hard to estimate.
SINGLE_PRECISION_STEPS = 15
# Steps that an item may take to come back from the limit of its slope.
PATIENCE = 20
# Likelihood falls after which the estimation goes on by plain EM steps.
MOST_FALLS = 5
HISTORY = 5
# A held item with less guessing than this has none.
LEAST_GUESSING = 1e-9


@dataclass(frozen=True)
class PriorAnswers:
    """A prior in the form of answers: each item answered `weight` times (float64 [n_items]) by N(0, 1) persons, as its
    curve expects."""

    curves: Curves
    weight: np.ndarray

    def at(self, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count answers and right ones at each node, float64 [n_items, n_nodes]."""
        answers = self.weight[:, None] * np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
        return answers, answers * np.exp(code_tables(self.curves, node)[1::2])

    def log_likelihood(self, curves: Curves, node: np.ndarray) -> float:
        """Compute the log-likelihood of the prior's answers under other curves."""
        answers, right = self.at(node)
        table = code_tables(curves, node)
        return float(np.sum((answers - right) * table[0::2] + right * table[1::2]))


@dataclass(frozen=True)
class Problem:
    """What is estimated: the free items of `answers` (bool [n_items]) under `model`, the others keep their parameters.

    With held items the populations' means and SDs are estimated on the held items' scale, otherwise the persons
    together have mean 0 and SD 1. `codes`: of the items, int32 [n_items], by which they have priors. `own`: all persons by the nodes that serve them, where the common grid does not
    serve all.
    """

    answers: Answers
    model: Model
    free: np.ndarray
    n_nodes: int = N_NODES
    prior: PriorAnswers | None = None
    priors: Priors = field(default_factory=Priors)
    codes: np.ndarray | None = None
    own: tuple[Part, ...] = ()

    @property
    def facts(self) -> ModelFacts:
        """What tells the model from the others."""
        return model_facts(self.model)

    @property
    def shrunk(self) -> bool:
        """Whether a prior holds slopes or difficulties, so that moving the scale changes more than its name."""
        return self.prior is not None or self.priors.of_scale

    @property
    def anchored(self) -> bool:
        """Whether items are held."""
        return not self.free.all()

    @cached_property
    def item_priors(self) -> ItemPriors:
        """The priors of each item's parameters."""
        codes = np.arange(self.answers.n_items) if self.codes is None else self.codes
        return item_priors(self.priors, self.model, codes)

    @property
    def prior_of_common_slope(self) -> tuple[float, float] | None:
        """Mean and precision of the log of Rasch's slope, where it is estimated with a prior."""
        free = not self.facts.own_slopes and self.priors.prior_a is not None and not self.anchored
        return self.priors.of_common_slope if free else None

    def curves(self, state: State) -> Curves:
        """Compute the items' curves at `state`."""
        guessing = expit(state.g)
        if not self.facts.guessing:  # a held item keeps its guessing in any model
            guessing = np.where(self.free | (guessing < LEAST_GUESSING), 0.0, guessing)
        return Curves(state.a, state.d, guessing)

    def grid(self, state: State) -> Grid:
        """Make the grid that holds the populations at `state`."""
        return normal_grid(state.mean, state.sd, self.n_nodes)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All persons, by the nodes over which they are integrated."""
        return self.own or (Part(np.arange(len(self.answers.group)), self.answers, None),)

    def grids(self, state: State) -> list[Grid]:
        """Make the grid of each part."""
        return [part.grid(self.grid(state), state.populations) for part in self.parts]

    def expect(self, state: State, **wanted: bool) -> Expectation:
        """Do the E-step at `state`, with the prior's answers added; see estep.expect."""
        curves, grids = self.curves(state), self.grids(state)
        first, *others = [
            self._as_model(expect(part.answers, curves, grid, **wanted), wanted.get("counts", True))
            for part, grid in zip(self.parts, grids, strict=True)
        ]
        if self.prior is not None and wanted.get("counts", True):
            first = self._with_prior(first)
        return merged([first, *others], self.parts) if others else first

    def unresolved(self, state: State, moments: Moments, most_at_ends: float) -> list[np.ndarray]:
        """Find the persons of each part whom its grid does not serve at `state`, int64; see own_grids.unresolved."""
        curves = self.curves(state)
        return [
            part.persons[unresolved(part.answers, curves, grid, moments.take(part.persons), most_at_ends)]
            for part, grid in zip(self.parts, self.grids(state), strict=True)
        ]

    def resolving(self, poor: list[np.ndarray], state: State) -> "Problem":
        """Give persons whom their grid does not serve, by part, other nodes."""
        node = self.grid(state).node
        step = float(node[1] - node[0])
        return replace(self, own=own_parts(self.answers, self.parts, poor, step, self.curves(state), state.populations))

    def _as_model(self, expected: Expectation, counted: bool) -> Expectation:
        """Sum the abilities of right answers for an M-step without guessing, where held items have guessing."""
        if self.facts.guessing or not counted or not len(expected.right):
            return expected
        return replace(expected, right=expected.right[:0], right_theta=expected.right @ expected.node)

    def _with_prior(self, expected: Expectation) -> Expectation:
        assert self.prior is not None
        answers, right = self.prior.at(expected.node)
        return replace(
            expected,
            answers=expected.answers + answers,
            right=expected.right + right if self.facts.guessing else expected.right,
            right_theta=expected.right_theta + right @ expected.node,
        )

    def right(self) -> np.ndarray:
        """Count right answers to each item, the prior's included, float64 [n_items]."""
        right = self.answers.count[:, 1].astype(np.float64)
        if self.prior is None:
            return right
        return right + self.prior.at(normal_grid(n_nodes=self.n_nodes).node)[1].sum(axis=1)

    def log_prior(self, state: State) -> float:
        """Compute what the priors add to the log-likelihood."""
        of_parameters = log_prior(self.item_priors, self.prior_of_common_slope, state, self.free)
        if self.prior is None:
            return of_parameters
        return of_parameters + self.prior.log_likelihood(self.curves(state), self.grid(state).node)


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
    n_answers = problem.answers.count.sum(axis=1)
    right = problem.right()
    weight = np.concatenate([np.sqrt(np.tile(n_answers, 3)), np.full(2 * len(state.mean), np.sqrt(n_answers.sum()))])
    mixer = _Mixer(weight)
    fallback, best = state, -np.inf
    iteration, falls = 0, 0
    while iteration < stopping.max_iterations:
        iteration += 1
        single = _single_precision(problem, stopping.tolerance, iteration)
        expected = problem.expect(state, single=single)
        objective = expected.loglik + problem.log_prior(state)
        new = _step(problem, state, expected, right, expand=falls < MOST_FALLS and not problem.shrunk)
        before, after = state.vector(), new.vector()
        change = float(np.max(np.abs(after - before), initial=0.0))
        if stopping.progress is not None:
            stopping.progress(iteration, change, expected.loglik)
        if change <= stopping.tolerance:
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


def _single_precision(problem: Problem, tolerance: float, iteration: int) -> bool:
    return tolerance >= SINGLE_PRECISION_FROM and not problem.facts.guessing and iteration <= SINGLE_PRECISION_STEPS


def _step(problem: Problem, state: State, expected: Expectation, right: np.ndarray, expand: bool) -> State:
    """Do the M-step and bring the populations back to mean 0 and SD 1; `expand` the scale of a single one, too."""
    node = expected.node
    a, d, g = maximise(
        problem.model, state, expected, right, problem.free, problem.item_priors, problem.priors.of_common_slope
    )
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
    least_sd = 0.6 * (node[1] - node[0])  # these nodes cannot resolve less
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

    def next(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Choose the next point after an EM step led from `before` to `after`."""
        self.points = [*self.points, after][-HISTORY - 1 :]
        self.residuals = [*self.residuals, (after - before) * self.weight][-HISTORY - 1 :]
        if self.empty:
            return after
        steps = np.diff(self.residuals, axis=0)
        share = np.linalg.lstsq(steps @ steps.T, steps @ self.residuals[-1], rcond=1e-10)[0]
        return after - share @ np.diff(self.points, axis=0)


def starting_values(count: np.ndarray, n_groups: int = 1) -> State:
    """Start from slope 1 and the intercept that gives each item its share of right answers.

    count: int64 [n_items, 2], wrong and right answers.
    """
    share = (count[:, 1] + 0.5) / (count.sum(axis=1) + 1)
    n = len(share)
    return State(
        np.ones(n), 1.2 * np.log(share / (1 - share)), np.full(n, GUESSING_MEAN), np.zeros(n_groups), np.ones(n_groups)
    )
