"""An operator publishes another day: an earlier one, pinned, or the newest again."""

from datetime import timedelta

import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage.publications import Publishing, publication_state
from seedtest_assets.storage.rolling_back import publish_day, publish_newest
from seedtest_assets_tests.conftest import execute, rows_of
from seedtest_assets_tests.storage.nights import (
    DAY,
    PUBLISHING,
    SHADOW,
    at,
    calibrate,
    write_day_features,
    write_topics,
)

NEXT = DAY + timedelta(days=1)
LINKING = "SELECT run_id FROM mirt_fit_meta ORDER BY fitted_at DESC LIMIT 1"
"""As the platform's report asks for the linking constants."""


@pytest.fixture
def two_nights(database):
    """Two published nights; u2 has no topic ability on the second day, i2 is new on it."""
    calibrate(database, DAY, items={"i0": 0.0, "i1": 1.0})
    write_topics(database, DAY, {("u1", "t1"): 0.5, ("u2", "t1"): -0.5})
    write_day_features(database, DAY, {("u1", "t1"): 3})
    calibrate(database, NEXT, items={"i0": 7.0, "i1": 8.0, "i2": 9.0})
    write_topics(database, NEXT, {("u1", "t1"): 7.5})
    write_day_features(database, NEXT, {("u1", "t1"): 4})
    return database


def back(database, day=DAY):
    return publish_day(database, day, by="kim", why="item 7 was miskeyed", publishing=PUBLISHING)


def forth(database):
    return publish_newest(database, by="kim", why="mended", publishing=PUBLISHING)


def items(database):
    return dict(rows_of(database, "SELECT item_id, (params->>'b')::float8 FROM mirt_item_params"))


def test_an_earlier_day_is_published_with_its_times_and_readers_find_its_fit(two_nights):
    assert back(two_nights).published
    assert items(two_nights) == {"i0": 0.0, "i1": 1.0, "i2": 9.0}
    assert rows_of(two_nights, "SELECT fitted_at FROM mirt_item_params WHERE item_id = 'i0'") == [(at(DAY),)]
    assert rows_of(two_nights, "SELECT theta FROM student_topic_theta ORDER BY user_id") == [(0.5,), (-0.5,)]
    assert rows_of(two_nights, LINKING) == [(f"fit-{DAY}-1",)]
    assert rows_of(two_nights, "SELECT count(*) FROM mirt_fit_meta") == [(2,)]
    assert rows_of(two_nights, "SELECT date, attempts FROM features_topic_daily ORDER BY 1") == [(DAY, 3), (NEXT, 4)]


def test_models_and_steps_go_back_and_forth_with_their_day(database):
    models = "SELECT item_id, model, params -> 'b_1', params -> 'b_2' FROM mirt_item_params ORDER BY 1"
    calibrate(database, DAY, items={"i0": 0.0, "i1": 1.0}, steps={"i0": [-1.0, 1.0]})
    calibrate(database, NEXT, items={"i0": 0.0, "i1": 1.0}, steps={"i1": [0.5, 1.5]})
    newest = [("i0", "2PL", None, None), ("i1", "GPCM", 0.5, 1.5)]
    assert rows_of(database, models) == newest
    back(database)
    assert rows_of(database, models) == [("i0", "GPCM", -1.0, 1.0), ("i1", "2PL", None, None)]
    forth(database)
    assert rows_of(database, models) == newest


def test_nights_go_to_history_only_while_a_day_is_pinned(two_nights):
    back(two_nights)
    later = NEXT + timedelta(days=1)
    assert calibrate(two_nights, later).reason == f"publishing is pinned to {DAY}"
    assert not calibrate(two_nights, NEXT, run="2").published
    assert calibrate(two_nights, DAY, run="2", items={"i0": 0.25}).published
    state = publication_state(two_nights)
    assert (state.pinned, state.published, state.newest_accepted) == (DAY, DAY, later)
    assert (items(two_nights)["i0"], items(two_nights)["i1"]) == (0.25, 1.0)


def test_unpinned_the_newest_day_is_there_with_everything_that_changed_since(two_nights):
    back(two_nights)
    later = NEXT + timedelta(days=1)
    calibrate(two_nights, later, items={"i0": 5.0})
    write_topics(two_nights, later, {("u3", "t1"): 3.0})
    write_day_features(two_nights, later, {("u3", "t1"): 1})
    assert forth(two_nights).day == later
    assert items(two_nights) == {"i0": 5.0, "i1": 8.0, "i2": 9.0}
    assert rows_of(two_nights, "SELECT user_id, theta FROM student_topic_theta ORDER BY 1") == [
        ("u1", 7.5),
        ("u2", -0.5),
        ("u3", 3.0),
    ]
    assert rows_of(two_nights, "SELECT count(*) FROM features_topic_daily") == [(3,)]
    assert rows_of(two_nights, "SELECT fitted_at FROM mirt_fit_meta ORDER BY 1") == [
        (at(DAY),),
        (at(NEXT),),
        (at(later),),
    ]
    assert publication_state(two_nights).pinned is None
    assert calibrate(two_nights, later + timedelta(days=1)).published


def test_back_and_forth_leaves_the_published_tables_as_they_were(two_nights):
    tables = ("mirt_item_params", "mirt_ability", "mirt_fit_meta", "student_topic_theta", "features_topic_daily")
    before = [rows_of(two_nights, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    back(two_nights)
    forth(two_nights)
    assert [rows_of(two_nights, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before


def test_a_day_that_history_does_not_have_is_refused_with_those_it_has(two_nights):
    with pytest.raises(
        InputError, match=f"no accepted calibration of 2025-01-01. The newest days it has: {NEXT}, {DAY}"
    ):
        back(two_nights, DAY.replace(month=1, day=1))
    assert publication_state(two_nights).pinned is None


def test_with_no_day_at_all_it_says_what_to_do(database):
    with pytest.raises(InputError, match="Run a night first: seedtest run"):
        forth(database)


def test_a_shadow_night_is_published_when_an_operator_asks_for_it(database):
    calibrate(database, publishing=SHADOW)
    assert back(database).published
    assert items(database) == {"i0": 0.0, "i1": 1.0}


def test_unpinning_leaves_a_newer_day_of_the_old_job_alone(two_nights):
    back(two_nights)
    execute(
        two_nights, "INSERT INTO mirt_fit_meta VALUES ('irt-fit', '{}', '{}', :at)", at=at(NEXT + timedelta(days=3))
    )
    done = forth(two_nights)
    assert (done.published, done.reason) == (
        False,
        f"a newer day, {NEXT + timedelta(days=3)}, was published by another job",
    )
    assert publication_state(two_nights).pinned is None
    assert items(two_nights)["i0"] == 0.0


def test_who_published_what_and_why_is_kept(two_nights):
    back(two_nights)
    assert rows_of(
        two_nights,
        "SELECT subject, day, run_id, action, published_by, reason FROM publication WHERE action <> 'night' ORDER BY publication_id",
    ) == [
        ("calibration", DAY, f"fit-{DAY}-1", "pin", "kim", "item 7 was miskeyed"),
        ("topic_theta", DAY, None, "pin", "kim", "item 7 was miskeyed"),
        ("features", DAY, None, "pin", "kim", "item 7 was miskeyed"),
    ]
    state = publication_state(two_nights)
    assert (state.published_by, state.reason) == ("kim", "item 7 was miskeyed")


def test_the_question_bank_follows(two_nights):
    execute(two_nights, "INSERT INTO question (id) VALUES (17)")
    publishing = Publishing(update_questions=True)
    for day, difficulty in ((NEXT + timedelta(days=1), 1.0), (NEXT + timedelta(days=2), 2.0)):
        calibrate(two_nights, day, items={"17": difficulty}, publishing=publishing)
    publish_day(two_nights, NEXT + timedelta(days=1), by="kim", why="test", publishing=publishing)
    assert rows_of(two_nights, "SELECT (meta#>>'{irt,b}')::float8 FROM question") == [(1.0,)]


def test_the_published_fit_is_the_newest_for_readers_beside_a_later_fit_of_the_old_job(two_nights):
    execute(
        two_nights,
        "INSERT INTO mirt_fit_meta (run_id, model_spec, metrics, fitted_at) VALUES ('irt-fit', '{}', '{}', :at)",
        at=at(NEXT, hour=4),
    )
    assert forth(two_nights).published
    assert rows_of(two_nights, LINKING) == [(f"fit-{NEXT}-1",)]
    assert rows_of(two_nights, "SELECT fitted_at FROM fit_history WHERE partition_date = :day", day=NEXT) == [
        (at(NEXT),)
    ]


def test_a_pin_keeps_who_and_why_when_its_day_is_run_again(two_nights):
    back(two_nights)
    calibrate(two_nights, DAY, run="2")
    state = publication_state(two_nights)
    assert (state.published_by, state.reason) == ("kim", "item 7 was miskeyed")
