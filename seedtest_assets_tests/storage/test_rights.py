"""A role with the least rights does everything: its schema, SELECT on the sources, INSERT, SELECT, UPDATE on what is published."""

from dataclasses import replace

import pyarrow as pa
import pytest
import sqlalchemy as sa

from seedtest_assets.errors import InputError
from seedtest_assets.storage.abilities import newest_abilities
from seedtest_assets.storage.database import Database, migrate
from seedtest_assets.storage.published_tables import PUBLISHED
from seedtest_assets.storage.retention import drop_old_history
from seedtest_assets.storage.rolling_back import publish_day, publish_newest
from seedtest_assets.storage.table_facts import table_facts
from seedtest_assets_tests.conftest import execute, new_database, rows_of
from seedtest_assets_tests.storage.nights import (
    DAY,
    PUBLISHING,
    SHADOW,
    calibrate,
    write_day_features,
    write_topics,
)


@pytest.fixture
def owner(template):
    """A platform's database: its result tables are there, nobody may make more, and PUBLIC has no temporary tables."""
    database = new_database(template, like="template0")
    migrate(replace(database, schema="elsewhere"))  # the published tables are made
    execute(database, "DROP SCHEMA elsewhere CASCADE")
    name = sa.make_url(database.url).database
    execute(database, f"REVOKE TEMPORARY, CREATE ON DATABASE {name} FROM PUBLIC")
    execute(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return database


def role_of(owner: Database, name: str, schema: str | None) -> Database:
    """The database as a role sees it that may only do what docs and role.sql say. schema: made for it."""
    if not rows_of(owner, "SELECT FROM pg_roles WHERE rolname = :name", name=name):
        execute(owner, f"CREATE ROLE {name} LOGIN")
    execute(owner, f"GRANT USAGE ON SCHEMA public TO {name}")
    for table in PUBLISHED:
        execute(owner, f"GRANT SELECT, INSERT, UPDATE ON {table} TO {name}")
    if schema:
        execute(owner, f"CREATE SCHEMA {schema} AUTHORIZATION {name}")
    url = sa.make_url(owner.url).set(username=name).render_as_string(hide_password=False)
    return Database(url, schema or "seedtest")


@pytest.mark.parametrize(("role", "schema"), [("seedtest_nights", "seedtest"), ("psycho", "psycho")])
def test_a_role_with_the_least_rights_does_everything(owner, role, schema):
    nights = role_of(owner, role, schema)
    migrate(nights)
    migrate(nights)
    for day in (DAY.replace(day=1), DAY):
        assert calibrate(nights, day).published
        assert write_topics(nights, day, {("u1", "t1"): 0.5}).published
        assert write_day_features(nights, day, {("u1", "t1"): 3}).published
    active = pa.table({"user_id": ["u1"], "topic_id": ["t1"]})
    assert [len(table) for table in newest_abilities(nights, DAY, active)] == [1, 1]
    assert table_facts(nights, "student_topic_theta", DAY, active, 10.0).covered == 1
    publish_day(nights, DAY.replace(day=1), by="operator", why="test", publishing=PUBLISHING)
    publish_newest(nights, by="operator", why="test", publishing=PUBLISHING)
    calibrate(nights, DAY.replace(month=8))
    assert drop_old_history(nights, 60, DAY.replace(month=9)).partitions
    schemas = rows_of(owner, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE '%history%'")
    assert schemas == [(schema,)]


def test_without_a_schema_it_says_how_to_make_one(owner):
    with pytest.raises(InputError, match='As an administrator: CREATE SCHEMA "seedtest" AUTHORIZATION "no_schema"'):
        migrate(role_of(owner, "no_schema", None))


def test_somebody_elses_schema_is_named_with_the_right_it_needs(owner):
    execute(owner, "CREATE SCHEMA seedtest")
    with pytest.raises(InputError, match='GRANT USAGE, CREATE ON SCHEMA "seedtest" TO "no_usage"'):
        migrate(role_of(owner, "no_usage", None))
    assert rows_of(owner, "SELECT to_regclass('public.item_history')") == [(None,)]


def test_a_published_table_that_it_may_not_make_is_named_when_it_is_needed(owner):
    execute(owner, "DROP TABLE mirt_fit_meta")
    execute(owner, "CREATE ROLE no_table LOGIN")
    execute(owner, "GRANT USAGE ON SCHEMA public TO no_table")
    for table in ("mirt_item_params", "mirt_ability"):
        execute(owner, f"GRANT SELECT, INSERT, UPDATE ON {table} TO no_table")
    execute(owner, "CREATE SCHEMA seedtest AUTHORIZATION no_table")
    nights = Database(sa.make_url(owner.url).set(username="no_table").render_as_string(hide_password=False))
    migrate(nights)
    assert not calibrate(nights, publishing=SHADOW).published
    with pytest.raises(
        InputError, match="the table mirt_fit_meta does not exist, and the role no_table may not create"
    ):
        calibrate(nights)
    execute(owner, "GRANT CREATE ON SCHEMA public TO no_table")
    assert calibrate(nights).published
