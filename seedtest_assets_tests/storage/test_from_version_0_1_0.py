"""A database of version 0.1.0 is carried into history whole, or not touched; and what was renamed for it is adopted again."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import Database, migrate
from seedtest_assets.storage.history import fits_before, fitted_items
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.publications import publication_state
from seedtest_assets.storage.published_tables import PUBLISHED
from seedtest_assets_tests.checksums import checksums
from seedtest_assets_tests.conftest import execute, new_database, rows_of
from seedtest_assets_tests.school import LAST, run_night
from seedtest_assets_tests.storage.nights import calibrate

NEWEST = date(2025, 3, 9)
ALERTS = {"seedtest_incident": "incident", "seedtest_alert_message": "alert_message", "seedtest_alert_delivery": "alert_delivery"}  # fmt: skip
CARRIED = {table.name: table.history for table in PUBLISHED.values()} | ALERTS


@pytest.fixture
def old(empty_database):
    """A database as version 0.1.0 left it."""
    return as_version_0_1_0_left_it(empty_database)


def as_version_0_1_0_left_it(database: Database) -> Database:
    with database.transaction() as connection:
        connection.exec_driver_sql(
            (Path(__file__).parent / "version_0_1_0.sql").read_text(encoding="utf-8").replace("%", "%%")
        )
    return database


def counts(database: Database, tables) -> list[int]:
    return [rows_of(database, f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def tables(database: Database) -> list[tuple]:
    return rows_of(
        database,
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )


def test_every_row_is_carried_into_history(old):
    before = counts(old, CARRIED)
    migrate(old)
    assert counts(old, CARRIED.values()) == before
    assert rows_of(
        old, "SELECT a, b, c, se_a, is_anchor, run_id FROM item_history WHERE item_id = 'i0' ORDER BY 2"
    ) == [
        (1.5, 8.0, 0.0, 0.1, True, "fit-2025-03-08"),
        (1.5, 9.0, 0.0, 0.1, True, "fit-2025-03-09"),
        (1.5, 31.0, 0.0, 0.1, True, "fit-2025-01-31"),
    ]
    assert len(fitted_items(old, NEWEST)) == 2
    assert [day for day, _, _ in fits_before(old, NEWEST, 9)] == [date(2025, 1, 31), date(2025, 3, 8)]
    assert rows_of(old, "SELECT avg_time_ms, improvement_basis FROM feature_history") == [(21034.5, "theta")] * 4


def test_the_published_tables_hold_the_newest_row_of_every_key(old):
    migrate(old)
    assert rows_of(old, "SELECT item_id, (params->>'b')::float8, version FROM mirt_item_params ORDER BY 1") == [
        ("i0", 9.0, "v1"),
        ("i1", 10.0, "v1"),
        ("i2", 10.0, "v1"),
    ]
    assert rows_of(old, "SELECT user_id, fitted_at FROM mirt_ability WHERE user_id > 'u1' ORDER BY 1") == [
        ("u2", datetime(2025, 3, 10, 3, 10, tzinfo=timezone.utc)),
        ("u3", datetime(2025, 3, 9, 3, 10, tzinfo=timezone.utc)),
    ]
    assert rows_of(old, "SELECT user_id, theta FROM student_topic_theta ORDER BY 1") == [("u1", 10.0), ("u2", 10.0)]
    assert rows_of(old, "SELECT count(*), max(avg_time_ms) FROM features_topic_daily") == [(4, 21035)]
    assert rows_of(old, "SELECT run_id FROM mirt_fit_meta ORDER BY fitted_at DESC LIMIT 1") == [("fit-2025-03-09",)]


def test_nothing_of_the_old_shape_is_left_and_nights_go_on(old):
    migrate(old)
    names = {name for _, name in tables(old)}
    assert not {name for name in names if name.startswith("seedtest_") and name != "seedtest_migration"}
    assert publication_state(old).published == NEWEST
    assert publication_state(old).old_job is None
    assert not calibrate(old, date(2025, 3, 8)).published
    assert calibrate(old, NEWEST).published
    execute(old, "INSERT INTO incident (key, level, title, location, pending, opened_at, last_event_at) VALUES ('k', 'warn', 'w', 'a', '{}', now(), now())")  # fmt: skip
    assert rows_of(old, "SELECT max(incident_id) FROM incident") == [(3,)]


def test_migrating_again_changes_nothing(old):
    migrate(old)
    before = tables(old), counts(old, CARRIED.values())
    migrate(old)
    assert (tables(old), counts(old, CARRIED.values())) == before


def test_a_database_without_the_alerts_of_its_second_migration(old):
    execute(old, "DROP TABLE seedtest_alert_delivery, seedtest_alert_message, seedtest_incident")
    execute(old, "UPDATE seedtest_alembic_version SET version_num = '0001'")
    migrate(old)
    assert counts(old, ["item_history", "incident"]) == [7, 0]


def test_tables_that_were_renamed_as_its_docs_asked_are_adopted_again(old):
    execute(
        old,
        "CREATE TABLE mirt_item_params_before_seedtest (item_id text PRIMARY KEY, model text, params jsonb NOT NULL, "
        "version text, fitted_at timestamptz DEFAULT now())",
    )
    execute(
        old, "INSERT INTO mirt_item_params_before_seedtest VALUES ('retired', '2PL', '{\"b\": 3}', 'v1', '2020-01-01')"
    )
    execute(
        old,
        "CREATE TABLE student_topic_theta_before_seedtest (user_id text, topic_id text, theta numeric, "
        "standard_error numeric, updated_at timestamptz NOT NULL, CONSTRAINT pk_old PRIMARY KEY (user_id, topic_id))",
    )
    migrate(old)
    assert not [name for _, name in tables(old) if name.endswith("_before_seedtest")]
    assert rows_of(old, "SELECT item_id FROM mirt_item_params ORDER BY 1") == [("i0",), ("i1",), ("i2",), ("retired",)]
    assert rows_of(old, "SELECT user_id, theta, standard_error FROM student_topic_theta ORDER BY 1") == [
        ("u1", 10, rows_of(old, "SELECT 0.4::numeric")[0][0]),
        ("u2", 10, rows_of(old, "SELECT 0.4::numeric")[0][0]),
    ]


def test_a_newer_night_of_the_old_job_is_not_overwritten(old):
    execute(
        old,
        "CREATE TABLE mirt_fit_meta_before_seedtest (run_id text PRIMARY KEY, model_spec jsonb, metrics jsonb, fitted_at timestamptz)",
    )
    execute(old, "INSERT INTO mirt_fit_meta_before_seedtest VALUES ('irt-fit', '{}', '{}', '2025-03-12 03:00+00')")
    migrate(old)
    assert rows_of(old, "SELECT run_id FROM mirt_fit_meta") == [("irt-fit",)]
    assert counts(old, ["mirt_item_params", "item_history"]) == [0, 7]


@pytest.mark.parametrize(
    "fault",
    [
        "ALTER TABLE mirt_item_params ALTER se_a TYPE text",
        "ALTER TABLE mirt_ability ALTER theta DROP NOT NULL; UPDATE mirt_ability SET theta = NULL WHERE user_id = 'u3'",
        "CREATE VIEW depends AS SELECT * FROM features_topic_daily",
        "CREATE TABLE mirt_ability_before_seedtest (user_id text, theta text, version text)",
    ],
)
def test_a_failure_anywhere_changes_nothing(old, fault):
    for statement in fault.split(";"):
        execute(old, statement)
    before = tables(old), counts(old, CARRIED)
    with pytest.raises(InputError):
        migrate(old)
    assert (tables(old), counts(old, CARRIED)) == before


def test_killed_in_the_middle_it_has_done_nothing_and_is_run_again(old):
    execute(
        old,
        "CREATE TABLE mirt_ability_before_seedtest (user_id text, theta float8, version text, PRIMARY KEY (user_id, version))",
    )
    before = tables(old), counts(old, CARRIED)
    program = (
        "import sys; from seedtest_assets.storage.database import Database, migrate; migrate(Database(sys.argv[1]))"
    )
    with old.transaction() as reader:  # it is renamed when everything has been carried
        reader.exec_driver_sql("SELECT count(*) FROM mirt_ability_before_seedtest")
        process = subprocess.Popen([sys.executable, "-c", program, old.url])
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # fmt: skip
        while rows_of(old, waiting) == [(0,)]:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    while rows_of(old, waiting) != [(0,)]:
        pass
    assert (tables(old), counts(old, CARRIED)) == before
    migrate(old)
    assert counts(old, CARRIED.values()) == before[1]


def test_a_schema_that_is_the_platforms_can_be_ours_too(empty_database):
    old = as_version_0_1_0_left_it(replace(empty_database, schema="public"))
    migrate(old)
    assert counts(old, ["item_history", "mirt_item_params", "public.seedtest_migration"]) == [7, 3, 1]
    assert calibrate(old, NEWEST).published


def test_tables_that_it_made_in_a_schema_of_its_role_are_carried_too(empty_database):
    execute(empty_database, "CREATE SCHEMA seedtest")
    old = as_version_0_1_0_left_it(empty_database)  # its role has the schema's name: that comes first
    assert ("seedtest", "mirt_ability") in tables(old)
    migrate(old)
    assert counts(old, ["seedtest.item_history", "seedtest.mirt_item_params"]) == [7, 3]
    assert calibrate(old, NEWEST).published


def test_in_shadow_the_platforms_own_tables_stay_as_they_are(old):
    execute(
        old,
        "CREATE TABLE mirt_item_params_before_seedtest (item_id text PRIMARY KEY, model text, params jsonb NOT NULL, "
        "version text, fitted_at timestamptz DEFAULT now())",
    )
    execute(old, "INSERT INTO mirt_item_params_before_seedtest VALUES ('i0', '2PL', '{\"b\": 3}', 'v1', '2020-01-01')")
    migrate(old, publish=False)
    assert rows_of(old, "SELECT item_id, (params->>'b')::float8 FROM mirt_item_params") == [("i0", 3.0)]
    assert counts(old, ["item_history", "publication"]) == [7, 0]


@pytest.mark.usefixtures("without_pictures")
def test_a_lake_of_its_files_gives_the_same_night(night, template, tmp_path, monkeypatch, instance):
    """Its Parquet files have no digest, and everybody could read them."""
    other, lake = new_database(template, like=rows_of(night, "SELECT current_database()")[0][0]), tmp_path / "lake"
    shutil.copytree(lake, tmp_path / "old")
    (tmp_path / "old" / "lake.json").unlink()
    for manifest in (tmp_path / "old").rglob("day.json"):
        manifest.unlink()
        answers, file = OBSERVATION_SCHEMA.empty_table(), manifest.with_name("answers.parquet")
        for bucket in manifest.parent.glob("bucket=*"):
            answers = pq.read_table(next(bucket.iterdir()), partitioning=None).replace_schema_metadata()
            shutil.rmtree(bucket)
        pq.write_table(answers, file)
        file.chmod(0o644)
        assert b"seedtest.sha256" not in file.read_bytes()
    assert run_night(instance, LAST).failure is None
    monkeypatch.setenv("DATABASE_URL", other.url)
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path / "old"))
    assert run_night(instance, LAST).failure is None
    assert checksums(other) == checksums(night)
