"""`seedtest demo`, with a smaller school: what it loads, runs, and says there is to look at."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from seedtest_assets.cli import demo, simulated_school
from seedtest_assets.cli.app import app
from seedtest_assets.days import last_full_day
from seedtest_assets_tests.conftest import ROOT, new_database, rows_of

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def database(template, tmp_path, monkeypatch):
    """The demonstration's database, in whose project the test stands."""
    database = new_database(template)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", new_database(template, like="template0").url)
    simulate = simulated_school.simulate_school

    def small(last_day, bank, **sizes):
        return simulate(last_day, replace(bank, n_items=24, n_topics=4, n_anchors=8), n_students=100, **sizes)

    monkeypatch.setattr(simulated_school, "simulate_school", small)
    monkeypatch.setattr(demo, "DAYS_BEFORE", (0,))
    return database


def test_it_runs_its_days_and_ends_with_three_addresses_that_exist(database, tmp_path):
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 0, done.output
    last = last_full_day()
    assert rows_of(database, "SELECT partition_date FROM fit_history") == [(last,)]
    assert rows_of(database, "SELECT min(completed_at::date) FROM attempt") == [
        (last - timedelta(days=demo.N_DAYS - 1),)
    ]
    addresses = re.findall(r"http://localhost:(\d+)/(\S+)", done.stdout)
    assert [port for port, _ in addresses] == ["3000", "3001", "3000"]
    graph, report, check = (path for _, path in addresses)
    assert graph.split("/")[-2] == "psychometrics"
    assert (tmp_path / ".seedtest/lake/reports" / report).is_file()
    assert check == "assets/mirt_item_params?view=checks&checkDetail=anchor_drift"
    assert f"{last} ERROR anchor_drift" in done.stdout
    assert done.stderr.splitlines()[0] == "starting the embedded PostgreSQL"
    assert f"{last}: calibrate" in done.stderr.splitlines()
