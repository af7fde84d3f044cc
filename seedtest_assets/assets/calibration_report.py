"""calibration_report: the day's calibration as one page, pictures first."""

from datetime import date, timezone
from typing import Any

import dagster as dg
import pandas as pd

from seedtest_assets.assets.other_rapid_policy import rapid_guess_data
from seedtest_assets.calibration import as_parameters
from seedtest_assets.dagster_log.calibration_runs import calibration_runs, checks_of_run
from seedtest_assets.features.person_fit import ABERRANT
from seedtest_assets.report.data import ReportData
from seedtest_assets.resources import AnswerLake, IrtEngine, PlatformDatabase
from seedtest_assets.settings import REPORTS_URL
from seedtest_assets.step.arguments import CATALOGUE, DAILY_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import rounded
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.dif_history import flagged_dif, newest_week
from seedtest_assets.storage.history import (
    abilities,
    fit_history,
    fit_meta,
    fitted_items,
    item_parameters,
    previous_item_parameters,
)
from seedtest_assets.storage.item_statistics import read_item_statistics
from seedtest_assets.storage.person_fit import aberrant_shares, person_fit_of_day
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets.storage.window import Window

HISTORY_PARTITIONS = 90
RUNS = 60


@dg.asset(
    deps=["mirt_fit_meta", "item_statistics", "person_fit"],
    **DAILY_STEP,
    **CATALOGUE,
    kinds={"html"},
)
def calibration_report(
    context: dg.AssetExecutionContext, platform: PlatformDatabase, lake: AnswerLake, engine: IrtEngine
) -> dg.MaterializeResult:
    """Make one page about the day's calibration, in English and Korean: items, anchors, fit, students, runs; opens without a network."""
    # Here, because every process of Dagster loads this module, and only this step needs matplotlib and Jinja2.
    from seedtest_assets.report.page import calibration_page

    with failures_in_one_line():
        day = date.fromisoformat(context.partition_key)
        fit = fit_meta(platform.database, day)
        if fit is None:
            lake.storage.remove_report(day)
            return dg.MaterializeResult(metadata={"nothing_to_do": "no calibration of this day"})
        # As the fit counted them, whatever SEEDTEST_RAPID_GUESSES is by now.
        policy = fit["metrics"].get("rapid_guesses", {}).get("policy", "keep")
        window = lake.window_as_given(day).with_policy(policy)
        data = _report_data(context.instance, platform.database, window, fit)
        rapid = rapid_guess_data(platform.database, engine.settings, window, fit)
        page = calibration_page(data, rapid)
        path = lake.storage.write_report(day, page)
        return dg.MaterializeResult(
            metadata={
                "report": report_link(lake, path),
                "file": dg.MetadataValue.path(path),
                "bytes": len(page.encode()),
                **_described(data),
            }
        )


def _report_data(instance: dg.DagsterInstance, database: Database, window: Window, fit: dict[str, Any]) -> ReportData:
    day = window.last
    spec, metrics = fit["model_spec"], fit["metrics"]
    _, previous = previous_item_parameters(database, day)
    run_id = metrics.get("dagster_run_id")
    return ReportData(
        day=day,
        run_id=fit["run_id"],
        fitted_at=fit["fitted_at"].astimezone(timezone.utc),
        model_spec=spec,
        metrics=metrics,
        items=fitted_items(database, day),
        abilities=abilities(database, day),
        parts=window.buckets,
        first=window.first,
        last=window.last,
        missing=window.missing,
        reference=_reference(database, spec, previous),
        previous=previous,
        history=fit_history(database, day, HISTORY_PARTITIONS),
        runs=calibration_runs(instance, RUNS),
        checks=checks_of_run(instance, run_id) if run_id else [],
        statistics=read_item_statistics(database, day),
        dif=_dif(database, day),
        person_fit=person_fit_of_day(database, day),
        aberrant=aberrant_shares(database, day, HISTORY_PARTITIONS, ABERRANT),
    )


def _reference(database: Database, spec: dict[str, Any], previous: pd.DataFrame) -> pd.DataFrame:
    """Give the parameters that the calibration was linked to, or else could be compared with."""
    if spec["linked_to"] == "previous":
        return item_parameters(database, date.fromisoformat(spec["linked_to_partition"]))
    anchors = known_parameters(database).anchors
    return as_parameters(anchors if len(anchors) else previous)


def _described(data: ReportData) -> dict[str, Any]:
    return {
        "runs_shown": len(data.runs),
        "failed_checks": sum(not check.passed for check in data.checks),
        "mean_standard_error": rounded(float(data.abilities["se"].mean())),
    }


def _dif(database: Database, day: date) -> pd.DataFrame:
    """Read what is flagged of the newest week."""
    week = newest_week(database, day)
    return flagged_dif(database, week) if week else pd.DataFrame()


def report_link(lake: AnswerLake, path: str) -> dg.MetadataValue:
    """Give a link where a browser can open the lake, for a local one the one of `seedtest dev`; else the path."""
    page = "/".join(path.rsplit("/", 2)[-2:])
    if lake.seedtest_reports_url:
        return dg.MetadataValue.url(f"{lake.seedtest_reports_url.rstrip('/')}/{page}")
    if lake.seedtest_lake.startswith(("gs://", "gcs://")):
        return dg.MetadataValue.url(f"https://storage.cloud.google.com/{path}")
    if lake.storage.local_folder:
        return dg.MetadataValue.url(f"{REPORTS_URL}/{page}")
    return dg.MetadataValue.path(path)
