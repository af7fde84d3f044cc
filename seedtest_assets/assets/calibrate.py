"""calibrate: one step that makes mirt_item_params, mirt_ability and mirt_fit_meta, and writes all three or none."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from functools import partial
from typing import Any, NoReturn

import dagster as dg

from seedtest_assets.assets.calibrate_metadata import materializations, nothing_to_do, with_metrics
from seedtest_assets.assets.calibrate_priors import calibrate_with_priors
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.checks import catalogue
from seedtest_assets.checks.calibration_checks import (
    NEVER_ACCEPTED,
    CalibratedDay,
    EarlierPartitions,
    earlier_partitions,
    judge_calibration,
    rejected_by,
)
from seedtest_assets.checks.dagster_checks import result_of, specs_of
from seedtest_assets.checks.judgement import Judgement, numbers_to_record
from seedtest_assets.dagster_log.reasons import ADVICE
from seedtest_assets.resources import AnswerLake, AnswerSource, CheckLimits, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, FIRST_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import table_metadata
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import previous_item_parameters
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.locks import one_calibration_at_a_time
from seedtest_assets.storage.publishing import clear_calibration, write_calibration
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets.storage.window import Window
from seedtest_assets.thresholds import Thresholds

LOG_EVERY = 10
"""Iterations between two lines of progress in the log, each of which is a row in Dagster's database."""


class CalibrateConfig(dg.Config):
    """Options of a run of the calibrate step."""

    accept_failed_checks: bool = False
    """Write a calibration that a blocking check rejects: an operator examined it and wants it."""


@dg.multi_asset(
    name="calibrate",
    specs=[
        dg.AssetSpec(
            "mirt_item_params",
            deps=["observations"],
            description="Item parameters from the answers of the look-back window, on the bank's scale.",
            metadata=table_metadata("mirt_item_params"),
            **CATALOGUE,
            kinds={"numba", "postgres"},
        ),
        dg.AssetSpec(
            "mirt_ability",
            deps=["mirt_item_params"],
            description="The overall ability of every student who answered in the look-back window.",
            metadata=table_metadata("mirt_ability"),
            **CATALOGUE,
            kinds={"numba", "postgres"},
        ),
        dg.AssetSpec(
            "mirt_fit_meta",
            deps=["mirt_item_params"],
            description="What was fitted, how well, the linking constants, timings and retries: one row.",
            metadata=table_metadata("mirt_fit_meta"),
            **CATALOGUE,
            kinds={"postgres"},
        ),
    ],
    check_specs=specs_of(catalogue.CALIBRATION),
    **FIRST_STEP,
)
def calibrate(
    context: dg.AssetExecutionContext,
    config: CalibrateConfig,
    platform: PlatformDatabase,
    source: AnswerSource,
    lake: AnswerLake,
    engine: IrtEngine,
    limits: CheckLimits,
) -> Iterator[Any]:
    """Calibrate the item bank on the look-back window, link it to the bank's scale, estimate every ability."""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        window, thresholds = lake.window(day), limits.thresholds
        with one_calibration_at_a_time(database):
            earlier = earlier_partitions(database, day, thresholds.history_partitions)
            if not window.n_answers and not earlier.fits:
                clear_calibration(database, day)
                yield from nothing_to_do(window)
                return
            since = lake.answers_since(window, partial(source.find, platform))
            calibrated = _calibrate(context, database, engine, window, since, earlier, thresholds)
            judgements = judge_calibration(calibrated, thresholds)
            result = with_metrics(calibrated.result, checks=numbers_to_record(judgements))
            run_id = f"fit-{day}-{context.run.run_id[:8]}"
            rejections = rejected_by(judgements, accept=config.accept_failed_checks)
            if rejections:
                yield from _check_results(judgements)
                _reject(day, rejections, _keep(lake.storage, day, run_id, result))
            publication = write_calibration(
                database,
                day,
                result,
                run_id=run_id,
                fitted_at=datetime.now(timezone.utc),
                publishing=platform.publishing,
            )
        yield from materializations(result, window, run_id, publication.summary)
        yield from _check_results(judgements, accepted=config.accept_failed_checks)


def _calibrate(
    context: dg.AssetExecutionContext,
    database: Database,
    engine: IrtEngine,
    window: Window,
    since: date,
    earlier: EarlierPartitions,
    thresholds: Thresholds,
) -> CalibratedDay:
    """Run the engine, and record the inputs and metrics of the fit."""
    options = engine.settings
    known = known_parameters(database)
    previous_day, previous = previous_item_parameters(database, window.last)
    request = CalibrationRequest(
        answers=window.to_calibrate,
        model=options.mirt_model,
        polytomous_model=options.mirt_polytomous_model,
        anchors=known.anchors,
        starts=known.starts,
        item_models=known.models,
        previous=previous,
        linking_method=options.mirt_linking_method,
        priors=options.priors,
        attempt=context.retry_number + 1,
    )
    fit = partial(engine.calibrate, progress=_progress_in(context.log))
    result = calibrate_with_priors(fit, request, database, options, previous_day, thresholds.item_provisional_se_b)
    context.log.info(f"rapid guesses: {window.rapid_guesses.summary}")
    warnings = (*known.warnings, *window.rapid_guesses.warnings, *result.warnings)
    for warning in warnings:
        context.log.warning(warning)
    specification = result.model_spec | {"lookback_days": window.n_days}
    if specification["linked_to"] == "previous":
        specification["linked_to_partition"] = previous_day
    result = with_metrics(
        replace(result, model_spec=specification, warnings=warnings),
        warnings=list(warnings),
        retries=context.retry_number,
        dagster_run_id=context.run.run_id,
        days_missing_in_lake=[day.isoformat() for day in window.missing],
        **window.rapid_guesses.facts,
    )
    return CalibratedDay(
        window=window,
        answers_since=since,
        result=result,
        anchors=known.anchors,
        earlier=earlier,
        linking_method=options.mirt_linking_method,
    )


def _progress_in(log: dg.DagsterLogManager) -> Progress:
    def progress(iteration: int, change: float, loglik: float) -> None:
        if iteration % LOG_EVERY == 0:
            log.info(f"iteration {iteration}: change {change:.2e}, logLik {loglik:.3f}")

    return progress


def _check_results(judgements: Sequence[Judgement], *, accepted: bool = False) -> Iterator[dg.AssetCheckResult]:
    overruled = rejected_by(judgements) if accepted else []
    for check, judgement in zip(catalogue.CALIBRATION, judgements, strict=True):
        yield result_of(judgement, check, overruled=judgement in overruled)


def _keep(lake: Lake, day: date, run_id: str, result: CalibrationResult) -> str:
    """Keep a rejected calibration in the lake, for inspection; give its folder."""
    tables = {"items": result.items, "abilities": result.abilities}
    return lake.keep_rejected(day, run_id, tables, result.model_spec | result.metrics)


def _reject(day: date, rejections: Sequence[Judgement], folder: str) -> NoReturn:
    advice = [judgement.advice for judgement in rejections if judgement.advice]
    if not NEVER_ACCEPTED & {judgement.check for judgement in rejections}:
        advice.append(
            f"To accept it: seedtest run --date {day} --accept-failed-checks, or run the partition with "
            "ops.calibrate.config.accept_failed_checks: true"
        )
    raise dg.Failure(
        f"calibration of {day} rejected, nothing written: {'; '.join(judgement.finding for judgement in rejections)}. "
        f"It is kept in {folder}",
        metadata={ADVICE: "\n".join(advice)},
        allow_retries=False,
    )
