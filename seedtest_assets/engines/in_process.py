"""Calibrate in this process."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.engines import codes
from seedtest_assets.engines.coded_parts import code_here
from seedtest_assets.engines.coded_request import CodedItems, CodedShards, code_request
from seedtest_assets.engines.result_tables import (
    ability_table,
    item_table,
    left_out_table,
    linking_constants,
    model_specification,
    partial_credit_facts,
)
from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.irt.second_compiler import start_second_compiler
from seedtest_assets.score_categories import known_scores


class InProcessEngine:
    """The engine of `irt/`.

    standard_errors: whether to compute those of items. one_population: whether the students are known to be of one population, so
    that the choice of items is not looked at.
    """

    name = "in-process"

    def __init__(
        self,
        max_iterations: int = irt.Options.max_iterations,
        *,
        standard_errors: bool = True,
        one_population: bool = False,
    ) -> None:
        self.max_iterations, self.standard_errors, self.one_population = max_iterations, standard_errors, one_population

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link; raises InputError for data that cannot be calibrated."""
        started = time.perf_counter()
        start_second_compiler(request.model)  # now, because coding the answers compiles kernels, too
        return calibrate_coded(
            request,
            code_here(request),
            started,
            self.max_iterations,
            progress,
            standard_errors=self.standard_errors,
            one_population=self.one_population,
        )


def calibrate_coded(
    request: CalibrationRequest,
    coded: CodedShards,
    started: float,
    max_iterations: int = irt.Options.max_iterations,
    progress: Progress | None = None,
    *,
    standard_errors: bool = True,
    one_population: bool = False,
) -> CalibrationResult:
    """Fit, estimate and link a request in codes, wherever its shards are.

    started: time.perf_counter() when its answers began to be read. standard_errors, one_population: as of InProcessEngine. Raises InputError for data that cannot be calibrated.
    """
    if coded.left_out and not coded.n_responses.any():
        raise InputError(f"no answer can be calibrated: {'. '.join(coded.warnings)}")
    try:
        calibration = irt.calibrate(
            coded.responses,
            irt.Models(model=request.model, polytomous_model=request.polytomous_model, item_models=coded.item_models),
            anchors=coded.anchors,
            starts=coded.starts,
            previous=coded.previous,
            groups=np.zeros(len(coded.n_responses), np.int32) if one_population else None,
            options=irt.Options(
                linking_method=request.linking_method,
                max_iterations=max_iterations,
                standard_errors=standard_errors,
                progress=progress,
                by_item=coded.item_priors,
                **request.priors.given,
            ),
        )
    except irt.DataError as error:
        raise InputError(str(error)) from None
    result = result_of(calibration, coded, request.model, time.perf_counter() - started)
    priors: dict[str, Any] = {"priors": request.priors.given} if request.priors.given else {}
    facts = partial_credit_facts(request, coded, calibration.items) | priors
    return replace(result, model_spec=result.model_spec | facts)


def score(answers: pa.Table, parameters: pd.DataFrame, mean: float, sd: float) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give ABILITY_COLUMNS of the students of answers (ANSWER_SCHEMA) whose items' PARAMETER_COLUMNS are known, and warnings.

    mean, sd: of the population's ability. Answers with a score that their item does not have are left out, with a warning.
    """
    request = code_request(CalibrationRequest(answers))
    items = codes.coded(parameters, request.item_ids)
    if items is None:
        raise InputError("none of the items that were answered has parameters")
    known = known_scores(items, request.responses.item, request.responses.score)
    unknown_of = request.responses.item[~known]
    responses = _selected(request.responses, known)
    request = replace(request, responses=responses, n_responses=np.diff(responses.person_start))
    try:
        abilities = ability_table(request, *irt.expected_a_posteriori(request.responses, items, mean, sd))
    except irt.DataError as error:
        raise InputError(str(error)) from None
    if known.all():
        return abilities, ()
    named = first_few(request.item_ids.take(pa.array(np.unique(unknown_of))).to_pylist())
    line = f"{number_of(int(np.sum(~known)), 'answer')} with a score that nobody had in the calibration left out of the abilities: {named}"
    return abilities, (line,)


def _selected(responses: irt.Responses, kept: np.ndarray) -> irt.Responses:
    """Select answers; the persons stay."""
    if kept.all():
        return responses
    return replace(
        responses,
        person_start=np.append(0, np.cumsum(kept))[responses.person_start],
        item=responses.item[kept],
        score=responses.score[kept],
        order=responses.order[kept] if len(responses.order) else responses.order,
    )


def result_of(calibration: irt.Calibration, coded: CodedItems, model: str, seconds: float) -> CalibrationResult:
    """Translate a calibration back to ids."""
    standard_errors = np.array([calibration.se_a, calibration.se_b, calibration.se_c])
    items = item_table(
        coded, calibration.items, standard_errors, calibration.n_responses, model=model, se_steps=calibration.se_steps
    )
    linking = calibration.linking
    specification = model_specification(
        coded,
        model,
        len(items),
        (calibration.group_mean, calibration.group_sd),
        linking.source if linking else "none",
        linking_constants(coded, [linking, *linking.others]) if linking else None,
        len(calibration.not_linked),
    )
    metrics = {
        "engine": InProcessEngine.name,
        **{name: float(getattr(calibration, name)) for name in ("loglik", "aic", "bic", "reliability")},
        **{name: int(getattr(calibration, name)) for name in ("n_parameters", "iterations")},
        "converged": bool(calibration.converged),
        "n_set_aside": coded.n_set_aside,
        "n_populations": len(calibration.groups_mean),
        "n_items_left_out": len(calibration.left_out) + len(coded.left_out),
        "seconds": round(seconds, 3),
    }
    return CalibrationResult(
        items,
        ability_table(coded, calibration.theta, calibration.theta_se),
        left_out_table(coded, (*coded.left_out, *calibration.left_out)),
        specification,
        metrics,
        coded.warnings + calibration.warnings,
    )
