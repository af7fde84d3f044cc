"""The checks of student_topic_theta and features_topic_daily: a step each."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from seedtest_assets.checks import tables
from seedtest_assets.checks.specs import results, table_specs
from seedtest_assets.features.daily import active_pairs
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.table_facts import table_facts

THETA, FEATURES = table_specs("student_topic_theta"), table_specs("features_topic_daily")


@dg.multi_asset_check(specs=THETA)
def student_topic_theta_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Are the topic abilities of the day whole?"""
    with failures_in_one_line():
        yield from _results("student_topic_theta", THETA, date.fromisoformat(context.partition_key), load_settings())


@dg.multi_asset_check(specs=FEATURES)
def features_topic_daily_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Are the features of the day whole?"""
    with failures_in_one_line():
        settings = load_settings()
        day = date.fromisoformat(context.partition_key)
        yield from _results("features_topic_daily", FEATURES, day, settings, wanted=settings.agg_include_theta)


def _results(
    table: str, specs: list[dg.AssetCheckSpec], day: date, settings: Settings, wanted: bool = True
) -> list[dg.AssetCheckResult]:
    lake = Lake(settings.seedtest_lake)
    active = active_pairs(lake.read_observations(lake.days(day, day), ["student_id", "topic_id"]))
    facts = table_facts(prepared_database(settings), table, day, active, settings.theta_limit)
    judgements = [
        tables.theta_coverage(facts, settings, wanted),
        tables.keys_unique(facts),
        tables.no_nulls(facts),
        tables.values_in_range(facts),
    ]
    return results(judgements, specs)
