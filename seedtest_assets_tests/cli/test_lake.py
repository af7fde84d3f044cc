"""`seedtest lake rebucket`: the lake is written anew while nothing else writes it."""

from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli import instance as instances
from seedtest_assets.cli.app import app
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.locks import one_command_at_a_time
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA

DAY = date(2025, 3, 9)


@pytest.fixture
def lake(platform, instance, tmp_path, monkeypatch):
    """Two days of the platform's lake in 3 buckets, beside its Dagster."""

    @contextmanager
    def opened():
        yield instance

    monkeypatch.setattr(instances, "open_instance", opened)
    monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 1)
    lake = Lake(str(tmp_path / "lake"), 3)
    at = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)
    rows = [{"student_id": f"s{n}", "item_id": "i", "correct": True, "completed_at": at} for n in range(40)]
    for day in (DAY - timedelta(days=1), DAY):
        lake.write_observations(day, pa.Table.from_pylist(rows, OBSERVATION_SCHEMA))
    return lake


def rebucket(*options: str):
    return CliRunner().invoke(app, ["lake", "rebucket", *options])


def test_every_day_is_written_anew_and_the_setting_is_named(lake):
    assert "2025-03-08" in rebucket("--buckets", "5").stderr
    assert len(lake.observation_files([DAY])) == 5
    assert Lake(lake.url).n_buckets() == 5
    again = rebucket("--buckets", "5")
    assert again.stdout.splitlines() == [
        f"{lake.url}: 5 buckets, 0 days of 2 written anew",
        "Set SEEDTEST_BUCKETS=5 now: nights refuse another number",
    ]
    assert rebucket().stdout == f"{lake.url}: 16 buckets, 2 days of 2 written anew\n"


def test_while_another_command_runs_it_refuses(lake, platform):
    with one_command_at_a_time(platform):
        refused = rebucket("--buckets", "5")
    assert refused.exit_code == 1
    assert "another `seedtest run` is at work on this database" in refused.stderr
    assert len(lake.observation_files([DAY])) == 3


def test_doctor_names_a_number_that_is_not_the_lakes(lake):
    assert "SEEDTEST_BUCKETS is 16, and the lake" in CliRunner().invoke(app, ["doctor"]).stdout
    rebucket()
    assert "SEEDTEST_BUCKETS is" not in CliRunner().invoke(app, ["doctor"]).stdout
