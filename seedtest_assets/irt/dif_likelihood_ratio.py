"""DIF by the IRT likelihood-ratio test: does the fit lose when both groups share an item's parameters.

Every item has two codes, j in the reference group and n + j in the focal group. Where an item is equal in both groups
the focal group's answers take the code j, and n + j has no answers. So all fits have parameters in the same places, and
each starts from another.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logit

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.em import Stopping, solve
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.grid import Grid, nodes_for, normal_grid
from seedtest_assets.irt.item_scores import right_or_wrong, right_or_wrong_curves
from seedtest_assets.irt.kernel_arguments import Curves
from seedtest_assets.irt.models import Model
from seedtest_assets.irt.own_grids import FOR_ESTIMATES
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.priors import NO_PRIORS, Priors
from seedtest_assets.irt.problem import Problem, starting_values
from seedtest_assets.irt.shard_estep import loglik_of
from seedtest_assets.irt.shards import Shards
from seedtest_assets.irt.state import SLOPE_LIMIT, State

REFERENCE, FOCAL = 0, 1
# A slope within this share of its limit has no finite estimate.
AT_THE_LIMIT = 0.999


@dataclass(frozen=True, kw_only=True)
class GroupFit:
    """A fit in which the items `equal`, bool [n_items], have the same parameters in both groups.

    items: int32 [n_items], codes in the responses; state: of 2 n_items codes, both groups together at mean 0 and SD 1.
    poor: persons whom the common grid does not serve, None for nobody.
    """

    items: np.ndarray
    equal: np.ndarray
    problem: Problem
    state: State
    loglik: float
    converged: bool
    poor: Shards[list[np.ndarray]] | None

    def parameters(self, group: int, row: int) -> ItemParameters:
        """Give the parameters of an item in a group on the scale on which the reference group is N(0, 1)."""
        at = [row if self.equal[row] or group == REFERENCE else row + len(self.equal)]
        a, b = (values[at] for values in self.state.discrimination_and_difficulty)
        mean, sd = self.state.mean[REFERENCE], self.state.sd[REFERENCE]
        return ItemParameters(self.items[[row]], a * sd, (b - mean) / sd, self.problem.curves(self.state).c[at])

    @property
    def focal_mean_and_sd(self) -> tuple[float, float]:
        """Mean and SD of the focal group, where the reference group is N(0, 1)."""
        mean, sd = self.state.mean, self.state.sd
        return float((mean[FOCAL] - mean[REFERENCE]) / sd[REFERENCE]), float(sd[FOCAL] / sd[REFERENCE])

    @property
    def curves(self) -> Curves:
        """The items' curves in the reference group; of an item that only the focal group answered its own."""
        n = len(self.equal)
        at = np.arange(n)
        count = self.problem.answers.n_answers
        at[count[:n] == 0] += n
        curves = self.problem.curves(self.state)
        return right_or_wrong_curves(curves.a[at], curves.d[at], curves.c[at])

    @property
    def grid(self) -> Grid:
        """The common grid, with the weights of both groups."""
        return normal_grid(self.state.mean, self.state.sd, self.problem.n_nodes)

    @property
    def unbounded(self) -> np.ndarray:
        """Whether an item has no finite slope in a group, bool [n_items]."""
        return (np.abs(self.state.a) > AT_THE_LIMIT * SLOPE_LIMIT).reshape(2, -1).any(axis=0)


@dataclass(frozen=True, kw_only=True)
class GroupModel:
    """Fits a model to the answers of two groups, with any items equal."""

    answers: GroupedAnswers
    model: Model
    stopping: Stopping
    priors: Priors = field(default=NO_PRIORS)

    def first_fit(self, equal: np.ndarray) -> GroupFit:
        """Fit from the items' shares of right answers."""
        answers = self._problem(equal).answers
        start = starting_values(answers.count, answers.scores, 2)
        if self.priors.fixed_c is not None:
            start.g[:] = logit(self.priors.fixed_c)
        return self._fit(equal, start, None)

    def fit(self, equal: np.ndarray, start: GroupFit) -> GroupFit:
        """Fit from another fit; an item that was equal starts with the same parameters in both groups."""
        n = len(equal)
        at = np.arange(2 * n)
        at[n:][start.equal] -= n
        state = start.state
        return self._fit(equal, replace(state, a=state.a[at], d=state.d[at], g=state.g[at]), start.poor)

    def holding_guessing(self) -> "GroupModel":
        """Hold c of every item where a fit starts."""
        return replace(self, priors=Priors(fixed_c=0.2)) if self.model == "3PL" else self

    def _problem(self, equal: np.ndarray) -> Problem:
        given, n = self.answers, self.answers.n_items
        item = given.item + np.where(given.of_focal & ~equal[given.item], n, 0).astype(np.int32)
        code = 2 * item + given.correct
        answers = AnswerShards.here(
            Answers(
                start=given.start,
                code=code,
                count=np.bincount(code, minlength=4 * n),
                scores=right_or_wrong(2 * n),
                group=given.focal.astype(np.int32),
                n_groups=2,
                order=np.empty(0, np.uint16),
            )
        )
        n_nodes = nodes_for(answers.length_quantile(0.95))
        return Problem(answers, self.model, np.ones(2 * n, bool), n_nodes=n_nodes, priors=self.priors)

    def _fit(self, equal: np.ndarray, start: State, poor: Shards[list[np.ndarray]] | None) -> GroupFit:
        problem = self._problem(equal)
        if poor is not None:
            problem = problem.resolving(poor, start)
        solution = solve(problem, start, self.stopping)
        posteriors = problem.posteriors(solution.state)
        if poor is None:
            poor = problem.unresolved(solution.state, posteriors, FOR_ESTIMATES)
            if poor is not None:
                return self._fit(equal, solution.state, poor)
        return GroupFit(
            items=self.answers.items,
            equal=equal,
            problem=problem,
            state=solution.state,
            loglik=loglik_of(posteriors),
            converged=solution.converged,
            poor=poor,
        )


@dataclass(frozen=True, kw_only=True)
class LikelihoodRatio:
    """x2: the test's statistic; reference, focal: the item's parameters where it has its own in each group.

    unbounded: whether one of them has no finite slope, so that the fit ended early and X2 may be a little too low.
    """

    x2: float
    reference: ItemParameters
    focal: ItemParameters
    converged: bool
    unbounded: bool = False


def likelihood_ratio(model: GroupModel, base: GroupFit, row: int) -> LikelihoodRatio:
    """Test one item against the base: an item that is free there is made equal, an anchor is freed."""
    equal = base.equal.copy()
    equal[row] = not equal[row]
    other = model.fit(equal, base)
    equal_fit, free = (other, base) if equal[row] else (base, other)
    x2 = 2 * (free.loglik - equal_fit.loglik)
    reference, focal = free.parameters(REFERENCE, row), free.parameters(FOCAL, row)
    unbounded = bool(other.unbounded[row])
    return LikelihoodRatio(
        x2=max(x2, 0.0),
        reference=reference,
        focal=focal,
        converged=other.converged or unbounded,
        unbounded=unbounded,
    )


def not_tested(base: GroupFit, row: int) -> LikelihoodRatio:
    """Give an item that needs no test the parameters of the base."""
    reference, focal = base.parameters(REFERENCE, row), base.parameters(FOCAL, row)
    return LikelihoodRatio(x2=np.nan, reference=reference, focal=focal, converged=True)
