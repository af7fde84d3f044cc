"""Asset checks: is what was made fit to be used?"""

from datetime import date
from statistics import median
from typing import Any

import dagster as dg

from seedtest_assets.assets.describe import picture
from seedtest_assets.assets.failures import failures_in_one_line
from seedtest_assets.partitions import daily
from seedtest_assets.report.pictures import history
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import CHECKED_DAYS, days_that_differ
from seedtest_assets.storage.sources import find_source

ITEM_COUNT_DROP = dg.AssetCheckSpec(
    "item_count_drop",
    asset="mirt_item_params",
    blocking=True,
    partitions_def=daily,
    description="The items fitted, against the median of the last partitions. An ERROR keeps the calibration from being written.",
)


def item_count_drop(n_items: int, before: dict[date, int], settings: Settings) -> dg.AssetCheckResult:
    """ERROR when fewer items were fitted than 80% of the median of the last partitions, WARN below 90%.

    before: items fitted in the last partitions, oldest first.
    """
    if not before:
        return _result(True, "no earlier partition to compare with", {"items": n_items})
    usual = median(before.values())
    share = n_items / usual if usual else 1.0
    severity = (
        dg.AssetCheckSeverity.ERROR if share < settings.seedtest_item_count_error_below else dg.AssetCheckSeverity.WARN
    )
    passed = share >= settings.seedtest_item_count_warn_below
    return _result(
        passed,
        f"{n_items} items fitted, {share:.0%} of the {usual:g} usual in the last {len(before)} partitions"
        + ("" if passed else "; look at the answers of the last days: is a source, a topic or an item table missing?"),
        {
            "items": n_items,
            "usual_items": usual,
            "share": share,
            "warn_below": settings.seedtest_item_count_warn_below,
            "error_below": settings.seedtest_item_count_error_below,
            "history": picture(
                history([*before.values(), n_items], "items fitted"), "items fitted in the last partitions"
            ),
        },
        severity,
    )


def accepted(check: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """A failed check that an operator overrules: it stays failed, and no longer blocks."""
    return dg.AssetCheckResult(
        passed=check.passed,
        asset_key=check.asset_key,
        check_name=check.check_name,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"accepted by an operator: {check.description}",
        metadata=check.metadata,
    )


@dg.asset_check(
    asset="observations",
    partitions_def=daily,
    description=f"Answers of the last {CHECKED_DAYS} days in the source, against those in the lake. A WARN names the days to run again.",
)
def source_matches_lake(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """WARN when answers came late (or went away) after their day was extracted."""
    with failures_in_one_line():
        settings, last = load_settings(), date.fromisoformat(context.partition_keys[-1])
        differ = days_that_differ(find_source(settings), Lake(settings.seedtest_lake), last)
    days = ", ".join(f"{one.day} ({one.in_source - one.in_lake:+,} answers)" for one in differ)
    return dg.AssetCheckResult(
        passed=not differ,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"changed in the source since it was extracted: {days}; run `seedtest run --refresh`, or materialise these "
            "days again in the UI, oldest first"
            if differ
            else "the lake has every answer of the last days"
        ),
        metadata={
            "days_that_differ": [
                f"{one.day}: {one.in_source} in the source, {one.in_lake} in the lake" for one in differ
            ]
        },
    )


def _result(
    passed: bool,
    description: str,
    metadata: dict[str, Any],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key="mirt_item_params",
        check_name="item_count_drop",
        severity=severity,
        description=description,
        metadata=metadata,
    )
