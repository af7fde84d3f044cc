"""calibrate: one step that makes mirt_item_params, mirt_ability and mirt_fit_meta, and writes all three or none."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pandas as pd

from seedtest_assets.calibration import ANSWER_SCHEMA, CalibrationRequest, CalibrationResult
from seedtest_assets.checks.on_calibration import earlier_partitions, judge_calibration, rejected_by
from seedtest_assets.checks.specs import CALIBRATION, accepted, numbers_of, results
from seedtest_assets.engines import engine_for
from seedtest_assets.report.pictures import histogram, item_map
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.step.arguments import CATALOGUE, DAILY_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import picture, previewed, table_metadata
from seedtest_assets.storage.calibration_lock import one_calibration_at_a_time
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.history import previous_item_parameters
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.publications import Publication, Publishing
from seedtest_assets.storage.publishing import clear_calibration, write_calibration
from seedtest_assets.storage.questions import anchors_and_starts
from seedtest_assets.storage.window import Window, read_window

LOG_EVERY = 10
"""Iterations between two lines of progress in the log, each of which is a row in Dagster's database."""


NEVER_ACCEPTED = {"finite"}
"""Checks that nobody overrules: the tables take numbers only."""


class CalibrateConfig(dg.Config):
    """How a run of the calibrate step goes."""

    accept_failed_checks: bool = False
    """Write a calibration that a blocking check rejects: an operator looked at it and wants it."""


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
    check_specs=CALIBRATION,
    **DAILY_STEP,
)
def calibrate(context: dg.AssetExecutionContext, config: CalibrateConfig) -> Iterator[Any]:
    """Calibrate the item bank on the look-back window, link it to the bank's scale, estimate every ability."""
    with failures_in_one_line():
        settings, day = load_settings(), date.fromisoformat(context.partition_key)
        database, lake = prepared_database(settings), Lake(settings.seedtest_lake)
        window = read_window(lake, day, settings)
        with one_calibration_at_a_time(database):
            earlier = earlier_partitions(database, day, settings)
            if not len(window.answers) and not earlier.fits:
                clear_calibration(database, day)
                yield from _nothing_to_do(window)
                return
            anchors, starts = anchors_and_starts(database)
            result = _calibrate(context, settings, database, day, window, anchors, starts)
            judgements = judge_calibration(result, anchors, window.answers, day, earlier, settings)
            result = replace(result, metrics=result.metrics | {"checks": numbers_of(judgements)})
            checked, rejected = results(judgements, CALIBRATION), rejected_by(judgements)
            run_id = f"fit-{day}-{context.run.run_id[:8]}"
            never = [one for one in rejected if one.check in NEVER_ACCEPTED]
            if rejected and (never or not config.accept_failed_checks):
                folder = lake.keep_rejected(
                    day,
                    run_id,
                    {"items": result.items, "abilities": result.abilities},
                    result.model_spec | result.metrics,
                )
                yield from checked
                reasons = "; ".join(one.description for one in rejected)
                raise dg.Failure(
                    f"calibration of {day} rejected, nothing written: {reasons}{'' if reasons.endswith('?') else '.'} "
                    f"It is kept in {folder}"
                    + (
                        ""
                        if never
                        else f"; to accept it: seedtest run --date {day} --accept-failed-checks, or run the partition with "
                        "ops.calibrate.config.accept_failed_checks: true"
                    ),
                    allow_retries=False,
                )
            fitted_at = datetime.now(timezone.utc)
            publication = write_calibration(
                database, day, result, run_id=run_id, fitted_at=fitted_at, publishing=Publishing.from_settings(settings)
            )
        yield from _materialized(result, window, run_id, publication)
        yield from (accepted(one) if one.check_name in {bad.check for bad in rejected} else one for one in checked)


def _calibrate(
    context: dg.AssetExecutionContext,
    settings: Settings,
    database: Database,
    day: date,
    window: Window,
    anchors: pd.DataFrame,
    starts: pd.DataFrame,
) -> CalibrationResult:
    def progress(iteration: int, change: float, loglik: float) -> None:
        if iteration % LOG_EVERY == 0:
            context.log.info(f"iteration {iteration}: change {change:.2e}, logLik {loglik:.3f}")

    previous_day, previous = previous_item_parameters(database, day)
    answers = window.answers.drop_columns("topic_id").rename_columns(ANSWER_SCHEMA.names)
    attempt = context.retry_number + 1
    method = settings.mirt_linking_method
    request = CalibrationRequest(answers, settings.mirt_model, anchors, starts, previous, method, attempt)
    result = engine_for(settings).calibrate(request, progress)
    for warning in result.warnings:
        context.log.warning(warning)
    spec = result.model_spec | {"lookback_days": settings.mirt_lookback_days}
    if spec["linked_to"] == "previous":
        spec["linked_to_partition"] = previous_day
    metrics = result.metrics | {
        "retries": context.retry_number,
        "dagster_run_id": context.run.run_id,
        "days_missing_in_lake": [day.isoformat() for day in window.missing],
    }
    return replace(result, model_spec=spec, metrics=metrics)


def _materialized(
    result: CalibrationResult, window: Window, run_id: str, publication: Publication
) -> Iterator[dg.MaterializeResult]:
    spec, metrics = result.model_spec, result.metrics
    yield dg.MaterializeResult(
        asset_key="mirt_item_params",
        metadata={
            "dagster/row_count": len(result.items),
            **_described(window),
            "left_out": len(result.left_out),
            "left_out_items": previewed(result.left_out.head(20)),
            "preview": previewed(result.items.head(5)),
            "item_map": picture(
                item_map(result.items["b"], result.abilities["theta"]), "item difficulties against abilities"
            ),
        },
    )
    yield dg.MaterializeResult(
        asset_key="mirt_ability",
        metadata={
            "dagster/row_count": len(result.abilities),
            "mean": float(result.abilities["theta"].mean()),
            "sd": float(result.abilities["theta"].std(ddof=0)),
            "preview": previewed(result.abilities.head(5)),
            "distribution": picture(
                histogram(result.abilities["theta"], "ability", "students"), "distribution of abilities"
            ),
        },
    )
    constants = spec.get("linking_constants") or {}
    yield dg.MaterializeResult(
        asset_key="mirt_fit_meta",
        metadata={
            "dagster/row_count": 1,
            "run_id": run_id,
            "published": publication.summary,
            "loglik": metrics["loglik"],
            "aic": metrics["aic"],
            "bic": metrics["bic"],
            "reliability": metrics.get("reliability"),
            "iterations": metrics["iterations"],
            "converged": metrics["converged"],
            "seconds": metrics["seconds"],
            "retries": metrics["retries"],
            "linked_to": spec["linked_to"],
            **{f"linking_{name}": constants[name] for name in ("A", "B", "n_anchors_used") if name in constants},
            "model_spec": dg.MetadataValue.json(_plain(spec)),
            "metrics": dg.MetadataValue.json(_plain(metrics)),
        },
    )


def _described(window: Window) -> dict[str, Any]:
    return {
        "window": f"{window.first} to {window.last}",
        "answers": len(window.answers),
        "days_missing_in_lake": dg.MetadataValue.json([day.isoformat() for day in window.missing]),
    }


def _nothing_to_do(window: Window) -> Iterator[Any]:
    for key in ("mirt_item_params", "mirt_ability", "mirt_fit_meta"):
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={"dagster/row_count": 0, "nothing_to_do": "no answers in the window", **_described(window)},
        )
    for spec in CALIBRATION:
        yield dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=True,
            description="nothing to do: no answers in the window, and no calibration before it",
        )


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
        for name, value in facts.items()
    }
