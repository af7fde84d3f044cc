"""The daily features of every (student, topic): one query over the lake's days and two tables of abilities."""

from collections.abc import Mapping
from datetime import date, datetime
from importlib.resources import files

import duckdb
import numpy as np
import pyarrow as pa

from seedtest_assets.days import day_bounds, feature_windows
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.errors import InputError, first_line
from seedtest_assets.irt.parallel import threads
from seedtest_assets.storage.abilities import OVERALL_THETA_SCHEMA, TOPIC_THETA_SCHEMA
from seedtest_assets.table_shards import TableShards

ANSWER_COLUMNS = (
    "student_id",
    "topic_id",
    "correct",
    "response_time_ms",
    "hint_used",
    "completed_at",
    "score",
    "max_score",
)
FEATURE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("topic_id", pa.string()),
        ("attempts", pa.int64()),
        ("correct", pa.int64()),
        ("avg_time_ms", pa.float64()),
        ("rt_median", pa.float64()),
        ("hints", pa.int64()),
        ("theta_estimate", pa.float64()),
        ("theta_sd", pa.float64()),
        ("improvement", pa.float64()),
        ("improvement_basis", pa.string()),
        ("last_seen_at", pa.timestamp("us", tz="UTC")),
    ]
)


def features_for_day(
    day: date,
    answers: pa.Table,
    topic_theta: pa.Table,
    overall_theta: pa.Table,
    *,
    include_theta: bool = True,
    use_theta: bool = True,
) -> pa.Table:
    """Compute rows of FEATURE_SCHEMA for the (student, topic) pairs with answers on a UTC day, by user, then topic.

    answers: ANSWER_COLUMNS of the days of both windows; days that are not there are days without answers. Answers outside the
        windows and answers without a topic make no difference.
    topic_theta, overall_theta: TOPIC_THETA_SCHEMA and OVERALL_THETA_SCHEMA, of both windows; the newest of each counts.
    include_theta: False leaves theta_estimate and theta_sd NULL. use_theta: False rests improvement on accuracy alone.

    Raises InputError where the memory does not suffice.
    """
    previous, recent = feature_windows(day)
    (start, end), recent_start, previous_start = day_bounds(day), day_bounds(recent)[0], day_bounds(previous)[0]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET threads = {threads()}")  # a worker of a cluster may not use all cores
        connection.register("answers", answers)
        connection.register("topic_theta", topic_theta.select(TOPIC_THETA_SCHEMA.names))
        connection.register("overall_theta", overall_theta.select(OVERALL_THETA_SCHEMA.names))
        parameters: dict[str, bool | datetime] = {
            "day": start,
            "next_day": end,
            "recent_start": recent_start,
            "previous_start": previous_start,
            "include_theta": include_theta,
            "use_theta": use_theta,
        }
        statement = files("seedtest_assets.features").joinpath("daily.sql").read_text(encoding="utf-8")
        try:
            rows = connection.sql(statement, params=parameters).to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise InputError(
                f"the features of {day} do not fit the memory: {first_line(error)}. Give the run or the workers more, or raise "
                "SEEDTEST_BUCKETS and run `seedtest lake rebucket`"
            ) from None
    return rows.cast(FEATURE_SCHEMA)


def features_of_parts(
    day: date, parts: TableShards, topic_theta: pa.Table, overall_theta: pa.Table, **options: bool
) -> pa.Table:
    """Compute as features_for_day from the answers of both windows in parts.

    options: of features_for_day.
    """
    abilities = (parts.of_students(table, "user_id") for table in (topic_theta, overall_theta))
    rows = parts.narrowed(ANSWER_COLUMNS).each(_features_of_part, day, *abilities, options)
    ordered = [("user_id", "ascending"), ("topic_id", "ascending")]
    return rows[0] if len(rows) == 1 else pa.concat_tables(rows).sort_by(ordered)


def _features_of_part(
    answers: pa.Table, day: date, topic_theta: pa.Table, overall_theta: pa.Table, options: Mapping[str, bool]
) -> pa.Table:
    return features_for_day(day, _of_active(answers, day), topic_theta, overall_theta, **options)


def _of_active(answers: pa.Table, day: date) -> pa.Table:
    """Keep the answers of students who have one on the day; nobody else has features. By codes, which DuckDB does not do."""
    student = dictionary_of(answers["student_id"])
    code = student.indices.to_numpy()
    start, end = (np.datetime64(instant.replace(tzinfo=None), "us") for instant in day_bounds(day))
    completed = answers["completed_at"].cast(pa.timestamp("us", tz="UTC")).to_numpy()
    active = np.zeros(len(student.dictionary), bool)
    active[code[(completed >= start) & (completed < end)]] = True
    return answers.filter(pa.array(active[code]))
