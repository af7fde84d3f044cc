"""Parameters written back to the platform's question table, in the calibration's transaction."""

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.storage.history import fitted_items
from seedtest_assets.storage.publications import Publishing
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.storage.nights import DAY, calibrate


def add_question(database, number, meta):
    execute(
        database, "INSERT INTO question (id, meta) VALUES (:id, CAST(:meta AS jsonb))", id=number, meta=json.dumps(meta)
    )


def publish(database, day=DAY, difficulty=0.5, version="v1"):
    items = dict.fromkeys(("1", "2", "3", "9"), difficulty)
    return calibrate(database, day, items=items, publishing=Publishing(version=version, update_questions=True))


def meta_of(database):
    return dict(rows_of(database, "SELECT id, meta FROM question ORDER BY id"))


def irt(difficulty=0.5):
    return {"a": 1.25, "b": difficulty, "c": 0.0, "model": "2PL", "version": "v1"}


def test_parameters_are_written_and_every_other_key_stays(database):
    add_question(database, 1, {"tags": ["x"], "irt": {"a": 9, "note": "kept"}, "level": {"deep": [1, None]}})
    add_question(database, 2, {})
    add_question(database, 7, {"irt": {"a": 2}})
    publish(database)
    assert meta_of(database) == {
        1: {"tags": ["x"], "irt": {"note": "kept", **irt()}, "level": {"deep": [1, None]}},
        2: {"irt": irt()},
        7: {"irt": {"a": 2}},
    }


def test_anchors_keep_their_values(database):
    anchor = {"tags": ["anchor"], "irt": {"a": 1.0, "b": 0.0, "c": 0.0}}
    add_question(database, 1, anchor)
    add_question(database, 2, {"tags": ["anchor"]})
    publish(database)
    assert meta_of(database) == {1: anchor, 2: {"tags": ["anchor"]}}


def test_an_older_day_run_again_leaves_the_bank_alone(database):
    add_question(database, 1, {})
    publish(database, difficulty=0.7)
    publish(database, DAY - timedelta(days=1), difficulty=0.1)
    assert meta_of(database) == {1: {"irt": irt(0.7)}}


def test_nothing_is_written_unless_asked_for(database):
    add_question(database, 1, {})
    calibrate(database)
    assert meta_of(database) == {1: {}}


def test_a_question_table_that_refuses_leaves_the_calibration_unwritten(database):
    add_question(database, 1, {})
    execute(database, "ALTER TABLE question ADD CONSTRAINT frozen CHECK (NOT meta ? 'irt')")
    with pytest.raises(InputError, match="frozen"):
        publish(database)
    assert rows_of(database, "SELECT count(*) FROM item_history") == [(0,)]


def test_a_shadow_night_leaves_the_bank_alone(database):
    add_question(database, 1, {})
    calibrate(database, items={"1": 0.5}, publishing=Publishing(enabled=False, update_questions=True))
    assert meta_of(database) == {1: {}}


def test_the_published_version_is_written_and_the_time_where_the_platform_keeps_one(database):
    execute(database, "ALTER TABLE question ADD updated_at timestamptz DEFAULT '2020-01-01'")
    add_question(database, 1, {})
    add_question(database, 2, {"tags": ["anchor"]})
    before = datetime.now(timezone.utc)
    publish(database, version="v7")
    (meta, changed), (_, anchor_changed) = rows_of(database, "SELECT meta, updated_at FROM question ORDER BY id")
    assert meta["irt"]["version"] == "v7"
    assert changed >= before
    assert anchor_changed.year == 2020


def test_anchors_are_tagged_and_finite_and_the_rest_only_start(database):
    for number, meta in enumerate(
        [
            '{"irt": {"a": 1.2, "b": "-0.5", "c": null}, "tags": ["x", "anchor"]}',
            '{"irt": {"a": 0.8, "b": 0.1, "c": 0.2}, "tags": []}',
            '{"irt": {"a": "NaN", "b": 0.1}, "tags": ["anchor"]}',
            '{"irt": {"a": "none", "b": 0.1}, "tags": ["anchor"]}',
            '{"tags": ["anchor"]}',
            '{"irt": {"a": 1, "b": 2}}',
            '{"irt": {"a": 1, "b": 2, "c": 1.0}}',
            '{"irt": {"a": 1, "b": 1e6}, "tags": ["anchor"]}',
        ]
    ):
        execute(database, "INSERT INTO question (id, meta) VALUES (:n, CAST(:meta AS jsonb))", n=number, meta=meta)
    known = known_parameters(database)
    assert known.anchors[["item_id", "a", "b", "c"]].values.tolist() == [["0", 1.2, -0.5, 0.0]]
    assert known.starts[["item_id", "a", "b", "c"]].values.tolist() == [["1", 0.8, 0.1, 0.2], ["5", 1.0, 2.0, 0.0]]
    assert known.warnings == (
        "4 questions have unusable parameters in meta.irt and were left out: 2 (a is missing), 3 (a is missing), "
        "6 (c is not from 0 to below 1), 7 (b of an anchor is not between -1,000 and 1,000)",
    )


def test_without_a_question_table_there_are_no_anchors(database):
    execute(database, "DROP TABLE question")
    known = known_parameters(database)
    assert known.anchors.empty
    assert known.starts.empty


def test_models_and_steps_of_partial_credit_are_read(database):
    metas = [
        {"irt": {"model": "gpcm"}},
        {"irt": {"a": 1.1, "b_1": -0.5, "b_2": None, "b_3": 0.9, "model": "GPCM"}, "tags": ["anchor"]},
        {"irt": {"a": 1.1, "b": 0, "b_1": 0.5, "b_2": 0.2, "model": "GRM"}},
        {"irt": {"a": 1.1, "b": 0, "b_1": "easy", "model": "GRM"}},
        {"irt": {"a": 0.8, "b": 0.1, "model": "2PL"}},
    ]
    for number, meta in enumerate(metas):
        add_question(database, number, meta)
    known = known_parameters(database)
    assert known.models == {"0": "GPCM", "1": "GPCM", "2": "GRM", "3": "GRM"}
    assert known.anchors[["item_id", "model", "steps"]].values.tolist() == [["1", "GPCM", [-0.5, None, 0.9]]]
    assert known.starts["item_id"].tolist() == ["4"]
    assert known.warnings == (
        "2 questions have unusable parameters in meta.irt and were left out: 2 (thresholds of a GRM must ascend), "
        "3 (b_1, b_2, ... are not all numbers)",
    )


def partial_credit(database, day=DAY, **steps):
    """Publish a night whose items have steps or not; those of none are right or wrong."""
    items = dict.fromkeys((name.strip("i") for name in steps), 0.2)
    with_steps = {name.strip("i"): values for name, values in steps.items() if values}
    calibrate(database, day, items=items, steps=with_steps, publishing=Publishing(update_questions=True))


def test_steps_are_published_and_written_to_the_questions(database):
    add_question(database, 0, {"irt": {"model": "GPCM", "note": "essay"}})
    partial_credit(database, i0=[-0.5, None, 0.9])
    ((model, params),) = rows_of(database, "SELECT model, params FROM mirt_item_params")
    assert (model, params) == ("GPCM", {"a": 1.25, "b": 0.2, "c": 0.0, "b_1": -0.5, "b_2": None, "b_3": 0.9})
    assert meta_of(database)[0]["irt"] == params | {"model": "GPCM", "version": "v1", "note": "essay"}
    read = fitted_items(database, DAY)
    assert read["model"].tolist() == ["GPCM"]
    np.testing.assert_array_equal(steps_matrix(read["steps"]), [[-0.5, np.nan, 0.9]])
    assert read["se_steps"].map(list).tolist() == [[0.2, 0.2, 0.2]]


def test_steps_that_everybody_passes_and_scores_that_nobody_has_come_back_as_they_were(database):
    for number in range(2):
        add_question(database, number, {})
    partial_credit(database, i0=[-np.inf, 0.4], i1=[None, 0.4])
    assert [meta["irt"]["b_1"] for meta in meta_of(database).values()] == ["-Infinity", None]
    np.testing.assert_array_equal(steps_matrix(fitted_items(database, DAY)["steps"]), [[-np.inf, 0.4], [np.nan, 0.4]])
    known = known_parameters(database)
    assert known.starts["steps"].tolist() == [[-np.inf, 0.4], [None, 0.4]]
    assert not known.warnings


def test_steps_that_an_item_no_longer_has_go(database):
    for number in range(2):
        add_question(database, number, {})
    partial_credit(database, i0=[-0.5, 0.1, 0.9], i1=[-0.5, 0.9])
    partial_credit(database, DAY + timedelta(days=1), i0=[-0.4, 0.8], i1=None)
    assert meta_of(database) == {
        0: {"irt": irt(0.2) | {"model": "GPCM", "b_1": -0.4, "b_2": 0.8}},
        1: {"irt": irt(0.2)},
    }
    assert not known_parameters(database).warnings
    assert rows_of(database, "SELECT params FROM mirt_item_params WHERE item_id = '1'") == [
        ({"a": 1.25, "b": 0.2, "c": 0.0},)
    ]


def test_a_step_is_read_where_b_1_is_not_written_at_all(database):
    add_question(database, 1, {"irt": {"a": 1.1, "b_2": 0.4, "model": "GPCM"}, "tags": ["anchor"]})
    assert known_parameters(database).anchors["steps"].tolist() == [[None, 0.4]]
