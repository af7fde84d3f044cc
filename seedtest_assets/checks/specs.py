"""The checks as Dagster knows them, and a judgement as the UI shows it."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import dagster as dg

from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.dagster_log.failures import ADVICE
from seedtest_assets.report.pictures import history, reliability_curve
from seedtest_assets.step.load_time import daily
from seedtest_assets.step.metadata import picture, previewed


def _spec(name: str, asset: str, description: str, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, blocking=blocking, partitions_def=daily, description=description)


CALIBRATION = [
    _spec(
        "item_count_drop",
        "mirt_item_params",
        "Items fitted, against the median of the last partitions. An ERROR is not written.",
        True,
    ),
    _spec("converged", "mirt_item_params", "The estimation converged. An ERROR is not written.", True),
    _spec(
        "finite",
        "mirt_item_params",
        "All parameters and abilities are finite and come once. An ERROR is not written.",
        True,
    ),
    _spec(
        "plausible_ranges",
        "mirt_item_params",
        "Share of items with an implausible a, b or c. An ERROR is not written.",
        True,
    ),
    _spec("anchor_drift", "mirt_item_params", "Anchors against the values that the bank has published for them."),
    _spec("item_drift", "mirt_item_params", "Items against the median of the last partitions."),
    _spec("ability_distribution", "mirt_ability", "Mean, SD and share at the grid's ends against the last partitions."),
    _spec(
        "anchors_present", "mirt_fit_meta", "The calibration is on the bank's scale, through as many anchors as usual."
    ),
    _spec("linking_constants", "mirt_fit_meta", "A and B against the last partitions."),
    _spec(
        "predictive_validity",
        "mirt_fit_meta",
        "The earlier parameters and abilities predict the day's answers better than each item's plain share correct.",
    ),
]
"""Judged inside the calibrate step: the blocking ones decide whether anything is written."""

OBSERVATIONS = [
    _spec("answer_volume", "observations", "Answers of the day against the same weekday of the last 4 weeks."),
    _spec(
        "source_matches_lake", "observations", "Answers of the last 7 days in the source, against those in the lake."
    ),
]
FRESHNESS = _spec("freshness", "mirt_fit_meta", "Yesterday's calibration is there in the morning.")


def table_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The checks of a table of (student, topic) rows."""
    return [
        _spec("theta_coverage", asset, "Every (student, topic) active on the day has an ability."),
        _spec("keys_unique", asset, "Each (student, topic) comes once."),
        _spec("no_nulls", asset, "Nothing that must be known is unknown."),
        _spec("values_in_range", asset, "Every value is one that can be."),
    ]


def result(judgement: Judgement, asset: str) -> dg.AssetCheckResult:
    """The numbers, the thresholds, the history as a picture, and what to do."""
    shown: dict[str, Any] = dict(judgement.numbers)
    if judgement.to_do:
        shown[ADVICE] = judgement.to_do
    if len(judgement.history):
        label = judgement.history_of
        drawn = history(judgement.history, label, judgement.history_limits)
        shown["history"] = picture(drawn, f"{label} over the last partitions")
    if judgement.curve is not None:
        shown["reliability_curve"] = picture(
            reliability_curve(judgement.curve["predicted"].tolist(), judgement.curve["seen"].tolist()),
            "seen against predicted share correct",
        )
    if judgement.worst is not None:
        shown["worst"] = previewed(judgement.worst)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=judgement.check,
        passed=judgement.passed,
        severity=dg.AssetCheckSeverity.ERROR if judgement.level == Level.ERROR else dg.AssetCheckSeverity.WARN,
        description=judgement.description,
        metadata=shown,
    )


def results(judgements: Sequence[Judgement], specs: Sequence[dg.AssetCheckSpec]) -> list[dg.AssetCheckResult]:
    """A result for each judgement that has a spec, on the asset that the spec names."""
    asset = {spec.name: spec.asset_key.to_user_string() for spec in specs}
    return [result(judgement, asset[judgement.check]) for judgement in judgements if judgement.check in asset]


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


def numbers_of(judgements: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
    """What the checks said, for mirt_fit_meta, as far as JSON can say it: the next nights compare with it."""
    return {
        judgement.check: {"level": judgement.level.name}
        | {name: value for name, value in judgement.numbers.items() if not isinstance(value, float) or isfinite(value)}
        for judgement in judgements
    }
