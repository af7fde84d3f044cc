"""Calibration: from a list of answers to item parameters on the bank's scale, abilities, and how far to trust them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt import em
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estep import log_probability_table, posterior_moments
from seedtest_assets.irt.grid import Grid, normal_grid
from seedtest_assets.irt.linking import METHODS, Linking, link
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.standard_errors import covariance_blocks

MODELS = ("Rasch", "2PL", "3PL")
MIN_RESPONSES = 10


@dataclass(frozen=True)
class Calibration:
    """One calibration; parameters and abilities are on the bank's scale.

    items: the fitted items; se_a, se_b, se_c: their standard errors, NaN for a parameter that was not estimated (c below 3PL,
        everything of a held anchor, all of them without standard_errors); n_responses: int64, answers to each.
    theta, theta_se: EAP ability and posterior SD of every person, float64 [n_persons]; a person without answers to
        fitted items has the population's mean and SD.
    left_out: (item code, number of answers, reason) of each item that has answers but no parameters.
    loglik, aic, bic: of the fit, without priors; n_parameters: how many were estimated.
    group_mean, group_sd: the calibrated persons' ability distribution on the bank's scale (0 and 1 when nothing was linked).
    linking: None when nothing was linked; reliability: var(theta) / (var(theta) + mean(theta_se^2)) of the persons who answered.
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
    loglik: float
    aic: float
    bic: float
    n_parameters: int
    iterations: int
    converged: bool
    group_mean: float
    group_sd: float
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
    min_responses: int = MIN_RESPONSES,
    tolerance: float = 1e-4,
    max_iterations: int = 2000,
    standard_errors: bool = True,
    progress: Callable[[int, float, float], None] | None = None,
) -> Calibration:
    """Calibrate a bank.

    model: "Rasch", "2PL" or "3PL". anchors: bank items whose parameters are trusted; previous: an earlier calibration, linked to
    when there are no anchors; starts: values that only start the estimation. linking_method: one of linking.METHODS, "fixed"
    (anchors keep their parameters and the population's mean and SD are estimated instead) or "none".
    min_responses: an item needs this many answers, right and wrong ones among them. tolerance: largest change of a, d, logit c
    in the last iteration. progress: called with (iteration, largest change, log-likelihood).

    Raises DataError when the data cannot be calibrated or an argument is none of the choices.
    """
    if model not in MODELS:
        raise DataError(f"model {model!r} is none of {', '.join(MODELS)}")
    if linking_method not in (*METHODS, "fixed", "none"):
        raise DataError(f"linking method {linking_method!r} is none of {', '.join((*METHODS, 'fixed', 'none'))}")
    fitted, n_answers, n_right, left_out = screen(responses, min_responses)
    start, code = _recode(responses, fitted)
    warnings: list[str] = []
    target, source = link_target(anchors, previous, fitted, linking_method, warnings)

    state = _start(model, fitted, n_answers, n_right, anchors, starts, previous)
    free = np.ones(len(fitted), bool)
    fixed = linking_method == "fixed" and target is not None
    if fixed:
        free = ~np.isin(fitted, target.item)
        state = _hold(state, fitted, target)
    done = em.fit(start, code, state, model, free, fixed, tolerance, max_iterations, progress)
    if not done.converged:
        warnings.append(
            f"not converged after {done.iterations} iterations: raise max_iterations, or look at the items with huge errors"
        )

    state = done.state
    c = state.guessing(model)
    items = ItemParameters(fitted, state.a, -state.d / state.a, c)
    se_a, se_b, se_c, size = _standard_errors(start, code, state, model, free, fixed, standard_errors)
    grid = normal_grid(state.mean, state.sd)
    theta, theta_se = posterior_moments(start, code, log_probability_table(state.a, state.d, c, grid.node), grid)

    linking, A, B = None, 1.0, 0.0
    if fixed:
        linking = Linking(state.sd, state.mean, "fixed", source, np.intersect1d(fitted, target.item))
    elif target is not None:
        try:
            linking = link(items, target, linking_method, source=source)
        except DataError as problem:
            warnings.append(f"not linked to the bank's scale: {problem}")
        else:
            A, B = linking.A, linking.B
    answered = np.diff(start) > 0
    n_persons = int(answered.sum())
    return Calibration(
        items=ItemParameters(fitted, items.a / A, A * items.b + B, c),
        se_a=se_a / A,
        se_b=se_b * A,
        se_c=se_c,
        n_responses=n_answers,
        theta=A * theta + B,
        theta_se=A * theta_se,
        left_out=left_out,
        loglik=done.loglik,
        aic=2 * size - 2 * done.loglik,
        bic=size * np.log(n_persons) - 2 * done.loglik,
        n_parameters=size,
        iterations=done.iterations,
        converged=done.converged,
        group_mean=A * state.mean + B,
        group_sd=A * state.sd,
        linking=linking,
        reliability=reliability(theta[answered], theta_se[answered]),
        warnings=tuple(warnings),
    )


def expected_a_posteriori(
    responses: Responses, items: ItemParameters, mean: float = 0.0, sd: float = 1.0, grid: Grid | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """EAP ability and posterior SD of every person under theta ~ N(mean, sd^2), float64 [n_persons] each (Bock & Mislevy, 1982).

    Answers to items without parameters are not used; a person with none has the mean and SD of the population.
    """
    grid = grid or normal_grid(mean, sd)
    start, code = _recode(responses, items.item)
    return posterior_moments(start, code, log_probability_table(items.a, items.d, items.c, grid.node), grid)


def screen(responses: Responses, min_responses: int = MIN_RESPONSES):
    """Codes of the items that can be fitted, their answers and right answers, and who is left out and why."""
    if responses.n_answers == 0:
        raise DataError("there are no answers to calibrate")
    n_answers = np.bincount(responses.item, minlength=responses.n_items)
    n_right = np.bincount(responses.item, weights=responses.correct, minlength=responses.n_items).astype(np.int64)
    left_out = []
    for j in np.flatnonzero(n_answers):
        if n_answers[j] < min_responses:
            left_out.append((int(j), int(n_answers[j]), f"fewer than {min_responses} answers"))
        elif n_right[j] in (0, n_answers[j]):
            left_out.append((int(j), int(n_answers[j]), "all answers right" if n_right[j] else "all answers wrong"))
    keep = n_answers > 0
    keep[[item for item, _, _ in left_out]] = False
    fitted = np.flatnonzero(keep).astype(np.int32)
    if not len(fitted):
        raise DataError(
            f"no item can be calibrated: each of the {len(left_out)} items has fewer than {min_responses} answers, or only right or only wrong ones"
        )
    return fitted, n_answers[fitted], n_right[fitted], tuple(left_out)


def _recode(responses: Responses, fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers to the fitted items as 2 position + correct, int32, and where each person's begin."""
    position = np.full(max(responses.n_items, int(fitted.max(initial=-1)) + 1), -1, np.int32)
    position[fitted] = np.arange(len(fitted), dtype=np.int32)
    code = position[responses.item]
    keep = code >= 0
    before = np.concatenate([[0], np.cumsum(keep)])
    return before[responses.person_start], (2 * code + responses.correct)[keep]


def link_target(anchors, previous, fitted, method, warnings) -> tuple[ItemParameters | None, str]:
    """What to link to: the anchors among the fitted items, else the previous calibration's."""
    if method == "none":
        return None, ""
    for items, source in ((anchors, "anchors"), (previous, "previous")):
        if items is not None and len(items):
            common = items.take(np.isin(items.item, fitted))
            if len(common) >= 2:
                return common, source
            warnings.append(
                f"{len(common)} of the {len(items)} items to link by ({source}) are among the fitted ones, 2 are needed"
            )
    return None, ""


def _start(model, fitted, n_answers, n_right, anchors, starts, previous) -> em.State:
    """Starting values: what is known of an item, else from its share of right answers."""
    state = em.starting_values(n_answers, n_right)
    for known in (previous, anchors, starts):
        if known is not None and len(known):
            known = known.take(np.isin(known.item, fitted) & (np.abs(known.a) > 0.05))
            row = np.searchsorted(fitted, known.item)
            state.a[row], state.d[row] = known.a, known.d
            state.g[row[known.c > 0]] = np.log(known.c / (1 - known.c))[known.c > 0]
    if model == "Rasch":
        state.a[:] = state.a.mean()
    return state


def _hold(state: em.State, fitted: np.ndarray, anchors: ItemParameters) -> em.State:
    """The state with the anchors' parameters in place."""
    a, d, g = state.a.copy(), state.d.copy(), state.g.copy()
    order = np.searchsorted(fitted, anchors.item)
    a[order], d[order] = anchors.a, anchors.d
    c = np.clip(anchors.c, 1e-9, None)
    g[order] = np.log(c / (1 - c))
    return em.State(a, d, g)


def _standard_errors(start, code, state, model, free, fixed, wanted):
    """Standard errors of a, b, c, and the number of free parameters."""
    from seedtest_assets.irt.standard_errors import parameter_index

    size = parameter_index(model, free, fixed)[1]
    nothing = np.full(len(free), np.nan)
    if not wanted:
        return nothing, nothing, nothing, size
    block = covariance_blocks(start, code, state, model, free, fixed)[:-1]
    a, d = state.a, state.d
    with np.errstate(invalid="ignore"):
        se_a = np.sqrt(block[:, 0, 0])
        se_b = np.sqrt(d**2 / a**4 * block[:, 0, 0] + block[:, 1, 1] / a**2 - 2 * d / a**3 * block[:, 0, 1])
        c = state.guessing(model)
        se_c = c * (1 - c) * np.sqrt(block[:, 2, 2])
    se_a, se_b = np.where(block[:, 0, 0] > 0, se_a, np.nan), np.where(block[:, 1, 1] > 0, se_b, np.nan)
    return se_a, se_b, np.where(se_c > 0, se_c, np.nan), size


def reliability(theta: np.ndarray, theta_se: np.ndarray) -> float:
    """Share of the variance of ability estimates that is not their error: var(theta) / (var(theta) + mean(theta_se^2))."""
    true = float(np.var(theta, ddof=1)) if len(theta) > 1 else 0.0
    noise = float(np.mean(theta_se**2))
    return true / (true + noise)
