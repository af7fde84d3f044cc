"""The checks of observations: one step, run after the answers of the day, or of a range of days, are in the lake."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import dagster as dg

from seedtest_assets.checks.answers import WEEKS, answer_volume, source_matches_lake
from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.checks.specs import OBSERVATIONS, results
from seedtest_assets.dagster_log.materializations import check_evaluation
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import last_days_counted
from seedtest_assets.storage.sources import find_source


@dg.multi_asset_check(specs=OBSERVATIONS, can_subset=True)
def observations_checks(
    context: dg.AssetCheckExecutionContext,
) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation]:
    """Did the answers arrive, all of them? Of every day that the run was asked for."""
    with failures_in_one_line():
        settings, days = load_settings(), [date.fromisoformat(key) for key in context.partition_keys]
        lake = Lake(settings.seedtest_lake)
        specs = [spec for spec in OBSERVATIONS if spec.key in context.selected_asset_check_keys]
        for day in days:
            judgements = [_judged(spec.name, day, lake, settings, of_many=len(days) > 1) for spec in specs]
            for told in results(judgements, specs):
                # A check gives one result a step; those of a range of days are told as events.
                yield told if len(days) == 1 else check_evaluation(told, context.instance, day.isoformat())


def _judged(check: str, day: date, lake: Lake, settings: Settings, of_many: bool) -> Judgement:
    if not lake.days(day, day):
        return Judgement(check, Level.PASS, f"{day} is not extracted yet")
    if of_many and day < datetime.now(timezone.utc).date() - timedelta(weeks=WEEKS):
        return Judgement(check, Level.PASS, f"extracted in a range, more than {WEEKS} weeks after the day: not judged")
    if check == "source_matches_lake":
        return source_matches_lake(
            last_days_counted(find_source(settings, prepared_database(settings)), lake, day), settings
        )
    past = lake.days(day - timedelta(weeks=WEEKS), day)
    return answer_volume(day, {one: lake.observations_count(one) for one in past}, settings)
