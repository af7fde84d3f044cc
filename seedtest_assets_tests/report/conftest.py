"""A calibrated school with faults that a report must show: a drifted anchor, an item with a wrong key, one that all get right."""

import json
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import (
    PARAMETER_COLUMNS,
    CalibrationRequest,
    answers_to_calibrate,
    as_parameters,
    linked_blocks,
    n_linking_items,
)
from seedtest_assets.cli.simulated_school import SimulatedBank, simulate_school
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.features.item_exposure import exposure_of_items
from seedtest_assets.features.item_statistics import CalibratedItems, item_statistics_of_window
from seedtest_assets.item_steps import steps_of
from seedtest_assets.report.data import HISTORY_COLUMNS, CalibrationRun, CheckOutcome, ReportData
from seedtest_assets.report.page import calibration_page
from seedtest_assets.settings import Settings
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.table_shards import TableShards

DAY, N_DAYS = date(2025, 6, 30), 20
GUESSED, ALL_RIGHT = "5", "7"
"""Items whose answers are a coin, and all right."""
MISSING = DAY - timedelta(days=4)


@pytest.fixture(scope="session")
def drifted_anchor(school) -> str:
    return next(item for item in anchors_of(school)["item_id"] if item not in (GUESSED, ALL_RIGHT))


@pytest.fixture(scope="session")
def school():
    return simulate_school(DAY, SimulatedBank(n_items=40, n_topics=4, n_anchors=14), n_days=N_DAYS, n_students=400)


@pytest.fixture(scope="session")
def data(school, drifted_anchor) -> ReportData:
    anchors = anchors_of(school)
    anchors.loc[anchors["item_id"] == drifted_anchor, "b"] += 1.5
    return calibrated(with_faults(school.answers), anchors)


def calibrated(answers: pa.Table, anchors: pd.DataFrame, model: str = "2PL", **more) -> ReportData:
    """The report's data of a calibration with nights and runs before it."""
    request = CalibrationRequest(answers_to_calibrate(answers), model=model, anchors=anchors, **more)
    result = InProcessEngine().calibrate(request)
    spec = result.model_spec
    blocks = linked_blocks(spec)
    tonight = (
        *(spec[name] for name in ("n_items", "n_persons", "n_observations", "linked_to")),
        *([block[name] for block in blocks] or None for name in ("A", "B")),
        n_linking_items(spec) or None,
        result.metrics["reliability"],
        1.0,
    )
    nights = [
        (DAY - timedelta(days=2), 39, 400, 9000, "none", None, None, None, 0.8, 1.0),
        (DAY - timedelta(days=1), 39, 400, 9000, "anchors", [1.05], [0.15], 12, 0.81, 1.0),
        (DAY, *tonight),
    ]
    three = datetime(2025, 7, 1, 3, tzinfo=timezone.utc)
    previous = result.items[PARAMETER_COLUMNS].copy()
    previous.loc[previous["item_id"] == "9", "b"] -= 0.7
    return ReportData(
        day=DAY,
        run_id="fit-2025-06-30-abc",
        fitted_at=three,
        model_spec=spec,
        metrics=result.metrics | {"retries": 2},
        items=result.items,
        abilities=result.abilities,
        parts=[answers],
        first=DAY - timedelta(days=N_DAYS - 1),
        last=DAY,
        missing=[MISSING],
        reference=anchors,
        previous=previous,
        history=pd.DataFrame(nights, columns=HISTORY_COLUMNS),
        runs=[
            CalibrationRun("r1", "2025-06-29", "FAILURE", three - timedelta(days=1), 40.0, 3, 4, 4),
            CalibrationRun("r2", "2025-06-30", "SUCCESS", three, 75.0, 2, 1, 1),
        ],
        checks=[
            CheckOutcome("item_count_drop", "mirt_item_params", True, "ERROR", "39 items, as usual"),
            CheckOutcome("anchor_drift", "mirt_item_params", False, "WARN", "1 anchor drifted"),
        ],
        statistics=item_statistics_of_window(
            TableShards.here([answers]),
            CalibratedItems(items=result.items, abilities=result.abilities, model_spec=spec, anchors=anchors),
            exposure_of_items(DAY, [OBSERVATION_SCHEMA.empty_table()]),
            None,
            Settings(),
        ),
    )


def anchors_of(school) -> pd.DataFrame:
    """PARAMETER_COLUMNS of the questions that are tagged."""
    metas = {str(question.id): json.loads(question.meta) for question in school.questions.itertuples()}
    return pd.DataFrame(
        [
            (item, irt["a"], irt["b"], 0.0, irt["model"], steps_of(irt))
            for item, irt in ((item, meta.get("irt", {})) for item, meta in metas.items())
            if "a" in irt
        ],
        columns=["item_id", "a", "b", "c", "model", "steps"],
    ).pipe(as_parameters)


def with_faults(answers: pa.Table) -> pa.Table:
    """The school's answers, oldest first, with a guessed item, one that all get right, and a day that the lake lacks."""
    answers = answers.sort_by("completed_at")
    item = answers["item_id"].to_numpy()
    coin = np.random.default_rng(3).random(len(item)) < 0.5
    correct = np.where(item == GUESSED, coin, answers["correct"].to_numpy()) | (item == ALL_RIGHT)
    answers = answers.set_column(answers.schema.get_field_index("correct"), "correct", pa.array(correct))
    day = answers["completed_at"].to_numpy().astype("datetime64[D]")
    return answers.filter(pa.array(day != np.datetime64(MISSING))).select(
        ["student_id", "item_id", "topic_id", "correct", "completed_at"]
    )


@pytest.fixture(scope="session")
def page(data) -> str:
    return calibration_page(data)
