"""Seconds and peak memory of each stage of a night, for 1 and 10 million answers in the look-back window.

    python -m benchmarks.pipeline [millions ...]

A million answers a day: 20,000 students a day of 100,000, 50 answers each to a bank of 2,000 items in 20 topics. Each stage runs
in a process of its own, so that its peak memory is its own; PostgreSQL is the embedded one, its memory is not counted.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ANSWERS_A_DAY, STUDENTS, ITEMS, TOPICS, EACH = 1_000_000, 100_000, 2_000, 20, 50
FIRST = date(2025, 3, 1)


def main(millions: list[int]) -> None:
    print(f"{'answers':>12}  {'stage':<34}{'seconds':>9}{'peak MB':>9}   load {os.getloadavg()[0]:.1f}")
    for size in millions:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            days = [FIRST + timedelta(days=number) for number in range(size)]
            for stage in (
                simulate,
                import_file,
                extract_one_day,
                extract_the_others,
                calibrate,
                score,
                write,
                compute_features,
            ):
                seconds, peak = in_own_process(stage, days)
                print(f"{size * ANSWERS_A_DAY:>12,}  {stage.__doc__:<34}{seconds:>9.1f}{peak:>9.0f}", flush=True)
            in_own_process(stop, days)


def simulate(days: list[date]) -> None:
    """(make the log)"""
    random = np.random.default_rng(20250101)
    a, b = random.lognormal(0, 0.3, ITEMS), random.normal(0, 1, ITEMS)
    theta = random.normal(0, 1, STUDENTS)
    students = pa.array([f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(STUDENTS)])
    items, topics = (
        pa.array([f"item-{j:05d}" for j in range(ITEMS)]),
        pa.array([f"topic-{t:02d}" for t in range(TOPICS)]),
    )
    with pq.ParquetWriter("log.parquet", _log_schema(), compression="zstd") as writer:
        for number, day in enumerate(days):
            of_day = np.arange(ANSWERS_A_DAY // EACH) + number * (ANSWERS_A_DAY // EACH)
            person = np.repeat(of_day % STUDENTS, EACH)
            item = (
                random.integers(0, ITEMS, len(of_day)).repeat(EACH) + np.tile(np.arange(EACH) * 37, len(of_day))
            ) % ITEMS
            correct = random.random(len(person)) < 1 / (1 + np.exp(-a[item] * (theta[person] - b[item])))
            instants = np.datetime64(day, "us") + (np.arange(len(person)) * 86_000).astype("timedelta64[us]")
            columns = {
                "student_id": students.take(pa.array(person)),
                "item_id": items.take(pa.array(item)),
                "topic_id": topics.take(pa.array(item % TOPICS)),
                "correct": correct,
                "response_time_ms": random.integers(1_000, 90_000, len(person)).astype(np.int32),
                "completed_at": pa.array(instants, pa.timestamp("us", tz="UTC")),
            }
            writer.write_table(pa.table(columns, schema=_log_schema()))


def import_file(days: list[date]) -> None:
    """import the file into attempt"""
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.importing import import_answers

    assert import_answers("log.parquet", load_settings()).n_new == len(days) * ANSWERS_A_DAY


def extract_one_day(days: list[date]) -> None:
    """extract one day into the lake"""
    _extract(days[:1])


def extract_the_others(days: list[date]) -> None:
    """extract the other days"""
    _extract(days[1:])


def calibrate(days: list[date]) -> None:
    """calibrate the window"""
    import pickle

    Path("result.pickle").write_bytes(pickle.dumps(_calibrated(days)))


def score(days: list[date]) -> None:
    """topic abilities of the last day"""
    from seedtest_assets.features.topic_theta import topic_theta
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.lake import Lake
    from seedtest_assets.storage.window import read_window

    result, settings = _stored_result(), load_settings()
    lake = Lake(settings.seedtest_lake)
    active = lake.read_observations(days[-1:], ["student_id", "topic_id"])
    rows = topic_theta(read_window(lake, days[-1], settings).answers, active, result.items, 0.0, 1.0).rows
    rows.to_pickle("topics.pickle")


def write(days: list[date]) -> None:
    """write parameters and abilities"""
    import pandas as pd

    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.publications import Publishing
    from seedtest_assets.storage.publishing import write_calibration, write_topic_theta

    database, now = prepared_database(load_settings()), datetime.now(timezone.utc)
    publishing = Publishing()
    write_calibration(
        database, days[-1], _stored_result(), run_id="fit-benchmark", fitted_at=now, publishing=publishing
    )
    rows = pd.read_pickle("topics.pickle")  # made by the stage before
    write_topic_theta(database, days[-1], rows.assign(model="2PL", fitted_at=now), publishing=publishing)


def compute_features(days: list[date]) -> None:
    """features of the last day"""
    from seedtest_assets.days import feature_windows
    from seedtest_assets.features.daily import features_for_day
    from seedtest_assets.features.topics_of_answers import active_pairs
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.abilities import newest_abilities
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.lake import Lake

    settings, day = load_settings(), days[-1]
    database, lake = prepared_database(settings), Lake(settings.seedtest_lake)
    pairs = active_pairs(lake.read_observations([day], ["student_id", "topic_id"]))
    paths = lake.observation_files(lake.days(feature_windows(day)[0], day))
    features_for_day(day, paths, *newest_abilities(database, day, pairs))


def stop(days: list[date]) -> None:
    """stop the server"""
    from seedtest_assets.storage.embedded import stop_embedded

    stop_embedded()


def in_own_process(stage: Callable[[list[date]], None], days: list[date]) -> tuple[float, float]:
    """Seconds of a stage without its imports' compilation being shared, and the peak memory of its process in MB."""
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=_timed, args=(stage, days, answer))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{stage.__name__} failed")
    return answer.get()


def _timed(stage: Callable[[list[date]], None], days: list[date], answer) -> None:
    began = time.perf_counter()
    stage(days)
    answer.put((time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _log_schema() -> pa.Schema:
    from seedtest_assets.storage.observations import OBSERVATION_SCHEMA

    names = ("student_id", "item_id", "topic_id", "correct", "response_time_ms", "completed_at")
    return pa.schema([OBSERVATION_SCHEMA.field(name) for name in names])


def _extract(days: list[date]) -> None:
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.database import prepared_database
    from seedtest_assets.storage.lake import Lake
    from seedtest_assets.storage.sources import find_source

    settings = load_settings()
    source, lake = find_source(settings, prepared_database(settings)), Lake(settings.seedtest_lake)
    for day, answers in source.answers_by_day(days[0], days[-1]):
        lake.write_observations(day, answers.table)


def _calibrated(days: list[date]):
    from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
    from seedtest_assets.engines.in_process import InProcessEngine
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.lake import Lake
    from seedtest_assets.storage.window import read_window

    settings = load_settings()
    answers = read_window(Lake(settings.seedtest_lake), days[-1], settings).answers
    assert pc.sum(pc.is_valid(answers["correct"])).as_py() == len(days) * ANSWERS_A_DAY
    request = CalibrationRequest(answers_to_calibrate(answers))
    return InProcessEngine().calibrate(request)


def _stored_result():
    import pickle

    return pickle.loads(Path("result.pickle").read_bytes())  # made by an earlier stage of this run


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 10])
