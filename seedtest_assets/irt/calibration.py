"""Calibration: from a list of answers to item parameters on the bank's scale, abilities, and how far to trust them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.ability import abilities, reliability
from seedtest_assets.irt.bank_scale import BankScale, Blocks, Target, link_blocks, mixture
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.estimation import Bank, Estimate, HeldAnchors, Sample, estimate_maximum, screen_anchors
from seedtest_assets.irt.kernel_arguments import Curves, Populations
from seedtest_assets.irt.linking import Linking, link_target
from seedtest_assets.irt.models import Model, Models, scale_transformation
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.own_grids import FOR_ABILITIES
from seedtest_assets.irt.parallel import announce_compilation
from seedtest_assets.irt.parameters import SAME_SCALE, ItemParameters
from seedtest_assets.irt.remarks import (
    block_warnings,
    error_warnings,
    fit_warnings,
    flag,
    flag_warnings,
    merged_warnings,
    mismatch_warnings,
    own_block_warnings,
)
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.result import Calibration
from seedtest_assets.irt.second_compiler import start_second_compiler
from seedtest_assets.irt.shard_estep import Posteriors
from seedtest_assets.irt.standard_errors import ItemErrors, n_parameters, standard_errors


def calibrate(
    responses: Responses | ResponseShards,
    model: Model | Models = "2PL",
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
    responses : Responses or ResponseShards
    model : {"Rasch", "2PL", "3PL"} or Models
        Of the items that are right or wrong; `Models` chooses that of items with partial credit, too, a GRM by default.
    anchors : ItemParameters, optional
        Bank items whose parameters are trusted; the calibration is linked to them.
    previous : ItemParameters, optional
        An earlier calibration, linked to when there are no anchors.
    starts : ItemParameters, optional
        Values that only start the estimation.
    groups : integers [n_persons], optional
        The population of each person, 0 .. n_groups - 1, together with mean 0 and SD 1, where groups of different ability
        took different forms. By default one, unless the choice of items shows more; see design.py.
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
    >>> irt.calibrate(irt.Responses.from_matrix(answers), "Rasch")
    Calibration(Rasch, 10 items, 2,000 persons, converged, not linked)
    """
    models = model if isinstance(model, Models) else Models(model=model)
    options = options or Options()
    options.check(models.model)
    announce_compilation()
    start_second_compiler(models.model)
    shards = ResponseShards.here(responses) if isinstance(responses, Responses) else responses
    sample = Sample.of(shards, models, groups, options)
    return _calibrate(sample, Bank(anchors=anchors, previous=previous, starts=starts), options)


def _calibrate(sample: Sample, bank: Bank, options: Options) -> Calibration:
    """Screen the anchors to be held, estimate, link, and assemble the result."""
    held = screen_anchors(sample, bank, options) if options.linking_method == "fixed" else None
    if held is not None:
        bank, options = bank.moved_back(held.line), options.moved_back(*held.line)
    elif options.by_item is not None:
        options = replace(options, by_item=options.by_item.of_persons())
    estimate = estimate_maximum(sample, bank, held, options)
    errors = standard_errors(estimate.optimum, options.standard_errors)
    scale = _link(estimate, errors, bank, options) if held is None else _scale_of(held, estimate)
    return _assemble(estimate, errors, scale, options, groups_given=sample.grouped)


def _link(estimate: Estimate, errors: ItemErrors, bank: Bank, options: Options) -> BankScale:
    """Link the estimates to the anchors or the previous calibration.

    With linking method "fixed" a previous calibration is linked to, never held: held, the bank would freeze, and no
    item could be seen to change.
    """
    method, answers = options.linking_method, estimate.problem.answers
    items, source, warnings = link_target(bank.anchors, bank.previous, estimate.sample.fitted, method)
    if items is None:
        blocks = Blocks.of(answers)
        return BankScale.by(SAME_SCALE, blocks, [None] * blocks.n, warnings)
    item_ids = estimate.sample.responses.item_ids
    target = Target(items=items, source=source, method=scale_transformation(method), item_ids=item_ids)
    if method == "fixed" and source == "anchors":
        warnings.append(
            f"the anchors are not held at their values but linked to by {target.method}: they do not agree, or a block "
            "of items has too few of them"
        )
    scale = link_blocks(estimate.items, errors.of_items, target, answers)
    mismatch = mismatch_warnings(estimate.sample.model, items)
    return replace(scale, warnings=(*warnings, *scale.warnings, *mismatch))


def _scale_of(held: HeldAnchors, estimate: Estimate) -> BankScale:
    """Report the population of each block of a calibration with held anchors as its linking."""
    answers, state = estimate.problem.answers, estimate.state
    blocks = Blocks.of(answers)
    of_block: list[Linking | None] = [None] * blocks.n
    for number in range(blocks.n):
        codes = estimate.sample.fitted[blocks.of_items == number]
        screenings = [linking for linking in held.linkings if np.isin(linking.used, codes).any()]
        if not screenings:
            continue
        mean, sd = mixture(blocks.n_persons[:, number], state.mean, state.sd)
        drifted = tuple(chain.from_iterable(linking.screened_out for linking in screenings))
        worst = max((linking.errors for linking in screenings), key=lambda errors: np.nan_to_num(errors.residual_z))
        A, B = held.line.A * sd, held.line.A * mean + held.line.B
        of_block[number] = Linking(A, B, "fixed", "anchors", held.items.among(codes).item, drifted, worst)
    return BankScale.by(
        held.line, blocks, of_block, [*held.warnings, *mismatch_warnings(estimate.sample.model, held.items)]
    )


def _assemble(
    estimate: Estimate, errors: ItemErrors, scale: BankScale, options: Options, *, groups_given: bool
) -> Calibration:
    """Score the persons and put everything on the bank's scale."""
    sample, problem = estimate.sample, estimate.problem
    items, (item_A, _) = scale.apply(estimate.items), scale.of_items
    groups_mean, groups_sd, mean, sd = _populations(estimate, scale)
    # Nobody knows to which of the populations that were found a person without answers belongs.
    unknown = (
        (groups_mean, groups_sd) if groups_given else (np.full_like(groups_mean, mean), np.full_like(groups_sd, sd))
    )
    theta, theta_se, answered = _score(estimate, scale, unknown)
    size = n_parameters(problem)
    flagged = flag(items, errors.a / item_A)
    return Calibration(
        model=sample.model,
        items=items,
        se_a=errors.a / item_A,
        se_b=errors.b * item_A,
        se_c=errors.c,
        se_steps=errors.steps * np.reshape(item_A, (-1, 1)),
        n_responses=problem.answers.n_answers,
        theta=theta,
        theta_se=theta_se,
        left_out=tuple(sorted(sample.left_out)),
        flagged=flagged,
        merged=sample.merged,
        loglik=estimate.loglik,
        aic=2 * size - 2 * estimate.loglik,
        bic=float(size * np.log(problem.answers.n_answered) - 2 * estimate.loglik),
        n_parameters=size,
        iterations=estimate.solution.iterations,
        converged=estimate.solution.converged and estimate.solution.at_maximum,
        group_mean=mean,
        group_sd=sd,
        groups_mean=groups_mean,
        groups_sd=groups_sd,
        linking=scale.linking,
        not_linked=items.item[scale.not_linked],
        reliability=reliability(theta[answered], theta_se[answered]),
        person_ids=sample.responses.person_ids,
        item_ids=sample.responses.item_ids,
        warnings=(
            *sample.warnings,
            *merged_warnings(sample.merged, sample.responses.item_ids),
            *fit_warnings(estimate.solution, problem, options.tolerance),
            *block_warnings(scale.blocks.of_items),
            *scale.warnings,
            *own_block_warnings(problem, own_blocks=options.standard_errors and estimate.optimum.beyond_whole),
            *error_warnings(items.item[errors.infinite], sample.responses.item_ids),
            *flag_warnings(flagged, sample.responses.item_ids),
        ),
    )


def _score(
    estimate: Estimate, scale: BankScale, unknown: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score the persons of all shards, one shard after the other, see _abilities."""
    problem, state = estimate.problem, estimate.state
    of_shards = estimate.posteriors.each(
        _abilities,
        problem.answers.shards,
        problem.unresolved(state, estimate.posteriors, FOR_ABILITIES),
        scale.blocks.of_persons,
        problem.curves(state),
        state.populations,
        (scale.A, scale.B, *unknown),
    )
    theta, theta_se, answered = (np.concatenate(values) for values in zip(*of_shards, strict=True))
    return theta, theta_se, answered


def _abilities(
    posteriors: Posteriors,
    answers: Answers,
    poor: Sequence[np.ndarray] | None,
    block: np.ndarray,
    curves: Curves,
    populations: Populations,
    to_bank: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score the persons of a shard: abilities and their errors on the bank's scale, and who answered, [n_persons] each.

    to_bank: A and B of each block; mean and SD of each population, for persons without answers.
    """
    persons = np.empty(0, np.int64) if poor is None else np.concatenate(poor)
    theta, theta_se = abilities(posteriors.moments, persons, answers, curves, populations)
    A, B = (of_block[block] for of_block in to_bank[:2])
    mean, sd = (of_group[answers.group] for of_group in to_bank[2:])
    answered = answers.answered
    return np.where(answered, A * theta + B, mean), np.where(answered, A * theta_se, sd), answered


def _populations(estimate: Estimate, scale: BankScale) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Give mean and SD of each group, float64 [n_groups], and of all who answered, on the bank's scale."""
    state, count, n_blocks = estimate.state, scale.blocks.n_persons, scale.blocks.n
    means, sds = np.multiply.outer(state.mean, scale.A) + scale.B, np.multiply.outer(state.sd, scale.A)
    mean, sd = mixture(count.ravel(), means.ravel(), sds.ravel())
    # A group in which nobody answered is given on the scale of the largest block.
    weight = np.where(count.any(axis=1, keepdims=True), count, np.eye(1, n_blocks))
    of_groups = np.array([mixture(*group) for group in zip(weight, means, sds, strict=True)])
    return of_groups[:, 0], of_groups[:, 1], mean, sd
