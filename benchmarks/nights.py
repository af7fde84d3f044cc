"""A night as the assets do it, without Dagster, so that it can be done again with something wrong in it."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.healthy_school import HealthySchool
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, answers_to_calibrate
from seedtest_assets.checks.answers import answer_volume, source_matches_lake
from seedtest_assets.checks.calibration_checks import (
    CalibratedDay,
    EarlierPartitions,
    earlier_partitions,
    judge_calibration,
)
from seedtest_assets.checks.dif import dif
from seedtest_assets.checks.flagged_items import flagged_items
from seedtest_assets.checks.freshness import freshness
from seedtest_assets.checks.judgement import Judgement, numbers_to_record
from seedtest_assets.checks.tables import judge_table
from seedtest_assets.days import feature_windows
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.features.daily import ANSWER_COLUMNS as FEATURE_COLUMNS
from seedtest_assets.features.daily import features_of_parts
from seedtest_assets.features.group_comparison import compare_group, comparison_table
from seedtest_assets.features.item_exposure import ANSWER_COLUMNS as EXPOSURE_COLUMNS
from seedtest_assets.features.item_exposure import EXPOSURE_DAYS, exposure_of_items
from seedtest_assets.features.item_statistics import CalibratedItems, item_statistics_of_window
from seedtest_assets.features.topic_theta import topic_theta
from seedtest_assets.features.topics_of_answers import active_pairs
from seedtest_assets.item_flags import NEED_A_PERSON
from seedtest_assets.settings import Settings
from seedtest_assets.storage.abilities import newest_abilities
from seedtest_assets.storage.database import Database, migrate
from seedtest_assets.storage.dif_history import counts_before, worst_flags_before, write_dif
from seedtest_assets.storage.embedded import start_embedded
from seedtest_assets.storage.history import fitted_at
from seedtest_assets.storage.item_statistics import flagged_before, items_flagged_before, write_item_statistics
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.late_answers import DayCount
from seedtest_assets.storage.publications import Publishing
from seedtest_assets.storage.publishing import write_calibration, write_features, write_topic_theta
from seedtest_assets.storage.table_facts import table_facts
from seedtest_assets.storage.window import Window, read_window
from seedtest_assets.storage.window_parts import newest_answers
from seedtest_assets.table_shards import TableShards

LATE = 0.001
"""Share of a day's answers that come a day late on a healthy platform."""
SUNDAY = 6
SHADOW = Publishing(enabled=False)
"""The benchmarks judge history; the platform's tables are left alone."""


@dataclass(frozen=True)
class Platform:
    """A school, its lake and its database."""

    home: Path
    school: HealthySchool
    settings: Settings
    with_errors: bool = True
    """Whether the engine gives standard errors; an IRT service over HTTP does not."""

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings.seedtest_lake)

    @cached_property
    def database(self) -> Database:
        database = Database(start_embedded("nights", self.home))
        migrate(database)
        with database.session() as connection:  # so that rows can be put in that the database would not take
            for table in ("topic_theta_history", "feature_history"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
                for column in ("student_id", "topic_id"):
                    connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
            for column in ("theta", "se"):
                connection.exec_driver_sql(f"ALTER TABLE topic_theta_history ALTER COLUMN {column} DROP NOT NULL")
        return database

    def night(self, day: date) -> "Night":
        return Night(
            self,
            day,
            pa.concat_tables(read_window(self.lake, day, self.settings).buckets),
            self.school.anchors,
            earlier_partitions(self.database, day, self.settings.history_partitions),
        )


@dataclass(frozen=True)
class Night:
    """What a night starts from: the window's answers, the bank's anchors, the earlier partitions."""

    platform: Platform
    day: date
    window: pa.Table
    anchors: pd.DataFrame
    earlier: EarlierPartitions

    @cached_property
    def request(self) -> CalibrationRequest:
        previous = self.earlier.newest_parameters[["item_id", "a", "b", "c"]]
        return CalibrationRequest(answers_to_calibrate(self.window), anchors=self.anchors, previous=previous)

    @cached_property
    def result(self) -> CalibrationResult:
        result = InProcessEngine().calibrate(self.request)
        if self.platform.with_errors:
            return result
        return replace(result, items=result.items.assign(se_a=np.nan, se_b=np.nan, se_c=np.nan))

    def with_answers(self, window: pa.Table) -> "Night":
        return replace(self, window=window)

    @cached_property
    def healthy(self) -> list[Judgement]:
        """The checks of the calibration as it is."""
        return self.of_calibration()

    def of_calibration(self, result: CalibrationResult | None = None) -> list[Judgement]:
        settings = self.platform.settings
        first = self.day - timedelta(days=settings.mirt_lookback_days - 1)
        calibrated = CalibratedDay(
            window=Window(first, self.day, [self.window], []),
            answers_since=first,
            result=result or self.result,
            anchors=self.anchors,
            earlier=self.earlier,
            linking_method=settings.mirt_linking_method,
        )
        return judge_calibration(calibrated, settings)

    @cached_property
    def counts(self) -> dict[date, int]:
        lake = self.platform.lake
        return {day: lake.observations_count(day) for day in lake.days(self.day - timedelta(weeks=4), self.day)}

    def of_volume(self, n_answers: int) -> list[Judgement]:
        return [answer_volume(self.day, self.counts | {self.day: n_answers}, self.platform.settings)]

    def of_source(self, late: float) -> list[Judgement]:
        """late: share of the last 7 days' answers that came after their day was extracted."""
        last = {day: n for day, n in self.counts.items() if day > self.day - timedelta(days=7)}
        counted = [DayCount(day, n + round(n * late), n) for day, n in last.items()]
        return [source_matches_lake(counted, self.platform.settings)]

    def of_freshness(self, fits: dict[date, datetime]) -> list[Judgement]:
        now = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), timezone.utc)
        return [freshness(self.day, fits, now + timedelta(hours=6, minutes=5), self.platform.settings)]

    @cached_property
    def pairs(self) -> pa.Table:
        return active_pairs(self.platform.lake.read_observations([self.day], ["student_id", "topic_id"]))

    @cached_property
    def topic_rows(self) -> pa.Table:
        spec = self.result.model_spec
        active = self.platform.lake.read_observations([self.day], ["student_id", "topic_id"])
        abilities = topic_theta(
            TableShards.here([self.window]), active, self.result.items, spec["group_mean"], spec["group_sd"]
        )
        return abilities.of_fit(spec["model"], datetime.now(timezone.utc))

    @cached_property
    def feature_rows(self) -> pa.Table:
        lake, (first, _) = self.platform.lake, feature_windows(self.day)
        answers = newest_answers(lake, lake.days(first, self.day), FEATURE_COLUMNS)
        abilities = newest_abilities(self.platform.database, self.day, self.pairs)
        rows = features_of_parts(self.day, TableShards.here(answers), *abilities)
        now = pa.array([datetime.now(timezone.utc)] * len(rows), pa.timestamp("us", tz="UTC"))
        return rows.append_column("computed_at", now)

    def of_table(self, table: str) -> list[Judgement]:
        """The checks of what the table has for the day."""
        limits = self.platform.settings
        facts = table_facts(self.platform.database, table, self.day, self.pairs, limits.theta_limit)
        return judge_table(facts, limits)

    @cached_property
    def exposure(self) -> pd.DataFrame:
        lake = self.platform.lake
        days = lake.days(self.day - timedelta(days=EXPOSURE_DAYS - 1), self.day)
        return exposure_of_items(self.day, newest_answers(lake, days, EXPOSURE_COLUMNS))

    def statistics(self, exposure: pd.DataFrame | None = None) -> pd.DataFrame:
        """The statistics of the items. exposure: in place of the night's."""
        calibrated = CalibratedItems(
            items=self.result.items,
            abilities=self.result.abilities,
            model_spec=self.result.model_spec,
            anchors=self.anchors,
        )
        exposure = self.exposure if exposure is None else exposure
        return item_statistics_of_window(
            TableShards.here([self.window]), calibrated, exposure, None, self.platform.settings
        )

    def of_items(self, statistics: pd.DataFrame) -> list[Judgement]:
        database, settings = self.platform.database, self.platform.settings
        counts = items_flagged_before(database, self.day, NEED_A_PERSON, settings.history_partitions)
        return [flagged_items(self.day, statistics, flagged_before(database, self.day), counts)]

    @cached_property
    def groups(self) -> dict[str, str]:
        """A group for each student of the window, for no reason: three of five are of the larger."""
        students = self.window["student_id"].unique().to_pylist()
        return {student: "first" if int(student[1:]) % 5 < 3 else "second" for student in students}

    def dif_rows(self, window: pa.Table | None = None) -> pd.DataFrame:
        """The rows of dif_history of the week that ends with the day. window: in place of the night's."""
        given = self.window if window is None else window
        compared = compare_group([answers_to_calibrate(given)], self.groups, "second", "first")
        rows = comparison_table(compared).rename(columns={"group": "group_id"})
        return rows.assign(reference_group="first")

    def of_dif(self, rows: pd.DataFrame) -> list[Judgement]:
        database = self.platform.database
        flagged = rows[rows["flag"] != "A"].sort_values(["flag", "unsigned_area"], ascending=False)
        counts = counts_before(database, self.day, self.platform.settings.history_partitions)
        return [dif(flagged, worst_flags_before(database, self.day), counts)]

    def weekly(self) -> list[Judgement]:
        """The check of the healthy week, which ends on a Sunday; none on other days."""
        if self.day.weekday() != SUNDAY:
            return []
        rows = self.dif_rows()
        judgements = self.of_dif(rows)
        write_dif(self.platform.database, self.day, rows, datetime.now(timezone.utc))
        return judgements

    def judgements(self) -> list[Judgement]:
        """Every check of the healthy night; the tables are written."""
        database = self.platform.database
        write_topic_theta(database, self.day, self.topic_rows, publishing=SHADOW)
        write_features(database, self.day, self.feature_rows, publishing=SHADOW)
        statistics = self.statistics()
        write_item_statistics(database, self.day, statistics, datetime.now(timezone.utc))
        in_the_night = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), timezone.utc)
        fits = fitted_at(database, self.day, 7) | {self.day: in_the_night + timedelta(hours=3)}
        return [
            *self.healthy,
            *self.of_volume(self.counts[self.day]),
            *self.of_source(LATE),
            *self.of_table("student_topic_theta"),
            *self.of_table("features_topic_daily"),
            *self.of_items(statistics),
            *self.weekly(),
            *self.of_freshness(fits),
        ]

    def publish(self) -> None:
        """Write the calibration, so that later nights compare with it."""
        checks = {"checks": numbers_to_record(self.healthy)}
        result = replace(self.result, metrics=self.result.metrics | checks)
        write_calibration(
            self.platform.database,
            self.day,
            result,
            run_id=f"fit-{self.day}",
            fitted_at=datetime.now(timezone.utc),
            publishing=SHADOW,
        )
