"""item_statistics: how every item of the look-back window is doing, and which items need a person."""

from collections import Counter
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pandas as pd

from seedtest_assets.days import days_up_to
from seedtest_assets.features.item_exposure import ANSWER_COLUMNS as EXPOSURE_COLUMNS
from seedtest_assets.features.item_exposure import EXPOSURE_DAYS, exposure_of_items
from seedtest_assets.features.item_statistics import COLUMNS, CalibratedItems, item_statistics_of_window
from seedtest_assets.item_flags import NEED_A_PERSON, reason_of, with_flags, worst_first
from seedtest_assets.report.pictures import histogram
from seedtest_assets.resources import AnswerLake, CheckLimits, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, DAILY_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import cluster_metadata, file_metadata, picture, previewed
from seedtest_assets.storage.history import abilities, fit_meta, fitted_items
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.item_statistics import TABLE, write_item_statistics
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets.storage.window_parts import newest_answers

ITEMS_SHOWN = 10
"""Items that need a person, in the metadata. `seedtest items` lists all."""


@dg.asset(
    deps=["mirt_fit_meta"],
    **DAILY_STEP,
    **CATALOGUE,
    kinds={"numba", "postgres"},
    metadata=file_metadata(HISTORY[TABLE]),
)
def item_statistics(
    context: dg.AssetExecutionContext,
    platform: PlatformDatabase,
    lake: AnswerLake,
    engine: IrtEngine,
    limits: CheckLimits,
) -> dg.MaterializeResult:
    """Answers, classical statistics, fit, exposure, time and flags of every item that was answered in the look-back window."""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        fit, window = fit_meta(database, day), lake.window(day)
        if fit is None or not window.n_answers:
            statistics, of_cluster = pd.DataFrame(columns=COLUMNS), {}
        else:
            days = lake.storage.days(days_up_to(day, EXPOSURE_DAYS)[0], day)
            calibrated = CalibratedItems(
                items=fitted_items(database, day),
                abilities=abilities(database, day),
                model_spec=fit["model_spec"],
                anchors=known_parameters(database).anchors,
            )
            exposure = exposure_of_items(day, newest_answers(lake.storage, days, EXPOSURE_COLUMNS))
            omissions = lake.storage.read_omissions(lake.storage.days(window.first, day))
            with engine.at_work(window.buckets) as work:
                statistics = item_statistics_of_window(work.parts, calibrated, exposure, omissions, limits.thresholds)
            of_cluster = cluster_metadata(work.cluster)
        write_item_statistics(database, day, statistics, datetime.now(timezone.utc))
        return dg.MaterializeResult(metadata=_described(statistics) | of_cluster)


def _described(statistics: pd.DataFrame) -> dict[str, Any]:
    if not len(statistics):
        return {"dagster/row_count": 0, "nothing_to_do": "no calibration of this day"}
    counts = Counter(flag for flags in statistics["flags"] for flag in flags)
    flagged = worst_first(with_flags(statistics, NEED_A_PERSON))
    reasons = [
        {"item_id": row["item_id"], "flags": ", ".join(row["flags"]), "reason": reason_of(row["flags"][0], row)}
        for row in flagged.head(ITEMS_SHOWN).to_dict("records")
    ]
    return {
        "dagster/row_count": len(statistics),
        "items_that_need_a_person": len(flagged),
        "flags": dg.MetadataValue.json(dict(counts)),
        **({"worst": previewed(pd.DataFrame(reasons))} if reasons else {}),
        "point_biserial": picture(
            histogram(statistics["point_biserial"].dropna(), "point-biserial correlation with the rest score", "items"),
            "distribution of the point-biserial correlations",
        ),
    }
