"""The checks of observations: one step, run after the day's answers are in the lake."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from seedtest_assets.assets.failures import failures_in_one_line
from seedtest_assets.checks.answers import WEEKS, answer_volume, source_matches_lake
from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.checks.specs import OBSERVATIONS, results
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import last_days_counted
from seedtest_assets.storage.sources import find_source


@dg.multi_asset_check(specs=OBSERVATIONS)
def observations_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Did the day's answers arrive, all of them?"""
    with failures_in_one_line():
        if len(context.partition_keys) > 1:
            # A check has one result a run, and a range of days is no partition that an alert could name.
            said = "a range of days was filled; days are judged in runs of their own"
            yield from results([Judgement(spec.name, Level.PASS, said) for spec in OBSERVATIONS], OBSERVATIONS)
            return
        settings, day = load_settings(), date.fromisoformat(context.partition_keys[0])
        lake = Lake(settings.seedtest_lake)
        counts = {past: lake.observations_count(past) for past in lake.days(day - timedelta(weeks=WEEKS), day)}
        judgements = [
            answer_volume(day, counts, settings),
            source_matches_lake(last_days_counted(find_source(settings), lake, day), settings),
        ]
        yield from results(judgements, OBSERVATIONS)
