"""The items of a reply, matched to those that were sent: right or wrong, or with the steps of the scores that were sent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.coded_request import CodedRequest
from seedtest_assets.engines.remote.reply import ItemEstimate
from seedtest_assets.engines.remote.request import ServiceRequest
from seedtest_assets.errors import IrtServiceRefusal, first_few
from seedtest_assets.irt.models import MOST_CATEGORIES, POLYTOMOUS_MODELS
from seedtest_assets.irt.usable_parameters import unusable_steps
from seedtest_assets.item_steps import steps_matrix


@dataclass(frozen=True, kw_only=True)
class RepliedItems:
    """items: usable ones, in the codes of irt/; standard_errors: of a, b and c, float64 [3, n_items], NaN where the service gives none;
    se_steps: of their steps; unusable: the reasons of the others, by code."""

    items: irt.ItemParameters
    standard_errors: np.ndarray
    se_steps: np.ndarray
    unusable: dict[int, str]


def replied_items(
    codes: np.ndarray,
    rows: Sequence[ItemEstimate],
    request: CalibrationRequest,
    coded: CodedRequest,
    sent: ServiceRequest,
) -> RepliedItems:
    """Put the parameters together.

    codes: int32 [n], of the items that were sent and answered; rows: of these. Raises IrtServiceRefusal for a service that ignores
    scores, and where no item is left.
    """
    steps = steps_matrix([row.steps for row in rows])
    _refuse_service_without_steps(steps, codes, coded, sent)
    model = np.array([_model(row, int(code), request, coded) for code, row in zip(codes, rows, strict=True)], object)
    reasons = _reasons(codes, rows, steps, model, coded, sent)
    if (reasons != "").all():
        raise IrtServiceRefusal(f"the IRT service gave no item that can be used. {_named(codes, reasons, coded)}")
    usable = reasons == ""
    chosen = [row for row, use in zip(rows, usable, strict=True) if use]
    a, b, c, *errors = (
        np.array([getattr(row, name) for row in chosen], float) for name in ("a", "b", "c", "se_a", "se_b", "se_c")
    )
    items = irt.ItemParameters(codes[usable], a, b, c, steps[usable], model[usable])
    se_steps = np.full_like(items.steps, np.nan)
    given = steps_matrix([row.se_steps for row in chosen])[:, : items.steps.shape[1]]
    se_steps[:, : given.shape[1]] = given
    return RepliedItems(
        items=items,
        standard_errors=np.array(errors),
        se_steps=se_steps,
        unusable={int(code): str(reason) for code, reason in zip(codes, reasons, strict=True) if reason},
    )


def _refuse_service_without_steps(
    steps: np.ndarray, codes: np.ndarray, coded: CodedRequest, sent: ServiceRequest
) -> None:
    """Raise IrtServiceRefusal where none of the items that were sent with scores has steps: an old service reads is_correct only."""
    with_scores = np.isin(codes, sent.polytomous)
    if with_scores.any() and not np.isfinite(steps[with_scores]).any():
        items = [repr(str(coded.item_ids[code])) for code in codes[with_scores].tolist()]
        raise IrtServiceRefusal(
            "the IRT service ignores scores: items with partial credit came back without b_1, b_2, ...: "
            f"{first_few(items)}. Update the service, or unset R_IRT_BASE_URL to calibrate in this process"
        )


def _model(row: ItemEstimate, code: int, request: CalibrationRequest, coded: CodedRequest) -> str:
    """Give the model of an item with steps, that which was asked for where the service names none; "" of another item."""
    if row.steps is None:
        return ""
    return row.model.upper() if row.model else coded.item_models.get(code, request.polytomous_model)


def _reasons(
    codes: np.ndarray,
    rows: Sequence[ItemEstimate],
    steps: np.ndarray,
    model: np.ndarray,
    coded: CodedRequest,
    sent: ServiceRequest,
) -> np.ndarray:
    """Say why items cannot be used, object [n], an empty text where they can."""
    with_steps = np.isfinite(steps).any(axis=1)
    a, c = (np.array([getattr(row, name) for row in rows], float) for name in "ac")
    reasons = {
        "no b_1, b_2, ... from the IRT service": np.isin(codes, sent.polytomous) & ~with_steps,
        "the IRT service gave it steps of an unknown model": with_steps & ~np.isin(model, POLYTOMOUS_MODELS),
        "the IRT service gave it steps and guessing": with_steps & (c != 0),
        "the IRT service gave it steps that no item has": unusable_steps(a, steps, model) != "",
        "the steps of the IRT service are not those of the scores that were sent": _recoded(codes, steps, coded),
    }
    return np.select(list(reasons.values()), list(reasons), "").astype(object)


def _recoded(codes: np.ndarray, steps: np.ndarray, coded: CodedRequest) -> np.ndarray:
    """Tell which items with steps lack a score that was sent, bool [n].

    R's mirt renumbers the scores of an item with a score that nobody got, which would give the others a wrong meaning.
    """
    with_steps = np.isfinite(steps).any(axis=1)
    given = np.zeros((coded.responses.n_items, MOST_CATEGORIES), bool)
    given[coded.responses.item, coded.responses.score] = True
    possible = np.zeros((len(codes), MOST_CATEGORIES), bool)
    possible[:, 1 : steps.shape[1] + 1] = np.isfinite(steps)
    possible[np.arange(len(codes)), np.isneginf(steps).sum(axis=1)] = True
    return with_steps & (given[codes] & ~possible).any(axis=1)


def _named(codes: np.ndarray, reasons: np.ndarray, coded: CodedRequest) -> str:
    return first_few(
        [f"{coded.item_ids[code]!s} ({reason})" for code, reason in zip(codes.tolist(), reasons, strict=True)]
    )
