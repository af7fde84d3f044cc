"""No secret is shown: a marked one is in every setting that may hold one, every outside system fails, and all that can be read is searched."""

import logging
import traceback

import dagster as dg
import pandas as pd
import pytest
from dagster_shared.serdes import serialize_value
from typer.testing import CliRunner

from seedtest_assets.alerting.sensors import incident_sensor
from seedtest_assets.assets.observations import observations
from seedtest_assets.cli.app import app
from seedtest_assets.errors import SettingsError, TransientError
from seedtest_assets.resources import resources_from
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import platform_database
from seedtest_assets_tests.alerting.test_sensors import tick
from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.school import LAST, run_night

MARK = "sEcReT"
DEAD = f"postgresql://me:{MARK}@127.0.0.1:1/none?sslpassword={MARK}"
FORMS = {
    "URL": DEAD,
    "query": f"postgresql://127.0.0.1:1/none?user=me&password={MARK}",
    "two @": f"postgresql://me:p@{MARK}@127.0.0.1:1/none",
    "slash": f"postgresql://me:1/{MARK}@127.0.0.1:1/none",
    "port": f"postgresql://me:{MARK}@127.0.0.1:{MARK}/none",
    "option": f"postgresql://me:{MARK}@127.0.0.1:1/none?nonsense={MARK}",
    "key=value": f"host=127.0.0.1 password={MARK}",
}
COMMANDS = (
    ["doctor"],
    ["status"],
    ["run"],
    ["alert", "list"],
    ["alert", "test"],
    ["alert", "check"],
    ["import", "answers.csv"],
    ["compare"],
    ["publish", "status"],
)


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A project whose every secret is marked and whose outside systems are not there."""
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    answers = {"student_id": ["s"], "item_id": ["i"], "correct": [1], "completed_at": ["2025-03-09T12:00:00Z"]}
    pd.DataFrame(answers).to_csv(tmp_path / "answers.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", DEAD)
    monkeypatch.setenv("R_IRT_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("R_IRT_INTERNAL_TOKEN", MARK)
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", f"json://me:{MARK}@127.0.0.1:1/{MARK}?token={MARK}")
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("form", FORMS)
def test_no_command_shows_one(form, monkeypatch, caplog):
    caplog.set_level(logging.INFO)  # that of the project: requests logs the addresses of webhooks at DEBUG
    monkeypatch.setenv("DATABASE_URL", FORMS[form])
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # Dagster tries its database several times
    for command in COMMANDS:
        done = CliRunner().invoke(app, command, env={"DAGSTER_POSTGRES_URL": FORMS[form]})
        assert done.exit_code != 0, command
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        assert MARK not in done.output
    assert MARK not in caplog.text


def test_no_run_and_no_tick_shows_one(marked, night, instance, monkeypatch):
    # The database of the night is there, then it is not; the service never is.
    with_database = run_night(instance)
    assert "the IRT service at http://127.0.0.1:1/irt/calibrate could not be reached" in str(with_database.failure)
    monkeypatch.setenv("DATABASE_URL", DEAD)
    resources = resources_from(load_settings())
    run = dg.materialize(
        [observations], partition_key=str(LAST), resources=resources, instance=instance, raise_on_error=False
    )
    assert "is out of reach" in run.failure_data_for_node("observations").error.to_string()
    with pytest.raises(TransientError) as raised:
        tick(incident_sensor, instance)
    for run in instance.get_runs():
        shown = serialize_value(run) + "".join(serialize_value(entry) for entry in instance.all_logs(run.run_id))
        assert MARK not in shown
    assert MARK not in "".join(traceback.format_exception(raised.value))
    assert MARK not in repr(load_settings())
    assert MARK not in str(resources)


@pytest.mark.parametrize("url", [form for name, form in FORMS.items() if name not in ("URL", "query")])
def test_an_unreadable_address_has_no_traceback_with_one(marked, monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError) as raised:
        _ = platform_database(load_settings()).address
    assert MARK not in "".join(traceback.format_exception(raised.value))
