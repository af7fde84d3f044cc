"""`seedtest dif`: which groups it compares, what it writes, and how it refuses files that it cannot use."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets import irt
from seedtest_assets.cli.app import app
from seedtest_assets_tests.irt.reference import answers_of, result_of

ITEMS = [f"q{n}" for n in range(12, 0, -1)]
HARDER = "q5"
"""The item that is harder for the students of the south."""


@pytest.fixture
def wide(tmp_path, monkeypatch):
    """Make a wide table of 500 students of the north, 400 of the south and 10 without a group."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    region = np.array(["north"] * 500 + ["south"] * 400 + [None] * 10, dtype=object)
    theta = rng.normal(np.where(region == "south", -0.4, 0.0))
    items = irt.ItemParameters(np.arange(12), np.full(12, 1.3), np.linspace(-1.5, 1.5, 12), np.zeros(12))
    shift = np.outer(region == "south", np.array(ITEMS) == HARDER)
    chance = irt.probability(theta, items).T
    harder = irt.probability(theta - 0.9, items).T
    marks = (rng.random(chance.shape) < np.where(shift, harder, chance)).astype(int)
    table = pd.DataFrame(marks, columns=ITEMS)
    table.insert(0, "student_id", [f"s{n}" for n in range(len(table))])
    table.insert(3, "region", region)
    return table


def dif(*arguments):
    return CliRunner().invoke(app, ["dif", *arguments])


def one_line(done):
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    return " ".join(done.stderr.split())


def test_a_wide_file_is_compared_by_the_column_and_the_harder_item_flagged(wide):
    wide.to_csv("wide.csv", index=False)
    done = dif("wide.csv", "--group", "Region", "--out", "out")
    assert done.exit_code == 0, done.output
    table = pd.read_csv("out/dif.csv")
    assert table.columns[:9].tolist() == [
        *["item_id", "mh_delta", "mh_class", "lr_x2", "df", "p", "signed_area", "unsigned_area", "flag"]
    ]
    assert table["item_id"].tolist() == ITEMS
    assert table.loc[table["flag"] != "A", "item_id"].tolist() == [HARDER]
    assert (table["group"] == "south").all()
    shown = " ".join(done.stdout.split())
    assert "reference north, 500 students" in shown
    assert "focal south, 400 students" in shown
    assert "no group 10 students left out" in shown
    assert HARDER in shown.split("harder for")[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_file_gives_what_the_wide_one_gives(wide, kind):
    wide.to_csv("wide.csv", index=False)
    long = wide.melt(["student_id", "region"], var_name="item_id", value_name="correct")
    long.to_csv("long.csv", index=False) if kind == "csv" else long.to_parquet("long.parquet")
    assert dif("wide.csv", "--group", "region", "--out", "wide").exit_code == 0
    assert dif(f"long.{kind}", "--group", "region", "--out", "long").exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv("wide/dif.csv"), pd.read_csv("long/dif.csv"), rtol=1e-6)


def test_a_wide_parquet_file_may_have_its_group_as_text(wide):
    wide.to_parquet("wide.parquet")
    assert dif("wide.parquet", "--group", "region").exit_code == 0
    assert pd.read_csv("dif/dif.csv")["item_id"].tolist() == ITEMS


def test_each_of_several_groups_is_compared_with_the_reference(wide):
    wide.loc[100:300, "region"] = "west"
    wide.loc[0:9, "region"] = "east"
    wide.to_csv("wide.csv", index=False)
    done = dif("wide.csv", "--group", "region", "--reference", "north")
    assert done.exit_code == 0, done.output
    table = pd.read_csv("dif/dif.csv")
    assert table.groupby("group", sort=False)["item_id"].count().to_dict() == {"south": 12, "west": 12}
    assert "not compared east, 10 students: no item can be studied" in " ".join(done.stdout.split())


def test_results_with_anchors_are_rs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = result_of("dif")
    matrix = answers_of("dif")
    table = pd.DataFrame(matrix.astype(int), columns=[f"I{n}" for n in range(20)])
    table.insert(0, "group_id", np.where(np.arange(len(table)) < result["n_reference"], "ref", "focal"))
    table.insert(0, "user_id", np.arange(len(table)))
    table.to_csv("answers.csv", index=False)
    pd.DataFrame({"item_id": [f"I{n}" for n in result["anchors"]]}).to_csv("anchors.csv", index=False)
    done = dif("answers.csv", "--anchors", "anchors.csv")
    assert done.exit_code == 0, done.output
    written = pd.read_csv("dif/dif.csv")
    np.testing.assert_allclose(written["lr_x2"], result["x2"], atol=1e-3)
    np.testing.assert_allclose(written["p"], result["p"], atol=1e-3)
    delta = np.array(result["mantel_haenszel"]["rest_score"]["delta"])[result["tested"]]
    np.testing.assert_allclose(written["mh_delta"], delta, atol=1e-6)


def test_a_column_of_a_wide_file_that_is_no_item_may_be_taken_out(wide):
    wide.assign(teacher="Kim").to_csv("wide.csv", index=False)
    error = one_line(dif("wide.csv", "--group", "region"))
    assert "the mark Kim is neither correct nor incorrect" in error
    assert "Correct them, take out columns that are no items, or add --skip-bad" in error


def test_a_student_of_several_groups_is_counted_once_and_refused_by_name(wide):
    again, third = wide.iloc[[7]].assign(region="south"), wide.iloc[[7]].assign(region="east")
    pd.concat([wide, again, third]).to_csv("wide.csv", index=False)
    error = one_line(dif("wide.csv", "--group", "region"))
    assert "1 student of more than one group: s7 (north and south)" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--group", "school"], "has no column school. It has"),
        (["--group", "region", "--reference", "west"], "of the group west. The groups are: north (500), south (400)"),
        (["--group", "region", "--anchors", "anchors.csv"], "none of the 1 anchor of anchors.csv has an answer"),
        (["--group", "region", "--model", "4PL"], "model '4PL' is not one of Rasch, 2PL, 3PL"),
        (["--group", "everyone"], "two groups of students with answers are needed. There are: all (910)"),
        (["--group", "name"], "there are 910 groups, and at most 20 are compared"),
    ],
)
def test_what_cannot_be_compared_is_one_line(wide, arguments, message):
    wide["everyone"], wide["name"] = "all", wide["student_id"]
    columns = ["student_id", *[name for name in ("region", "everyone", "name") if name in arguments], *ITEMS]
    wide[columns].to_csv("wide.csv", index=False)
    pd.DataFrame({"item_id": ["other"]}).to_csv("anchors.csv", index=False)
    assert message in one_line(dif("wide.csv", *arguments))


def test_a_wide_file_with_group_id_is_calibrated_without_it(wide):
    wide.rename(columns={"region": "group_id"}).to_csv("wide.csv", index=False)
    assert dif("wide.csv").exit_code == 0
    done = CliRunner().invoke(app, ["calibrate", "wide.csv"])
    assert done.exit_code == 0, done.output
    assert "the column group_id is not read as an item" in " ".join(done.stdout.split())
    assert pd.read_csv("calibration/item_params.csv")["item_id"].tolist() == ITEMS


def test_items_with_partial_credit_are_named_and_the_others_are_as_without_them(wide):
    wide.to_csv("plain.csv", index=False)
    assert dif("plain.csv", "--group", "region", "--out", "plain").exit_code == 0
    rng = np.random.default_rng(5)
    long = wide.melt(["student_id", "region"], var_name="item_id", value_name="score")
    essay, speech = (
        long.iloc[: len(wide)].assign(item_id=item, score=rng.choice(scores, len(wide)), max_score=2.0)
        for item, scores in (("essay", [0, 1, 2]), ("speech", [0.137, 0.951, 2.0]))
    )
    pd.concat([long.assign(max_score=1.0), essay, speech]).to_csv("long.csv", index=False)
    done = dif("long.csv", "--group", "region", "--out", "long")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.split())
    assert "south: items not studied (1), with partial credit: essay" in shown
    assert "south: items not studied (1), with scores that are no categories: speech" in shown
    pd.testing.assert_frame_equal(pd.read_csv("plain/dif.csv"), pd.read_csv("long/dif.csv"), rtol=1e-6)
