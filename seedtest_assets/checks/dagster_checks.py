"""The checks as Dagster has them: their specs, a judgement as the UI shows it, and the steps that judge."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import dagster as dg

from seedtest_assets.checks import catalogue
from seedtest_assets.checks.answers import WEEKS, answer_volume, source_matches_lake
from seedtest_assets.checks.catalogue import Check
from seedtest_assets.checks.dif import dif
from seedtest_assets.checks.flagged_items import flagged_items
from seedtest_assets.checks.freshness import freshness
from seedtest_assets.checks.judgement import Judgement, Verdict
from seedtest_assets.checks.published import published
from seedtest_assets.checks.tables import judge_table
from seedtest_assets.dagster_log.materializations import check_evaluation
from seedtest_assets.dagster_log.reasons import ADVICE, LIMITS
from seedtest_assets.features.topics_of_answers import active_pairs
from seedtest_assets.item_flags import NEED_A_PERSON
from seedtest_assets.report.pictures import history, reliability_curve
from seedtest_assets.resources import AnswerLake, AnswerSource, CheckLimits, FeatureRules, PlatformDatabase
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.load_time import daily, weekly
from seedtest_assets.step.metadata import picture, previewed, rounded
from seedtest_assets.storage.dif_history import counts_before, flagged_dif, worst_flags_before
from seedtest_assets.storage.history import fitted_at
from seedtest_assets.storage.item_statistics import flagged_before, items_flagged_before, read_item_statistics
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import last_days_counted
from seedtest_assets.storage.publications import publication_state
from seedtest_assets.storage.sources import Source, empty_beside_full
from seedtest_assets.storage.table_facts import TableFacts, table_facts
from seedtest_assets.thresholds import Thresholds


def specs_of(checks: Sequence[Check], partitions: dg.TimeWindowPartitionsDefinition = daily) -> list[dg.AssetCheckSpec]:
    """Declare checks to Dagster."""
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=check.asset,
            blocking=check.blocking,
            partitions_def=partitions,
            description=check.description,
        )
        for check in checks
    ]


def result_of(judgement: Judgement, check: Check, *, overruled: bool = False) -> dg.AssetCheckResult:
    """Turn a judgement into a check's result: numbers, limits, the history as a picture, and what to do.

    overruled: an operator accepts what the check rejects; it stays failed, and no longer blocks.
    """
    error = judgement.verdict == Verdict.ERROR and not overruled
    return dg.AssetCheckResult(
        asset_key=check.asset,
        check_name=check.name,
        passed=judgement.passed,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=f"accepted by an operator: {judgement.finding}" if overruled else judgement.finding,
        metadata=_metadata(judgement),
    )


def _metadata(judgement: Judgement) -> dict[str, Any]:
    shown: dict[str, Any] = {name: rounded(value) for name, value in judgement.numbers.items()}
    if judgement.limits:  # as text: the UI would plot each number as a line that never moves
        shown[LIMITS] = ", ".join(f"{name} {rounded(value)}" for name, value in judgement.limits.items())
    if judgement.advice:
        shown[ADVICE] = judgement.advice
    if len(judgement.history.values):
        drawn = history(judgement.history.values, judgement.history.label, judgement.history.limits)
        shown["history"] = picture(drawn, f"{judgement.history.label} over the last partitions")
    if judgement.curve is not None:
        shown["reliability_curve"] = picture(
            reliability_curve(judgement.curve["predicted"].tolist(), judgement.curve["seen"].tolist()),
            "seen against predicted share correct",
        )
    if judgement.worst is not None:
        shown["worst"] = previewed(judgement.worst)
    return shown


@dg.multi_asset_check(specs=specs_of(catalogue.OBSERVATIONS), can_subset=True)
def observations_checks(
    context: dg.AssetCheckExecutionContext,
    platform: PlatformDatabase,
    source: AnswerSource,
    lake: AnswerLake,
    limits: CheckLimits,
) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
    """Did the answers arrive, all of them? Of every day that the run was asked for."""
    with failures_in_one_line():
        days = [date.fromisoformat(key) for key in context.partition_keys]
        selected = {key.name for key in context.selected_asset_check_keys}
        for day in days:
            for check in catalogue.OBSERVATIONS:
                if check.name not in selected:
                    continue
                judgement = _not_judged(check, day, lake.storage, in_range=len(days) > 1)
                if judgement is None:
                    judgement = _judge_answers(check, day, source.find(platform), lake.storage, limits.thresholds)
                result = result_of(judgement, check)
                # A step gives one result a check; those of a range of days are events.
                yield result if len(days) == 1 else check_evaluation(result, context.instance, day.isoformat())


def _not_judged(check: Check, day: date, lake: Lake, *, in_range: bool) -> Judgement | None:
    """Pass a day that cannot be judged, or was extracted so late that today's usual numbers say nothing about it."""
    if not lake.days(day, day):
        finding = f"{day} is not extracted yet"
    elif in_range and day < datetime.now(timezone.utc).date() - timedelta(weeks=WEEKS):
        finding = f"extracted in a range, more than {WEEKS} weeks after the day: not judged"
    else:
        return None
    return Judgement(check=check.name, verdict=Verdict.PASS, finding=finding)


def _judge_answers(check: Check, day: date, source: Source, lake: Lake, limits: Thresholds) -> Judgement:
    if check.name == "source_matches_lake":
        return source_matches_lake(last_days_counted(source, lake, day), limits, empty_beside_full(source))
    if check.name == "answer_volume":
        days = lake.days(day - timedelta(weeks=WEEKS), day)
        return answer_volume(day, {each: lake.observations_count(each) for each in days}, limits)
    raise NotImplementedError(f"no judgement of observations is called {check.name}")


@dg.multi_asset_check(specs=specs_of(catalogue.TOPIC_THETA))
def student_topic_theta_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformDatabase, lake: AnswerLake, limits: CheckLimits
) -> Iterator[dg.AssetCheckResult]:
    """Are the topic abilities of the day whole?"""
    with failures_in_one_line():
        facts = _facts("student_topic_theta", date.fromisoformat(context.partition_key), platform, lake, limits)
        yield from _results(judge_table(facts, limits.thresholds), catalogue.TOPIC_THETA)


@dg.multi_asset_check(specs=specs_of(catalogue.FEATURES))
def features_topic_daily_checks(
    context: dg.AssetCheckExecutionContext,
    platform: PlatformDatabase,
    lake: AnswerLake,
    feature_rules: FeatureRules,
    limits: CheckLimits,
) -> Iterator[dg.AssetCheckResult]:
    """Are the features of the day whole?"""
    with failures_in_one_line():
        facts = _facts("features_topic_daily", date.fromisoformat(context.partition_key), platform, lake, limits)
        judgements = judge_table(facts, limits.thresholds, abilities_expected=feature_rules.agg_include_theta)
        yield from _results(judgements, catalogue.FEATURES)


@dg.multi_asset_check(specs=specs_of(catalogue.ITEM_STATISTICS))
def item_statistics_checks(
    context: dg.AssetCheckExecutionContext, platform: PlatformDatabase, limits: CheckLimits
) -> Iterator[dg.AssetCheckResult]:
    """Which items need a person since today?"""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        judgement = flagged_items(
            day,
            read_item_statistics(database, day),
            flagged_before(database, day),
            items_flagged_before(database, day, NEED_A_PERSON, limits.thresholds.history_partitions),
        )
        yield from _results([judgement], catalogue.ITEM_STATISTICS)


# No pool, as `freshness_check`: it reads a few rows.
@dg.multi_asset_check(specs=specs_of([catalogue.DIF], weekly), name="item_dif_check")
def item_dif_check(
    context: dg.AssetCheckExecutionContext, platform: PlatformDatabase, limits: CheckLimits
) -> dg.AssetCheckResult:
    """Does an item function differently for a group since this week?"""
    with failures_in_one_line():
        database, week = platform.database, date.fromisoformat(context.partition_key)
        judgement = dif(
            flagged_dif(database, week),
            worst_flags_before(database, week),
            counts_before(database, week, limits.thresholds.history_partitions),
        )
        return result_of(judgement, catalogue.DIF)


def _facts(table: str, day: date, platform: PlatformDatabase, lake: AnswerLake, limits: CheckLimits) -> TableFacts:
    answers = lake.storage.read_observations(lake.storage.days(day, day), ["student_id", "topic_id"])
    return table_facts(platform.database, table, day, active_pairs(answers), limits.thresholds.theta_limit)


def _results(judgements: Sequence[Judgement], checks: Sequence[Check]) -> list[dg.AssetCheckResult]:
    by_name = {check.name: check for check in checks}
    return [result_of(judgement, by_name[judgement.check]) for judgement in judgements]


# No pool: a calibration that hangs holds the pool, and this check must still run.
@dg.multi_asset_check(specs=specs_of([catalogue.FRESHNESS]), name="freshness_check")
def freshness_check(
    context: dg.AssetCheckExecutionContext, platform: PlatformDatabase, limits: CheckLimits
) -> dg.AssetCheckResult:
    """Check that yesterday was calibrated, with every night and by a schedule of its own in the morning."""
    with failures_in_one_line():
        day, thresholds = date.fromisoformat(context.partition_key), limits.thresholds
        fits = fitted_at(platform.database, day, thresholds.history_partitions)
        return result_of(freshness(day, fits, datetime.now(timezone.utc), thresholds), catalogue.FRESHNESS)


@dg.multi_asset_check(specs=specs_of([catalogue.PUBLISHED]), name="published_check")
def published_check(platform: PlatformDatabase) -> dg.AssetCheckResult:
    """Do readers of the platform's tables see the newest accepted day?"""
    with failures_in_one_line():
        state = publication_state(platform.database, platform.seedtest_published_version)
        return result_of(published(state, enabled=platform.seedtest_publish), catalogue.PUBLISHED)
