"""Estimation: from answers to item parameters, on the scale of the calibrated persons or of held anchors."""

import contextlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.bank_scale import Blocks, Target, link_blocks
from seedtest_assets.irt.design import FINE, groups_by_items, harder_after_right, items_follow_answers
from seedtest_assets.irt.em import Solution, Stopping, solve
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import nodes_for
from seedtest_assets.irt.item_scores import extra_codes, intercepts, rows_of_steps, split_intercepts
from seedtest_assets.irt.kernel_arguments import Curves, ItemScores
from seedtest_assets.irt.linking import Linking, link, link_target, near_standard
from seedtest_assets.irt.models import Model, Models
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.own_grids import FOR_ESTIMATES
from seedtest_assets.irt.parameters import ItemParameters, Line
from seedtest_assets.irt.priors import Priors
from seedtest_assets.irt.problem import PriorAnswers, Problem, starting_values
from seedtest_assets.irt.remarks import model_warnings
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.screening import fittable_items, scores_given, unconnected_blocks
from seedtest_assets.irt.shard_estep import Posteriors, loglik_of, mirrored, mirrored_parts
from seedtest_assets.irt.shards import Shards
from seedtest_assets.irt.standard_errors import Optimum, standard_errors, uphill
from seedtest_assets.irt.state import SLOPE_LIMIT, State

# A slope within this share of its limit has no finite estimate.
AT_THE_LIMIT = 0.999
# Times that persons are given nodes; the second time few are left, whose posterior has become narrower meanwhile.
MOST_GRIDS = 5
# Gain in log-likelihood that each population found by the choice of items must bring.
GAIN_A_GROUP = 10
# Saddles that are left one after the other, the median slope below which they are looked for in any case, and the least gain
# in log-likelihood of leaving one.
MOST_SADDLES = 4
SMALL_SLOPE = 0.3
LEAST_GAIN = 1e-3
# Two anchors have an order of b that chance may turn.
FEWEST_TO_TURN = 3
# Starting values below this slope may end in the mirror image of the scale, which fits as well.
LEAST_START = 0.05


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is calibrated: the answers to the items `fitted` (codes, int32, ascending), and who gave them.

    model: of the items that are right or wrong; models: object [n_items of the responses], "GRM", "GPCM" or "PCM" of those
    with partial credit, "" of the others; groups: population of each person, int32 [n_persons] of each shard; grouped: whether that was given, or found by the
    choice of items, so that nothing more is looked for; left_out: (item code, number of answers, reason) of the other items.
    """

    responses: ResponseShards
    model: Model
    models: np.ndarray
    fitted: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    groups: Shards[np.ndarray]
    n_groups: int
    grouped: bool
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, responses: ResponseShards, models: Models, groups: ArrayLike | None, options: Options) -> "Sample":
        """Find the items that can be fitted, give each its model, and check the groups."""
        of_items = responses.models_of_items(models)
        of_persons, n_groups = (responses.one_group(), 1) if groups is None else responses.groups_of(groups)
        least, bound = max(options.min_responses, 2), options.bound(models.model)
        with_prior = np.empty(0, np.int32) if options.by_item is None else options.by_item.item
        fitted, left_out = fittable_items(responses.count, least, bound, with_prior)
        return cls(
            responses=responses,
            model=models.model,
            models=of_items,
            fitted=fitted,
            left_out=tuple(left_out),
            groups=of_persons,
            n_groups=n_groups,
            grouped=groups is not None,
            warnings=tuple(model_warnings(responses.count, models.item_models, responses.item_ids)),
        )

    @property
    def merged(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """(item code, scores that nobody got) of the fitted items with partial credit that have such."""
        with_steps = self.fitted[self.models[self.fitted] != ""]
        count = self.responses.count[with_steps]
        below = np.arange(count.shape[1]) < self.responses.max_score[with_steps, None]
        unused = [(int(item), np.flatnonzero(row)) for item, row in zip(with_steps, below & (count == 0), strict=True)]
        return tuple((item, tuple(scores.tolist())) for item, scores in unused if len(scores))

    @property
    def scores(self) -> ItemScores:
        """The scores that were given to the fitted items."""
        return scores_given(self.responses.count, self.fitted, self.models[self.fitted])

    @property
    def answers(self) -> AnswerShards:
        """The answers to the fitted items."""
        return self.responses.answers_to(self.fitted, self.scores, self.groups, self.n_groups)

    def with_both_marks(self, options: Options) -> "Sample":
        """Leave out items that only a prior can estimate, with only right or only wrong answers."""
        fitted, _ = fittable_items(self.responses.count, max(options.min_responses, 2))
        return replace(self, fitted=np.intersect1d(self.fitted, fitted))

    def without(self, unbounded: np.ndarray, n_answers: np.ndarray) -> "Sample":
        """Leave out items whose slope has no finite estimate, bool [n_fitted]."""
        reason = "its answers separate perfectly, so its discrimination has no finite estimate"
        rows = zip(self.fitted[unbounded].tolist(), n_answers[unbounded].tolist(), strict=True)
        left_out = self.left_out + tuple((item, n, reason) for item, n in rows)
        if unbounded.all():
            raise DataError(
                "no item can be calibrated: the answers separate right from wrong perfectly. More answers are needed"
            )
        return replace(self, fitted=self.fitted[~unbounded], left_out=left_out)


@dataclass(frozen=True, kw_only=True)
class Bank:
    """What is known of items before the calibration."""

    anchors: ItemParameters | None = None
    previous: ItemParameters | None = None
    starts: ItemParameters | None = None

    @property
    def known(self) -> list[ItemParameters]:
        """All of it; where an item is known twice the later one counts."""
        return [items for items in (self.previous, self.anchors, self.starts) if items is not None and len(items)]

    def moved_back(self, line: Line) -> "Bank":
        """Undo a change of scale that leads to the bank's."""
        anchors, previous, starts = (items and line.undo(items) for items in (self.anchors, self.previous, self.starts))
        return Bank(anchors=anchors, previous=previous, starts=starts)


@dataclass(frozen=True, kw_only=True)
class HeldAnchors:
    """Anchors whose parameters are held, and the linkings of a free calibration, block by block, that chose them.

    line: leads to the bank's scale from the one on which `items` are held; see `near_standard`.
    """

    items: ItemParameters
    line: Line
    linkings: tuple[Linking, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated parameters of a sample, on the scale of its persons, or of held anchors.

    posteriors: of the persons, at the solution; loglik: of their answers.
    """

    sample: Sample
    problem: Problem
    solution: Solution
    posteriors: Shards[Posteriors]
    loglik: float

    @classmethod
    def of(cls, sample: Sample, problem: Problem, start: State, stopping: Stopping) -> "Estimate":
        """Estimate, and again from there while the posteriors of persons turn out not to be resolved by their nodes."""
        iterations = 0
        for _ in range(MOST_GRIDS):
            solution = solve(problem, start, replace(stopping, max_iterations=stopping.max_iterations - iterations))
            iterations += solution.iterations
            posteriors = problem.posteriors(solution.state)
            poor = problem.unresolved(solution.state, posteriors, FOR_ESTIMATES)
            if poor is None or iterations >= stopping.max_iterations:
                break
            problem, start = problem.resolving(poor, solution.state), solution.state
        solution = replace(solution, iterations=iterations)
        loglik = loglik_of(posteriors)
        return cls(sample=sample, problem=problem, solution=solution, posteriors=posteriors, loglik=loglik)

    @property
    def state(self) -> State:
        return self.solution.state

    @cached_property
    def optimum(self) -> Optimum:
        """What the second-order test and the standard errors are computed from."""
        return Optimum(self.problem, self.state)

    @property
    def objective(self) -> float:
        """What is maximised: the log-likelihood, with the priors."""
        return self.loglik + self.problem.log_prior(self.state)

    @property
    def items(self) -> ItemParameters:
        """Parameters of the fitted items."""
        a, b = self.state.discrimination_and_difficulty
        curves, scores = self.problem.curves(self.state), self.problem.scores
        if not self.problem.partial_credit.any():
            return ItemParameters(self.sample.fitted, a, b, curves.c)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_codes = -curves.intercept / (scores.weight * a[scores.item])
        steps = rows_of_steps(scores, of_codes, int(scores.score.max()))
        lowest = scores.score[scores.first[:-1]]
        passed = self.problem.partial_credit[:, None] & (np.arange(1, steps.shape[1] + 1) <= lowest[:, None])
        steps[passed] = -np.inf
        return ItemParameters(self.sample.fitted, a, b, curves.c, steps, self.sample.models[self.sample.fitted])


def screen_anchors(sample: Sample, bank: Bank, options: Options) -> HeldAnchors | None:
    """Choose the anchors to hold: a free calibration, linked to them, shows which drifted or changed sign.

    None where a block of items that persons connect keeps fewer than the 2 anchors that place its population on the
    bank's scale. With a prior the other blocks suffice.
    """
    target, source, _ = link_target(bank.anchors, None, sample.fitted, options.linking_method)
    shrunk = options.prior_answers > 0
    if source != "anchors" or target is None:
        return None
    # Priors are on the bank's scale, which is not known yet.
    options = replace(options.without_scale(), prior_answers=0.0)
    free = estimate_items(sample.with_both_marks(options), bank, None, options)
    errors = standard_errors(free.optimum, options.standard_errors)
    to_anchors = Target(items=target, source=source, method="stocking_lord", item_ids=sample.responses.item_ids)
    scale = link_blocks(free.items, errors.of_items, to_anchors, free.problem.answers)
    if not scale.linkings or (scale.not_linked.any() and not shrunk):
        return None
    used = np.concatenate([linking.used for linking in scale.linkings])
    line = near_standard(Line(scale.linkings[0].A, scale.linkings[0].B))
    items = line.undo(target.among(used))
    return HeldAnchors(items=items, line=line, linkings=scale.linkings, warnings=scale.warnings)


def estimate_maximum(sample: Sample, bank: Bank, held: HeldAnchors | None, options: Options) -> Estimate:
    """Estimate the items' parameters, and again from beside a saddle where the second-order test finds one.

    The test needs the information matrix. Where no standard errors are asked for, it is done only if most slopes are so
    small that all may be at the saddle where they are 0.
    """
    estimate = estimate_items(sample, bank, held, options)
    stopping = _stopping(options)
    for _ in range(MOST_SADDLES):
        tested = options.standard_errors or float(np.median(np.abs(estimate.state.a))) < SMALL_SLOPE
        step = uphill(estimate.optimum) if tested else None
        if step is None:
            return estimate
        beside = [estimate.state.like(estimate.state.vector() + sign * step) for sign in (1, -1)]
        better = max(
            (Estimate.of(estimate.sample, estimate.problem, start, stopping) for start in beside),
            key=lambda other: other.objective,
        )
        if better.objective <= estimate.objective + LEAST_GAIN:
            break
        estimate = _bounded(better, bank, held, options)
    return replace(estimate, solution=replace(estimate.solution, at_maximum=False))


def _bounded(estimate: Estimate, bank: Bank, held: HeldAnchors | None, options: Options) -> Estimate:
    """Leave out items without a finite estimate, and estimate the others again from where they are."""
    unbounded = _unbounded(estimate)
    if not unbounded.any():
        return _oriented(estimate, bank.anchors)
    sample = estimate.sample.without(unbounded, estimate.problem.answers.n_answers)
    return estimate_items(sample, replace(bank, starts=estimate.items), held, options)


def _stopping(options: Options) -> Stopping:
    return Stopping(options.tolerance, options.max_iterations, options.progress)


def _unbounded(estimate: Estimate) -> np.ndarray:
    return estimate.problem.free & (np.abs(estimate.state.a) > AT_THE_LIMIT * SLOPE_LIMIT)


def estimate_items(sample: Sample, bank: Bank, held: HeldAnchors | None, options: Options) -> Estimate:
    """Estimate the items' parameters, leaving out items without a finite estimate."""
    stopping = _stopping(options)
    while True:
        if held is not None and not sample.grouped:
            sample = _with_population_a_block(sample, held)
        problem, start = _problem(sample, bank.known, held, options)
        estimate = Estimate.of(sample, problem, start, stopping)
        if not sample.grouped:
            estimate = _with_populations(estimate, stopping)
            sample = estimate.sample
        if options.prior_answers > 0 and bank.known:
            estimate = _with_prior(estimate, bank.known, options.prior_answers, stopping)
        unbounded = _unbounded(estimate)
        if not unbounded.any():
            return _oriented(estimate, bank.anchors)
        sample = sample.without(unbounded, estimate.problem.answers.n_answers)


def _with_population_a_block(sample: Sample, held: HeldAnchors) -> Sample:
    """Give each block of items that no person connects a population of its own, where held anchors place each."""
    blocks = Blocks.of(sample.answers)
    anchored = np.unique(blocks.of_items[np.isin(sample.fitted, held.items.item)])
    if len(anchored) < blocks.n:
        return sample
    return replace(sample, groups=blocks.of_persons, n_groups=blocks.n)


def _problem(
    sample: Sample, known: list[ItemParameters], held: HeldAnchors | None, options: Options
) -> tuple[Problem, State]:
    """Pose the problem, and start from what is known of an item, else from its share of right answers."""
    answers = sample.answers
    scores = answers.scores
    common = np.isin(sample.models[sample.fitted], ["PCM"])
    state = starting_values(answers.count, scores, sample.n_groups)
    for items in known:
        _start_from(items, state, sample.fitted, scores, centred=held is None)
    if options.fixed_c is not None:
        state.g[:] = np.log(options.fixed_c / (1 - options.fixed_c))
    free = np.ones(len(sample.fitted), bool)
    if held is not None:
        free[np.searchsorted(sample.fitted, held.items.item)] = False
        common &= free
    priors = Priors(**options.given, by_item=options.by_item)
    problem = Problem(
        answers,
        sample.model,
        free,
        common,
        n_nodes=nodes_for(answers.length_quantile(0.95)),
        priors=priors,
        codes=sample.fitted,
    )
    if held is not None:
        _hold(held.items, np.searchsorted(sample.fitted, held.items.item), state, problem)
    elif problem.common_slope.any():
        state.a[problem.common_slope] = np.abs(state.a[problem.common_slope]).mean()
    return problem, state


def _start_from(items: ItemParameters, state: State, fitted: np.ndarray, scores: ItemScores, *, centred: bool) -> None:
    """Write parameters into the state; `centred`: the persons' mean is 0 there, however far the bank's origin is.

    Steps are taken where the item has the same scores and the same kind of model.
    """
    items = items.take(np.isin(items.item, fitted) & (items.a > LEAST_START) & (items.a < SLOPE_LIMIT))
    row = np.searchsorted(fitted, items.item)
    alike = _alike(items, row, scores)
    items, row = items.take(alike), row[alike]
    shift = (
        np.median(items.b + state.d[row] / np.where(scores.kind[row], state.a[row], 1.0))
        if centred and len(items)
        else 0.0
    )
    state.a[row], state.d[row] = items.a, -items.a * (items.b - shift)
    guessed = items.c > 0
    state.g[row[guessed]] = np.log(items.c[guessed] / (1 - items.c[guessed]))
    _take_steps(items, row, state, scores)


def _alike(items: ItemParameters, row: np.ndarray, scores: ItemScores) -> np.ndarray:
    """Tell which items have the scores and the kind of model that they have in `scores`, at `row`."""
    if not items.polytomous.any() and not scores.kind.any():
        return np.ones(len(items), bool)
    known = items.scores
    size = max(int(known.score.max(initial=1)), int(scores.score.max(initial=1))) + 1
    of_known, of_scores = (_used(each, size) for each in (known, scores))
    return (known.kind == scores.kind[row]) & (of_known == of_scores[row]).all(axis=1)


def _used(scores: ItemScores, size: int) -> np.ndarray:
    used = np.zeros((len(scores.kind), size), bool)
    used[scores.item, scores.score.astype(np.int64)] = True
    return used


def _take_steps(items: ItemParameters, row: np.ndarray, state: State, scores: ItemScores) -> None:
    """Write the e of items whose scores are the same at `row` into the state."""
    if not items.polytomous.any():
        return
    known = items.curves
    _, extra = split_intercepts(known.intercept, known.scores)
    place = np.cumsum(extra_codes(scores)) - 1  # of each code that has one, in state.extra
    of_known = np.flatnonzero(extra_codes(known.scores))
    item = known.scores.item[of_known]
    code = scores.first[row[item]] + (of_known - known.scores.first[item])
    state.extra[place[code]] = extra


def _hold(items: ItemParameters, row: np.ndarray, state: State, problem: Problem) -> None:
    """Write held parameters into the state, at `row`."""
    rasch = not problem.facts.own_slopes
    if rasch and (~items.polytomous).any():
        state.a[problem.common_slope] = items.a[~items.polytomous].mean()
    elif (items.model == "PCM").any():
        state.a[problem.common_slope] = items.a[items.model == "PCM"].mean()
    state.a[row], state.d[row] = items.a, items.d
    c = np.clip(items.c, 1e-12, None)
    state.g[row] = np.log(c / (1 - c))
    _take_steps(items, row, state, problem.scores)


def _with_populations(estimate: Estimate, stopping: Stopping) -> Estimate:
    """Estimate again with a population for each group of persons with like items, where item choice shows ability."""
    problem, sample, state = estimate.problem, estimate.sample, estimate.state
    if not _one_scale(problem):
        return estimate
    difficulty = (state.discrimination_and_difficulty[1] - state.mean.mean()) / state.sd.mean()
    grouping = groups_by_items(problem.answers, difficulty)
    if grouping is None:
        return estimate
    n_groups = grouping.n_groups
    answers = problem.answers.in_groups(grouping.groups, n_groups)
    if harder_after_right(answers, grouping.place):
        return estimate
    grouped = replace(problem, answers=answers, n_nodes=max(problem.n_nodes, FINE), own=None)
    if problem.anchored:
        start = replace(state, mean=np.full(n_groups, state.mean.mean()), sd=np.full(n_groups, state.sd.mean()))
    else:
        start = replace(starting_values(answers.count, answers.scores, n_groups), g=state.g)
    rough = solve(grouped, start, Stopping(100 * stopping.tolerance, 50, stopping.progress))
    gain = grouped.expect(rough.state, counts=False).loglik - estimate.loglik
    if gain < GAIN_A_GROUP * n_groups:
        return estimate
    if items_follow_answers(answers, grouped.curves(rough.state), grouped.grid(rough.state)):
        return estimate
    low, high = rough.state.mean.min(), rough.state.mean.max()
    warning = (
        f"the items that a person was given depend on ability: {n_groups} groups of persons with like items have "
        f"separate populations (means {low:+.2f} to {high:+.2f}). Give the times of the answers, so that an adaptive "
        "test is recognised, or pass groups"
    )
    sample = replace(
        sample, groups=grouping.groups, n_groups=n_groups, grouped=True, warnings=(*sample.warnings, warning)
    )
    return Estimate.of(sample, grouped, rough.state, stopping)


def _one_scale(problem: Problem) -> bool:
    """Check whether the abilities of all persons can be compared: by common items, or by held items in every block."""
    blocks = unconnected_blocks(problem.answers)
    return not blocks.any() or len(np.unique(blocks[~problem.free])) == blocks.max() + 1


def _with_prior(estimate: Estimate, known: list[ItemParameters], weight: float, stopping: Stopping) -> Estimate:
    """Estimate again with earlier parameters, each worth `weight` answers, as a prior."""
    problem, fitted, now = estimate.problem, estimate.sample.fitted, estimate.items
    scores, weights = problem.scores, np.zeros(len(fitted))
    prior = replace(estimate.state, a=np.ones(len(fitted)), d=np.zeros(len(fitted)), extra=estimate.state.extra.copy())
    c = np.zeros(len(fitted))
    for items in known:
        items = items.among(fitted)
        if not problem.anchored and len(items) > 1:
            with contextlib.suppress(DataError):
                items = link(items, now).apply(items)
        row = np.searchsorted(fitted, items.item)
        alike = _alike(items, row, scores)
        items, row = items.take(alike), row[alike]
        prior.a[row], prior.d[row], weights[row] = items.a, items.d, weight
        c[row] = items.c if problem.facts.guessing else 0.0
        _take_steps(items, row, prior, scores)
    curves = Curves(prior.a, prior.d, c, scores, intercepts(prior.d, prior.extra, scores))
    answers = PriorAnswers(curves, np.where(problem.free, weights, 0.0))
    return Estimate.of(estimate.sample, replace(problem, prior=answers), estimate.state, stopping)


def _oriented(estimate: Estimate, anchors: ItemParameters | None) -> Estimate:
    """Point the ability axis up: so that most discriminations are positive, unless the anchors clearly say otherwise.

    Held items and a prior of the discriminations keep it where it is.
    """
    if estimate.problem.anchored or estimate.problem.priors.of_slopes(estimate.problem.model):
        return estimate
    if float(np.median(estimate.state.a)) < 0:
        estimate = _mirrored(estimate)
    if anchors is None or not _turned(estimate.items, anchors.among(estimate.sample.fitted)):
        return estimate
    return _mirrored(estimate)


def _turned(items: ItemParameters, anchors: ItemParameters) -> bool:
    """Check whether the scale of the items is upside down by both a and b of the anchors, as where most keys are reversed.

    Each anchor has one vote by the sign of its a, so that a very steep one does not outvote the others. The order of b
    must be turned, too, because a wrong sign in the bank leaves b where it is.
    """
    if len(anchors) < FEWEST_TO_TURN:
        return False
    new = items.take(np.searchsorted(items.item, anchors.item))
    place, place_in_bank = (np.argsort(np.argsort(b)) - (len(b) - 1) / 2 for b in (new.b, anchors.b))
    return bool(np.sign(new.a) @ np.sign(anchors.a) < 0 and place @ place_in_bank < 0)


def _mirrored(estimate: Estimate) -> Estimate:
    """Turn the ability axis around."""
    solution = replace(estimate.solution, state=estimate.state.mirrored())
    own = None if estimate.problem.own is None else estimate.problem.own.derive(mirrored_parts)
    problem = replace(estimate.problem, own=own, priors=estimate.problem.priors.mirrored())
    return replace(estimate, problem=problem, solution=solution, posteriors=estimate.posteriors.derive(mirrored))
