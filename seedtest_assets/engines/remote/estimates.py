"""What a service estimated, in the codes of irt/: its reply checked against the request, the gaps filled."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.coded_request import CodedRequest
from seedtest_assets.engines.remote.replied_items import RepliedItems, replied_items
from seedtest_assets.engines.remote.reply import ServiceReply
from seedtest_assets.engines.remote.request import ServiceRequest
from seedtest_assets.errors import IrtServiceRefusal

# A reply with parameters for a smaller share of the items is refused: the service is at fault, not the items.
SMALLEST_SHARE = 0.5
# How far the slopes of a Rasch calibration may differ, relatively: R services send 4 digits.
SAME_SLOPE = 1e-3
# How far slopes may be from 1 to count as mirt's form of Rasch.
UNIT_SLOPE = 1e-6
# Characters of a message that list item ids.
LISTED = 80


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Items and abilities on one scale; group_mean and group_sd: of the calibrated group on that scale.

    standard_errors: of a, b and c, float64 [3, n_items], NaN where the service gives none; se_steps: of the items' steps.
    n_answers: answers to each item. left_out: (code, answers, reason) of items without parameters.
    """

    items: irt.ItemParameters
    standard_errors: np.ndarray
    n_answers: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    theta: np.ndarray
    theta_se: np.ndarray
    group_mean: float
    group_sd: float
    se_steps: np.ndarray


def read_estimates(
    reply: ServiceReply, request: CalibrationRequest, coded: CodedRequest, sent: ServiceRequest
) -> tuple[Estimates, list[str]]:
    """Match a reply to the request, on the scale of the reply; estimate here what it lacks of abilities.

    Returns the estimates and warnings. Raises IrtServiceRefusal for a model that was not asked for, and for a reply
    that lacks most items.
    """
    if reply.model not in (None, request.model):
        raise IrtServiceRefusal(f"{request.model} was asked for, but the IRT service says that it fitted {reply.model}")
    item_ids = coded.item_ids.take(sent.fitted).to_pylist()
    answered = _answered_items(reply, item_ids)
    rows = [reply.items[item_id] for item_id in np.array(item_ids, object)[answered]]
    replied = replied_items(sent.fitted[answered], rows, request, coded, sent)
    items = replied.items
    mean, sd = reply.group or ((reply.linking.B, reply.linking.A) if reply.linking else (0.0, 1.0))
    if not (sent.anchors_sent and request.linking_method == "fixed"):
        sd = _group_sd(request.model, coded, items, sd, linked=reply.linking is not None)
    theta, theta_se, n_estimated_here = _abilities(reply, coded, items, mean, sd)
    usable = np.isin(sent.fitted, items.item)
    missing = tuple(
        (int(sent.fitted[j]), int(sent.n_answers[j]), _why_missing(int(sent.fitted[j]), item_ids[j], replied, reply))
        for j in np.flatnonzero(~usable)
    )
    estimates = Estimates(
        items=items,
        standard_errors=replied.standard_errors,
        n_answers=sent.n_answers[usable],
        left_out=tuple(sorted(sent.left_out + missing)),
        theta=theta,
        theta_se=theta_se,
        group_mean=mean,
        group_sd=sd,
        se_steps=replied.se_steps,
    )
    return estimates, _warnings(reply, len(item_ids), len(missing), len(theta), n_estimated_here)


def _why_missing(code: int, item_id: str, replied: RepliedItems, reply: ServiceReply) -> str:
    """Give the reason of an item without parameters, the service's own where it gives one."""
    return replied.unusable.get(code) or reply.left_out.get(item_id, "no parameters from the IRT service")


def _answered_items(reply: ServiceReply, item_ids: list[str]) -> np.ndarray:
    """Mark the items that were sent and have parameters in the reply, bool [n]."""
    answered = np.array([item_id in reply.items for item_id in item_ids])
    if answered.mean() < SMALLEST_SHARE:
        unknown = ", ".join(repr(item_id) for item_id in reply.items if item_id not in set(item_ids))[:LISTED]
        raise IrtServiceRefusal(
            f"the IRT service gave parameters for {answered.sum()} of the {len(item_ids)} items that were sent"
            + (f", and for others that were not: {unknown}" if unknown else "")
        )
    return answered


def _group_sd(model: str, coded: CodedRequest, items: irt.ItemParameters, sd: float, linked: bool) -> float:
    """Check that the slopes of Rasch and PCM items are equal; give the SD of the group on the scale of the reply.

    R's mirt fixes these slopes at 1 and frees the variance of ability, which it does not report.
    """
    a = items.a[with_one_slope(items, model)]
    if not len(a):
        return sd
    if np.ptp(a) > SAME_SLOPE * abs(a.mean()):
        asked = "PCM" if irt.model_facts(model).own_slopes else model
        raise IrtServiceRefusal(
            f"{asked} was asked for, but the slopes of the IRT service run from {a.min():g} to {a.max():g}"
        )
    return _population_sd(coded, items) if not linked and np.allclose(a, 1, atol=UNIT_SLOPE) else sd


def with_one_slope(items: irt.ItemParameters, model: str) -> np.ndarray:
    """Tell which items have the one slope of Rasch and PCM, bool [n]. model: of items that are right or wrong."""
    return (items.model == "PCM") | (~items.polytomous & (not irt.model_facts(model).own_slopes))


def _population_sd(coded: CodedRequest, items: irt.ItemParameters) -> float:
    """Estimate the SD of theta ~ N(0, SD^2) by EM: SD^2 = mean(theta^2 + se^2) over the persons who answered."""
    sd = 1.0
    for _ in range(500):
        theta, se = irt.expected_a_posteriori(coded.responses, items, 0.0, sd)
        before, sd = sd, sqrt(float(np.mean(theta[coded.answered] ** 2 + se[coded.answered] ** 2)))
        if abs(sd - before) < 1e-6:
            break
    return sd


def _abilities(
    reply: ServiceReply, coded: CodedRequest, items: irt.ItemParameters, mean: float, sd: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Give theta and standard error of each person, and how many who answered were estimated here."""
    missing = (np.nan, np.nan)
    rows = [reply.abilities.get(student, missing) for student in coded.student_ids.to_pylist()]
    theta, theta_se = np.array(rows, float).reshape(-1, 2).T.copy()
    absent = np.isnan(theta)
    if absent.any():
        eap, eap_se = irt.expected_a_posteriori(coded.responses, items, mean, sd)
        theta[absent], theta_se[absent] = eap[absent], eap_se[absent]
    return theta, theta_se, int((absent & coded.answered).sum())


def _warnings(reply: ServiceReply, n_items: int, n_missing: int, n_persons: int, n_estimated_here: int) -> list[str]:
    warnings = list(reply.warnings)
    if n_missing:
        warnings.append(f"the IRT service gave no parameters for {n_missing} of the {n_items} items that were sent")
    if "converged" not in reply.metrics:
        warnings.append("the IRT service does not say whether the calibration converged")
    if n_estimated_here:
        warnings.append(
            f"the IRT service gave no ability for {n_estimated_here} of {n_persons} persons, so "
            "their abilities were estimated here from its items"
        )
    return warnings
