"""Calibration: from a list of answers to item parameters on the bank's scale, abilities, and how far to trust them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.ability import abilities, reliability
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estimation import Bank, Estimate, HeldAnchors, Sample, estimate_items, screen_anchors
from seedtest_assets.irt.linking import Linking, link, link_target, linking_warnings
from seedtest_assets.irt.models import MODELS, Model, scale_transformation
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.own_grids import FOR_ABILITIES
from seedtest_assets.irt.parallel import announce_compilation
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.remarks import error_warnings, fit_warnings, flag, flag_warnings
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.result import Calibration
from seedtest_assets.irt.standard_errors import ItemErrors, n_parameters, standard_errors


def calibrate(
    responses: Responses,
    model: Model = "2PL",
    *,
    anchors: ItemParameters | None = None,
    previous: ItemParameters | None = None,
    starts: ItemParameters | None = None,
    groups: ArrayLike | None = None,
    options: Options | None = None,
) -> Calibration:
    """Calibrate a bank by marginal maximum likelihood [1]_ and link it to its scale.

    Parameters
    ----------
    responses : Responses
    model : {"Rasch", "2PL", "3PL"}
    anchors : ItemParameters, optional
        Bank items whose parameters are trusted; the calibration is linked to them.
    previous : ItemParameters, optional
        An earlier calibration, linked to when there are no anchors.
    starts : ItemParameters, optional
        Values that only start the estimation.
    groups : integers [n_persons], optional
        The population of each person, 0 .. n_groups - 1. Each has a mean and SD, together they have 0 and 1. Pass it
        where groups of different ability took different forms: a single population would bias b. By default one
        population, unless the choice of items shows that there are more; see design.py.
    options : Options, optional

    Returns
    -------
    Calibration

    Raises
    ------
    DataError
        The data cannot be calibrated, or an argument is not allowed.

    References
    ----------
    .. [1] Bock, R. D., & Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters: Application of
       an EM algorithm. Psychometrika, 46(4), 443-459.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> truth = irt.ItemParameters(np.arange(10), a=np.ones(10), b=np.linspace(-2, 2, 10), c=np.zeros(10))
    >>> answers = irt.simulate(np.random.default_rng(1).normal(size=2000), truth, seed=2)
    >>> calibration = irt.calibrate(irt.Responses.from_matrix(answers), "Rasch")
    >>> calibration
    Calibration(Rasch, 10 items, 2,000 persons, converged, not linked)
    >>> bool(np.all(np.abs(calibration.items.b - truth.b) < 4 * calibration.se_b))
    True
    """
    if model not in MODELS:
        raise DataError(f"model {model!r} is not one of {', '.join(MODELS)}")
    options = options or Options()
    announce_compilation()
    sample = Sample.of(responses, model, groups, options.min_responses)
    return _calibrate(sample, Bank(anchors=anchors, previous=previous, starts=starts), options)


def _calibrate(sample: Sample, bank: Bank, options: Options) -> Calibration:
    """Screen the anchors to be held, estimate, link, and assemble the result."""
    held = screen_anchors(sample, bank, options) if options.linking_method == "fixed" else None
    estimate = estimate_items(sample, bank, held, options)
    errors = standard_errors(estimate.problem, estimate.state, options.standard_errors)
    scale = _link(estimate, errors, bank, options) if held is None else _scale_of(held, estimate)
    return _assemble(estimate, errors, scale, options)


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """How the estimates relate to the bank: the linking, and the line theta -> A theta + B by which they still move."""

    linking: Linking | None
    A: float = 1.0
    B: float = 0.0
    warnings: tuple[str, ...] = ()

    def apply(self, items: ItemParameters) -> ItemParameters:
        return ItemParameters(items.item, items.a / self.A, self.A * items.b + self.B, items.c)


def _link(estimate: Estimate, errors: ItemErrors, bank: Bank, options: Options) -> _Scale:
    """Link the estimates to the anchors or the previous calibration.

    With linking method "fixed" a previous calibration is linked to, never held: held, the bank would freeze, and no
    item could be seen to change.
    """
    method = options.linking_method
    target, source, warnings = link_target(bank.anchors, bank.previous, estimate.sample.fitted, method)
    if target is None:
        return _Scale(linking=None, warnings=tuple(warnings))
    try:
        linking = link(
            estimate.items, target, scale_transformation(method), source=source, errors=np.stack([errors.a, errors.b])
        )
    except DataError as error:
        return _Scale(linking=None, warnings=(*warnings, f"not linked to the bank's scale: {error}"))
    warnings += linking_warnings(linking) + _mismatch(estimate, target)
    return _Scale(linking=linking, A=linking.A, B=linking.B, warnings=tuple(warnings))


def _mismatch(estimate: Estimate, target: ItemParameters) -> list[str]:
    """Say that the bank's items have guessing and the model has none."""
    guessed = target.among(estimate.sample.fitted).c > 0
    if estimate.sample.model == "3PL" or not guessed.any():
        return []
    return [
        f"{guessed.sum()} items of the bank have c above 0, but the model is {estimate.sample.model}. Abilities are on the "
        "bank's scale, but a and b of items that are not held cannot be compared with the bank's. Use model 3PL"
    ]


def _scale_of(held: HeldAnchors, estimate: Estimate) -> _Scale:
    """Report the population of a calibration with held anchors as its linking; the estimates are on the bank's scale."""
    mean, sd = estimate.state.populations
    A, B = (float(sd[0]), float(mean[0])) if len(mean) == 1 else (1.0, 0.0)
    linking = Linking(A, B, "fixed", "anchors", held.items.item, held.drifted, held.errors)
    return _Scale(linking=linking, warnings=(*linking_warnings(linking), *_mismatch(estimate, held.items)))


def _assemble(estimate: Estimate, errors: ItemErrors, scale: _Scale, options: Options) -> Calibration:
    """Score the persons and put everything on the bank's scale."""
    sample, problem, state = estimate.sample, estimate.problem, estimate.state
    answered = problem.answers.answered
    expected = estimate.expected
    poor = np.concatenate(problem.unresolved(state, expected.moments, FOR_ABILITIES))
    theta, theta_se = abilities(expected.moments, poor, problem.answers, problem.curves(state), state.populations)
    items = scale.apply(estimate.items)
    share = np.bincount(problem.answers.group[answered], minlength=problem.answers.n_groups) / answered.sum()
    mean = float(share @ state.mean)
    sd = float(np.sqrt(share @ (state.sd**2 + (state.mean - mean) ** 2)))
    size = n_parameters(problem)
    flagged = flag(items, errors.a / scale.A)
    return Calibration(
        model=sample.model,
        items=items,
        se_a=errors.a / scale.A,
        se_b=errors.b * scale.A,
        se_c=errors.c,
        n_responses=problem.answers.count.sum(axis=1),
        theta=scale.A * theta + scale.B,
        theta_se=scale.A * theta_se,
        left_out=tuple(sorted(sample.left_out)),
        flagged=flagged,
        loglik=expected.loglik,
        aic=2 * size - 2 * expected.loglik,
        bic=float(size * np.log(answered.sum()) - 2 * expected.loglik),
        n_parameters=size,
        iterations=estimate.solution.iterations,
        converged=estimate.solution.converged,
        group_mean=scale.A * mean + scale.B,
        group_sd=scale.A * sd,
        groups_mean=scale.A * state.mean + scale.B,
        groups_sd=scale.A * state.sd,
        linking=scale.linking,
        reliability=reliability(theta[answered], theta_se[answered]),
        person_ids=sample.responses.person_ids,
        item_ids=sample.responses.item_ids,
        warnings=(
            *sample.warnings,
            *fit_warnings(estimate.solution, problem, options.tolerance),
            *scale.warnings,
            *error_warnings(items.item[errors.infinite], sample.responses.item_ids),
            *flag_warnings(flagged, sample.responses.item_ids),
        ),
    )
