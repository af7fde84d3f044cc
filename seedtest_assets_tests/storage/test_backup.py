"""Backup and restore as an operator does them: dump, lose everything, restore, and the next night gives the same numbers."""

import os
import shutil
import stat
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, prepared_database
from seedtest_assets.storage.embedded import stop_embedded
from seedtest_assets_tests.checksums import checksums, published
from seedtest_assets_tests.conftest import ROOT, execute, new_database, rows_of
from seedtest_assets_tests.school import LAST, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def project(night, template, tmp_path, monkeypatch) -> Database:
    """A project after one night, in a folder of its own; gives Dagster's database, with a row to lose."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = new_database(template, like="template0")
    execute(runs, "CREATE TABLE runs AS SELECT 'a run' AS name")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", runs.url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return runs


def seedtest(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_after_a_restore_the_next_night_gives_the_same_numbers(
    project, night, template, tmp_path, monkeypatch, instance
):
    told = seedtest("backup", "kept")
    assert told.splitlines()[0].startswith("history.dump: the schema seedtest of postgresql://")
    kept = tmp_path / "kept"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in kept.iterdir()}
    assert files == dict.fromkeys(("history.dump", "dagster.dump", "lake.tar"), 0o600)

    # Undisturbed, on a copy of the platform's database.
    other = new_database(template, like=rows_of(night, "SELECT current_database()")[0][0])
    lake = tmp_path / "lake"
    shutil.copytree(lake, tmp_path / "other")
    with monkeypatch.context() as undisturbed:
        undisturbed.setenv("DATABASE_URL", other.url)
        undisturbed.setenv("SEEDTEST_LAKE", str(tmp_path / "other"))
        assert run_night(instance, LAST).failure is None

    execute(night, "DROP SCHEMA seedtest CASCADE")
    execute(project, "DROP TABLE runs")
    shutil.rmtree(lake)
    told = seedtest("restore", "kept")
    assert len(told.splitlines()) == 3
    assert rows_of(project, "SELECT name FROM runs") == [("a run",)]
    assert run_night(instance, LAST).failure is None
    assert checksums(night) == checksums(other)
    assert published(night) == published(other)


def test_a_restore_replaces_what_is_there_and_fills_no_lake_that_has_something(project, night, tmp_path):
    seedtest("backup", "kept")
    days = rows_of(night, "SELECT partition_date FROM fit_history")
    execute(night, "UPDATE fit_history SET run_id = 'another'")
    refused = CliRunner().invoke(app, ["restore", "kept"])
    assert refused.exit_code == 1
    assert "is not empty, and nothing was restored" in refused.stderr
    assert rows_of(night, "SELECT DISTINCT run_id FROM fit_history") == [("another",)]
    (tmp_path / "lake").rename(tmp_path / "lake before")
    seedtest("restore", "kept")
    assert rows_of(night, "SELECT partition_date FROM fit_history WHERE run_id <> 'another'") == days


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("backup", "lake"), "lake is there already. Name a new folder"),
        (("restore", "nowhere"), "nowhere is no backup: it has no history.dump, dagster.dump"),
        (("backup", "dagster.yaml/kept"), "cannot write to "),
    ],
)
def test_what_cannot_be_done_is_one_line(project, arguments, says):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_dump_that_fails_leaves_no_folder_and_shows_no_password(project, night, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://me:secret@127.0.0.1:1/none")
    done = CliRunner().invoke(app, ["backup", "kept"])
    assert done.exit_code == 1
    assert "pg_dump of postgresql://me@127.0.0.1:1/none failed: " in done.stderr
    assert "secret" not in done.stderr
    assert not list(tmp_path.glob("kept*"))


@pytest.mark.slow
def test_an_embedded_server_is_kept_whole_with_the_answers(tmp_path, monkeypatch):
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_POSTGRES_URL", raising=False)
    with patch.dict(os.environ):
        try:
            database = prepared_database(load_settings())
            execute(
                database,
                "INSERT INTO attempt (student_id, item_id, correct, completed_at) VALUES ('s', 'i', true, now())",
            )
            seedtest("backup", "kept")
            execute(database, "DROP TABLE attempt")
            seedtest("restore", "kept")
            assert rows_of(database, "SELECT student_id FROM attempt") == [("s",)]
        finally:
            stop_embedded()
