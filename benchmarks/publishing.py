"""Publishing at size: a million abilities a night beside sixty nights of history.

    python -m benchmarks.publishing [students] [nights]

Times of the publication of a night, of the platform's statements by student after it, of an operator's way back to the night
before, and of dropping months of history.
A tenth of the students are active on a day, in four topics each; 10,000 items. All nights but the last three are made by
PostgreSQL itself.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import sqlalchemy as sa

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.days import days_up_to
from seedtest_assets.storage.database import Database, migrate
from seedtest_assets.storage.embedded import start_embedded, stop_embedded
from seedtest_assets.storage.history_tables import ensure_month
from seedtest_assets.storage.publications import Publishing, Subject
from seedtest_assets.storage.publishing import publish_rows, write_calibration, write_features, write_topic_theta
from seedtest_assets.storage.retention import drop_old_history
from seedtest_assets.storage.rolling_back import publish_day
from seedtest_assets.storage.statements import on_cursor
from seedtest_assets.storage.upsert import Rows

LAST = date(2025, 3, 2)
ITEMS, TOPICS, WRITTEN_NIGHTS = 10_000, 4, 3
SHADOW, PUBLISHING = Publishing(enabled=False), Publishing()

_FILL = """
INSERT INTO ability_history
SELECT :day, md5('student-' || s)::uuid::text, random() * 4 - 2, 0.3, 50, '2PL', now()
FROM generate_series(1, :students) AS s ORDER BY 2
"""
_READERS = {
    "newest ability": "SELECT theta, se FROM mirt_ability WHERE user_id = :user ORDER BY fitted_at DESC LIMIT 1",
    "topic abilities": "SELECT topic_id, theta, se, fitted_at FROM student_topic_theta WHERE user_id = :user "
    "ORDER BY fitted_at DESC LIMIT 200",
    "features": "SELECT * FROM features_topic_daily WHERE user_id = :user ORDER BY date DESC LIMIT 100",
    "online upsert": "INSERT INTO mirt_ability VALUES (:user, 0.5, 0.4, '2PL', 'online', now()) "
    "ON CONFLICT (user_id, version) DO UPDATE SET theta = excluded.theta, fitted_at = excluded.fitted_at",
}


def main(students: int = 1_000_000, nights: int = 60) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database = Database(start_embedded("publishing", home))
        try:
            migrate(database)
            days = days_up_to(LAST, nights)
            _fill(database, students, days[:-WRITTEN_NIGHTS])
            for day in days[-WRITTEN_NIGHTS:]:
                _night(database, day, students)
            _readers(database)
            with _timed("the night before published again, and pinned"):
                publish_day(database, days[-2], by="benchmark", why="measured", publishing=PUBLISHING)
            _retention(database)
        finally:
            stop_embedded(home)


def _fill(database: Database, students: int, days: Sequence[date]) -> None:
    with _timed(f"{len(days)} nights of history made"):
        for day in days:
            ensure_month(database, day)
            with database.transaction() as connection:
                connection.execute(sa.text(_FILL), {"day": day, "students": students})
    print(f"size: {_size(database)}")


def _night(database: Database, day: date, students: int) -> None:
    random, now = np.random.default_rng(day.toordinal()), datetime.now(timezone.utc)
    with database.transaction() as connection:
        ids = pd.Series(
            connection.scalars(
                sa.text("SELECT md5('student-' || s)::uuid::text FROM generate_series(1, :n) AS s"), {"n": students}
            ).all()
        )
    active = ids.sample(students // 10, random_state=day.toordinal())
    pairs = pd.DataFrame(
        {"user_id": np.repeat(active, TOPICS), "topic_id": np.tile([f"t{n}" for n in range(TOPICS)], len(active))}
    )
    with _timed(f"{day}: history of {students:,} abilities, {len(pairs):,} topic abilities, as many features"):
        write_calibration(
            database, day, _calibration(ids, random), run_id=f"fit-{day}", fitted_at=now, publishing=SHADOW
        )
        topics = pairs.assign(theta=random.normal(size=len(pairs)), se=0.3, n_responses=9, model="2PL", fitted_at=now)
        write_topic_theta(database, day, pa.Table.from_pandas(topics, preserve_index=False), publishing=SHADOW)
        write_features(database, day, _features(pairs, day), publishing=SHADOW)
    subjects: tuple[Subject, ...] = ("calibration", "topic_theta", "features")
    for subject in subjects:
        with _timed(f"{day}: {subject} published"), database.bulk_transaction() as cursor:
            run = on_cursor(cursor)
            server = psutil.Process(run("SELECT pg_backend_pid()")[0][0])
            before = sum(server.cpu_times()[:2])
            publish_rows(run, subject, Rows(day=day), PUBLISHING, by="benchmark", why="measured")
            print(f"{day}: {subject}, processor time of the server: {sum(server.cpu_times()[:2]) - before:.1f} s")


def _calibration(ids: pd.Series, random: np.random.Generator) -> CalibrationResult:
    items = pd.DataFrame(
        {"item_id": [str(n) for n in range(ITEMS)], "a": 1.0, "b": random.normal(size=ITEMS), "c": 0.0}
    )
    return CalibrationResult(
        items=items.assign(se_a=0.1, se_b=0.1, se_c=np.nan, n_responses=500, is_anchor=False, flag=""),
        abilities=pd.DataFrame({"user_id": ids, "theta": random.normal(size=len(ids)), "se": 0.3, "n_responses": 50}),
        left_out=pd.DataFrame(columns=["item_id", "n_responses", "reason"]),
        model_spec={"model": "2PL", "n_items": ITEMS},
        metrics={},
    )


def _features(pairs: pd.DataFrame, day: date) -> pa.Table:
    seen = datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc)
    rows = pairs.assign(
        attempts=9, correct=5, avg_time_ms=21034.5, rt_median=20500.0, hints=1, theta_estimate=0.1, theta_sd=0.3
    ).assign(improvement=0.01, improvement_basis="theta", last_seen_at=seen, computed_at=seen)
    return pa.Table.from_pandas(rows, preserve_index=False)


def _readers(database: Database) -> None:
    with database.session() as connection:
        users = connection.scalars(
            sa.text("SELECT user_id FROM student_topic_theta ORDER BY md5(user_id) LIMIT 300")
        ).all()
        for name, statement in _READERS.items():
            milliseconds = []
            for user in users:
                began = time.perf_counter()
                connection.execute(sa.text(statement), {"user": user})
                milliseconds.append(1000 * (time.perf_counter() - began))
            print(
                f"{name}: median {statistics.median(milliseconds):.2f} ms, 99 of 100 below "
                f"{np.quantile(milliseconds, 0.99):.2f} ms, load {os.getloadavg()[0]:.1f}"
            )


def _retention(database: Database) -> None:
    before = _size(database)
    with _timed("the months before the last night's dropped"):
        dropped = drop_old_history(database, 60, LAST.replace(day=1) + timedelta(days=60))
    print(f"{', '.join(dropped.partitions)}; size {before} → {_size(database)}")


def _size(database: Database) -> str:
    with database.transaction() as connection:
        return str(connection.scalar(sa.text("SELECT pg_size_pretty(pg_database_size(current_database()))")))


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - began:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
