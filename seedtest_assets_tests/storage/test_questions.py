"""Parameters written back to the platform's question table, in the calibration's transaction."""

import json
from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pytest

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.errors import InputError
from seedtest_assets.storage.results import write_calibration
from seedtest_assets_tests.conftest import execute, rows_of

DAY = date(2025, 3, 9)


def add_question(database, number, meta):
    execute(
        database, "INSERT INTO question (id, meta) VALUES (:id, CAST(:meta AS jsonb))", id=number, meta=json.dumps(meta)
    )


def calibrate(database, day=DAY, difficulty=0.5, **options):
    items = pd.DataFrame({"item_id": ["1", "2", "3", "9"], "a": 1.25, "b": difficulty, "c": 0.0})
    items = items.assign(se_a=0.1, se_b=0.1, se_c=float("nan"), n_responses=20, is_anchor=False)
    abilities = pd.DataFrame({"user_id": ["u"], "theta": [0.1], "se": [0.3], "n_responses": [4]})
    left_out = pd.DataFrame(columns=["item_id", "n_responses", "reason"])
    result = CalibrationResult(
        items, abilities, left_out, {"model": "2PL", "n_items": 4, "linked_to": "none"}, {"loglik": -1.0}
    )
    write_calibration(database, day, result, f"fit-{day}", datetime.now(timezone.utc), **options)


def meta_of(database):
    return dict(rows_of(database, "SELECT id, meta FROM question ORDER BY id"))


def irt(difficulty=0.5, day=DAY):
    return {"a": 1.25, "b": difficulty, "c": 0.0, "model": "2PL", "version": day.isoformat()}


def test_parameters_are_written_and_every_other_key_stays(database):
    add_question(database, 1, {"tags": ["x"], "irt": {"a": 9, "note": "kept"}, "level": {"deep": [1, None]}})
    add_question(database, 2, {})
    add_question(database, 7, {"irt": {"a": 2}})
    calibrate(database, update_questions=True)
    assert meta_of(database) == {
        1: {"tags": ["x"], "irt": {"note": "kept", **irt()}, "level": {"deep": [1, None]}},
        2: {"irt": irt()},
        7: {"irt": {"a": 2}},
    }


def test_anchors_keep_their_values(database):
    anchor = {"tags": ["anchor"], "irt": {"a": 1.0, "b": 0.0, "c": 0.0}}
    add_question(database, 1, anchor)
    add_question(database, 2, {"tags": ["anchor"]})
    calibrate(database, update_questions=True)
    assert meta_of(database) == {1: anchor, 2: {"tags": ["anchor"]}}


def test_an_older_day_run_again_leaves_the_bank_alone(database):
    add_question(database, 1, {})
    calibrate(database, difficulty=0.7, update_questions=True)
    calibrate(database, day=DAY - timedelta(days=1), difficulty=0.1, update_questions=True)
    assert meta_of(database) == {1: {"irt": irt(0.7)}}


def test_nothing_is_written_unless_asked_for(database):
    add_question(database, 1, {})
    calibrate(database)
    assert meta_of(database) == {1: {}}


def test_a_question_table_that_refuses_leaves_the_calibration_unwritten(database):
    add_question(database, 1, {})
    execute(database, "ALTER TABLE question ADD CONSTRAINT frozen CHECK (NOT meta ? 'irt')")
    with pytest.raises(InputError, match="frozen"):
        calibrate(database, update_questions=True)
    assert rows_of(database, "SELECT count(*) FROM mirt_item_params") == [(0,)]
