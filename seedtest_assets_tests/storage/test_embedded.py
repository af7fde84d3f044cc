"""The embedded PostgreSQL: shared by processes, survives their death and its own, keeps its data."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.embedded import embedded_address, start_embedded, stop_embedded
from seedtest_assets.storage.postgres_server import socket_folder
from seedtest_assets_tests.conftest import execute, rows_of

CLIENT = """
import sys
from pathlib import Path
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.embedded import start_embedded
database = Database(start_embedded("shared", Path(sys.argv[1])))
with database.transaction() as connection:
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS seen (who text)")
    connection.exec_driver_sql("INSERT INTO seen VALUES ('client')")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    stop_embedded(tmp_path)
    shutil.rmtree(socket_folder(tmp_path))


def client_of(home: Path) -> subprocess.Popen:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdout.readline() == "ready\n"
    return client


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_processes_share_one_server_that_survives_their_death(home):
    first, second = client_of(home), client_of(home)
    server = postmaster(home)
    first.kill()
    second.communicate()
    first.wait()
    database = Database(start_embedded("shared", home))
    assert postmaster(home) == server
    assert rows_of(database, "SELECT count(*) FROM seen") == [(2,)]


def test_a_killed_server_comes_back_with_its_data(home):
    database = Database(start_embedded("kept", home))
    execute(database, "CREATE TABLE kept AS SELECT 1 AS number")
    os.kill(postmaster(home), signal.SIGKILL)
    assert rows_of(Database(start_embedded("kept", home)), "SELECT number FROM kept") == [(1,)]


def test_down_stops_it_and_the_data_stays(home):
    execute(Database(start_embedded("kept", home)), "CREATE TABLE kept AS SELECT 1 AS number")
    assert stop_embedded(home)
    assert not stop_embedded(home)
    assert rows_of(Database(start_embedded("kept", home)), "SELECT number FROM kept") == [(1,)]


def test_an_address_starts_nothing_and_is_that_of_the_server(home):
    embedded_address("kept", home)
    assert list(home.iterdir()) == []
    running = start_embedded("kept", home)
    assert embedded_address("kept", home) == running
    assert rows_of(Database(embedded_address("kept", home)), "SELECT 1") == [(1,)]
    stop_embedded(home)
    assert embedded_address("kept", home) == running
    assert start_embedded("kept", home) == running


def test_stopping_a_killed_server_does_not_start_it(home):
    start_embedded("kept", home)
    server = postmaster(home)
    os.kill(server, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(server)] if psutil.pid_exists(server) else [], timeout=10)
    assert not stop_embedded(home)
    assert not (home / "postgres" / "postmaster.pid").exists()


@pytest.mark.slow
def test_a_second_start_finds_the_answers_of_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings, answer = (
        load_settings(),
        "INSERT INTO {} (student_id, item_id, correct, completed_at) VALUES ('{}', 'i', true, now())",
    )
    try:
        database = prepared_database(settings)
        execute(database, answer.format("attempt", "first"))
        stop_embedded()
        assert prepared_database(settings) == database
        assert rows_of(database, "SELECT student_id FROM attempt") == [("first",)]

        # What version 0.2.0 left behind after a second start, and an import after it.
        execute(database, "CREATE TABLE seedtest.attempt (LIKE public.attempt INCLUDING ALL)")
        execute(database, answer.format("seedtest.attempt", "second"))
        stop_embedded()
        prepared_database(settings)
        assert rows_of(database, "SELECT student_id FROM attempt ORDER BY 1") == [("first",), ("second",)]
    finally:
        stop_embedded()
        shutil.rmtree(socket_folder(Path(".seedtest").resolve()))
