"""What is estimated: the answers, the items that are free, and what is known before."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.curves import code_tables
from seedtest_assets.irt.estep import Expectation, with_exact_counts
from seedtest_assets.irt.grid import N_NODES, Grid, normal_grid
from seedtest_assets.irt.item_priors import ItemPriors, item_priors
from seedtest_assets.irt.item_scores import (
    GRADED_RESPONSE,
    PARTIAL_CREDIT,
    graded_codes,
    has_steps,
    intercepts,
    split_intercepts,
)
from seedtest_assets.irt.kernel_arguments import Curves, ItemScores
from seedtest_assets.irt.models import Model, ModelFacts, model_facts
from seedtest_assets.irt.own_grids import Part, own_parts, whole
from seedtest_assets.irt.prior_densities import log_prior
from seedtest_assets.irt.priors import GUESSING_MEAN, Priors
from seedtest_assets.irt.shard_estep import (
    EStep,
    Posteriors,
    added,
    expected_by_step,
    poor_of_parts,
    posteriors,
    side_by_side,
)
from seedtest_assets.irt.shards import Shards
from seedtest_assets.irt.state import State

# A held item with less guessing than this has none.
LEAST_GUESSING = 1e-9


@dataclass(frozen=True)
class PriorAnswers:
    """A prior in the form of answers: each item answered `weight` times (float64 [n_items]) by N(0, 1) persons, as its
    curve expects."""

    curves: Curves
    weight: np.ndarray

    def at(self, node: np.ndarray) -> np.ndarray:
        """Count answers with each code at each node, float64 [n_codes, n_nodes]."""
        answers = self.weight[:, None] * np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
        return answers[self.curves.scores.item] * np.exp(code_tables(self.curves, node))

    def log_likelihood(self, curves: Curves, node: np.ndarray) -> float:
        """Compute the log-likelihood of the prior's answers under other curves."""
        return float(np.sum(self.at(node) * code_tables(curves, node)))


@dataclass(frozen=True)
class Problem:
    """What is estimated: the free items of `answers` (bool [n_items]), the others keep their parameters.

    model: of the items that are right or wrong; common: items with partial credit that have one slope in common, and with
    those of model Rasch, bool [n_items].

    With held items the populations' means and SDs are estimated on the held items' scale, otherwise the persons
    together have mean 0 and SD 1. `codes`: of the items, int32 [n_items], by which they have priors. `own`: the persons of each
    shard by the nodes that serve them, where the common grid does not serve all.
    """

    answers: AnswerShards
    model: Model
    free: np.ndarray
    common: np.ndarray | None = None
    n_nodes: int = N_NODES
    prior: PriorAnswers | None = None
    priors: Priors = field(default_factory=Priors)
    codes: np.ndarray | None = None
    own: Shards[tuple[Part, ...]] | None = None

    @property
    def facts(self) -> ModelFacts:
        """What tells the model of the items that are right or wrong from the others."""
        return model_facts(self.model)

    @property
    def scores(self) -> ItemScores:
        """The scores of the items."""
        return self.answers.scores

    @cached_property
    def partial_credit(self) -> np.ndarray:
        """Which items have partial credit, bool [n_items]."""
        return has_steps(self.scores)

    @cached_property
    def guessing(self) -> np.ndarray:
        """Which items have guessing if they are free, bool [n_items]."""
        return ~self.partial_credit & self.facts.guessing

    @cached_property
    def common_slope(self) -> np.ndarray:
        """Which items have one slope in common, bool [n_items]."""
        rasch = ~self.partial_credit & (not self.facts.own_slopes)
        return rasch if self.common is None else rasch | self.common

    @property
    def common_slope_free(self) -> bool:
        """Whether there is a common slope, and no item that is held gives it."""
        return bool(self.common_slope.any() and self.free[self.common_slope].all())

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
        return item_priors(self.priors, self.model, codes, self.common_slope)

    @property
    def prior_of_common_slope(self) -> tuple[float, float, int] | None:
        """Mean and precision of the log of the common slope, and an item that has it; None where it has no prior."""
        if not self.common_slope_free or self.priors.prior_a is None:
            return None
        return *self.priors.of_common_slope, int(np.argmax(self.common_slope))

    def curves(self, state: State) -> Curves:
        """Compute the items' curves at `state`."""
        guessing = expit(state.g)
        if not self.guessing.all():  # a held item keeps its guessing in any model
            none = ~self.guessing & (self.free | self.partial_credit | (guessing < LEAST_GUESSING))
            guessing = np.where(none, 0.0, guessing)
        return Curves(state.a, state.d, guessing, self.scores, intercepts(state.d, state.extra, self.scores))

    def grid(self, state: State) -> Grid:
        """Make the grid that holds the populations at `state`."""
        return normal_grid(state.mean, state.sd, self.n_nodes)

    @cached_property
    def parts(self) -> Shards[tuple[Part, ...]]:
        """All persons of each shard, by the nodes over which they are integrated."""
        return self.answers.shards.derive(whole) if self.own is None else self.own

    def expect(self, state: State, *, single: bool = False, counts: bool = True) -> Expectation:
        """Do the E-step at `state`, with the prior's answers added; see estep.expect."""
        estep = self._estep(state, single=single, counts=counts)
        by_step = self.parts.total(expected_by_step, estep, add=added)
        expected = self._as_model(side_by_side([by_step[halvings] for halvings in sorted(by_step)]), counts)
        if counts and single:
            expected = with_exact_counts(expected, self.answers.count, self.scores)
        return expected if self.prior is None or not counts else self._with_prior(expected, len(estep.common.node))

    def posteriors(self, state: State) -> Shards[Posteriors]:
        """Compute the posteriors of all persons at `state`."""
        return self.parts.derive(posteriors, self._estep(state, counts=False))

    def unresolved(
        self, state: State, posteriors: Shards[Posteriors], most_at_ends: float
    ) -> Shards[list[np.ndarray]] | None:
        """Find the persons of each part whom its grid does not serve at `state`, see own_grids.poor_of_parts; None for nobody."""
        poor = posteriors.derive(poor_of_parts, self.parts, self._estep(state), most_at_ends)
        return poor if any(poor.each(_has_persons)) else None

    def resolving(self, poor: Shards[list[np.ndarray]], state: State) -> "Problem":
        """Give persons whom their grid does not serve, by part, other nodes."""
        node = self.grid(state).node
        step = float(node[1] - node[0])
        own = self.answers.shards.derive(own_parts, self.parts, poor, step, self.curves(state), state.populations)
        return replace(self, own=own)

    def without_persons(self) -> "Problem":
        """Keep what is known without looking at a person."""
        return replace(self, answers=self.answers.without_persons(), own=None)

    def _estep(self, state: State, *, single: bool = False, counts: bool = True) -> EStep:
        return EStep(self.curves(state), self.grid(state), state.populations, single, counts)

    def _as_model(self, expected: Expectation, counted: bool) -> Expectation:
        """Sum the abilities of right answers for an M-step without guessing, where held items have guessing."""
        if self.facts.guessing or not counted or not len(expected.right):
            return expected
        marked = np.where(self.partial_credit, expected.right_theta, expected.right @ expected.node)
        return replace(expected, right=expected.right[:0], right_theta=marked)

    def _with_prior(self, expected: Expectation, n_common: int) -> Expectation:
        """Add the prior's answers at the nodes of the common grid, the first ones."""
        assert self.prior is not None
        scores = self.scores
        by_code = np.zeros((len(scores.item), len(expected.node)))
        by_code[:, :n_common] = self.prior.at(expected.node[:n_common])
        above = scores.score - scores.score[scores.first[:-1]][scores.item]
        theta = np.bincount(scores.item, above * (by_code @ expected.node), minlength=len(self.free))
        return replace(
            expected,
            answers=expected.answers + np.add.reduceat(by_code, scores.first[:-1], axis=0),
            right=expected.right + by_code[scores.first[:-1] + 1] if self.facts.guessing else expected.right,
            right_theta=expected.right_theta + theta,
            graded=expected.graded + by_code[graded_codes(scores)],
        )

    def counts(self) -> np.ndarray:
        """Count answers with each code, the prior's included, float64 [n_codes]."""
        count = self.answers.count.astype(np.float64)
        if self.prior is None:
            return count
        return count + self.prior.at(normal_grid(n_nodes=self.n_nodes).node).sum(axis=1)

    def log_prior(self, state: State) -> float:
        """Compute what the priors add to the log-likelihood."""
        of_parameters = log_prior(self.item_priors, self.prior_of_common_slope, state, self.free)
        if self.prior is None:
            return of_parameters
        return of_parameters + self.prior.log_likelihood(self.curves(state), self.grid(state).node)


def _has_persons(of_parts: list[np.ndarray]) -> bool:
    return any(len(persons) for persons in of_parts)


def starting_values(count: np.ndarray, scores: ItemScores, n_groups: int = 1) -> State:
    """Start from slope 1 and the intercept that gives each item its share of right answers.

    Steps of items with partial credit start from the shares of their scores: those of a GRM from the share that reaches the
    score, others from the ratio of neighbouring scores, with the smaller a slope the more scores there are.

    count: int64 [n_codes], answers with each code.
    """
    n = len(scores.kind)
    marked = scores.first[:-1]
    share = (count[marked + 1] + 0.5) / (count[marked] + count[marked + 1] + 1)
    a, d, extra = np.ones(n), 1.2 * np.log(share / (1 - share)), np.empty(0)
    if scores.kind.any():
        steps = has_steps(scores)
        reached = np.cumsum(count[::-1])[::-1] + 0.5  # by this item's scores from here up, and by later items
        after = np.append(reached, 0.5)[scores.first[1:]][scores.item] - 0.5
        total = np.bincount(scores.item, count, minlength=n)[scores.item]
        reaches = (reached - after) / (total + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_graded = 1.2 * np.log(reaches / (1 - reaches))
            of_others = np.log((count + 0.5) / (np.roll(count, 1) + 0.5))
        graded = scores.kind[scores.item] == GRADED_RESPONSE
        intercept = np.where(scores.weight > 0, np.where(graded, of_graded, of_others), 0.0)
        of_steps, extra = split_intercepts(intercept, scores)
        d = np.where(steps, of_steps, d)
        height = np.bincount(scores.item, scores.weight, minlength=n)
        a = np.where(scores.kind == PARTIAL_CREDIT, 2 / (1 + height), a)
    return State(a, d, np.full(n, GUESSING_MEAN), np.zeros(n_groups), np.ones(n_groups), extra)
