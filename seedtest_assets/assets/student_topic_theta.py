"""student_topic_theta: the ability of every student active on the day, topic by topic."""

from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.features.topic_theta import TOPIC_ROW_SCHEMA, topic_theta
from seedtest_assets.irt import TopicSpread
from seedtest_assets.report.pictures import histogram
from seedtest_assets.resources import AnswerLake, IrtEngine, PlatformDatabase
from seedtest_assets.step.arguments import CATALOGUE, FIRST_STEP
from seedtest_assets.step.failures import failures_in_one_line
from seedtest_assets.step.metadata import cluster_metadata, picture, previewed, rounded, table_metadata
from seedtest_assets.storage.history import fit_meta, item_parameters
from seedtest_assets.storage.publishing import write_topic_theta


@dg.asset(
    deps=["mirt_fit_meta"],
    **FIRST_STEP,
    **CATALOGUE,
    kinds={"numba", "postgres"},
    metadata=table_metadata("student_topic_theta"),
)
def student_topic_theta(
    context: dg.AssetExecutionContext, platform: PlatformDatabase, lake: AnswerLake, engine: IrtEngine
) -> dg.MaterializeResult:
    """Ability per student and topic for the students active on the day; a topic with few answers leans on the others."""
    with failures_in_one_line():
        database, day = platform.database, date.fromisoformat(context.partition_key)
        fit, active = fit_meta(database, day), lake.storage.read_observations([day], ["student_id", "topic_id"])
        if fit is None or not len(active):
            write_topic_theta(database, day, TOPIC_ROW_SCHEMA.empty_table(), publishing=platform.publishing)
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": 0,
                    "nothing_to_do": "no answers on this day" if fit else "no calibration of this day",
                }
            )
        specification = fit["model_spec"]
        with engine.at_work(lake.window(day).buckets) as work:
            abilities = topic_theta(
                work.parts,
                active,
                item_parameters(database, day),
                specification["group_mean"],
                specification["group_sd"],
            )
        rows = abilities.of_fit(specification["model"], datetime.now(timezone.utc))
        publication = write_topic_theta(database, day, rows, publishing=platform.publishing)
        return dg.MaterializeResult(
            metadata={
                "published": publication.summary,
                **_described(rows, abilities.spread),
                **cluster_metadata(work.cluster),
            }
        )


def _described(rows: pa.Table, spread: TopicSpread | None) -> dict[str, Any]:
    return {
        "dagster/row_count": len(rows),
        "students": pc.count_distinct(rows["user_id"]).as_py(),
        "topics": pc.count_distinct(rows["topic_id"]).as_py(),
        **(_spread(spread) if spread else {}),
        "mean_standard_error": rounded(pc.mean(rows["se"]).as_py() or 0.0),
        "preview": previewed(rows.slice(0, 5).to_pandas()),
        "distribution": picture(
            histogram(rows["theta"], "ability in a topic", "students, topics"), "distribution of topic abilities"
        ),
    }


def _spread(spread: TopicSpread) -> dict[str, Any]:
    return {
        "tau": rounded(spread.tau),
        "tau_standard_error": rounded(spread.tau_se),
        "tau_rests_on": f"{spread.n_students:,} students, {spread.n_pairs:,} (student, topic) pairs",
        "tau_converged": spread.converged,
        "topics_with_their_own_tau": len(spread.topic),
    }
