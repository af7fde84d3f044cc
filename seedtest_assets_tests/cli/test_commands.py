"""The command line as a user meets it: in this process where only its words count, else as processes of its own."""

import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.storage.lake import Lake
from seedtest_assets_tests.conftest import NO_REAL_LOG, ROOT, SHARED
from seedtest_assets_tests.irt.reference import answers_of, result_of

SEEDTEST = Path(sys.executable).with_name("seedtest")
PROJECT_FILES = "dagster.yaml", "workspace.yaml"
REAL_LOG = SHARED / "data" / "lkt_cloze_attempts.parquet"


def seedtest(*arguments, cwd, **environment) -> subprocess.CompletedProcess:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "SEEDTEST_", "MIRT_"))
    }
    return subprocess.run(
        [SEEDTEST, *map(str, arguments)], cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=500
    )


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run a command in this process and in tmp_path; what it sets in the environment goes with the test."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ):
        yield lambda *arguments, **environment: CliRunner().invoke(app, list(map(str, arguments)), env=environment)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the project's two Dagster files and an embedded server of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, folder)
    yield folder
    seedtest("down", cwd=folder)


def long_log(n_persons=300, n_items=8) -> pd.DataFrame:
    random = np.random.default_rng(11)
    theta, difficulty = random.normal(size=(n_persons, 1)), np.linspace(-1.5, 1.5, n_items)
    right = random.random((n_persons, n_items)) < 1 / (1 + np.exp(-1.2 * (theta - difficulty)))
    person, item = np.divmod(np.arange(right.size), n_items)
    return pd.DataFrame(
        {
            "user_id": [f"u{p}" for p in person],
            "item_id": [f"i{j}" for j in item],
            "is_correct": right.ravel().astype(int),
        }
    )


def test_calibrate_writes_the_three_files_from_a_long_or_a_wide_file(invoke, tmp_path):
    log = long_log()
    log.to_csv(tmp_path / "long.csv", index=False)
    wide = log.pivot(index="user_id", columns="item_id", values="is_correct")
    wide.to_csv(tmp_path / "wide.csv")
    for kind in ("long", "wide"):
        done = invoke("calibrate", f"{kind}.csv", "--out", kind)
        assert done.exit_code == 0, done.stderr
        assert "logLik" in done.stdout
    long, wide = (pd.read_csv(tmp_path / kind / "item_params.csv").sort_values("item_id") for kind in ("long", "wide"))
    columns = ["item_id", "model", "a", "b", "c", "se_a", "se_b", "se_c", "n_responses", "flag"]
    assert long.columns.tolist() == columns
    pd.testing.assert_frame_equal(long.reset_index(drop=True), wide.reset_index(drop=True), rtol=1e-6)
    abilities = pd.read_csv(tmp_path / "long" / "abilities.csv")
    assert abilities.columns.tolist() == ["user_id", "theta", "se", "n_responses"]
    assert len(abilities) == 300
    facts = json.loads((tmp_path / "long" / "fit_meta.json").read_text())
    assert facts["metrics"]["converged"] is True


def test_calibrate_links_to_anchors(invoke, tmp_path):
    long_log().to_csv(tmp_path / "log.csv", index=False)
    invoke("calibrate", "log.csv", "--out", "first")
    anchors = pd.read_csv(tmp_path / "first" / "item_params.csv")[["item_id", "a", "b"]].head(5)
    anchors.assign(b=anchors["b"] + 0.3).to_csv(tmp_path / "anchors.csv", index=False)
    done = invoke("calibrate", "log.csv", "--anchors", "anchors.csv", "--out", "linked")
    assert "theta_bank = 1.0000 theta + 0.3000" in done.stdout


def test_calibrate_takes_priors(invoke, tmp_path):
    log = long_log()
    log.loc[log["item_id"] == "i0", "is_correct"] = 1
    log.to_csv(tmp_path / "log.csv", index=False)
    done = invoke("calibrate", "log.csv", "--prior-a", "0,0.5", "--prior-b", "0,2", "--out", "out")
    assert done.exit_code == 0, done.stderr
    facts = json.loads((tmp_path / "out" / "fit_meta.json").read_text())
    assert facts["model_spec"]["priors"] == {"prior_a": [0, 0.5], "prior_b": [0, 2]}
    assert facts["left_out"] == []


def test_calibrate_agrees_with_mirt_on_the_sat12_with_blanks(invoke, tmp_path):
    answers = pd.DataFrame(answers_of("SAT12missing")).astype("Int64")
    answers.rename_axis("user_id").rename(columns="item {}".format).to_csv(tmp_path / "sat12.csv")
    done = invoke("calibrate", "sat12.csv", "--out", "out")
    assert done.exit_code == 0, done.stderr
    facts = json.loads((tmp_path / "out" / "fit_meta.json").read_text())
    assert facts["metrics"]["loglik"] == pytest.approx(result_of("SAT12missing_2PL")["loglik"], abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "none.csv"], "none.csv cannot be read"),
        (["calibrate", "log.csv", "--model", "4PL"], "4PL"),
        (["calibrate", "log.csv", "--linking", "guess"], "guess"),
        (["calibrate", "log.csv", "--prior-a", "0"], "a prior is a mean and an SD, such as 0,0.5, not '0'"),
        (["calibrate", "log.csv", "--fixed-c", "0.2"], "fixed_c needs model 3PL, but the model is 2PL"),
        (["calibrate", "log.csv", "--anchors", "log.csv"], "log.csv has no column a, b"),
        (["calibrate", "bad.csv"], "the mark perhaps is neither correct nor incorrect (1 row: 2)"),
        (["status"], "no dagster.yaml and workspace.yaml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(invoke, tmp_path, arguments, message):
    long_log().to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "bad.csv").write_text("user_id,item_id,is_correct\nu1,i1,1\nu1,i2,perhaps\n")
    done = invoke(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "calibration").exists()


@pytest.mark.parametrize("command", ["run", "dev"])
def test_a_bad_setting_is_reported_before_anything_starts(invoke, tmp_path, command):
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, tmp_path)
    done = invoke(command, MIRT_MODEL="5PL")
    assert done.exit_code == 1
    assert not (tmp_path / ".seedtest" / "postgres").exists()
    assert done.stderr.strip() == "error: MIRT_MODEL='5PL' is not allowed: Input should be 'Rasch', '2PL' or '3PL'"


def test_other_users_may_not_open_the_project_with_its_databases_elsewhere(invoke, tmp_path):
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, tmp_path)
    folder = tmp_path / ".seedtest"
    folder.mkdir()
    folder.chmod(0o755)  # as Dagster makes it, which writes the output of runs there
    done = invoke("env", DAGSTER_POSTGRES_URL="postgresql://db.example/dagster")
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_project_that_cannot_be_written_to_is_one_line(invoke, tmp_path):
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".seedtest").write_text("no folder")
    done = invoke("env", DAGSTER_POSTGRES_URL="postgresql://db.example/dagster")
    assert done.exit_code == 1
    advice = f"Run this as a user who may write to {tmp_path}"
    assert done.stderr.strip() == f"error: {tmp_path / '.seedtest'} cannot be used: File exists. {advice}"


@pytest.fixture
def invoke_in_project(invoke, project, monkeypatch):
    """The same in the folder of the project, as a user who has set nothing for the tests."""
    monkeypatch.chdir(project)
    for name in [name for name in os.environ if name.startswith(("DAGSTER_", "SEEDTEST_", "MIRT_"))]:
        monkeypatch.delenv(name)
    return invoke


def test_an_old_name_of_a_variable_is_reported_by_run_and_status(invoke_in_project):
    done = invoke_in_project("status", IRT_MODEL="1PL")
    assert done.exit_code == 0, done.stderr
    line = "IRT_MODEL is an old name of MIRT_MODEL. Its value 1PL is used. Set MIRT_MODEL instead"
    assert line in " ".join(done.stdout.split())
    done = invoke_in_project("run", "--date", "1999-01-01", IRT_MODEL="1PL")
    assert line in done.stdout
    assert done.exit_code == 1


def test_a_database_that_does_not_answer_is_told_at_once(invoke_in_project):
    done = invoke_in_project("run", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none")
    assert done.exit_code == 1
    assert "is out of reach" in done.stderr
    assert "secret" not in done.stderr


def test_dagsters_own_commands_work_with_the_environment_that_env_prints(project):
    script = f'eval "$({SEEDTEST} env)" && {SEEDTEST.with_name("dagster")} definitions validate'
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr


@pytest.mark.skipif(not REAL_LOG.exists(), reason=NO_REAL_LOG)
def test_the_main_job_on_real_answers(project):
    """The last days of 55,122 real answers into an empty database: every table, every day."""
    real = {"SEEDTEST_START_DATE": "2015-10-01"}
    done = seedtest("import", REAL_LOG, cwd=project, **real)
    assert "55,122 rows, 2015-10-22 to 2015-12-07: 55,122 new, 0 bad" in done.stdout
    done = seedtest("run", "--date", "2015-12-07", "--days", "2", cwd=project, **real)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "; items: " in line] == [
        "2015-12-06",
        "2015-12-07",
    ]
    shown = seedtest("status", cwd=project, **real).stdout
    status = dict(line.strip().split("  ", 1) for line in shown.splitlines() if "  " in line.strip())
    log = pd.read_parquet(REAL_LOG)
    days = log["completed_at"].dt.date.astype(str)
    active = log[days == "2015-12-07"].drop_duplicates(["student_id", "topic_id"])
    assert status["mirt_item_params"].strip() == "newest partition 2015-12-07, 72 rows"
    assert status["mirt_fit_meta"].strip() == "newest partition 2015-12-07, 1 rows"
    assert status["features_topic_daily"].strip().endswith(f", {len(active):,} rows")


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (["--help"], 0, "Usage: seedtest"),
        (["calibrate", "no.csv"], 1, "error: no.csv"),
        (["calibrat"], 2, "No such command"),
    ],
)
def test_a_process_that_ends_gives_its_code_and_all_of_its_output_and_does_what_was_left_for_the_end(
    tmp_path, arguments, code, output
):
    script = (
        "import atexit, sys, threading\n"
        "from seedtest_assets.cli.app import main\n"
        "atexit.register(lambda: sys.stdout.write('left for the end'))\n"
        "def work():\n"
        "    threading.main_thread().join()\n"
        "    sys.stdout.write('a thread, ')\n"
        "threading.Thread(target=work).start()\n"
        f"sys.argv = ['seedtest', *{arguments}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == code
    assert output in " ".join((done.stdout + done.stderr).split())
    assert done.stdout.endswith("a thread, left for the end")


@pytest.mark.parametrize(
    ("output", "code", "error"),
    [
        ("| true; exit ${PIPESTATUS[0]}", 0, ""),
        (">&-", 0, ""),
        ("> /dev/full", 1, "error: the output cannot be written: No space left on device\n"),
    ],
)
def test_a_process_whose_output_nobody_takes_says_so_where_it_matters(tmp_path, output, code, error):
    script = "from seedtest_assets.cli import app; print(1); app.app = lambda: exit(0); app.main()"
    command = f"{sys.executable} -c '{script}' {output}"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=buffered, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stderr) == (code, error)


def test_a_process_ends_without_taking_apart_what_it_loaded(tmp_path):
    script = (
        "import sys\n"
        "from seedtest_assets.cli.app import main\n"
        "class Loaded:\n"
        "    def __del__(self):\n"
        "        print('taken apart')\n"
        "sys.loaded = Loaded()\n"
        "sys.argv = ['seedtest', '--help']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert (done.returncode, "taken apart" in done.stdout) == (0, False)


def test_status_loads_neither_dagster_nor_pandas_nor_the_numerics(project):
    """An operator asks often; loading them would be most of the wait."""
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from seedtest_assets.cli.app import app\n"
        "result = CliRunner().invoke(app, ['status'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(sorted({'dagster', 'pandas', 'pyarrow', 'numba', 'scipy'} & set(sys.modules)))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "SEEDTEST_"))}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=environment, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.fixture
def lake_with_reports(tmp_path):
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, tmp_path)
    lake = Lake(str(tmp_path / ".seedtest/lake"))
    for day in (date(2025, 3, 8), date(2025, 3, 9)):
        lake.write_report(day, "<!doctype html>")
    lake.write_report(date(2025, 3, 10), "<!doctype html>", "comparison")
    return lake


def test_report_prints_the_path_of_the_newest_or_of_a_chosen_day(invoke, lake_with_reports):
    assert invoke("report").stdout.strip() == lake_with_reports.report_path(date(2025, 3, 9))
    assert invoke("report", "--date", "2025-03-08").stdout.strip() == lake_with_reports.report_path(date(2025, 3, 8))


def test_report_opens_a_browser_where_it_is_asked_to(invoke, lake_with_reports, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    invoke("report")  # whose output is no terminal
    assert not opened
    invoke("report", "--open")
    assert opened == [Path(lake_with_reports.report_path(date(2025, 3, 9))).as_uri()]


def test_report_of_a_day_without_one_says_which_there_are(invoke, lake_with_reports):
    done = invoke("report", "--date", "2025-03-10")
    assert (done.exit_code, done.stderr.strip()) == (
        1,
        "error: 2025-03-10 has no report. There are 2, from 2025-03-08 to 2025-03-09",
    )
