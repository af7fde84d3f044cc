"""observations: the answers completed on a day, from the platform into the lake."""

from datetime import date
from typing import Any

import dagster as dg

from seedtest_assets.errors import InputError
from seedtest_assets.resources import AnswerLake, AnswerSource, PlatformDatabase
from seedtest_assets.settings import old_name_warnings
from seedtest_assets.step.arguments import CATALOGUE, DAYS_IN_ONE_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import file_metadata, previewed
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, UsableAnswers


class ObservationsConfig(dg.Config):
    """Options of a run of observations."""

    only_missing: bool = False
    """Leave the days alone that the lake already has, undamaged."""


@dg.asset(
    **DAYS_IN_ONE_STEP,
    **CATALOGUE,
    kinds={"postgres", "parquet"},
    metadata=file_metadata(OBSERVATION_SCHEMA),
)
def observations(
    context: dg.AssetExecutionContext,
    config: ObservationsConfig,
    platform: PlatformDatabase,
    source: AnswerSource,
    lake: AnswerLake,
) -> None:
    """Extract the answers completed on the day, as the platform has them now."""
    with failures_in_one_line():
        for line in old_name_warnings():
            context.log.warning(line)
        days = [date.fromisoformat(key) for key in context.partition_keys]
        written = lake.storage.days(days[0], days[-1]) if config.only_missing else []
        damaged = set(lake.storage.damaged_days(written))
        present = set(written) - damaged
        wanted = [day for day in days if day not in present]
        if not wanted:
            return
        answers_source = source.find(platform)
        for day, answers in answers_source.answers_by_day(wanted[0], wanted[-1]):
            if day in present:
                continue
            if day in damaged:
                _check_that_source_has(day, answers, answers_source.name, lake.storage)
                context.log.warning(f"{day}: the file of its answers was damaged, and they were extracted again")
            path = lake.storage.write_observations(day, answers.table)
            # With SEEDTEST_OMITTED=wrong they are among the wrong ones, and were not counted.
            counted = answers.omitted is not None and source.seedtest_omitted == "ignored"
            lake.storage.write_omissions(day, answers.omitted if counted else None)
            for reason, count in answers.left_out.items():
                context.log.warning(f"{day}: {count} rows of {answers_source.name} left out: {reason}")
            context.log.info(
                f"observations {wanted.index(day) + 1}/{len(wanted)}: {day} has {len(answers.table):,} answers"
            )
            context.add_asset_metadata(
                {"source": answers_source.name, "path": dg.MetadataValue.path(path), **_described(answers)},
                asset_key="observations",
                partition_key=day.isoformat(),
            )


def _check_that_source_has(day: date, answers: UsableAnswers, source: str, lake: Lake) -> None:
    """Refuse to write an empty day over damaged answers."""
    if not len(answers.table):
        raise InputError(
            f"{lake.day_folder(day)} is damaged, and {source} has no answers of {day} any more. "
            "Restore the folder from a backup, or delete it to go on without the day"
        )


def _described(answers: UsableAnswers) -> dict[str, Any]:
    return {
        "dagster/row_count": len(answers.table),
        "left_out": dg.MetadataValue.json(answers.left_out),
        "rows_of_further_topics": answers.n_further_topics,
        "partial_credit": answers.n_scored,
        "students": len(answers.table["student_id"].unique()),
        "items": len(answers.table["item_id"].unique()),
        "preview": previewed(answers.table.slice(0, 5).to_pandas()),
    }
