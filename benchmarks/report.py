"""Time and size of the calibration report: python -m benchmarks.report [n_items] [n_students] [--keep FILE]"""

import argparse
import json
import os
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, answers_to_calibrate
from seedtest_assets.cli.simulated_school import SimulatedBank, simulate_school
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.features.item_exposure import exposure_of_items
from seedtest_assets.features.item_statistics import CalibratedItems, item_statistics_of_window
from seedtest_assets.rapid_guesses import apply_policy, find_rapid_guesses
from seedtest_assets.report.data import CalibrationRun, ReportData
from seedtest_assets.report.page import calibration_page
from seedtest_assets.report.rapid_guesses import OtherPolicy, RapidGuessData
from seedtest_assets.settings import Settings
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.window import COLUMNS
from seedtest_assets.table_shards import TableShards

DAY, N_DAYS = date(2025, 6, 30), 60
NIGHT = datetime(2025, 7, 1, 3, tzinfo=timezone.utc)


def report_data(n_items: int, n_students: int) -> ReportData:
    """A calibrated school; the nights and runs before it are made up around it."""
    school = simulate_school(
        DAY,
        SimulatedBank(n_items=n_items, n_topics=max(4, n_items // 50), n_anchors=n_items // 10),
        n_days=N_DAYS,
        n_students=n_students,
    )
    answers = with_rapid_guesses(school.answers.select(COLUMNS).sort_by("completed_at"))
    anchors = pd.DataFrame(
        [
            (str(question.id), meta["irt"]["a"], meta["irt"]["b"], 0.0)
            for question in school.questions.itertuples()
            if (meta := json.loads(question.meta)).get("irt")
        ],
        columns=["item_id", "a", "b", "c"],
    )
    result = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(answers), anchors=anchors))
    return ReportData(
        DAY,
        "fit-benchmark",
        NIGHT,
        result.model_spec,
        result.metrics,
        result.items,
        result.abilities,
        [answers],
        DAY - timedelta(days=N_DAYS - 1),
        DAY,
        [],
        anchors,
        result.items[["item_id", "a", "b", "c"]],
        _history(result),
        _runs(),
        [],
        item_statistics_of_window(
            TableShards.here([answers]),
            CalibratedItems(
                items=result.items, abilities=result.abilities, model_spec=result.model_spec, anchors=anchors
            ),
            exposure_of_items(DAY, [OBSERVATION_SCHEMA.empty_table()]),
            None,
            Settings(),
        ),
    )


def _history(result: CalibrationResult) -> pd.DataFrame:
    """Make up 90 nights around a calibration."""
    random = np.random.default_rng(1)
    constants = result.model_spec.get("linking_constants", {"A": 1.0, "B": 0.0, "n_anchors_used": 0})
    return pd.DataFrame(
        {
            "partition_date": [DAY - timedelta(days=before) for before in reversed(range(90))],
            **{name: float(result.model_spec[name]) for name in ("n_items", "n_persons", "n_observations")},
            "linked_to": "anchors",
            "A": constants["A"] + random.normal(0, 0.01, 90).cumsum()[::-1] * 0.3,
            "B": constants["B"] + random.normal(0, 0.01, 90),
            "n_anchors_used": float(constants["n_anchors_used"]),
            "reliability": result.metrics["reliability"] + random.normal(0, 0.002, 90),
            "seconds": 20.0,
        }
    )


def _runs() -> list[CalibrationRun]:
    """Make up the runs of the last 60 nights."""
    return [
        CalibrationRun(
            f"run-{before}",
            str(DAY - timedelta(days=before)),
            "SUCCESS",
            NIGHT - timedelta(days=before),
            60.0 + before,
            0,
            0,
            0,
        )
        for before in reversed(range(60))
    ]


def with_rapid_guesses(answers: pa.Table) -> pa.Table:
    """Answers of which 3% take half a second and are right by one in four."""
    random = np.random.default_rng(2)
    guessed = random.random(len(answers)) < 0.03
    for name, value in (("response_time_ms", 500), ("correct", random.random(len(answers)) < 0.25)):
        place = answers.column_names.index(name)
        column = np.where(guessed, value, answers[name].to_numpy())
        answers = answers.set_column(
            place, answers.schema.field(name), pa.array(column, answers.schema.field(name).type)
        )
    return answers


def rapid_guess_data(data: ReportData) -> RapidGuessData:
    """Find the rapid guesses and calibrate without them, as the step does."""
    rapid = find_rapid_guesses([data.answers])
    _, count = apply_policy(data.answers, rapid, "keep")
    answers, _ = apply_policy(data.answers, rapid, "ignore")
    result = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(answers), anchors=data.reference))
    other = OtherPolicy(policy="ignore", result=result)
    return RapidGuessData(rapid=rapid, count=count, other=other)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("n_items", nargs="?", type=int, default=2000)
    arguments.add_argument("n_students", nargs="?", type=int, default=5000)
    arguments.add_argument("--keep", type=Path)
    asked = arguments.parse_args()
    data = report_data(asked.n_items, asked.n_students)
    print(
        f"{asked.n_items:,} items, {asked.n_students:,} students, {len(data.answers):,} answers; load {os.getloadavg()[0]:.1f}"
    )
    for attempt in ("first", "second"):
        began, processor = time.perf_counter(), time.process_time()
        rapid = rapid_guess_data(data)
        calibrated = time.perf_counter()
        page = calibration_page(data, rapid)
        print(
            f"{attempt} page: {time.perf_counter() - began:.2f} s, of which {calibrated - began:.2f} s for a calibration without {rapid.count.n:,} "
            f"rapid guesses; {time.process_time() - processor:.2f} s of processor time, {len(page.encode()) / 1e6:.2f} MB"
        )
    if asked.keep:
        asked.keep.write_text(page, encoding="utf-8")
