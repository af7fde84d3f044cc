"""observations: the answers completed on a day, from the platform into the lake."""

from datetime import date

import dagster as dg

from seedtest_assets.settings import load_settings
from seedtest_assets.step.arguments import CATALOGUE, DAYS_IN_ONE_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import file_metadata, previewed
from seedtest_assets.storage.answers import OBSERVATION_SCHEMA
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.sources import find_source


class ObservationsConfig(dg.Config):
    """How a run of observations goes."""

    only_missing: bool = False
    """Leave the days alone that the lake already has."""


@dg.asset(
    **DAYS_IN_ONE_STEP,
    **CATALOGUE,
    kinds={"postgres", "parquet"},
    metadata=file_metadata(OBSERVATION_SCHEMA),
)
def observations(context: dg.AssetExecutionContext, config: ObservationsConfig) -> None:
    """The answers completed on the day, as the platform had them when the day was extracted."""
    with failures_in_one_line():
        settings = load_settings()
        lake, source = Lake(settings.seedtest_lake), find_source(settings, prepared_database(settings))
        days = [date.fromisoformat(key) for key in context.partition_keys]
        present = set(lake.days(days[0], days[-1])) if config.only_missing else set()
        wanted = [day for day in days if day not in present]
        if not wanted:
            return
        for number, (day, answers) in enumerate(source.answers_by_day(wanted[0], wanted[-1]), start=1):
            if day in present:
                continue
            path = lake.write_observations(day, answers.table)
            for reason, count in answers.left_out.items():
                context.log.warning(f"{day}: {count} rows of {source.name} left out: {reason}")
            context.log.info(
                f"observations {number}/{(wanted[-1] - wanted[0]).days + 1}: {day} has {len(answers.table):,} answers"
            )
            context.add_asset_metadata(
                {
                    "dagster/row_count": len(answers.table),
                    "source": source.name,
                    "path": dg.MetadataValue.path(path),
                    "left_out": dg.MetadataValue.json(answers.left_out),
                    "students": len(answers.table["student_id"].unique()),
                    "items": len(answers.table["item_id"].unique()),
                    "preview": previewed(answers.table.slice(0, 5).to_pandas()),
                },
                asset_key="observations",
                partition_key=day.isoformat(),
            )
