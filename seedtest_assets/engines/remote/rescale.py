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
from seedtest_assets.engines.result_tables import linking_constants, linking_uncertainty
from seedtest_assets.irt.linking import linking_warnings
from seedtest_assets.irt.models import scale_transformation

# How far anchors may be off the bank's scale, in log A and in B, after a service says that it has linked.
SCALE_TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
class Rescaled:
    """Estimates on the bank's scale. linking_constants: None where they are linked to nothing."""

    estimates: Estimates
    linked_to: str
    linking_constants: dict[str, Any] | None
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
    method = scale_transformation(request.linking_method)
    try:
        here = irt.link(
            estimates.items,
            sent.link_target,
            method,
            source=sent.link_source,
            errors=estimates.standard_errors[:2],
        )
    except irt.DataError as problem:
        return _unlinkable(estimates, applied, request.linking_method, sent, (*warnings, str(problem)))
    if applied and max(abs(log(here.A)), abs(here.B)) <= SCALE_TOLERANCE:
        return _with_errors(_linked_by_service(estimates, applied, request.linking_method, sent), applied, here)
    return Rescaled(
        estimates=_moved(estimates, here.A, here.B),
        linked_to=sent.link_source,
        linking_constants=linking_constants(coded, here),
        warnings=(*warnings, *_linked_here(here, applied, sent), *linking_warnings(here)),
    )


def _standardized(estimates: Estimates) -> Estimates:
    """Put mirt's Rasch, whose group has an SD of its own, on the scale where the group is N(0, 1)."""
    return estimates if estimates.group_sd == 1 else _moved(estimates, 1 / estimates.group_sd, 0.0)


def _moved(estimates: Estimates, A: float, B: float) -> Estimates:
    """Transform to the scale A theta + B."""
    items = estimates.items
    return replace(
        estimates,
        items=irt.ItemParameters(items.item, items.a / A, A * items.b + B, items.c),
        standard_errors=estimates.standard_errors * np.array([[1 / A], [A], [1]]),
        theta=A * estimates.theta + B,
        theta_se=A * estimates.theta_se,
        group_mean=A * estimates.group_mean + B,
        group_sd=A * estimates.group_sd,
    )


def _linked_by_service(
    estimates: Estimates, applied: AppliedLinking, method: str, sent: ServiceRequest, warnings: tuple[str, ...] = ()
) -> Rescaled:
    """Keep the linking of the service; without a method in its reply, it is taken to have used the one asked for."""
    used = applied.n_anchors_used
    constants = {
        "A": applied.A,
        "B": applied.B,
        "method": applied.method or method,
        "n_anchors_used": len(sent.link_target or ()) if used is None else used,
        "screened_out": applied.screened_out,
    }
    return Rescaled(estimates=estimates, linked_to=sent.link_source, linking_constants=constants, warnings=warnings)


def _with_errors(kept: Rescaled, applied: AppliedLinking, here: irt.Linking) -> Rescaled:
    """Add the errors of the constants as the service gives them, else those of the same linking here."""
    by_service = np.isfinite(applied.errors).all()
    errors = applied.errors if by_service else here.errors
    linking = replace(here, A=applied.A, B=applied.B, errors=errors)
    return replace(
        kept,
        linking_constants=(kept.linking_constants or {}) | linking_uncertainty(linking),
        warnings=kept.warnings if by_service else (*kept.warnings, *linking_warnings(linking)),
    )


def _unlinkable(
    estimates: Estimates,
    applied: AppliedLinking | None,
    method: str,
    sent: ServiceRequest,
    warnings: tuple[str, ...],
) -> Rescaled:
    """Give the result if the anchors cannot be linked here. The last warning says why."""
    *others, problem = warnings
    if applied:
        unchecked = f"the linking of the IRT service could not be checked: {problem}"
        return _linked_by_service(estimates, applied, method, sent, (*others, unchecked))
    return Rescaled(
        estimates=estimates,
        linked_to="none",
        linking_constants=None,
        warnings=(*others, f"not linked to the bank's scale: {problem}"),
    )


def _linked_here(here: irt.Linking, applied: AppliedLinking | None, sent: ServiceRequest) -> tuple[str, ...]:
    linked = f"linked here by {here.method} through {len(here.used)}"
    if applied:
        constants = f"A = {applied.A:g}, B = {applied.B:g}"
        return (
            f"the IRT service answered {constants}, but its anchors are not on the bank's scale, so {linked} anchors",
        )
    if sent.anchors_sent:
        return (f"the IRT service answered no linking constants, so {linked} {sent.link_source}",)
    return ()
