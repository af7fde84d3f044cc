"""An item whose discrimination cannot be told from 0, or is negative, is marked wherever its parameters go."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.cli.app import app
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.irt.remarks import REVERSED, UNDETERMINED
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.history import fitted_items
from seedtest_assets.storage.publishing import write_calibration
from seedtest_assets_tests.storage.nights import DAY, PUBLISHING, at

ITEMS = [f"q{n}" for n in range(8)]
EXPECTED = {"q0": REVERSED, "q1": UNDETERMINED}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with answers to eight items: the key of q0 is reversed, q1 is answered by chance and mostly right."""
    monkeypatch.chdir(tmp_path)
    truth = irt.ItemParameters(np.arange(8), [-1.5, 1e-9, *[1.3] * 6], [0.0, -2e9, *np.linspace(-1, 1, 6)], np.zeros(8))
    answers = irt.simulate(np.random.default_rng(1).normal(size=600), truth, seed=2)
    pd.DataFrame(answers.astype(int), columns=ITEMS).rename_axis("user_id").to_csv("log.csv")
    return tmp_path


def test_the_files_and_the_screen_show_it(folder):
    done = CliRunner().invoke(app, ["calibrate", "log.csv", "--out", "out"])
    assert done.exit_code == 0, done.output
    items = pd.read_csv(folder / "out" / "item_params.csv", keep_default_na=False).set_index("item_id")["flag"]
    assert items[items != ""].to_dict() == EXPECTED
    facts = json.loads((folder / "out" / "fit_meta.json").read_text())
    assert {row["item_id"]: row["flag"] for row in facts["flagged"]} == EXPECTED
    screen = " ".join(done.output.split())
    for item, flag in EXPECTED.items():
        assert f"{item}: {flag}" in screen


def test_history_keeps_it(folder, database):
    answers = answers_to_calibrate(read_answer_file("log.csv", needs_time=False).answers)
    result = InProcessEngine().calibrate(CalibrationRequest(answers))
    write_calibration(database, DAY, result, run_id="1", fitted_at=at(DAY), publishing=PUBLISHING)
    items = fitted_items(database, DAY).set_index("item_id")["flag"]
    assert items[items != ""].to_dict() == EXPECTED
