"""features_topic_daily: what the rest of the platform reads of a student's day in a topic."""

from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.days import FEATURE_WINDOW_DAYS, feature_windows
from seedtest_assets.features.daily import ANSWER_COLUMNS, features_of_parts
from seedtest_assets.features.topics_of_answers import active_pairs
from seedtest_assets.report.pictures import histogram
from seedtest_assets.resources import AnswerLake, FeatureRules, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, FIRST_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import cluster_metadata, picture, previewed, table_metadata
from seedtest_assets.storage.abilities import newest_abilities
from seedtest_assets.storage.publishing import write_features
from seedtest_assets.storage.retention import drop_old_history
from seedtest_assets.storage.window_parts import newest_answers


@dg.asset(
    deps=["student_topic_theta"],
    **FIRST_STEP,
    **CATALOGUE,
    kinds={"duckdb", "postgres"},
    metadata=table_metadata("features_topic_daily"),
)
def features_topic_daily(
    context: dg.AssetExecutionContext,
    platform: PlatformDatabase,
    lake: AnswerLake,
    engine: IrtEngine,
    feature_rules: FeatureRules,
) -> dg.MaterializeResult:
    """Attempts, times, hints, ability and improvement of every student in every topic they worked on that day."""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        answers = lake.storage.read_observations([day], ["student_id", "topic_id"])
        topic_theta, overall_theta = newest_abilities(database, day, active_pairs(answers))
        days = lake.storage.days(feature_windows(day)[0], day)
        with engine.at_work(newest_answers(lake.storage, days, ANSWER_COLUMNS)) as work:
            rows = features_of_parts(
                day,
                work.parts,
                topic_theta,
                overall_theta,
                include_theta=feature_rules.agg_include_theta,
                use_theta=feature_rules.metrics_use_irt_theta,
            )
        computed = rows.append_column("computed_at", pa.repeat(datetime.now(timezone.utc), len(rows)))
        publication = write_features(database, day, computed, publishing=platform.publishing)
        dropped = drop_old_history(database, platform.seedtest_keep_days, day)
        if dropped.summary:
            context.log.info(f"history: {dropped.summary}")
        missing = lake.missing_days(day, 2 * FEATURE_WINDOW_DAYS)
        return dg.MaterializeResult(
            metadata={
                "published": publication.summary,
                "history_dropped": dropped.summary or "nothing",
                **_described(rows, answers, missing),
                **cluster_metadata(work.cluster),
            }
        )


def _described(rows: pa.Table, answers: pa.Table, missing: list[date]) -> dict[str, Any]:
    basis = rows["improvement_basis"]
    return {
        "dagster/row_count": len(rows),
        "answers": len(answers),
        "days_missing_in_lake": dg.MetadataValue.json([past.isoformat() for past in missing]),
        "answers_without_topic": answers["topic_id"].null_count,
        "improvement_by_ability": pc.sum(pc.equal(basis, "theta")).as_py() or 0,
        "improvement_by_accuracy": pc.sum(pc.equal(basis, "accuracy")).as_py() or 0,
        "improvement_unknown": basis.null_count,
        "preview": previewed(rows.slice(0, 5).to_pandas()),
        "improvement": picture(
            histogram(rows["improvement"].to_pandas(), "improvement", "students, topics"),
            "distribution of improvement",
        ),
    }
