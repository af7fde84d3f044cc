"""person_fit: whose answers of the window are unlike what their ability predicts."""

from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pandas as pd

from seedtest_assets.features import person_fit as features
from seedtest_assets.report.pictures import histogram
from seedtest_assets.resources import AnswerLake, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, DAILY_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import cluster_metadata, file_metadata, picture, previewed, rounded
from seedtest_assets.storage.history import fit_meta, item_parameters
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.person_fit import TABLE, write_person_fit


@dg.asset(
    deps=["mirt_fit_meta"],
    **DAILY_STEP,
    **CATALOGUE,
    kinds={"numba", "postgres"},
    metadata=file_metadata(HISTORY[TABLE]),
)
def person_fit(
    context: dg.AssetExecutionContext, platform: PlatformDatabase, lake: AnswerLake, engine: IrtEngine
) -> dg.MaterializeResult:
    """Person fit (lz*) of the students active on the day, from their answers of the look-back window."""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        fit, rows, of_cluster = fit_meta(database, day), pd.DataFrame(columns=features.COLUMNS), {}
        if fit is not None:
            active = lake.storage.read_observations([day], ["student_id"])
            items = item_parameters(database, day)
            with engine.at_work(lake.window(day).buckets) as work:
                rows = features.person_fit(work.parts, active, items, fit["model_spec"])
            of_cluster = cluster_metadata(work.cluster)
        write_person_fit(database, day, rows, datetime.now(timezone.utc))
        return dg.MaterializeResult(metadata=_described(rows, calibrated=fit is not None) | of_cluster)


def _described(rows: pd.DataFrame, *, calibrated: bool) -> dict[str, Any]:
    if not len(rows):
        reason = "no answers on this day" if calibrated else "no calibration of this day"
        return {"dagster/row_count": 0, "nothing_to_do": reason}
    judged = rows["lz_star"].dropna().astype(float)
    return {
        "dagster/row_count": len(rows),
        "students_judged": len(judged),
        "aberrant_share": rounded(float((judged < features.ABERRANT).mean())) if len(judged) else 0.0,
        "expected_share": features.EXPECTED_SHARE,
        "lowest": previewed(rows.sort_values("lz_star").head(5)),
        "distribution": picture(histogram(judged, "lz*", "students"), "distribution of lz*"),
    }
