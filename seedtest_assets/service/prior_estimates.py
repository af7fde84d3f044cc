"""Estimates for the drift monitor, which compares every item that it names: a prior where the answers give no maximum."""

import numpy as np
from msgspec import UNSET

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult
from seedtest_assets.engines.coded_request import CodedRequest, code_request
from seedtest_assets.engines.codes import coded
from seedtest_assets.engines.result_tables import item_ids_of
from seedtest_assets.service.wire import MonitoredItem

# Weight of the prior, in answers: as many as an item needs to be calibrated at all.
PRIOR_ANSWERS = float(irt.MIN_RESPONSES)
# Guessing of the prior below which a 3PL cannot start: a guess among five answers.
PRIOR_GUESSING = 0.2


def estimates_with_prior(request: CalibrationRequest, result: CalibrationResult) -> list[MonitoredItem]:
    """Estimate the items that have both marks but no finite maximum-likelihood estimate.

    The fitted items are held. The prior is PRIOR_ANSWERS answers of N(0, 1) to an item of average discrimination, as
    difficult as the share of correct answers says.
    """
    if result.left_out.empty:
        return []
    code = code_request(request)
    held = coded(result.items, code.item_ids)
    assert held is not None
    starts = _prior(code, held, result)
    if starts is None:
        return []
    calibration = irt.calibrate(
        code.responses,
        irt.Models(model=request.model, polytomous_model=request.polytomous_model, item_models=code.item_models),
        anchors=held,
        starts=starts,
        options=irt.Options(linking_method="fixed", prior_answers=PRIOR_ANSWERS),
    )
    item_ids = item_ids_of(code)
    rows = zip(
        calibration.items.item,
        *(column.tolist() for column in (calibration.items.a, calibration.items.b, calibration.items.c)),
        *(
            np.where(np.isfinite(se), se, np.nan).tolist()
            for se in (calibration.se_a, calibration.se_b, calibration.se_c)
        ),
        strict=True,
    )
    new = set(starts.item.tolist())
    return [
        MonitoredItem(str(item_ids[item]), a, b, c, *(UNSET if np.isnan(se) else se for se in standard_errors))
        for item, a, b, c, *standard_errors in rows
        if int(item) in new
    ]


def _prior(code: CodedRequest, held: irt.ItemParameters, result: CalibrationResult) -> irt.ItemParameters | None:
    """Make the prior of the items that are not held; None if none of them has both marks."""
    responses = code.responses
    n_answers = np.bincount(responses.item, minlength=responses.n_items)
    n_correct = np.bincount(responses.item, weights=responses.score, minlength=responses.n_items)
    open_items = (n_correct > 0) & (n_correct < n_answers) & (n_answers >= irt.MIN_RESPONSES)
    open_items[held.item] = False
    open_items &= responses.max_score == 1
    item = np.flatnonzero(open_items)
    if not len(item):
        return None
    discrimination = float(np.median(np.abs(held.a)))
    log_odds = np.log(n_correct[item] / (n_answers[item] - n_correct[item]))
    difficulty = result.model_spec["group_mean"] - log_odds / discrimination
    guessing = PRIOR_GUESSING if irt.model_facts(result.model_spec["model"]).guessing else 0.0
    return irt.ItemParameters(item, np.full(len(item), discrimination), difficulty, np.full(len(item), guessing))
