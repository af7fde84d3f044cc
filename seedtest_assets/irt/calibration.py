"""Calibration: from a list of answers to item parameters on the bank's scale, abilities, and how far to trust them."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seedtest_assets.irt.ability import reliability, score
from seedtest_assets.irt.design import FINE, groups_by_items, harder_after_right, next_to_no_spread
from seedtest_assets.irt.em import Fit, Problem, Seeds, State, fit, starting_values
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.grid import nodes_for
from seedtest_assets.irt.linking import METHODS, Linking, link
from seedtest_assets.irt.mstep import SLOPE_LIMIT
from seedtest_assets.irt.parallel import tell_of_compilation
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.remarks import fit_warnings, flag, flag_warnings
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.screening import LeftOut, answers_to, fittable_items, unconnected_blocks
from seedtest_assets.irt.standard_errors import item_covariances, n_parameters

MODELS = ("Rasch", "2PL", "3PL")
MIN_RESPONSES = 10  # so that a class of ten can be calibrated; whoever has more data asks for more


@dataclass(frozen=True)
class Calibration:
    """One calibration; parameters and abilities are on the bank's scale.

    items: the fitted items; se_a, se_b, se_c: their standard errors, float64 [n_fitted], NaN for a parameter that was
        not estimated (c below 3PL, everything of a held anchor, all of them without standard_errors), infinite where
        the data do not tell;
        n_responses: int64, answers to each.
    theta, theta_se: EAP ability and posterior SD of every person, float64 [n_persons]; a person without answers to
        fitted items has the population's mean and SD.
    left_out: (item code, number of answers, reason) of each item that has answers but no parameters.
    flagged: (item code, reason) of each fitted item that wants a look: its discrimination is negative, or not told
    from 0.
    loglik, aic, bic: of the fit, without priors; n_parameters: how many were estimated.
    group_mean, group_sd: ability distribution of all calibrated persons on the bank's scale (0 and 1 when nothing was
    linked);
    groups_mean, groups_sd: the same of each group, float64 [n_groups].
    linking: None when nothing was linked; reliability: var(theta) / (var(theta) + mean(theta_se^2)) of the persons
    who answered.
    warnings: one line each.
    """

    items: ItemParameters
    se_a: np.ndarray
    se_b: np.ndarray
    se_c: np.ndarray
    n_responses: np.ndarray
    theta: np.ndarray
    theta_se: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    flagged: tuple[tuple[int, str], ...]
    loglik: float
    aic: float
    bic: float
    n_parameters: int
    iterations: int
    converged: bool
    group_mean: float
    group_sd: float
    groups_mean: np.ndarray
    groups_sd: np.ndarray
    linking: Linking | None
    reliability: float
    warnings: tuple[str, ...]


def calibrate(
    responses: Responses,
    model: str = "2PL",
    *,
    anchors: ItemParameters | None = None,
    starts: ItemParameters | None = None,
    previous: ItemParameters | None = None,
    linking_method: str = "stocking_lord",
    groups: np.ndarray | None = None,
    min_responses: int = MIN_RESPONSES,
    seed_answers: float = 0.0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
    standard_errors: bool = True,
    progress: Callable[[int, float, float], None] | None = None,
) -> Calibration:
    """Calibrate a bank by marginal maximum likelihood (Bock & Aitkin, 1981).

    model: "Rasch", "2PL" or "3PL".
    anchors: bank items whose parameters are trusted; previous: an earlier calibration, linked to when there are no
    anchors;
        starts: values that only start the estimation.
    linking_method: one of linking.METHODS, "fixed" (anchors that did not drift keep their parameters and the
        population's mean and SD are estimated instead; without anchors stocking_lord) or "none".
    groups: integer [n_persons], the population each person is from, 0 .. n_groups - 1; each has a mean and SD of its
        own, together they have 0 and 1. Say it where forms were given to groups of different ability: one population
        for all would bias b.
        None: one population, unless the choice of items shows that there are more (see design.py).
    min_responses: an item needs this many answers, right and wrong ones among them.
    seed_answers: shrink each item towards its starts (or, without, anchors or previous) as if that many persons of
        N(0, 1) had answered as those foretell, after linking them to this calibration's scale; 0 is maximum likelihood.
    tolerance: largest change of a, d = -a b and logit c that the last step may make.
    progress: called after each step with (iteration, largest change, log-likelihood).

    Raises DataError when the data cannot be calibrated or an argument is none of the choices.
    """
    if model not in MODELS:
        raise DataError(f"model {model!r} is none of {', '.join(MODELS)}")
    if linking_method not in (*METHODS, "fixed", "none"):
        raise DataError(f"linking method {linking_method!r} is none of {', '.join((*METHODS, 'fixed', 'none'))}")
    if tolerance <= 0 or max_iterations < 1:
        raise DataError("tolerance must be above 0 and max_iterations at least 1")
    tell_of_compilation()
    group, n_groups = _groups(groups, responses.n_persons)
    fitted, left_out = fittable_items(responses, max(min_responses, 2))
    known = [items for items in (previous, anchors, starts) if items is not None and len(items)]
    screened_out: tuple[tuple[int, str], ...] = ()
    if linking_method == "fixed":
        # Anchors that drifted must not be held: a free calibration, linked, tells which did.
        free = calibrate(
            responses,
            model,
            anchors=anchors,
            starts=starts,
            previous=previous,
            groups=groups,
            min_responses=min_responses,
            tolerance=tolerance,
            max_iterations=max_iterations,
            standard_errors=False,
            progress=progress,
        )
        if anchors is not None and free.linking is not None and free.linking.source == "anchors":
            anchors, screened_out = anchors.take(np.isin(anchors.item, free.linking.used)), free.linking.screened_out
    design_warning: list[str] = []
    while True:
        target, source, target_warning = link_target(anchors, previous, fitted, linking_method)
        held = target if linking_method == "fixed" and source == "anchors" else None
        problem, state = _problem(responses, fitted, group, n_groups, model, known, held)
        done = fit(problem, state, tolerance, max_iterations, progress)
        if groups is None and held is None:
            problem, done, design_warning = _by_design(problem, done, tolerance, max_iterations, progress)
            group, n_groups = problem.answers.group, problem.answers.n_groups
        if seed_answers > 0 and known:
            problem = replace(problem, seeds=_seeds(problem, done.state, fitted, known, seed_answers, held is not None))
            done = fit(problem, done.state, tolerance, max_iterations, progress)
        endless = problem.free & (np.abs(done.state.a) > 0.999 * SLOPE_LIMIT)
        if not endless.any():
            break
        left_out += _without_estimate(problem, fitted[endless], endless)
        fitted = fitted[~endless]
        if not len(fitted):
            raise DataError(
                "no item can be calibrated: the answers separate right from wrong perfectly; more answers are needed"
            )

    if held is None:
        done = _oriented(done, fitted, anchors)
    state, c = done.state, problem.guessing(done.state)
    theta, theta_se, loglik = score(problem.answers, state.a, state.d, c, state.mean, state.sd, problem.grid(state))
    items = ItemParameters(fitted, *_discrimination_and_difficulty(state), c)
    linking, link_warning = _link(items, target, source, linking_method, state)
    if linking is not None and held is not None:
        linking = replace(linking, screened_out=screened_out)
    A, B = (linking.A, linking.B) if linking is not None and held is None else (1.0, 0.0)
    items = linking.apply(items) if linking is not None and held is None else items
    se_a, se_b, se_c, covariance_warnings = _standard_errors(problem, state, standard_errors)

    answered = np.diff(problem.answers.start) > 0
    share = np.bincount(group[answered], minlength=n_groups) / answered.sum()
    mean = float(share @ state.mean)
    sd = float(np.sqrt(share @ (state.sd**2 + (state.mean - mean) ** 2)))
    size = n_parameters(problem)
    flagged = flag(items, se_a / A)
    return Calibration(
        items=items,
        se_a=se_a / A,
        se_b=se_b * A,
        se_c=se_c,
        n_responses=problem.answers.count.sum(axis=1),
        theta=A * theta + B,
        theta_se=A * theta_se,
        left_out=tuple(sorted(left_out)),
        flagged=flagged,
        loglik=loglik,
        aic=2 * size - 2 * loglik,
        bic=float(size * np.log(answered.sum()) - 2 * loglik),
        n_parameters=size,
        iterations=done.iterations,
        converged=done.converged,
        group_mean=A * mean + B,
        group_sd=A * sd,
        groups_mean=A * state.mean + B,
        groups_sd=A * state.sd,
        linking=linking,
        reliability=reliability(theta[answered], theta_se[answered]),
        warnings=(
            *design_warning,
            *fit_warnings(done, problem, tolerance),
            *target_warning,
            *link_warning,
            *covariance_warnings,
            *flag_warnings(flagged),
        ),
    )


def _groups(groups, n_persons: int) -> tuple[np.ndarray, int]:
    if groups is None:
        return np.zeros(n_persons, np.int32), 1
    groups = np.asarray(groups)
    if groups.shape != (n_persons,) or groups.dtype.kind not in "iu" or (groups.size and groups.min() < 0):
        raise DataError(f"groups must be {n_persons} integer codes from 0, one a person")
    return groups.astype(np.int32), int(groups.max(initial=0)) + 1


def link_target(anchors, previous, fitted: np.ndarray, method: str) -> tuple[ItemParameters | None, str, list[str]]:
    """What to link to: the anchors among the fitted items, else the previous calibration's; and what to say when
    there is none."""
    warnings: list[str] = []
    for items, source in ((anchors, "anchors"), (previous, "previous")):
        if method != "none" and items is not None and len(items):
            common = items.take(np.isin(items.item, fitted))
            if len(common) >= 2:
                return common, source, warnings
            name = "anchors" if source == "anchors" else "items of the previous calibration"
            warnings.append(
                f"{len(common)} of {len(items)} {name} can be fitted; 2 are needed to link to the bank's scale"
            )
    return None, "", warnings


def _problem(responses, fitted, group, n_groups, model, known, held) -> tuple[Problem, State]:
    """The items and answers to fit, and where to start: what is known of an item, else its share of right answers."""
    answers = answers_to(responses, fitted, group, n_groups)
    state = starting_values(answers.count, n_groups)
    a, d, g = state.a, state.d, state.g
    for items in known:
        # Starting below 0 may end in the mirror image of the scale, which fits as well and turns every ability around.
        items = items.take(np.isin(items.item, fitted) & (items.a > 0.05) & (items.a < SLOPE_LIMIT))
        row = np.searchsorted(fitted, items.item)
        # The bank's origin may be far from these persons' mean, which is 0 here.
        shift = np.median(items.b + d[row]) if held is None and len(items) else 0.0
        a[row], d[row] = items.a, -items.a * (items.b - shift)
        guessed = items.c > 0
        g[row[guessed]] = np.log(items.c[guessed] / (1 - items.c[guessed]))
    free = np.ones(len(fitted), bool)
    if model == "Rasch":
        a[:] = np.abs(a).mean() if held is None else held.a.mean()
    if held is not None:
        row = np.searchsorted(fitted, held.item)
        free[row] = False
        a[row], d[row] = held.a, held.d
        c = np.clip(held.c, 1e-12, None)
        g[row] = np.log(c / (1 - c))
    lengths = np.diff(answers.start)
    return Problem(answers, model, free, nodes_for(float(np.quantile(lengths, 0.95)))), state


def _by_design(problem: Problem, done: Fit, tolerance, max_iterations, progress) -> tuple[Problem, Fit, list[str]]:
    """The same with a population for each group of persons with like items, where the choice of items tells ability."""
    if problem.answers.n_groups > 1 or unconnected_blocks(problem.answers).any():
        return problem, done, []
    found = groups_by_items(problem.answers, _discrimination_and_difficulty(done.state)[1])
    if found is None or found[0].max() == 0 or harder_after_right(problem.answers, found[1]):
        return problem, done, []
    n_groups = int(found[0].max()) + 1
    grouped = replace(
        problem, answers=replace(problem.answers, group=found[0], n_groups=n_groups), n_nodes=max(problem.n_nodes, FINE)
    )
    start = replace(starting_values(problem.answers.count, n_groups), g=done.state.g)
    rough = fit(grouped, start, 100 * tolerance, 50, progress)
    gain = grouped.expect(rough.state, counts=False).loglik - problem.expect(done.state, counts=False).loglik
    if gain < 10 * n_groups or next_to_no_spread(rough.state.sd):
        return problem, done, []
    low, high = rough.state.mean.min(), rough.state.mean.max()
    warning = (
        f"which items a person saw tells their ability: {n_groups} groups of persons with like items have populations "
        f"of their own (means {low:+.2f} to {high:+.2f}); give the times of the answers, so that an adaptive test is "
        "recognised, or say groups"
    )
    return grouped, fit(grouped, rough.state, tolerance, max_iterations, progress), [warning]


def _seeds(problem: Problem, state: State, fitted, known: list[ItemParameters], answers: float, held: bool) -> Seeds:
    """Earlier parameters on the scale of `state`, each worth that many answers."""
    a, d, c, weight = np.ones(len(fitted)), np.zeros(len(fitted)), np.zeros(len(fitted)), np.zeros(len(fitted))
    now = ItemParameters(fitted, *_discrimination_and_difficulty(state), problem.guessing(state))
    for items in known:
        items = items.take(np.isin(items.item, fitted))
        if not held and len(items) > 1:
            with contextlib.suppress(DataError):
                items = link(items, now, "stocking_lord").apply(items)
        row = np.searchsorted(fitted, items.item)
        a[row], d[row], c[row], weight[row] = items.a, items.d, items.c if problem.model == "3PL" else 0.0, answers
    return Seeds(a, d, c, np.where(problem.free, weight, 0.0))


def _without_estimate(problem: Problem, items: np.ndarray, endless: np.ndarray) -> LeftOut:
    n_answers = problem.answers.count[endless].sum(axis=1)
    reason = "its answers separate perfectly, so its discrimination has no finite estimate"
    return [(int(item), int(n), reason) for item, n in zip(items, n_answers, strict=True)]


def _oriented(done: Fit, fitted: np.ndarray, anchors: ItemParameters | None) -> Fit:
    """The same fit with the ability axis pointing up: as the anchors say, else so that most discriminations are
    positive."""
    state, direction = done.state, 0.0
    if anchors is not None and len(anchors):
        common = anchors.take(np.isin(anchors.item, fitted))
        direction = float(common.a @ state.a[np.searchsorted(fitted, common.item)])
    if (direction or float(np.median(state.a))) >= 0:
        return done
    return Fit(State(-state.a, state.d, state.g, -state.mean, state.sd), done.iterations, done.converged)


def _discrimination_and_difficulty(state: State) -> tuple[np.ndarray, np.ndarray]:
    """a and b = -d / a; an item without discrimination gets next to none, and a difficulty far out rather than none."""
    a = np.where(np.abs(state.a) < 1e-4, np.where(state.a < 0, -1e-4, 1e-4), state.a)
    return a, -state.d / a


def _link(items, target, source, method, state) -> tuple[Linking | None, list[str]]:
    if target is None:
        return None, []
    if method == "fixed" and source == "anchors":
        if len(state.mean) > 1:
            return Linking(1.0, 0.0, "fixed", source, target.item), []
        return Linking(float(state.sd[0]), float(state.mean[0]), "fixed", source, target.item), []
    try:
        # A previous calibration is linked to, never held: held, the bank would freeze and no item could be seen to change.
        return link(items, target, "stocking_lord" if method == "fixed" else method, source=source), []
    except DataError as problem:
        return None, [f"not linked to the bank's scale: {problem}"]


def _standard_errors(problem: Problem, state: State, wanted: bool):
    """Standard errors of a, b and c before linking; b by the delta method."""
    nothing = np.full(len(state.a), np.nan)
    if not wanted:
        return nothing, nothing, nothing, []
    block, _ = item_covariances(problem, state)
    (a, b), c = _discrimination_and_difficulty(state), problem.guessing(state)
    variances = (
        block[:, 0, 0],
        (block[:, 1, 1] + 2 * b * block[:, 0, 1] + b**2 * block[:, 0, 0]) / a**2,
        (c * (1 - c)) ** 2 * block[:, 2, 2],
    )
    warnings = []
    unknown = ~np.isfinite(block).all(axis=(1, 2))
    if unknown.any():
        warnings.append(f"{int(unknown.sum())} items have infinite standard errors: their information is not positive")
    estimated = np.stack([problem.free, problem.free, problem.free & (problem.model == "3PL")])
    errors = np.where(unknown, np.inf, np.sqrt(np.maximum(np.stack(variances), 0)))
    return *np.where(estimated, errors, np.nan), warnings
