"""History: a day is replaced in one transaction, all of its tables or none, and read back."""

from datetime import timedelta

import pytest

from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.storage.history import (
    abilities,
    fit_history,
    fits_before,
    fitted_items,
    item_parameters,
    parameters_of_days,
    previous_item_parameters,
)
from seedtest_assets.storage.history_summary import days_fitted, history_summary, newest_fit
from seedtest_assets.storage.locks import one_calibration_at_a_time
from seedtest_assets.storage.publishing import clear_calibration
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.storage.nights import DAY, SHADOW, calibrate

THREE = {"i0": 0.0, "i1": 1.0, "i2": 2.0}


def test_a_day_run_again_replaces_its_history_and_nothing_else(database):
    calibrate(database, DAY - timedelta(days=1))
    before = rows_of(database, "SELECT * FROM item_history ORDER BY item_id")
    calibrate(database, items=THREE)
    calibrate(database, students={"u9": 0.5}, run="2")
    day = "WHERE partition_date = :d ORDER BY 1"
    assert rows_of(database, f"SELECT item_id FROM item_history {day}", d=DAY) == [("i0",), ("i1",)]
    assert rows_of(database, f"SELECT student_id FROM ability_history {day}", d=DAY) == [("u9",)]
    assert rows_of(database, f"SELECT run_id FROM fit_history {day}", d=DAY) == [(f"fit-{DAY}-2",)]
    assert rows_of(database, "SELECT * FROM item_history WHERE partition_date < :d ORDER BY item_id", d=DAY) == before


def test_the_history_of_fits_has_the_constants_of_every_block(database):
    calibrate(database, DAY - timedelta(days=1))
    calibrate(database)
    execute(
        database,
        "UPDATE fit_history SET model_spec = jsonb_set(model_spec, '{linking_constants,other_blocks}', "
        "jsonb_build_array(CAST(:block AS jsonb))) WHERE partition_date = :day",
        block='{"A": 0.5, "B": 2.5, "n_anchors_used": 3, "screened_out": {}}',
        day=DAY,
    )
    history = fit_history(database, DAY, 9)
    assert [list(values) for values in history["A"]] == [[1.1], [1.1, 0.5]]
    assert [list(values) for values in history["B"]] == [[0.2], [0.2, 2.5]]
    assert list(history["n_anchors_used"]) == [2, 5]


def test_days_of_many_months_have_a_partition_each(database):
    for months in range(4):
        calibrate(database, DAY + timedelta(days=30 * months))
    assert rows_of(
        database, "SELECT DISTINCT tableoid::regclass::text, partition_date FROM item_history ORDER BY 2"
    ) == [
        ("item_history_2025_03", DAY),
        ("item_history_2025_04", DAY + timedelta(days=30)),
        ("item_history_2025_05", DAY + timedelta(days=60)),
        ("item_history_2025_06", DAY + timedelta(days=90)),
    ]


def test_a_fault_in_the_last_table_leaves_all_as_they_were(database):
    calibrate(database, items=THREE)
    execute(database, "ALTER TABLE fit_history ADD CONSTRAINT few CHECK ((model_spec->>'n_items')::int > 2)")
    with pytest.raises(InputError, match="few"):
        calibrate(database, students={"u9": 0.5})
    assert rows_of(database, "SELECT count(*) FROM item_history") == [(3,)]
    assert rows_of(database, "SELECT student_id FROM ability_history ORDER BY 1") == [("u1",), ("u2",)]
    assert rows_of(database, "SELECT count(*) FROM mirt_item_params") == [(3,)]


def test_missing_numbers_are_null_not_nan(database):
    calibrate(database)
    assert rows_of(database, "SELECT DISTINCT se_c, flags FROM item_history") == [(None, None)]


def test_what_is_written_is_read_back(database):
    calibrate(database, items=THREE)
    items = fitted_items(database, DAY)
    assert items[["item_id", "a", "b", "c", "n_responses", "is_anchor"]].values.tolist() == [
        [item, 1.25, difficulty, 0.0, 20, False] for item, difficulty in THREE.items()
    ]
    assert abilities(database, DAY).values.tolist() == [["u1", 0.5, 0.3, 3], ["u2", -0.5, 0.3, 3]]
    assert list(abilities(database, DAY)) == ["user_id", "theta", "se", "n_responses"]
    assert len(fitted_items(database, DAY + timedelta(days=1))) == 0


def test_the_newest_earlier_day_is_the_previous_one(database):
    assert previous_item_parameters(database, DAY)[0] is None
    calibrate(database, DAY - timedelta(days=9), items={"i0": 3.0})
    calibrate(database, DAY - timedelta(days=3), items=THREE)
    calibrate(database, DAY)
    newest, parameters = previous_item_parameters(database, DAY)
    assert newest == DAY - timedelta(days=3)
    assert parameters["item_id"].tolist() == ["i0", "i1", "i2"]
    assert item_parameters(database, DAY)["b"].tolist() == [0, 1]
    assert [(day, spec["n_items"]) for day, spec, _ in fits_before(database, DAY, 7)] == [
        (DAY - timedelta(days=9), 1),
        (DAY - timedelta(days=3), 3),
    ]
    assert [day for day, _, _ in fits_before(database, DAY, 1)] == [DAY - timedelta(days=3)]
    days = [DAY - timedelta(days=9), DAY]
    assert parameters_of_days(database, days)["partition_date"].tolist() == [days[0], DAY, DAY]
    assert len(parameters_of_days(database, [])) == 0


def test_a_day_that_could_not_be_linked_is_not_on_the_banks_scale(database):
    calibrate(database, DAY - timedelta(days=2), linked=False)  # the first defines the scale
    calibrate(database, DAY - timedelta(days=1), linked=False)
    assert previous_item_parameters(database, DAY)[0] == DAY - timedelta(days=2)


def test_a_day_without_answers_leaves_history_and_what_is_published_stays(database):
    calibrate(database)
    published = rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1")
    clear_calibration(database, DAY)
    assert fits_before(database, DAY + timedelta(days=1), 7) == []
    assert rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1") == published


def test_the_summary_counts_the_newest_day(database):
    calibrate(database, DAY - timedelta(days=1), items=THREE)
    calibrate(database, DAY, publishing=SHADOW)
    summary = {table.name: (table.n_rows, table.newest) for table in history_summary(database)}
    assert (summary["mirt_item_params"], summary["mirt_ability"]) == ((2, DAY), (2, DAY))
    assert summary["features_topic_daily"] == (0, None)
    assert newest_fit(database).day == DAY
    assert list(days_fitted(database, DAY)) == [DAY]


def test_two_calibrations_at_once_are_refused_and_the_lock_is_freed(database):
    with (
        one_calibration_at_a_time(database),
        pytest.raises(TransientError, match="another calibration is running"),
        one_calibration_at_a_time(database),
    ):
        pass
    with one_calibration_at_a_time(database):
        pass
