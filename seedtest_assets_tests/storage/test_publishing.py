"""Publishing: the newest accepted day reaches the platform's tables, in the columns and types that are found there."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import migrate
from seedtest_assets.storage.publications import Publishing, publication_state
from seedtest_assets.storage.published_results import published_items
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


def test_a_night_reaches_every_published_table(database):
    assert calibrate(database).published
    assert write_topics(database, DAY, {("u1", "t1"): 0.75}).published
    assert write_day_features(database, DAY, {("u1", "t1"): 4}).published
    assert rows_of(database, "SELECT * FROM mirt_item_params ORDER BY item_id") == [
        ("i0", "2PL", {"a": 1.25, "b": 0.0, "c": 0.0}, "v1", at(DAY)),
        ("i1", "2PL", {"a": 1.25, "b": 1.0, "c": 0.0}, "v1", at(DAY)),
    ]
    assert rows_of(database, "SELECT * FROM mirt_ability ORDER BY user_id") == [
        ("u1", 0.5, 0.3, "2PL", "v1", at(DAY)),
        ("u2", -0.5, 0.3, "2PL", "v1", at(DAY)),
    ]
    ((run_id, specification, metrics, fitted_at),) = rows_of(database, "SELECT * FROM mirt_fit_meta")
    assert (run_id, fitted_at, metrics["converged"]) == (f"fit-{DAY}-1", at(DAY), True)
    assert specification["linking_constants"]["n_anchors_used"] == 2
    assert rows_of(database, "SELECT * FROM student_topic_theta") == [
        ("u1", "t1", 0.75, 0.25, "2PL", "v1", at(DAY)),
    ]


def test_a_nights_new_topic_abilities_have_room_beside_the_old_ones(database):
    pairs = {(f"u{n:03}", f"t{topic}"): 0.5 for n in range(100) for topic in range(8)}
    page_of_rows = "SELECT user_id, topic_id, (ctid::text::point)[0] AS page FROM student_topic_theta ORDER BY 1, 2"
    write_topics(database, DAY, pairs)
    before = rows_of(database, page_of_rows)
    write_topics(database, NEXT, pairs)
    assert rows_of(database, page_of_rows) == before
    assert rows_of(database, "SELECT DISTINCT fitted_at FROM student_topic_theta") == [(at(NEXT),)]
    assert len({page for *_, page in before}) > 2


def test_features_are_whole_numbers_and_three_decimals(database):
    write_day_features(database, DAY, {("u1", "t1"): 4})
    assert rows_of(
        database,
        "SELECT date, attempts, correct, hints, avg_time_ms, rt_median, theta_estimate, improvement FROM features_topic_daily",
    ) == [(DAY, 4, 1, 0, 21035, 20500, Decimal("0.123"), None)]
    execute(database, "DELETE FROM features_topic_daily")
    execute(database, "ALTER TABLE features_topic_daily ALTER avg_time_ms TYPE float8, ALTER attempts TYPE numeric")
    write_day_features(database, DAY, {("u1", "t1"): 4})
    assert rows_of(database, "SELECT avg_time_ms, attempts FROM features_topic_daily") == [(21035.0, 4)]


def test_a_fit_that_was_not_linked_has_no_linking_constants(database):
    calibrate(database, linked=False)
    assert rows_of(database, "SELECT model_spec ? 'linking_constants' FROM mirt_fit_meta") == [(False,)]


def test_rows_of_others_and_what_the_night_did_not_compute_stay(database):
    execute(
        database,
        "INSERT INTO mirt_ability VALUES ('u1', 9, 0.1, '2PL', 'online', now()), ('away', 1, 0.1, '2PL', 'v1', '2020-01-01')",
    )
    execute(database, "INSERT INTO mirt_item_params VALUES ('retired', '2PL', '{}', 'v1', '2020-01-01')")
    execute(database, "INSERT INTO features_topic_daily (user_id, topic_id, date) VALUES ('u1', 'posted', :d)", d=DAY)
    calibrate(database)
    write_day_features(database, DAY, {("u1", "t1"): 4})
    assert rows_of(database, "SELECT user_id, version, theta FROM mirt_ability ORDER BY 1, 2") == [
        ("away", "v1", 1.0),
        ("u1", "online", 9.0),
        ("u1", "v1", 0.5),
        ("u2", "v1", -0.5),
    ]
    assert rows_of(database, "SELECT count(*) FROM mirt_item_params WHERE item_id = 'retired'") == [(1,)]
    assert rows_of(database, "SELECT topic_id, attempts FROM features_topic_daily ORDER BY 1") == [
        ("posted", 0),
        ("t1", 4),
    ]


def test_an_older_day_changes_history_only(database):
    calibrate(database, NEXT)
    before = rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1")
    older = calibrate(database, DAY, items={"i0": 5.0, "other": 1.0})
    assert (older.published, older.reason) == (False, f"a newer day, {NEXT}, is published")
    assert older.summary == f"no, history only: a newer day, {NEXT}, is published"
    assert not write_topics(database, DAY, {("u1", "t1"): 0.75}).published
    assert not write_day_features(database, DAY, {("u1", "t1"): 4}).published
    assert rows_of(database, "SELECT * FROM mirt_item_params ORDER BY 1") == before
    assert rows_of(database, "SELECT count(*) FROM mirt_fit_meta") == [(1,)]
    assert rows_of(database, "SELECT count(*) FROM features_topic_daily") == [(0,)]
    assert rows_of(database, "SELECT b FROM item_history WHERE item_id = 'other'") == [(1.0,)]


def test_the_newest_day_run_again_is_published_again(database):
    calibrate(database)
    calibrate(database, items={"i0": 3.0}, run="2", fitted_at=at(DAY, 9))
    assert rows_of(database, "SELECT item_id, params->'b', fitted_at FROM mirt_item_params ORDER BY 1") == [
        ("i0", 3.0, at(DAY, 9)),
        ("i1", 1.0, at(DAY)),
    ]
    assert rows_of(database, "SELECT run_id FROM mirt_fit_meta ORDER BY 1") == [(f"fit-{DAY}-1",), (f"fit-{DAY}-2",)]


def test_a_shadow_night_publishes_nothing(database):
    assert calibrate(database, publishing=SHADOW).reason.startswith("publishing is off")
    write_topics(database, DAY, {("u1", "t1"): 0.75}, SHADOW)
    write_day_features(database, DAY, {("u1", "t1"): 4}, SHADOW)
    for table in ("mirt_item_params", "mirt_ability", "mirt_fit_meta", "student_topic_theta", "features_topic_daily"):
        assert rows_of(database, f"SELECT count(*) FROM {table}") == [(0,)]
    assert publication_state(database).newest_accepted == DAY


def test_a_day_without_rows_publishes_nothing(database):
    calibrate(database)
    write_topics(database, DAY, {("u1", "t1"): 0.75})
    assert write_topics(database, DAY, {}).reason == "the day has no rows"
    assert rows_of(database, "SELECT count(*) FROM topic_theta_history") == [(0,)]
    assert rows_of(database, "SELECT count(*) FROM student_topic_theta") == [(1,)]


def test_another_version_is_published_beside(database):
    calibrate(database)
    calibrate(database, NEXT, publishing=Publishing(version="it's"))
    assert rows_of(database, "SELECT DISTINCT version FROM mirt_ability ORDER BY 1") == [("it's",), ("v1",)]


def test_every_publication_is_noted(database):
    calibrate(database)
    write_topics(database, DAY, {("u1", "t1"): 0.75})
    calibrate(database, DAY - timedelta(days=1))
    assert rows_of(
        database,
        "SELECT subject, day, run_id, fitted_at, action, published_by FROM publication ORDER BY publication_id",
    ) == [
        ("calibration", DAY, f"fit-{DAY}-1", at(DAY), "night", "seedtest"),
        ("topic_theta", DAY, None, None, "night", "seedtest"),
    ]
    state = publication_state(database)
    assert (state.published, state.newest_accepted, state.pinned, state.old_job) == (DAY, DAY, None, None)


# ------------------------------------------------------------------------------------------------ the old job's last day


def old_job(database, day, run="irt-fit-1"):
    """What the old job leaves of a night."""
    execute(database, "INSERT INTO mirt_fit_meta VALUES (:run, '{}', '{}', :at)", run=run, at=at(day))


def test_a_day_older_than_the_old_jobs_last_is_not_published(database):
    old_job(database, DAY)
    assert calibrate(database, DAY - timedelta(days=1)).reason == f"a newer day, {DAY}, was published by another job"
    assert calibrate(database, DAY).published
    assert publication_state(database).old_job == DAY


def test_an_old_job_that_runs_again_counts_again(database):
    calibrate(database, DAY)
    old_job(database, NEXT)
    assert not calibrate(database, DAY, run="2").published
    assert calibrate(database, NEXT).published


def test_without_its_fits_the_old_jobs_items_tell_its_last_day(database):
    execute(database, "INSERT INTO mirt_item_params VALUES ('i0', '2PL', '{}', 'v1', :at)", at=at(DAY))
    assert not calibrate(database, DAY - timedelta(days=1)).published
    assert calibrate(database, DAY).published
    assert publication_state(database).old_job is None


def test_an_ability_scored_in_a_session_is_not_the_old_job(database):
    calibrate(database, DAY)
    execute(database, "INSERT INTO mirt_ability VALUES ('new', 1, 0.1, '2PL', 'v1', now())")
    assert calibrate(database, NEXT).published


def test_a_time_in_the_future_does_not_stop_publishing_for_good(database):
    execute(database, "INSERT INTO mirt_fit_meta VALUES ('odd', '{}', '{}', now() + interval '9 years')")
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    assert calibrate(database, yesterday).published


# ------------------------------------------------------------------------------------------------ tables as they are found


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            "theta numeric, standard_error numeric, updated_at timestamptz NOT NULL DEFAULT now()",
            {"theta": Decimal("0.75"), "standard_error": Decimal("0.25"), "updated_at": at(DAY)},
        ),
        (
            "theta numeric, standard_error numeric, se float8, fitted_at timestamptz, updated_at timestamptz NOT NULL, "
            "model text NOT NULL, note text",
            {
                "theta": Decimal("0.75"),
                "standard_error": Decimal("0.25"),
                "se": 0.25,
                "fitted_at": at(DAY),
                "updated_at": at(DAY),
                "model": "2PL",
                "note": None,
            },
        ),
    ],
)
def test_topic_abilities_fit_the_columns_that_are_there(database, columns, expected):
    execute(database, "DROP TABLE student_topic_theta")
    execute(
        database,
        f"CREATE TABLE public.student_topic_theta (user_id text, topic_id text, {columns}, PRIMARY KEY (user_id, topic_id))",
    )
    write_topics(database, DAY, {("u1", "t1"): 0.75})
    names = ", ".join(expected)
    assert rows_of(database, f"SELECT {names} FROM student_topic_theta") == [tuple(expected.values())]


def test_ids_and_times_take_the_types_that_are_there(database):
    execute(database, "DROP TABLE mirt_item_params, mirt_fit_meta")
    execute(
        database,
        "CREATE TABLE public.mirt_item_params (item_id bigint UNIQUE, params json, version varchar(9), fitted_at timestamp)",
    )
    execute(
        database,
        "CREATE TABLE public.mirt_fit_meta (id serial PRIMARY KEY, run_id varchar(64) UNIQUE, model_spec json, fitted_at timestamp)",
    )
    assert calibrate(database, items={"17": 0.5}).published
    assert calibrate(database, items={"17": 0.75}).published
    assert rows_of(database, "SELECT item_id, params->>'b', version, fitted_at FROM mirt_item_params") == [
        (17, "0.75", "v1", at(DAY).replace(tzinfo=None))
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE mirt_ability DROP CONSTRAINT pk_mirt_ability_user_version", r"no unique key on exactly \(user_id, version\)"),
        ("ALTER TABLE mirt_item_params ADD owner text NOT NULL", "a column owner that is NOT NULL and has no default"),
        ("ALTER TABLE mirt_ability DROP theta", "has no column theta"),
        (
            "ALTER TABLE mirt_ability RENAME TO kept; CREATE MATERIALIZED VIEW public.mirt_ability AS SELECT * FROM kept",
            "is a materialized view",
        ),
        (
            "ALTER TABLE mirt_ability RENAME TO kept; CREATE VIEW public.mirt_ability AS SELECT DISTINCT * FROM kept",
            "is a view that PostgreSQL cannot upsert into",
        ),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_published_to_is_named_and_nothing_is_written(database, change, reason):
    for statement in change.split(";"):
        execute(database, statement)
    with pytest.raises(InputError, match=f"the table public.mirt_.* cannot be published to: it .*{reason}"):
        calibrate(database)
    assert rows_of(database, "SELECT count(*) FROM item_history") == [(0,)]
    assert calibrate(database, publishing=SHADOW).reason.startswith("publishing is off")


def test_a_simple_view_over_a_table_is_published_through(database):
    execute(database, "ALTER TABLE mirt_ability RENAME TO kept")
    execute(database, "CREATE VIEW public.mirt_ability AS SELECT * FROM kept")
    assert calibrate(database).published
    assert rows_of(database, "SELECT count(*) FROM kept") == [(2,)]


def test_a_column_that_the_platform_computes_is_left_to_it(database):
    execute(database, "ALTER TABLE mirt_ability ADD updated_at timestamptz GENERATED ALWAYS AS (fitted_at) STORED")
    assert calibrate(database).published
    assert rows_of(database, "SELECT DISTINCT updated_at FROM mirt_ability") == [(at(DAY),)]


# ------------------------------------------------------------------------------------------------ names


def test_a_schema_named_otherwise_holds_what_is_ours(empty_database):
    other = replace(empty_database, schema="psychometrics")
    migrate(other)
    calibrate(other)
    assert rows_of(other, "SELECT table_schema::text, count(*) FROM information_schema.tables WHERE table_schema IN "
                   "('public', 'psychometrics', 'seedtest') AND table_name IN ('item_history', 'mirt_ability') GROUP BY 1 ORDER BY 1") == [
        ("psychometrics", 1),
        ("public", 1),
    ]  # fmt: skip


def test_statements_of_the_operations_handbook(database):
    now = datetime.now(timezone.utc)
    today = date.today()
    calibrate(
        database, today - timedelta(days=3), fitted_at=now - timedelta(days=2), items={f"i{n}": 0.0 for n in range(9)}
    )
    calibrate(database, today - timedelta(days=2), fitted_at=now - timedelta(hours=3))
    calibrate(database, today - timedelta(days=1), fitted_at=now - timedelta(hours=1), linked=False)
    assert rows_of(
        database,
        "SELECT COUNT(*) AS item_count, MAX(fitted_at) AS latest_fit FROM mirt_item_params "
        "WHERE fitted_at >= NOW() - INTERVAL '1 day'",
    ) == [(2, now - timedelta(hours=1))]
    ((run_id, constants, _),) = rows_of(
        database,
        "SELECT run_id, model_spec->'linking_constants' AS linking_constants, fitted_at FROM mirt_fit_meta "
        "WHERE model_spec ? 'linking_constants' ORDER BY fitted_at DESC LIMIT 1",
    )
    assert (constants["A"], run_id) == (1.1, f"fit-{today - timedelta(days=2)}-1")


def test_publishing_settings_are_those_of_the_deployment(settings, monkeypatch):
    assert Publishing.from_settings(settings) == PUBLISHING


def test_features_of_a_rejected_day_do_not_keep_the_accepted_day_from_being_published_again(database):
    calibrate(database, DAY)
    write_day_features(database, DAY + timedelta(days=1), {("u1", "t1"): 3})
    assert calibrate(database, DAY, run="2", items={"i0": 0.5}).published
    assert not write_day_features(database, DAY, {("u1", "t1"): 3}).published


def test_published_steps_are_read_for_a_comparison(database):
    calibrate(database, DAY, items={"i0": 0.2, "i1": 1.0}, steps={"i0": [-0.5, None, 0.9]})
    items = published_items(database, "v1").set_index("item_id")
    assert items["steps"].to_dict() == {"i0": [-0.5, None, 0.9], "i1": None}
    execute(database, "UPDATE mirt_item_params SET params = params || '{\"b_1\": \"easy\"}' WHERE item_id = 'i0'")
    with pytest.raises(InputError, match="params of item i0 in mirt_item_params"):
        published_items(database, "v1")


def test_a_table_without_models_has_no_steps_to_compare(database):
    calibrate(database, DAY, items={"i0": 0.2}, steps={"i0": [-0.5, 0.9]})
    execute(database, "ALTER TABLE mirt_item_params DROP model")
    assert published_items(database, "v1")["steps"].tolist() == [None]
