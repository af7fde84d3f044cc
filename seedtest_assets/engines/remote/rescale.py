"""Put what a service estimated on the bank's scale, unless the service did."""

from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.coded_request import CodedRequest
from seedtest_assets.engines.remote.estimates import Estimates
from seedtest_assets.engines.remote.reply import AppliedLinking
from seedtest_assets.engines.remote.request import ServiceRequest
from seedtest_assets.engines.result_tables import constants_of_blocks, linking_constants, linking_uncertainty
from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.bank_scale import BankScale, Target, link_blocks, mixture
from seedtest_assets.irt.linking import linking_warnings
from seedtest_assets.irt.models import scale_transformation
from seedtest_assets.irt.parameters import on_scale
from seedtest_assets.irt.remarks import block_warnings, mismatch_warnings
from seedtest_assets.irt.screening import answers_to

# A and B, of all or float64 [n].
Lines = tuple[np.ndarray, np.ndarray]
# How far anchors may be off the bank's scale, in log A and in SDs of ability, after a service says that it has linked.
SCALE_TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
class Rescaled:
    """Estimates on the bank's scale.

    linking_constants: None where they are linked to nothing. n_items_not_linked: of blocks of items that stay on a scale
    of their own, though others are linked.
    """

    estimates: Estimates
    linked_to: str
    linking_constants: dict[str, Any] | None
    n_items_not_linked: int = 0
    warnings: tuple[str, ...] = ()


def on_bank_scale(
    estimates: Estimates,
    applied: AppliedLinking | None,
    request: CalibrationRequest,
    coded: CodedRequest,
    sent: ServiceRequest,
) -> Rescaled:
    """Link to the anchors or the previous calibration, or keep the linking of the service where it holds.

    applied: the linking that the service says it has applied.
    """
    warnings: tuple[str, ...] = ()
    if applied is None:
        estimates = _standardized(estimates)
    elif not sent.anchors_sent:
        estimates, applied = _moved(estimates, 1 / applied.A, -applied.B / applied.A), None
        warnings = ("the IRT service linked although it was sent no true anchors, so its linking was undone",)
    if sent.link_target is None:
        return Rescaled(estimates=estimates, linked_to="none", linking_constants=None, warnings=warnings)
    here = _link(estimates, sent.link_target, request, coded, sent)
    warnings += (*block_warnings(here.blocks.of_items), *mismatch_warnings(request.model, sent.link_target))
    if not here.linkings and applied:
        unchecked = f"the linking of the IRT service could not be checked: {'. '.join(here.warnings)}"
        kept = _linked_by_service(estimates, applied, here, request, coded, sent)
        return replace(kept, warnings=(*warnings, unchecked))
    if not here.linkings:
        warnings += here.warnings
        return Rescaled(estimates=estimates, linked_to="none", linking_constants=None, warnings=warnings)
    if applied and all(_in_place(linking, estimates) for linking in here.linkings):
        kept = _linked_by_service(estimates, applied, here, request, coded, sent)
        return replace(kept, warnings=(*warnings, *kept.warnings))
    return Rescaled(
        estimates=_linked(estimates, here),
        linked_to=sent.link_source,
        linking_constants=linking_constants(coded, here.linkings),
        n_items_not_linked=int(here.not_linked.sum()),
        warnings=(*warnings, *_linked_here(here, applied, sent), *here.warnings),
    )


def _link(
    estimates: Estimates,
    items: irt.ItemParameters,
    request: CalibrationRequest,
    coded: CodedRequest,
    sent: ServiceRequest,
) -> BankScale:
    """Link here, block by block."""
    target = Target(
        items=items,
        source=sent.link_source,
        method=scale_transformation(request.linking_method),
        item_ids=coded.responses.item_ids,
    )
    answers = AnswerShards.here(answers_to(coded.responses, estimates.items.item, estimates.items.scores))
    errors = np.concatenate([estimates.standard_errors[:2], estimates.se_steps.T])
    return link_blocks(estimates.items, errors, target, answers)


def _in_place(linking: irt.Linking, estimates: Estimates) -> bool:
    """Check that a linking moves nothing: neither the mean of the group, in its SDs, nor the unit."""
    shift = (linking.A - 1) * estimates.group_mean + linking.B
    return max(abs(log(linking.A)), abs(shift) / estimates.group_sd) <= SCALE_TOLERANCE


def _standardized(estimates: Estimates) -> Estimates:
    """Put mirt's Rasch, whose group has an SD of its own, on the scale where the group is N(0, 1)."""
    return estimates if estimates.group_sd == 1 else _moved(estimates, 1 / estimates.group_sd, 0.0)


def _moved(estimates: Estimates, A: float, B: float) -> Estimates:
    """Transform to the scale A theta + B."""
    group = A * estimates.group_mean + B, A * estimates.group_sd
    line = np.asarray(A), np.asarray(B)
    return _transformed(estimates, line, line, group)


def _linked(estimates: Estimates, scale: BankScale) -> Estimates:
    """Transform each block of items, and the persons who answered them, to the bank's scale."""
    persons = scale.blocks.n_persons.sum(axis=0)
    means, sds = scale.A * estimates.group_mean + scale.B, scale.A * estimates.group_sd
    return _transformed(estimates, scale.of_items, scale.of_persons, mixture(persons, means, sds))


def _transformed(estimates: Estimates, of_items: Lines, of_persons: Lines, group: tuple[float, float]) -> Estimates:
    """Transform items and persons by lines A theta + B. group: mean and SD of the calibrated persons afterwards."""
    (A, B), (person_A, person_B) = of_items, of_persons
    items, (se_a, se_b, se_c) = estimates.items, estimates.standard_errors
    return replace(
        estimates,
        items=on_scale(items, A, B),
        standard_errors=np.stack([se_a / A, se_b * A, se_c]),
        se_steps=estimates.se_steps * np.reshape(A, (-1, 1)),
        theta=person_A * estimates.theta + person_B,
        theta_se=person_A * estimates.theta_se,
        group_mean=group[0],
        group_sd=group[1],
    )


def _linked_by_service(
    estimates: Estimates,
    applied: AppliedLinking,
    here: BankScale,
    request: CalibrationRequest,
    coded: CodedRequest,
    sent: ServiceRequest,
) -> Rescaled:
    """Keep the linking of the service.

    Without a method in its reply, it is taken to have used the one asked for. The errors of the constants are those that
    the service gives, else those of the same linking here.
    """
    given = (applied, *applied.others)
    same = here.linkings if len(here.linkings) == len(given) else ()
    blocks, warnings = [], []
    for number, block in enumerate(given):
        blocks.append(_constants(block, request.linking_method, sent))
        if len(given) > 1:
            blocks[-1]["anchors"] = list(block.anchors)
        by_service = bool(np.isfinite(block.errors.se_A))
        if by_service or same:
            used = same[number].used if same else np.empty(0, np.int32)
            errors = block.errors if by_service else same[number].errors
            linking = irt.Linking(block.A, block.B, blocks[-1]["method"], sent.link_source, used, errors=errors)
            blocks[-1] |= linking_uncertainty(linking)
            warnings += [] if by_service else linking_warnings(linking, coded.responses.item_ids)
    return Rescaled(
        estimates=estimates,
        linked_to=sent.link_source,
        linking_constants=constants_of_blocks(blocks),
        n_items_not_linked=int(here.not_linked.sum()),
        warnings=tuple(warnings),
    )


def _constants(applied: AppliedLinking, method: str, sent: ServiceRequest) -> dict[str, Any]:
    used = applied.n_anchors_used
    return {
        "A": applied.A,
        "B": applied.B,
        "method": applied.method or method,
        "n_anchors_used": len(sent.link_target or ()) if used is None else used,
        "screened_out": applied.screened_out,
    }


def _linked_here(here: BankScale, applied: AppliedLinking | None, sent: ServiceRequest) -> tuple[str, ...]:
    n_used = sum(len(linking.used) for linking in here.linkings)
    linked = f"linked here by {here.linkings[0].method} through {n_used}"
    if applied:
        given = " and ".join(f"A = {block.A:g}, B = {block.B:g}" for block in (applied, *applied.others))
        return (f"the IRT service answered {given}, but its anchors are not on the bank's scale, so {linked} anchors",)
    if sent.anchors_sent:
        return (f"the IRT service answered no linking constants, so {linked} {sent.link_source}",)
    return ()
