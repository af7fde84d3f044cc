"""The checks of observations: one step, run after the answers of the day, or of a range of days, are in the lake."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from seedtest_assets.assets.failures import failures_in_one_line
from seedtest_assets.checks.answers import WEEKS, answer_volume, source_matches_lake
from seedtest_assets.checks.specs import OBSERVATIONS, evaluation, results
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import CHECKED_DAYS, last_days_counted
from seedtest_assets.storage.sources import find_source


@dg.multi_asset_check(specs=OBSERVATIONS, can_subset=True)
def observations_checks(
    context: dg.AssetCheckExecutionContext,
) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
    """Did the answers arrive, all of them? Of every day that the run extracted."""
    with failures_in_one_line():
        settings, days = load_settings(), [date.fromisoformat(key) for key in context.partition_keys]
        lake, first, last = Lake(settings.seedtest_lake), days[0], days[-1]
        counts = {day: lake.observations_count(day) for day in lake.days(first - timedelta(weeks=WEEKS), last)}
        counted = last_days_counted(find_source(settings), lake, last, CHECKED_DAYS + (last - first).days)
        for day in days:
            of_weeks = {past: n for past, n in counts.items() if day - timedelta(weeks=WEEKS) <= past <= day}
            of_last_days = [one for one in counted if day - timedelta(days=CHECKED_DAYS) < one.day <= day]
            judgements = [answer_volume(day, of_weeks, settings), source_matches_lake(of_last_days, settings)]
            for told in results(
                judgements, [spec for spec in OBSERVATIONS if spec.key in context.selected_asset_check_keys]
            ):
                # A check gives one result a step; those of a range of days are told as events.
                yield told if len(days) == 1 else evaluation(told, context.instance, day.isoformat())
