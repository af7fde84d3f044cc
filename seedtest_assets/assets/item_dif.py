"""item_dif: items that are harder for one group of students than for another of the same ability, once a week."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pandas as pd

from seedtest_assets.errors import number_of
from seedtest_assets.features.group_comparison import (
    GroupComparison,
    compare_group,
    comparison_table,
    group_sizes,
    reference_group,
)
from seedtest_assets.resources import AnswerLake, GroupQuery, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, WEEKLY_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import file_metadata, previewed
from seedtest_assets.storage.dif_history import TABLE, reference_group_before, write_dif
from seedtest_assets.storage.history_tables import HISTORY
from seedtest_assets.storage.student_groups import SETTING

DAYS_TO_SUNDAY = 6
SHOWN = ["item_id", "group_id", "flag", "mh_delta", "lr_x2", "p", "signed_area", "unsigned_area"]
WEEKLY_CATALOGUE = {name: value for name, value in CATALOGUE.items() if name != "freshness_policy"}
"""Made once a week, and only where groups are known: no morning waits for it."""


@dg.asset(
    deps=["observations"],
    **WEEKLY_STEP,
    **WEEKLY_CATALOGUE,
    kinds={"numba", "postgres"},
    metadata=file_metadata(HISTORY[TABLE]),
)
def item_dif(
    context: dg.AssetExecutionContext,
    platform: PlatformDatabase,
    lake: AnswerLake,
    engine: IrtEngine,
    group_query: GroupQuery,
) -> dg.MaterializeResult:
    """Differential item functioning of each group against the reference group, from the look-back window that ends with the week."""
    with failures_in_one_line():
        week = date.fromisoformat(context.partition_key)
        known = group_query.read(platform)
        if known is None:
            return dg.MaterializeResult(metadata={"nothing_to_do": f"{SETTING} is not set, so no groups are known"})
        window = lake.window(week + timedelta(days=DAYS_TO_SUNDAY))
        sizes = group_sizes(window.buckets, known.groups)
        missing = {"days_missing_in_lake": dg.MetadataValue.json([past.isoformat() for past in window.missing])}
        if len(sizes) < 2:
            write_dif(platform.database, week, pd.DataFrame(), datetime.now(timezone.utc))
            return dg.MaterializeResult(
                metadata={"nothing_to_do": f"{number_of(len(sizes), 'group')} with answers in the window", **missing}
            )
        before = reference_group_before(platform.database, week)
        reference = reference_group(sizes, before if before in sizes else None)
        comparisons = [
            compare_group(window.to_calibrate, known.groups, group, reference, model=engine.mirt_model)
            for group in sizes
            if group != reference
        ]
        for line in _warnings(comparisons):
            context.log.warning(line)
        rows = pd.concat([comparison_table(comparison) for comparison in comparisons], ignore_index=True)
        rows = rows.rename(columns={"group": "group_id"}).assign(reference_group=reference)
        write_dif(platform.database, week, rows, datetime.now(timezone.utc))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "students": dg.MetadataValue.json(sizes),
                "reference_group": reference,
                "students_without_group": known.n_without_group,
                **missing,
                **_described(rows, comparisons),
            }
        )


def _warnings(comparisons: list[GroupComparison]) -> list[str]:
    lines = []
    for comparison in comparisons:
        if comparison.dif is None:
            lines.append(f"the group {comparison.group} is not compared: {comparison.reason}")
            continue
        lines += [f"{comparison.group}: {warning}" for warning in comparison.dif.warnings]
        if not comparison.dif.converged:
            lines.append(f"{comparison.group}: a fit did not converge, so that some X2 may be wrong")
    return lines


def _described(rows: pd.DataFrame, comparisons: list[GroupComparison]) -> dict[str, Any]:
    flagged = rows[rows["flag"] != "A"].sort_values(["flag", "unsigned_area"], ascending=False)
    return {
        "not_compared": dg.MetadataValue.json(
            {comparison.group: comparison.reason for comparison in comparisons if comparison.dif is None}
        ),
        "anchors": dg.MetadataValue.json({comparison.group: len(comparison.anchor_ids) for comparison in comparisons}),
        "flagged_B": int((rows["flag"] == "B").sum()),
        "flagged_C": int((rows["flag"] == "C").sum()),
        "worst": previewed(flagged[SHOWN].head(10)),
    }
