"""`seedtest compare` in shadow and `seedtest publish` after switching, on a platform that the old job filled."""

from datetime import timedelta

import dagster as dg
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.cli.run_days import run_day
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.lake import Lake
from seedtest_assets_tests.conftest import ROOT, execute, new_database, rows_of
from seedtest_assets_tests.school import silent
from seedtest_assets_tests.takeover.platform import DAY, contents, make_platform

pytestmark = pytest.mark.usefixtures("undrawn", "without_pictures")

BEFORE = DAY - timedelta(days=1)


@pytest.fixture(scope="module")
def shadowed(template, tmp_path_factory):
    """Two nights in shadow; gives the database, the project's folder, and what compare printed between them."""
    database = new_database(template, like="template0")
    make_platform(database, "B", "attempt")
    old_results = contents(database)
    folder = tmp_path_factory.mktemp("project")
    for name in ("dagster.yaml", "workspace.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        _environment(patch, database, folder)
        patch.setenv("SEEDTEST_PUBLISH", "false")
        assert run_day(instance, BEFORE, silent).failure is None
        first = seedtest("compare")
        assert run_day(instance, DAY, silent).failure is None
    assert contents(database) == old_results
    return database, folder, first


@pytest.fixture
def environment(shadowed, monkeypatch):
    """The deployment of those nights; gives the database."""
    database, folder, _ = shadowed
    _environment(monkeypatch, database, folder)
    return database


def _environment(patch, database, folder) -> None:
    patch.chdir(folder)
    patch.setenv("DATABASE_URL", database.url)
    patch.setenv("SEEDTEST_LAKE", str(folder / "lake"))
    patch.setenv("MIRT_LOOKBACK_DAYS", "10")


def seedtest(*arguments, code=0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def page_of(day) -> str:
    lake = Lake(load_settings().seedtest_lake)
    return lake.filesystem.cat_file(f"{lake.root}/reports/date={day}/comparison.html").decode()


def test_a_day_is_compared_at_once_and_its_prediction_when_the_next_day_is_there(shadowed, environment):
    _, _, first = shadowed
    assert f"results of {BEFORE}" in first
    assert "no answers yet that both can predict" in first
    execute(environment, "UPDATE mirt_item_params SET params = params || '{\"b\": 9}' WHERE item_id = '1'")
    again = seedtest("compare")
    assert f"results of {BEFORE}" in again
    assert f"answers of {DAY}: publishing job" in again
    assert f"results of {DAY}" in again
    assert "<td>9.000</td>" in page_of(DAY)
    assert "<td>9.000</td>" not in page_of(BEFORE), "what was published while the day was the newest is compared"


def test_shadow_publishes_nothing(environment):
    assert rows_of(environment, "SELECT count(*) FROM publication") == [(0,)]
    assert rows_of(environment, "SELECT count(*) FROM fit_history") == [(2,)]


def test_publishing_a_day_pins_it_and_newest_unpins(environment):
    assert f"published {BEFORE} and pinned it" in seedtest(
        "publish", "--date", str(BEFORE), "--reason", "the new one is odd"
    )
    assert rows_of(environment, "SELECT published_by <> '', reason FROM publication WHERE action = 'pin' LIMIT 1") == [
        (True, "the new one is odd")
    ]
    doctor = seedtest("doctor")
    assert f"yellow publishing pinned to {BEFORE}: the new one is odd" in doctor
    assert "Compare before switching" in seedtest("compare", code=1)
    assert "unpinned" in seedtest("publish", "--newest")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say which day"),
        (("--newest", "--date", "2025-03-09"), "say which day"),
        (("--date", "2020-01-01"), "history has no accepted calibration of 2020-01-01"),
    ],
)
def test_a_day_that_cannot_be_published_is_one_line(environment, arguments, message):
    assert message in seedtest("publish", *arguments, code=1)


def test_in_shadow_nothing_is_published_by_hand(environment, monkeypatch):
    monkeypatch.setenv("SEEDTEST_PUBLISH", "false")
    assert "SEEDTEST_PUBLISH=false" in seedtest("publish", "--newest", code=1)
