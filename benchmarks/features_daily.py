"""Time and memory of the daily features: 1,000,000 answers on the day, 28,000,000 in both windows.

    python -m benchmarks.features_daily [answers a day]

100,000 students, 20 topics, ids of 36 and 8 characters, in a lake of 16 buckets. Beside it DuckDB alone: the same query over the files
of all days at once.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from seedtest_assets.days import feature_windows
from seedtest_assets.features.daily import ANSWER_COLUMNS, features_for_day, features_of_parts
from seedtest_assets.storage.abilities import OVERALL_THETA_SCHEMA, TOPIC_THETA_SCHEMA
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.window_parts import newest_answers
from seedtest_assets.table_shards import TableShards

STUDENTS, TOPICS, ITEMS = 100_000, 20, 10_000


def main(answers_a_day: int = 1_000_000, day: date = date(2025, 3, 1)) -> None:
    random = np.random.default_rng(20250101)
    students = pa.array([f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(STUDENTS)])
    topics = pa.array([f"topic-{number:02d}" for number in range(TOPICS)])
    items = pa.array([f"{number:07d}" for number in range(ITEMS)])
    first, recent = feature_windows(day)
    with tempfile.TemporaryDirectory() as folder:
        lake, days = Lake(folder), [first + timedelta(days=n) for n in range((day - first).days + 1)]
        for each in days:
            lake.write_observations(each, _answers_of(each, answers_a_day, students, topics, items, random))
        theta = {
            "theta": random.normal(size=2 * STUDENTS * TOPICS),
            "se": random.uniform(0.2, 0.5, 2 * STUDENTS * TOPICS),
        }
        topic_theta = pa.table(
            {
                "partition_date": pa.array(
                    [day] * STUDENTS * TOPICS + [recent - timedelta(days=1)] * STUDENTS * TOPICS
                ),
                "user_id": students.take(pa.array(np.tile(np.repeat(np.arange(STUDENTS), TOPICS), 2))),
                "topic_id": topics.take(pa.array(np.tile(np.arange(TOPICS), 2 * STUDENTS))),
                **theta,
            },
            schema=TOPIC_THETA_SCHEMA,
        )
        no_theta = OVERALL_THETA_SCHEMA.empty_table()
        print(f"{answers_a_day:,} answers on the day, {len(days) * answers_a_day:,} in both windows")
        print(f"before, with the abilities and the making of the files: peak {_peak_memory():.2f} GB")
        with measured("bucket by bucket"):
            parts = TableShards.here(newest_answers(lake, days, ANSWER_COLUMNS))
            rows = features_of_parts(day, parts, topic_theta, no_theta)
        print(f"{len(rows):,} rows")
        with measured("DuckDB alone"):
            files = duckdb.read_parquet(lake.observation_files(days)).select(*ANSWER_COLUMNS)
            features_for_day(day, files.to_arrow_table(), topic_theta, no_theta)


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Print what the context takes."""
    began, processor = time.perf_counter(), time.process_time()
    yield
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    print(
        f"{name:18}{seconds:6.1f} s {processor:6.1f} s of processor time, peak {_peak_memory():.2f} GB, load {os.getloadavg()[0]:.1f}"
    )


def _answers_of(day: date, n: int, students: pa.Array, topics: pa.Array, items: pa.Array, random) -> pa.Table:
    midnight = np.datetime64(datetime.combine(day, datetime.min.time()), "us")
    completed = midnight + np.sort(random.integers(0, 86_400_000_000, n)).astype("timedelta64[us]")
    return pa.table(
        {
            "student_id": students.take(pa.array(random.integers(0, STUDENTS, n))),
            "item_id": items.take(pa.array(random.integers(0, ITEMS, n))),
            "topic_id": topics.take(pa.array(random.integers(0, TOPICS, n), mask=random.random(n) < 0.01)),
            "correct": random.random(n) < 0.6,
            "response_time_ms": pa.array(
                random.integers(1_000, 60_000, n, dtype=np.int32), mask=random.random(n) < 0.05
            ),
            "hint_used": random.random(n) < 0.1,
            "session_id": pa.nulls(n, pa.string()),
            "completed_at": pa.array(completed, pa.timestamp("us", tz="UTC")),
            "score": pa.nulls(n, pa.float64()),
            "max_score": pa.nulls(n, pa.float64()),
        },
        schema=OBSERVATION_SCHEMA,
    )


def _peak_memory() -> float:
    """GB, of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
