"""Calibrate in this process: names to codes, irt.calibrate, codes to names."""

import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets import irt
from seedtest_assets.engines.protocol import (
    ABILITY_COLUMNS,
    ITEM_COLUMNS,
    LEFT_OUT_COLUMNS,
    CalibrationRequest,
    CalibrationResult,
    Progress,
)
from seedtest_assets.errors import InputError


class InProcessEngine:
    """The engine of `irt/`."""

    name = "in-process"

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link; raises InputError for data that cannot be calibrated."""
        started = time.perf_counter()
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
        try:
            calibration = irt.calibrate(
                responses,
                request.model,
                anchors=_coded(request.anchors, item_ids),
                starts=_coded(request.starts, item_ids),
                previous=_coded(request.previous, item_ids),
                linking_method=request.linking_method,
                progress=progress,
            )
        except irt.DataError as error:
            raise InputError(str(error)) from None
        return _named(calibration, responses, request, user_ids, item_ids, time.perf_counter() - started)


def codes_and_names(ids: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Integer codes [n] of an id column, and the name of each code."""
    if not pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_encode()
    combined = ids.unify_dictionaries().combine_chunks()
    if isinstance(combined, pa.ChunkedArray):  # no chunk at all
        return np.empty(0, np.int32), pa.array([], pa.string())
    return combined.indices.to_numpy(), combined.dictionary
