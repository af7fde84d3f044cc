"""The result tables: a partition is replaced in one transaction, all of its tables or none."""

from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pytest

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage.database import migrate
from seedtest_assets.storage.questions import anchors_and_starts
from seedtest_assets.storage.results import (
    fits_before,
    item_parameters,
    one_calibration_at_a_time,
    previous_item_parameters,
    write_calibration,
)
from seedtest_assets_tests.conftest import execute, rows_of

DAY = date(2025, 3, 9)
NOW = datetime.now(timezone.utc)


def calibration(n_items: int = 3, linked: bool = True, user: str = "u1") -> CalibrationResult:
    numbers = [float(n) for n in range(n_items)]
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(n_items)], "a": 1.0, "b": numbers, "c": 0.0})
    items = items.assign(se_a=0.1, se_b=0.1, se_c=float("nan"), n_responses=20, is_anchor=False)
    constants = {"linking_constants": {"A": 1.1, "B": 0.2, "method": "stocking_lord", "n_anchors_used": 2}}
    return CalibrationResult(
        items,
        pd.DataFrame({"user_id": [user], "theta": [0.5], "se": [0.3], "n_responses": [3]}),
        pd.DataFrame(columns=["item_id", "n_responses", "reason"]),
        {"model": "2PL", "n_items": n_items, "linked_to": "anchors" if linked else "none"}
        | (constants if linked else {}),
        {"loglik": -12.5, "converged": True},
    )


def write(database, day=DAY, fitted_at=NOW, **how):
    write_calibration(database, day, calibration(**how), f"fit-{day}-{how}", fitted_at)


def test_running_a_partition_again_replaces_it_and_nothing_else(database):
    write(database, DAY - timedelta(days=1))
    before = rows_of(database, "SELECT * FROM mirt_item_params ORDER BY item_id")
    write(database, n_items=5)
    write(database, n_items=2, user="u2")
    assert rows_of(database, "SELECT item_id FROM mirt_item_params WHERE partition_date = :d ORDER BY 1", d=DAY) == [
        ("i0",),
        ("i1",),
    ]
    assert rows_of(database, "SELECT user_id FROM mirt_ability WHERE partition_date = :d", d=DAY) == [("u2",)]
    assert rows_of(database, "SELECT count(*) FROM mirt_fit_meta") == [(2,)]
    assert (
        rows_of(database, "SELECT * FROM mirt_item_params WHERE partition_date < :d ORDER BY item_id", d=DAY) == before
    )


def test_a_fault_in_the_last_table_leaves_all_three_as_they_were(database):
    write(database, n_items=4)
    execute(database, "ALTER TABLE mirt_fit_meta ADD CONSTRAINT few CHECK ((model_spec->>'n_items')::int > 3)")
    with pytest.raises(InputError, match="few"):
        write(database, n_items=2, user="u2")
    assert rows_of(database, "SELECT count(*) FROM mirt_item_params") == [(4,)]
    assert rows_of(database, "SELECT user_id FROM mirt_ability") == [("u1",)]


def test_missing_numbers_are_null_not_nan(database):
    write(database)
    assert rows_of(database, "SELECT DISTINCT se_c FROM mirt_item_params") == [(None,)]


def test_statements_of_the_operations_handbook(database):
    yesterday = NOW - timedelta(hours=3)
    write(database, DAY - timedelta(days=1), NOW - timedelta(days=2), n_items=9)
    write(database, DAY, yesterday, n_items=4)
    write(database, DAY + timedelta(days=1), NOW - timedelta(hours=1), n_items=4, linked=False)
    ((count, latest),) = rows_of(
        database,
        "SELECT COUNT(*) AS item_count, MAX(fitted_at) AS latest_fit FROM mirt_item_params WHERE fitted_at >= NOW() - INTERVAL '1 day'",
    )
    assert (count, latest) == (8, NOW - timedelta(hours=1))
    ((run_id, constants, _),) = rows_of(
        database,
        "SELECT run_id, model_spec->'linking_constants' AS linking_constants, fitted_at FROM mirt_fit_meta "
        "WHERE model_spec ? 'linking_constants' ORDER BY fitted_at DESC LIMIT 1",
    )
    assert constants["A"] == 1.1
    assert run_id.startswith(f"fit-{DAY}")


def test_the_newest_earlier_partition_is_the_previous_one(database):
    assert previous_item_parameters(database, DAY)[0] is None
    write(database, DAY - timedelta(days=9), n_items=2)
    write(database, DAY - timedelta(days=3), n_items=3)
    write(database, DAY, n_items=4)
    newest, parameters = previous_item_parameters(database, DAY)
    assert newest == DAY - timedelta(days=3)
    assert parameters["item_id"].tolist() == ["i0", "i1", "i2"]
    assert item_parameters(database, DAY)["b"].tolist() == [0, 1, 2, 3]
    items = [(day, spec["n_items"]) for day, spec, _ in fits_before(database, DAY, 7)]
    assert items == [(DAY - timedelta(days=9), 2), (DAY - timedelta(days=3), 3)]
    assert [day for day, _, _ in fits_before(database, DAY, 1)] == [DAY - timedelta(days=3)]


def test_two_calibrations_at_once_are_refused_and_the_lock_is_freed(database):
    with (
        one_calibration_at_a_time(database),
        pytest.raises(TransientError, match="another calibration is running"),
        one_calibration_at_a_time(database),
    ):
        pass
    with one_calibration_at_a_time(database):
        pass


def test_a_table_of_another_make_is_not_touched(empty_database):
    execute(empty_database, "CREATE TABLE mirt_ability (user_id text)")
    with pytest.raises(InputError, match="ALTER TABLE mirt_ability RENAME TO mirt_ability_before_seedtest"):
        migrate(empty_database)
    assert rows_of(empty_database, "SELECT to_regclass('mirt_item_params')::text") == [(None,)]


def test_anchors_are_tagged_and_finite_and_the_rest_only_start(database):
    for number, meta in enumerate(
        [
            '{"irt": {"a": 1.2, "b": "-0.5", "c": null}, "tags": ["x", "anchor"]}',
            '{"irt": {"a": 0.8, "b": 0.1, "c": 0.2}, "tags": []}',
            '{"irt": {"a": "NaN", "b": 0.1}, "tags": ["anchor"]}',
            '{"irt": {"a": "none", "b": 0.1}, "tags": ["anchor"]}',
            '{"tags": ["anchor"]}',
            '{"irt": {"a": 1, "b": 2}}',
        ]
    ):
        execute(database, "INSERT INTO question (id, meta) VALUES (:n, CAST(:meta AS jsonb))", n=number, meta=meta)
    anchors, starts = anchors_and_starts(database)
    assert anchors.values.tolist() == [["0", 1.2, -0.5, 0.0]]
    assert starts.values.tolist() == [["1", 0.8, 0.1, 0.2], ["5", 1.0, 2.0, 0.0]]


def test_without_a_question_table_there_are_no_anchors(database):
    execute(database, "DROP TABLE question")
    assert all(table.empty for table in anchors_and_starts(database))
