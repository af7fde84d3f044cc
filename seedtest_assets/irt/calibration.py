"""Calibration: from a list of answers to item parameters on the bank's scale, abilities, and how far to trust them."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.ability import abilities, reliability
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.estimation import Bank, Estimate, HeldAnchors, Sample, estimate_maximum, screen_anchors
from seedtest_assets.irt.linking import Linking, link, link_target, linking_warnings
from seedtest_assets.irt.models import MODELS, Model, ScaleTransformation, scale_transformation
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.own_grids import FOR_ABILITIES
from seedtest_assets.irt.parallel import announce_compilation
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.remarks import error_warnings, fit_warnings, flag, flag_warnings, names_of
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.result import Calibration
from seedtest_assets.irt.screening import answers_to, unconnected_blocks
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
        The population of each person, 0 .. n_groups - 1, together with mean 0 and SD 1. Pass it where groups of
        different ability took different forms. By default one, unless the choice of items shows more; see design.py.
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
    options.check(model)
    announce_compilation()
    sample = Sample.of(responses, model, groups, options)
    return _calibrate(sample, Bank(anchors=anchors, previous=previous, starts=starts), options)


def _calibrate(sample: Sample, bank: Bank, options: Options) -> Calibration:
    """Screen the anchors to be held, estimate, link, and assemble the result."""
    held = None
    if options.linking_method == "fixed" and (options.prior_answers > 0 or _can_hold(sample, bank.anchors)):
        held = screen_anchors(sample, bank, options)
    estimate = estimate_maximum(sample, bank, held, options)
    errors = standard_errors(estimate.optimum, options.standard_errors)
    scale = _link(estimate, errors, bank, options) if held is None else _scale_of(held, estimate)
    return _assemble(estimate, errors, scale, options)


def _can_hold(sample: Sample, anchors: ItemParameters | None) -> bool:
    """Whether each block of items that persons connect has the 2 anchors that place its population on the bank's scale."""
    if anchors is None:
        return False
    block = unconnected_blocks(answers_to(sample.responses, sample.fitted))
    n_anchors = np.bincount(block, np.isin(sample.fitted, anchors.item))
    return len(n_anchors) == 1 or bool((n_anchors >= 2).all())


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """How the estimates relate to the bank: the linking, and the lines theta -> A theta + B by which they still move.

    A, B: float64 [n_blocks], of each block of items that persons connect, the linked one with most items first.
    item_block [n_items], person_block [n_persons]: rows of A and B.
    """

    linking: Linking | None
    A: np.ndarray
    B: np.ndarray
    item_block: np.ndarray
    person_block: np.ndarray
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, estimate: Estimate, linking: Linking | None, warnings: Sequence[str], *, moved: bool) -> "_Scale":
        """Make the scale of one block; `moved`: the estimates still move by the linking."""
        A, B = (linking.A, linking.B) if linking and moved else (1.0, 0.0)
        answers = estimate.problem.answers
        return cls(
            linking=linking,
            A=np.array([A]),
            B=np.array([B]),
            item_block=np.zeros(answers.n_items, np.int64),
            person_block=np.zeros(len(answers.group), np.int64),
            warnings=tuple(warnings),
        )

    @property
    def of_items(self) -> tuple[np.ndarray, np.ndarray]:
        return self.A[self.item_block], self.B[self.item_block]

    @property
    def of_persons(self) -> tuple[np.ndarray, np.ndarray]:
        return self.A[self.person_block], self.B[self.person_block]

    def apply(self, items: ItemParameters) -> ItemParameters:
        A, B = self.of_items
        return ItemParameters(items.item, items.a / A, A * items.b + B, items.c)


def _link(estimate: Estimate, errors: ItemErrors, bank: Bank, options: Options) -> _Scale:
    """Link the estimates to the anchors or the previous calibration.

    With linking method "fixed" a previous calibration is linked to, never held: held, the bank would freeze, and no
    item could be seen to change.
    """
    method = options.linking_method
    target, source, warnings = link_target(bank.anchors, bank.previous, estimate.sample.fitted, method)
    if target is None:
        return _Scale.of(estimate, None, warnings, moved=False)
    block = unconnected_blocks(estimate.problem.answers)
    if block.any():
        return _link_blocks(estimate, errors, target, source, scale_transformation(method), block)
    try:
        linking = link(
            estimate.items, target, scale_transformation(method), source=source, errors=np.stack([errors.a, errors.b])
        )
    except DataError as error:
        return _Scale.of(estimate, None, [*warnings, f"not linked to the bank's scale: {error}"], moved=False)
    warnings += linking_warnings(linking) + _mismatch(estimate, target)
    return _Scale.of(estimate, linking, warnings, moved=True)


def _link_blocks(
    estimate: Estimate,
    errors: ItemErrors,
    target: ItemParameters,
    source: str,
    method: ScaleTransformation,
    block: np.ndarray,
) -> _Scale:
    """Link blocks of items that no person connects one by one: each has a scale of its own, that of its persons."""
    linkings: dict[int, Linking] = {}
    warnings: list[str] = []
    for number in range(block.max() + 1):
        rows = block == number
        se = np.stack([errors.a[rows], errors.b[rows]])
        with contextlib.suppress(DataError):  # fewer than two anchors remain: named below
            linkings[number] = link(estimate.items.take(rows), target, method, source=source, errors=se)
            warnings += linking_warnings(linkings[number])
    linked = np.isin(block, list(linkings))
    if not linked.all():
        names = names_of(estimate.sample.fitted[~linked], estimate.sample.responses.item_ids)
        warnings.append(
            f"{np.count_nonzero(~linked)} items are in blocks without 2 anchors and are not linked to the bank's scale: {names}"
        )
    largest_first = sorted(linkings, key=lambda number: -np.count_nonzero(block == number))
    order = [*largest_first, *sorted(set(range(block.max() + 1)) - set(linkings))]
    position = np.argsort(order)
    by_size = [linkings[number] for number in largest_first]
    answers = estimate.problem.answers
    person_block = np.zeros(len(answers.group), np.int64)
    first_item = answers.code[answers.start[:-1][answers.answered]] >> 1
    person_block[answers.answered] = position[block[first_item]]
    unlinked = len(order) - len(by_size)
    return _Scale(
        linking=replace(by_size[0], others=tuple(by_size[1:])) if by_size else None,
        A=np.array([*(linking.A for linking in by_size), *[1.0] * unlinked]),
        B=np.array([*(linking.B for linking in by_size), *[0.0] * unlinked]),
        item_block=position[block],
        person_block=person_block,
        warnings=(*warnings, *_mismatch(estimate, target)),
    )


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
    return _Scale.of(estimate, linking, linking_warnings(linking) + _mismatch(estimate, held.items), moved=False)


def _assemble(estimate: Estimate, errors: ItemErrors, scale: _Scale, options: Options) -> Calibration:
    """Score the persons and put everything on the bank's scale."""
    sample, problem, state = estimate.sample, estimate.problem, estimate.state
    answered = problem.answers.answered
    expected = estimate.expected
    poor = np.concatenate(problem.unresolved(state, expected.moments, FOR_ABILITIES))
    theta, theta_se = abilities(expected.moments, poor, problem.answers, problem.curves(state), state.populations)
    items = scale.apply(estimate.items)
    (item_A, _), (person_A, person_B) = scale.of_items, scale.of_persons
    groups_mean, groups_sd, mean, sd = _populations(estimate, scale)
    size = n_parameters(problem)
    flagged = flag(items, errors.a / item_A)
    return Calibration(
        model=sample.model,
        items=items,
        se_a=errors.a / item_A,
        se_b=errors.b * item_A,
        se_c=errors.c,
        n_responses=problem.answers.count.sum(axis=1),
        theta=person_A * theta + person_B,
        theta_se=person_A * theta_se,
        left_out=tuple(sorted(sample.left_out)),
        flagged=flagged,
        loglik=expected.loglik,
        aic=2 * size - 2 * expected.loglik,
        bic=float(size * np.log(answered.sum()) - 2 * expected.loglik),
        n_parameters=size,
        iterations=estimate.solution.iterations,
        converged=estimate.solution.converged and estimate.solution.at_maximum,
        group_mean=mean,
        group_sd=sd,
        groups_mean=groups_mean,
        groups_sd=groups_sd,
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


def _populations(estimate: Estimate, scale: _Scale) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Give mean and SD of each group, float64 [n_groups], and of all who answered, on the bank's scale."""
    state, answers, n_blocks = estimate.state, estimate.problem.answers, len(scale.A)
    cell = (answers.group * n_blocks + scale.person_block)[answers.answered]
    share = np.bincount(cell, minlength=answers.n_groups * n_blocks).reshape(-1, n_blocks) / len(cell)
    means, sds = np.multiply.outer(state.mean, scale.A) + scale.B, np.multiply.outer(state.sd, scale.A)
    mean = float((share * means).sum())
    sd = float(np.sqrt((share * (sds**2 + (means - mean) ** 2)).sum()))
    of_group = share.sum(axis=1, keepdims=True)
    share_in_group = np.where(of_group > 0, share / np.maximum(of_group, 1e-300), np.eye(1, n_blocks))
    groups_mean = (share_in_group * means).sum(axis=1)
    groups_sd = np.sqrt((share_in_group * (sds**2 + (means - groups_mean[:, None]) ** 2)).sum(axis=1))
    return groups_mean, groups_sd, mean, sd
