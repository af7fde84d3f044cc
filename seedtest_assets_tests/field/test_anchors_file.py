"""Anchors that cannot be used, and those that match no item, are named and never ignored."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.cli.app import app
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.storage.answer_files import read_answer_file

ITEMS = [f"Q{number:02d}" for number in range(1, 9)]
DIFFICULTY = np.linspace(-1.5, 1.5, len(ITEMS))
UNMATCHED = "none of the 2 anchors has an answer. Anchors: '0.0', '1.0'. Items with answers: 'Q01', 'Q02', 'Q03', 'Q04', 'Q05', …"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a wide file of answers, wide.csv."""
    monkeypatch.chdir(tmp_path)
    truth = irt.ItemParameters(np.arange(len(ITEMS)), np.ones(len(ITEMS)), DIFFICULTY, np.zeros(len(ITEMS)))
    answers = irt.simulate(np.random.default_rng(3).normal(size=300), truth, seed=4)
    pd.DataFrame(answers.astype(int), columns=ITEMS).rename_axis("user_id").to_csv("wide.csv")
    return tmp_path


def calibrate(anchors: str, *options: str):
    with open("anchors.csv", "w", encoding="utf-8") as file:
        file.write(anchors)
    return CliRunner().invoke(app, ["calibrate", "wide.csv", "--anchors", "anchors.csv", "--out", "out", *options])


def test_a_decimal_comma_is_named_with_the_value(folder):
    done = calibrate("item_id;a;b\nQ01;1,311;-1,5\n")
    assert (done.exit_code, "row 1, Q01 (a is not a number: 1,311)" in done.stderr) == (1, True)


def test_anchors_that_do_not_determine_the_scale_are_refused(folder):
    rows = "".join(f"{item},1,{500 + 100 * b}\n" for item, b in zip(ITEMS, DIFFICULTY, strict=True))
    done = calibrate("item_id,a,b\n" + rows)  # b on a scale of 500 and 100, a on that of the logistic
    assert done.exit_code == 1
    assert "the anchors of anchors.csv do not determine the scale, and nothing was written: A = " in done.stderr
    assert not (folder / "out").exists()


def test_anchors_that_match_no_item_stop_the_calibration(folder):
    done = calibrate("item_id,a,b\n0.0,1,-1\n1.0,1,1\n")
    assert done.exit_code == 1
    assert f"nothing was written: {UNMATCHED}" in done.stderr
    assert not (folder / "out").exists()


def test_without_linking_they_do_not(folder):
    assert calibrate("item_id,a,b\n0.0,1,-1\n1.0,1,1\n", "--linking", "none").exit_code == 0


def test_one_anchor_cannot_be_linked_to(folder):
    done = calibrate("item_id,a,b\nQ01,1,-1\nQ99,1,1\n")
    assert (done.exit_code, "2 are needed to link" in done.stderr) == (1, True)


def test_several_reasons_read_as_a_list(folder):
    done = calibrate("item_id,model,a,b_1,b_2\nQ01,GRM,1,-1,1\nQ02,GRM,1,-1,1\n")
    assert (done.exit_code, "or untag them; not linked to the bank's scale: " in done.stderr) == (1, True)


def test_every_engine_warns_of_anchors_without_answers(folder):
    answers = answers_to_calibrate(read_answer_file("wide.csv", needs_time=False).answers)
    anchors = pd.DataFrame({"item_id": ["0.0", "1.0"], "a": 1.0, "b": [-1.0, 1.0], "c": 0.0})
    result = InProcessEngine().calibrate(CalibrationRequest(answers, anchors=anchors))
    assert any(UNMATCHED in warning for warning in result.warnings)


def test_ids_of_anchors_are_trimmed(folder):
    assert calibrate("item_id,a,b\n Q01 ,1,-1.5\nQ08,1,1.5\n").exit_code == 0


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ("item_id,a,b\nQ01,1,0\nQ01,1,1\n", "row 2, Q01 (the item has a row already)"),
        ("item_id,a,b,c\nQ01,1,0,1.0\n", "row 1, Q01 (c is not from 0 to below 1)"),
        ("item_id,a,b\nQ01,inf,0\n", "row 1, Q01 (a is not between -100 and 100)"),
        ("item_id,a,b\n ,1,0\n", "row 1 (item_id is missing)"),
        ("item_id,a,b,c\nQ01,1,0,-1,5,0,0\n", "row 1 (7 cells where the header has 4)"),
        ("", "anchors.csv is empty"),
    ],
)
def test_an_anchor_that_cannot_be_used_is_named(folder, anchors, message):
    done = calibrate(anchors)
    assert (done.exit_code, message in done.stderr) == (1, True), done.stderr


def test_a_wide_file_without_items_is_named(folder):
    (folder / "wide.csv").write_text("user_id\nu1\n", encoding="utf-8")
    done = calibrate("item_id,a,b\nQ01,1,0\n")
    assert "wide.csv has no column of an item. It has only user_id" in done.stderr
