"""Calibrate in this process: names to codes, irt.calibrate, codes to names."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.calibration import (
    ABILITY_COLUMNS,
    ITEM_COLUMNS,
    LEFT_OUT_COLUMNS,
    CalibrationRequest,
    CalibrationResult,
    Progress,
)
from seedtest_assets.engines.codes import coded, codes_and_names
from seedtest_assets.errors import InputError

ERRORS = ("se_a", "se_b", "se_c")


class InProcessEngine:
    """The engine of `irt/`."""

    name = "in-process"

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link; raises InputError for data that cannot be calibrated."""
        started = time.perf_counter()
        by_code = with_codes(request)
        try:
            calibration = irt.calibrate(
                by_code.responses,
                request.model,
                anchors=by_code.anchors,
                starts=by_code.starts,
                previous=by_code.previous,
                linking_method=request.linking_method,
                progress=progress,
            )
        except irt.DataError as error:
            raise InputError(str(error)) from None
        return with_names(calibration, by_code, request, self.name, time.perf_counter() - started)


@dataclass(frozen=True)
class CodedRequest:
    """A request in the codes of irt/; the code of a person or an item is its place among the ids."""

    responses: irt.Responses
    user_ids: pa.Array
    item_ids: pa.Array
    anchors: irt.ItemParameters | None
    starts: irt.ItemParameters | None
    previous: irt.ItemParameters | None


def with_codes(request: CalibrationRequest) -> CodedRequest:
    """Names to codes; answers that are null are not answers."""
    answers = request.answers.filter(pc.is_valid(request.answers["is_correct"]))
    person, user_ids = codes_and_names(answers["user_id"])
    item, item_ids = codes_and_names(answers["item_id"])
    responses = irt.Responses.from_answers(
        person,
        item,
        answers["is_correct"].to_numpy(zero_copy_only=False),
        time=_microseconds(answers["responded_at"]),
        n_persons=len(user_ids),
        n_items=len(item_ids),
    )
    known = (coded(parameters, item_ids) for parameters in (request.anchors, request.starts, request.previous))
    return CodedRequest(responses, user_ids, item_ids, *known)


def _microseconds(times: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(times.cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()


def with_names(
    calibration: irt.Calibration, by_code: CodedRequest, request: CalibrationRequest, engine: str, seconds: float
) -> CalibrationResult:
    """Codes to names: what every engine gives."""
    responses = by_code.responses
    users, names = np.asarray(by_code.user_ids, dtype=object), np.asarray(by_code.item_ids, dtype=object)
    items, linking = calibration.items, calibration.linking
    item_names = names[items.item]
    item_table = pd.DataFrame(
        {
            "item_id": item_names,
            **{name: getattr(items, name) for name in "abc"},
            # Infinite where the data do not tell: a table and JSON have no number for it, so it is missing there.
            **{
                name: np.where(np.isfinite(getattr(calibration, name)), getattr(calibration, name), np.nan)
                for name in ERRORS
            },
            "n_responses": calibration.n_responses,
            "is_anchor": np.isin(item_names, request.anchors["item_id"].to_numpy(object)),
        }
    )
    abilities = pd.DataFrame(
        {
            "user_id": users,
            "theta": calibration.theta,
            "se": calibration.theta_se,
            "n_responses": np.diff(responses.person_start),
        }
    )
    left_out = pd.DataFrame(
        [(names[item], count, reason) for item, count, reason in calibration.left_out], columns=LEFT_OUT_COLUMNS
    )
    model_spec = {
        "model": request.model,
        "n_items": len(item_table),
        "n_persons": len(abilities),
        "n_observations": responses.n_answers,
        "linked_to": linking.source if linking else "none",
        "group_mean": float(calibration.group_mean),
        "group_sd": float(calibration.group_sd),
    }
    if linking:
        model_spec["linking_constants"] = {
            "A": float(linking.A),
            "B": float(linking.B),
            "method": linking.method,
            "n_anchors_used": len(linking.used),
            "screened_out": {str(names[item]): reason for item, reason in linking.screened_out},
        }
    metrics = {
        "engine": engine,
        **{name: float(getattr(calibration, name)) for name in ("loglik", "aic", "bic", "reliability")},
        **{name: int(getattr(calibration, name)) for name in ("n_parameters", "iterations")},
        "converged": bool(calibration.converged),
        "n_set_aside": responses.n_set_aside,
        "n_items_left_out": len(left_out),
        "seconds": round(seconds, 3),
    }
    return CalibrationResult(
        item_table[ITEM_COLUMNS], abilities[ABILITY_COLUMNS], left_out, model_spec, metrics, calibration.warnings
    )
