"""Our schema goes up and down again, and two processes may migrate at once."""

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory

from seedtest_assets.storage.database import _alembic, downgrade, migrate
from seedtest_assets.storage.history_tables import HISTORY_TABLES
from seedtest_assets_tests.conftest import rows_of, rows_of_each
from seedtest_assets_tests.school import LAST, run_night
from seedtest_assets_tests.storage.nights import DAY, calibrate

OURS = "SELECT tablename FROM pg_tables WHERE schemaname = 'seedtest' ORDER BY 1"
REVISIONS = [*(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()), "base"][1:]
"""From the last but one down to nothing."""
OF_SCHEMA = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'seedtest' AND table_name !~ '_[0-9]{4}_[0-9]{2}$'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'seedtest'::regnamespace AND conrelid::regclass::text !~ '_[0-9]{4}_[0-9]{2}$'",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes"
    " WHERE schemaname = 'seedtest' AND tablename !~ '_[0-9]{4}_[0-9]{2}$'",
}
PUBLISHED = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


def test_down_to_nothing_and_up_again(empty_database):
    migrate(empty_database)
    made, published = rows_of(empty_database, OURS), rows_of(empty_database, PUBLISHED)
    assert len(published) == 5
    calibrate(empty_database)
    downgrade(empty_database, "base")
    assert rows_of(empty_database, OURS) == [("seedtest_migration",)]
    assert rows_of(empty_database, "SELECT count(*) FROM mirt_item_params") == [(2,)]
    migrate(empty_database)
    assert rows_of(empty_database, OURS) == made
    assert calibrate(empty_database, DAY).published


def schema(database) -> dict[str, set[tuple]]:
    """Columns, constraints and indexes of our tables, in any order, without those of months, which nights make."""
    return {what: set(rows) for what, rows in rows_of_each(database, OF_SCHEMA).items()}


def sizes(database) -> dict[str, list[tuple]]:
    return rows_of_each(database, {table: f"SELECT count(*) FROM {table}" for table in HISTORY_TABLES})


@pytest.mark.parametrize("revision", REVISIONS)
def test_down_to_each_revision_and_up_again_on_what_a_night_left(night, revision):
    made = schema(night)
    kept = sizes(night)
    downgrade(night, revision)
    survived = set(HISTORY_TABLES) & {table for (table,) in rows_of(night, OURS)}
    assert schema(night) != made
    migrate(night)
    assert sizes(night) == {table: kept[table] if table in survived else [(0,)] for table in HISTORY_TABLES}
    assert bool(survived) is (revision != REVISIONS[-1])  # the first makes history
    assert schema(night) == made


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("revision", [REVISIONS[0], REVISIONS[-1]])
def test_a_night_runs_after_down_and_up_again(night, instance, revision):
    downgrade(night, revision)
    migrate(night)
    assert run_night(instance, LAST).failure is None
    assert rows_of(night, "SELECT count(*) FROM fit_history WHERE partition_date = :day", day=LAST) == [(1,)]


def test_a_night_with_partial_credit_goes_down_to_a_version_without_and_up_again(empty_database):
    migrate(empty_database)
    calibrate(empty_database, DAY, items={"i0": 0.1, "i1": 1.0}, steps={"i0": [-0.8, 1.0]})
    published = rows_of(empty_database, "SELECT item_id, model, params FROM mirt_item_params ORDER BY 1")
    assert published[0][2].keys() == {"a", "b", "c", "b_1", "b_2"}
    downgrade(empty_database, "0008")
    assert rows_of(empty_database, "SELECT item_id, b FROM item_history ORDER BY 1") == [("i0", 0.1), ("i1", 1.0)]
    migrate(empty_database)
    assert rows_of(empty_database, "SELECT DISTINCT steps, se_steps FROM item_history") == [(None, None)]
    assert rows_of(empty_database, "SELECT item_id, model, params FROM mirt_item_params ORDER BY 1") == published
    assert calibrate(empty_database, DAY, steps={"i0": [-0.8, 1.0]}).published


def test_two_at_once_make_one_schema(empty_database):
    program = (
        "import sys; from seedtest_assets.storage.database import Database, migrate; migrate(Database(sys.argv[1]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, empty_database.url]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(rows_of(empty_database, PUBLISHED)) == 5
    assert ("item_history",) in rows_of(empty_database, OURS)


def test_the_platforms_own_version_table_is_left_alone(empty_database):
    with empty_database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('20251105')")
    migrate(empty_database)
    assert rows_of(empty_database, "SELECT version_num FROM public.alembic_version") == [("20251105",)]
