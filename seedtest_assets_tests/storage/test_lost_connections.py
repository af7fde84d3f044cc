"""What the database does to a statement, and whether it is tried again: both drivers, a real server."""

import socket
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
import sqlalchemy as sa

from seedtest_assets.errors import InputError, TransientError
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, platform_database
from seedtest_assets.storage.sources import DatabaseSource
from seedtest_assets_tests.conftest import execute, rows_of

BACKENDS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
MANY_ROWS = "SELECT i, repeat('x', 100) AS text FROM generate_series(1, 3000000) AS i"


def kill_backends(database):
    """End the sessions of all others, as an administrator or the out-of-memory killer does."""
    execute(database, f"SELECT pg_terminate_backend(pid, 5000) {BACKENDS}")


def next_statement(database):
    with database.transaction() as connection:
        kill_backends(database)
        connection.execute(sa.text("SELECT 1"))


def commit(database):
    with database.transaction() as connection:
        connection.execute(sa.text("SELECT 1"))
        kill_backends(database)


def bulk_statement(database):
    with database.bulk_transaction() as cursor:
        kill_backends(database)
        cursor.execute("SELECT 1")


def bulk_commit(database):
    with database.bulk_transaction():
        kill_backends(database)


def bulk_read(database):
    with database.bulk_transaction() as cursor:
        cursor.execute(MANY_ROWS)
        kill_backends(database)
        cursor.fetch_arrow_table()


def bulk_write(database):
    def batches():
        for number in range(300):
            if number == 3:
                kill_backends(database)
            yield pa.record_batch([pa.array(range(20_000))], ["number"])

    rows = pa.RecordBatchReader.from_batches(pa.schema([("number", pa.int64())]), batches())
    with database.bulk_transaction() as cursor:
        cursor.adbc_ingest("written", rows, mode="create")


def days_of_a_source(database):
    query = (
        "SELECT 's' || i AS student_id, 'i' AS item_id, NULL::text AS topic_id, true AS correct, NULL::int AS response_time_ms, "
        "NULL::bool AS hint_used, NULL::text AS session_id, timestamptz '2025-03-01' + i * interval '1 second' AS completed_at, "
        "NULL::float8 AS score, NULL::float8 AS max_score "
        "FROM generate_series(1, 500000) AS i"
    )
    source = DatabaseSource(name="attempt", database=database, query=query)
    for number, _ in enumerate(source.answers_by_day(date(2025, 3, 1), date(2025, 3, 9))):
        if number == 0:
            kill_backends(database)


@pytest.mark.parametrize(
    "work", [next_statement, commit, bulk_statement, bulk_commit, bulk_read, bulk_write, days_of_a_source]
)
def test_a_killed_backend_may_pass_and_its_error_says_what_happened(database, work):
    with pytest.raises(
        TransientError, match=r"terminating connection|server closed the connection|no connection"
    ) as raised:
        work(database)
    assert str(raised.value).startswith(f"the database {database.address} ")
    assert "\n" not in str(raised.value)
    assert rows_of(database, "SELECT to_regclass('written')") == [(None,)]


def test_no_statement_runs_without_end(database):
    hasty = replace(database, statement_timeout_secs=1)
    limit = r"cancelled a statement: .*raise SEEDTEST_STATEMENT_TIMEOUT_SECS"
    with pytest.raises(TransientError, match=limit):
        execute(hasty, "SELECT pg_sleep(60)")
    with pytest.raises(TransientError, match=limit), hasty.bulk_transaction() as cursor:
        cursor.execute("SELECT pg_sleep(60)").fetchall()


def test_no_statement_waits_for_a_lock_without_end(database):
    hasty = replace(database, lock_timeout_secs=1)
    with database.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE attempt")
        with pytest.raises(TransientError, match=r"waited too long for a lock: .*raise SEEDTEST_LOCK_TIMEOUT_SECS"):
            execute(hasty, "SELECT 1 FROM attempt")


def test_limits_of_the_settings_are_in_force(database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SEEDTEST_STATEMENT_TIMEOUT_SECS", "120")
    monkeypatch.setenv("SEEDTEST_LOCK_TIMEOUT_SECS", "0")
    chosen = platform_database(load_settings())
    shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('TimeZone')"
    assert rows_of(chosen, shown) == [("2min", "0", "UTC")]
    with chosen.bulk_transaction() as cursor:
        cursor.execute(shown)
        assert cursor.fetchall() == [("2min", "0", "UTC")]
    with chosen.session() as connection:
        parameters = connection.connection.dbapi_connection.info.dsn_parameters
    assert (parameters["tcp_user_timeout"], parameters["keepalives_idle"]) == ("60000", "30")


@pytest.mark.slow
@pytest.mark.parametrize("driver", [Database.transaction, Database.bulk_transaction])
def test_a_server_that_takes_a_connection_and_says_nothing_is_left(driver):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/school?connect_timeout=2"
        with (
            pytest.raises(TransientError, match=r"is out of reach: .*timeout expired") as raised,
            driver(Database(url)),
        ):
            pass
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("state", "expected", "says"),
    [
        ("53100", TransientError, "has no room left on its disk"),
        ("53200", TransientError, "has no memory left"),
        ("53300", TransientError, "has no connection left"),
        ("57P01", TransientError, "ended the connection"),
        ("58030", TransientError, "cannot use its files"),
        ("40001", TransientError, "cannot run the statement beside another one"),
        ("40P01", TransientError, "cannot run the statement beside another one"),
        ("08006", TransientError, "lost the connection"),
        ("42501", InputError, "refuses the statement"),
        ("23505", InputError, "refuses the statement"),
        ("28000", InputError, "refuses the connection"),
    ],
)
@pytest.mark.parametrize("driver", [Database.transaction, Database.bulk_transaction])
def test_the_sqlstate_decides(database, driver, state, expected, says):
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'as it says' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(expected) as raised, driver(database) as run:
        run.execute(raising if driver is Database.bulk_transaction else sa.text(raising))
    assert type(raised.value) is expected
    assert f"{database.address} {says}: as it says" in str(raised.value)
