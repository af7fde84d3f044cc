"""`seedtest calibrate`: what it writes, in which order, and how it ends."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets import irt
from seedtest_assets.cli.app import app

ITEMS = ["q10", "q2", "q1", "q9"]


@pytest.fixture
def calibrate(tmp_path, monkeypatch):
    """Run the command on 200 persons p200, …, p1 and ITEMS; the person p7 has no answers."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(4)
    marks = random.normal(size=(200, 1)) + random.logistic(size=(200, len(ITEMS))) > 0
    persons = pd.Index([f"p{n}" for n in range(200, 0, -1)], name="user_id")
    table = pd.DataFrame(marks.astype(int), persons, ITEMS).astype(object)
    table.loc["p7"] = ""
    table.to_csv("wide.csv")
    return lambda *arguments: CliRunner().invoke(app, ["calibrate", "wide.csv", "--out", "out", *arguments])


def test_items_and_persons_are_in_the_order_of_the_file(calibrate):
    assert calibrate("--model", "Rasch").exit_code == 0
    assert pd.read_csv("out/item_params.csv")["item_id"].tolist() == ITEMS
    assert pd.read_csv("out/abilities.csv")["user_id"].tolist() == [f"p{n}" for n in range(200, 0, -1)]


@pytest.mark.parametrize("name", ["1PL", "rasch", "1pl"])
def test_models_have_the_names_that_the_setting_has(calibrate, name):
    assert calibrate("--model", name).exit_code == 0
    with open("out/fit_meta.json", encoding="utf-8") as file:
        assert json.load(file)["model_spec"]["model"] == "Rasch"


def test_a_calibration_that_does_not_converge_writes_its_files_and_ends_with_1(calibrate):
    done = calibrate("--max-iterations", "2")
    assert done.exit_code == 1
    assert "the calibration did not converge. The files in out hold its last step" in done.stderr
    assert "not converged to 0.0001 in 2 iterations" in " ".join(done.stdout.split())
    with open("out/fit_meta.json", encoding="utf-8") as file:
        assert json.load(file)["metrics"]["converged"] is False


def test_answers_not_reached_are_ignored_in_the_calibration_and_wrong_in_abilities(calibrate):
    table = pd.read_csv("wide.csv", index_col="user_id")
    table.iloc[::5, -1] = 8  # every fifth person did not reach q9, but p7, who has no answers, did
    table.loc["p7"] = np.nan
    table.to_csv("wide.csv")
    assert calibrate("--model", "Rasch", "--not-reached", "8=ignored").exit_code == 0
    ignored = pd.read_csv("out/item_params.csv"), pd.read_csv("out/abilities.csv", index_col="user_id")
    done = calibrate("--model", "Rasch", "--not-reached", "8=ignored-then-wrong")
    assert done.exit_code == 0, done.output
    assert "in abilities 40 answers more, as wrong" in " ".join(done.stdout.split())
    with open("out/fit_meta.json", encoding="utf-8") as file:
        assert json.load(file)["file"]["wrong_in_abilities"] == 40
    items, abilities = pd.read_csv("out/item_params.csv"), pd.read_csv("out/abilities.csv", index_col="user_id")
    pd.testing.assert_frame_equal(items, ignored[0])
    reached = table["q9"] != 8
    np.testing.assert_allclose(abilities[reached], ignored[1][reached], atol=1e-4)
    expected, _ = irt.expected_a_posteriori(
        irt.Responses.from_matrix(table.replace(8, 0)),
        irt.ItemParameters(np.arange(4), *(items[name].to_numpy() for name in "abc")),
    )
    np.testing.assert_allclose(abilities["theta"], expected, atol=1e-6)
    assert (abilities["theta"] < ignored[1]["theta"] - 0.1)[~reached].all()
    assert abilities["n_responses"].tolist() == [0 if person == "p7" else 4 for person in table.index]


def test_ids_with_quotes_and_commas_are_written_as_csv(calibrate):
    table = pd.read_csv("wide.csv").rename(columns={"q1": "q,1"}).replace({"user_id": {"p9": 'p "9"', "p8": "p,8"}})
    table.to_csv("wide.csv", index=False)
    assert calibrate("--model", "Rasch").exit_code == 0
    assert pd.read_csv("out/abilities.csv")["user_id"].tolist() == table["user_id"].tolist()
    assert pd.read_csv("out/item_params.csv")["item_id"].tolist() == table.columns[1:].tolist()
