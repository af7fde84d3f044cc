"""From a reply to a fit in the codes of irt/, on the scale of the calibrated group or of the bank."""

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.in_process import CodedRequest
from seedtest_assets.engines.remote.reply import Constants, Reply
from seedtest_assets.engines.remote.request import DEFAULT_METHOD, Asked
from seedtest_assets.errors import IrtServiceRefusal

MOST = 0.5
"""A reply with parameters for a smaller share of the items is refused: the service is at fault, not the items."""
SAME_SLOPE = 1e-3
"""How far two slopes of a Rasch calibration may differ, relatively: R services send 4 digits."""
ON_THE_SCALE = 0.1
"""How far anchors may be off the bank's scale, in log A and in B, after a service says that it has linked."""


@dataclass(frozen=True)
class Fit:
    """A reply in the codes of irt/, on the scale of the service; mean and sd are the population's on that scale."""

    items: irt.ItemParameters
    se: np.ndarray  # [3, n_items], NaN where the service gives none
    n_answers: np.ndarray
    left_out: tuple[tuple[int, int, str], ...]
    theta: np.ndarray
    theta_se: np.ndarray
    mean: float
    sd: float
    warnings: tuple[str, ...]


def fit_of(reply: Reply, request: CalibrationRequest, coded: CodedRequest, asked: Asked) -> Fit:
    """The parameters and abilities of a reply; what it lacks of abilities is estimated from its items.

    Raises IrtServiceRefusal for another model than was asked for, and for a reply that lacks most items.
    """
    if reply.model not in (None, request.model):
        raise IrtServiceRefusal(f"{request.model} was asked for, but the IRT service says that it fitted {reply.model}")
    names = coded.item_ids.take(asked.fitted).to_pylist()
    found = np.array([name in reply.items for name in names])
    if found.mean() < MOST:
        strangers = ", ".join(repr(name) for name in reply.items if name not in set(names))[:80]
        raise IrtServiceRefusal(
            f"the IRT service gave parameters for {found.sum()} of the {len(names)} items that were sent"
            + (f", and for others that were not: {strangers}" if strangers else "")
        )
    rows = [reply.items[name] for name, there in zip(names, found, strict=True) if there]
    a, b, c = (np.array([getattr(row, name) for row in rows], float) for name in "abc")
    se = np.array([[getattr(row, name) for row in rows] for name in ("se_a", "se_b", "se_c")], float)
    missing = tuple(
        (
            int(asked.fitted[j]),
            int(asked.n_answers[j]),
            reply.left_out.get(names[j], "no parameters from the IRT service"),
        )
        for j in np.flatnonzero(~found)
    )
    warnings = list(asked.warnings) + list(reply.warnings)
    if missing:
        warnings.append(
            f"the IRT service gave no parameters for {len(missing)} of the {len(names)} items that were sent"
        )
    if "converged" not in reply.metrics:
        warnings.append("the IRT service does not say whether the calibration converged")
    mean, sd = (reply.constants.B, reply.constants.A) if reply.constants else (0.0, 1.0)
    items = irt.ItemParameters(asked.fitted[found], a, b, c)
    if request.model == "Rasch" and not (asked.sent_anchors and request.linking_method == "fixed"):
        if np.ptp(a) > SAME_SLOPE * abs(a.mean()):
            raise IrtServiceRefusal(
                f"Rasch was asked for, but the slopes of the IRT service run from {a.min():g} to {a.max():g}"
            )
        if reply.constants is None and np.allclose(a, 1, atol=1e-6):
            sd = _population_sd(coded.responses, items)
    theta, theta_se = _abilities(reply, coded, items, mean, sd, warnings)
    fit = Fit(
        items,
        se,
        asked.n_answers[found],
        tuple(sorted(asked.left_out + missing)),
        theta,
        theta_se,
        mean,
        sd,
        tuple(warnings),
    )
    return _moved(fit, 1 / sd, 0.0) if reply.constants is None and sd != 1 else fit


def _abilities(
    reply: Reply, coded: CodedRequest, items: irt.ItemParameters, mean: float, sd: float, warnings: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """What the service says of each person; estimated here from its items where it says nothing."""
    users = coded.user_ids.to_pylist()
    told = np.array([reply.abilities.get(user, (np.nan, np.nan)) for user in users], float).reshape(-1, 2)
    untold = np.isnan(told[:, 0])
    if untold.any():
        own = np.column_stack(irt.expected_a_posteriori(coded.responses, items, mean, sd))
        told[untold] = own[untold]
        answered = np.diff(coded.responses.person_start) > 0
        if n := int((untold & answered).sum()):
            warnings.append(
                f"the IRT service gave no ability for {n} of {len(users)} persons; estimated here from its items"
            )
    return told[:, 0], told[:, 1]


def _population_sd(responses: irt.Responses, items: irt.ItemParameters) -> float:
    """SD of theta ~ N(0, SD^2) for items with slope 1, which is how R's mirt writes Rasch.

    By EM: SD^2 = mean(theta^2 + se^2) over the persons who answered.
    """
    answered = np.diff(responses.person_start) > 0
    sd = 1.0
    for _ in range(500):
        theta, se = irt.expected_a_posteriori(responses, items, 0.0, sd)
        before, sd = sd, sqrt(float(np.mean(theta[answered] ** 2 + se[answered] ** 2)))
        if abs(sd - before) < 1e-6:
            break
    return sd


def _moved(fit: Fit, A: float, B: float) -> Fit:
    """The same on the scale A theta + B."""
    items = irt.ItemParameters(fit.items.item, fit.items.a / A, A * fit.items.b + B, fit.items.c)
    se = fit.se * np.array([[1 / A], [A], [1]])
    return replace(
        fit,
        items=items,
        se=se,
        theta=A * fit.theta + B,
        theta_se=A * fit.theta_se,
        mean=A * fit.mean + B,
        sd=A * fit.sd,
    )


def on_the_bank(
    fit: Fit, reply: Reply, request: CalibrationRequest, asked: Asked
) -> tuple[Fit, irt.Linking | None, tuple[str, ...]]:
    """The fit on the bank's scale, by whose linking, and what there is to say of it."""
    told = reply.constants
    words: tuple[str, ...] = ()
    if told and not asked.sent_anchors:
        fit, told = _moved(fit, 1 / told.A, -told.B / told.A), None
        words = ("the IRT service linked although it was sent no true anchors; its linking was undone",)
    if asked.target is None:
        return fit, None, words
    method = DEFAULT_METHOD if request.linking_method == "fixed" else request.linking_method
    try:
        own = irt.link(fit.items, asked.target, method, source=asked.source)
    except irt.DataError as problem:
        if told:
            unchecked = f"the linking of the IRT service could not be checked: {problem}"
            return fit, _service_linking(told, request, asked), (*words, unchecked)
        return fit, None, (*words, f"not linked to the bank's scale: {problem}")
    if told and max(abs(log(own.A)), abs(own.B)) <= ON_THE_SCALE:
        return fit, _service_linking(told, request, asked), words
    if told:
        words += (
            f"the IRT service answered A = {told.A:g}, B = {told.B:g}, but its anchors are not on the bank's scale; "
            f"linked here by {method} through {len(own.used)} anchors",
        )
    elif asked.sent_anchors:
        words += (
            "the IRT service answered no linking constants; "
            f"linked here by {method} through {len(own.used)} {asked.source}",
        )
    return _moved(fit, own.A, own.B), own, words


def _service_linking(told: Constants, request: CalibrationRequest, asked: Asked) -> irt.Linking:
    """The service's linking, in the codes of irt/; without a method it is taken to have done what it was asked for."""
    assert asked.target is not None
    return irt.Linking(told.A, told.B, told.method or request.linking_method, asked.source, asked.target.item)
