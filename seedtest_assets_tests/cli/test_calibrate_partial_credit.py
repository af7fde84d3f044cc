"""`seedtest calibrate` of answers with partial credit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.cli.calibrate_file import FileRequest, calibrate_file, read_log, score_file
from seedtest_assets.errors import InputError
from seedtest_assets.storage.mark_rules import mark_rules
from seedtest_assets_tests.irt.test_partial_credit import THREE, drawn


@pytest.fixture
def matrix() -> pd.DataFrame:
    scores, _ = drawn(400, [*THREE, *THREE], ["GPCM"] * 6, seed=3, seen=0.9)
    return pd.DataFrame(scores, columns=[f"q{n}" for n in range(6)]).rename_axis("user_id")


@pytest.fixture
def wide(matrix, tmp_path):
    path = tmp_path / "wide.csv"
    matrix.to_csv(path, float_format="%g")
    return path


def long_file(matrix, tmp_path, **columns):
    long = matrix.reset_index().melt("user_id", var_name="item_id", value_name="score").dropna(subset="score")
    path = tmp_path / "long.csv"
    long.assign(**columns).to_csv(path, index=False)
    return path


def test_long_and_wide_files_give_the_same(matrix, wide, tmp_path):
    first, second = (calibrate_file(read_log(path)) for path in (wide, long_file(matrix, tmp_path)))
    pd.testing.assert_frame_equal(first.items(), second.items())
    assert first.items().columns.tolist() == [
        "item_id", "model", "a", "b", "c", "b_1", "b_2", "b_3", "se_a", "se_b", "se_c", "se_b_1", "se_b_2", "se_b_3", "n_responses", "flag",
    ]  # fmt: skip
    assert first.items()["model"].tolist() == ["GRM", "GRM", "2PL"] * 2
    assert first.items()["b_3"].isna().tolist() == [True, False, True] * 2


def test_models_of_single_items(wide, tmp_path):
    models = tmp_path / "models.csv"
    models.write_text("item_id,model\nq0,gpcm\nq1,PCM\nq2,GRM\n")
    calibration = calibrate_file(read_log(wide), FileRequest(polytomous_model="gpcm", item_models=models))
    assert calibration.items()["model"].tolist() == ["GPCM", "PCM", "2PL", "GPCM", "GPCM", "2PL"]
    line = "1 item has a model of partial credit that changes nothing, since nobody has a score above 1: q2"
    assert calibration.result.warnings.count(line) == 1


@pytest.mark.parametrize("known", [[], [0.25]])
def test_the_last_steps_may_have_no_standard_errors(wide, known):
    """As where one item alone has no information about them."""
    calibration = calibrate_file(read_log(wide))
    fitted = calibration.result.items
    errors = [known if steps else None for steps in fitted["steps"]]
    result = replace(calibration.result, items=fitted.assign(se_steps=pd.Series(errors, dtype=object)))
    items = replace(calibration, result=result).items()
    assert items["b_3"].notna().tolist() == [False, True, False] * 2
    assert items["se_b_1"].dropna().tolist() == known * 4
    assert items[["se_b_2", "se_b_3"]].isna().all(axis=None)


def test_the_command_counts_the_items_of_each_model(wide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.csv").write_text("item_id,model\nq1,PCM\n")
    done = CliRunner().invoke(app, ["calibrate", wide.name, "--item-models", "models.csv"])
    line = "2PL, GRM for 3 items with partial credit, PCM for 1 item with partial credit, 6 items"
    assert line in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item_id,kind\nq0,GRM\n", "has no column model"),
        ("item_id,model\nq0,NRM\n", r"q0 \(the model NRM is not one of GRM, GPCM, PCM\)"),
        ("item_id,model\nq9,GRM\n", r"q9 \(no answer names it\)"),
        ("item_id,model\nq0,GRM\nq0,GPCM\n", r"q0 \(the item has a row already\)"),
        ("item_id,model\n,GRM\nq0,\n", r"row 1 \(item_id is missing\).*q0 \(the model is missing is not one of"),
    ],
)
def test_models_that_cannot_be_used_are_named(wide, tmp_path, text, message):
    models = tmp_path / "models.csv"
    models.write_text(text)
    with pytest.raises(InputError, match=message):
        calibrate_file(read_log(wide), FileRequest(item_models=models))


def test_an_unknown_model_is_refused_with_the_list(wide):
    with pytest.raises(InputError, match="model 'NRM' of items with partial credit is not one of GRM, GPCM, PCM"):
        calibrate_file(read_log(wide), FileRequest(polytomous_model="NRM"))


def test_results_are_anchors_of_the_next_calibration(wide, tmp_path):
    first = calibrate_file(read_log(wide), FileRequest(polytomous_model="GPCM")).items()
    steps = [name for name in first if name.startswith("b_")]
    moved = first.assign(
        a=first["a"] / 1.25, b=1.25 * first["b"] + 0.4, **{name: 1.25 * first[name] + 0.4 for name in steps}
    )
    anchors = tmp_path / "anchors.csv"
    moved.to_csv(anchors, index=False)
    again = calibrate_file(read_log(wide), FileRequest(polytomous_model="GPCM", anchors=anchors))
    constants = again.result.model_spec["linking_constants"]
    assert constants["A"] == pytest.approx(1.25, abs=1e-3)
    assert constants["B"] == pytest.approx(0.4, abs=1e-3)
    np.testing.assert_allclose(again.items()[steps], moved[steps], atol=5e-3)


def test_anchors_with_steps_out_of_order_are_named(wide, tmp_path):
    anchors = tmp_path / "anchors.csv"
    anchors.write_text("item_id,model,a,b_1,b_2\nq0,GRM,1,0.5,0.2\nq1,,1,0.1,0.2\nq3,GRM,1,x,0.2\n")
    with pytest.raises(
        InputError, match=r"row 1, q0 \(thresholds of a GRM must ascend\).*row 2, q1 \(b_1 is given"
    ) as raised:
        calibrate_file(read_log(wide), FileRequest(anchors=anchors))
    assert "row 3, q3 (b_1 is not a number: x)" in str(raised.value)


def test_right_or_wrong_answers_have_the_columns_of_before_and_their_model(matrix, tmp_path):
    path = tmp_path / "marks.csv"
    matrix.clip(upper=1).to_csv(path, float_format="%g")
    items = calibrate_file(read_log(path), FileRequest(model="Rasch")).items()
    assert items.columns.tolist() == ["item_id", "model", "a", "b", "c", "se_a", "se_b", "se_c", "n_responses", "flag"]
    assert set(items["model"]) == {"Rasch"}


def test_parts_of_points_give_the_same_calibration_and_are_named(matrix, wide, tmp_path):
    parts = calibrate_file(read_log(long_file(matrix / 4, tmp_path)))
    pd.testing.assert_frame_equal(parts.items(), calibrate_file(read_log(wide)).items())
    assert parts.result.warnings[0].startswith(
        "the scores of 6 items are parts of points, which count as their steps: q0"
    )


@pytest.mark.slow
def test_scores_not_reached_are_ignored_in_the_calibration_and_0_in_abilities(matrix, tmp_path):
    scores = matrix.copy()
    scores.iloc[:40, 1] = 8
    path = long_file(scores, tmp_path)
    calibration = calibrate_file(read_log(path, rules=mark_rules(not_reached="8=ignored-then-wrong")))
    rules = mark_rules(not_reached="8=ignored-then-wrong").for_abilities
    scored = score_file(calibration, read_log(path, rules=rules))
    assert calibration.items()["n_responses"][1] == matrix["q1"][40:].notna().sum()
    before, after = (each.abilities().set_index("user_id")["theta"] for each in (calibration, scored))
    late = [str(person) for person in matrix.index[:40]]
    assert (after[late] < before[late]).all()


def test_a_0_in_abilities_that_nobody_had_in_the_calibration_is_left_out_and_named(matrix, tmp_path):
    scores = matrix.assign(q1=matrix["q1"].clip(lower=1))
    scores.iloc[:40, 1] = 8
    path = long_file(scores, tmp_path)
    rules = mark_rules(not_reached="8=ignored-then-wrong")
    calibration = calibrate_file(read_log(path, rules=rules))
    scored = score_file(calibration, read_log(path, rules=rules.for_abilities))
    assert (
        "40 answers with a score that nobody had in the calibration left out of the abilities: q1"
        in scored.result.warnings
    )
    pd.testing.assert_frame_equal(scored.abilities(), calibration.abilities(), atol=1e-6)


def test_an_item_that_everybody_gets_a_point_of_is_an_anchor_again(matrix, tmp_path):
    path = tmp_path / "wide.csv"
    matrix.assign(q1=matrix["q1"].clip(lower=1)).to_csv(path, float_format="%g")
    first = calibrate_file(read_log(path)).items()
    assert first["b_1"][1] == -np.inf
    anchors = tmp_path / "anchors.csv"
    first.to_csv(anchors, index=False)
    constants = calibrate_file(read_log(path), FileRequest(anchors=anchors)).result.model_spec["linking_constants"]
    assert constants["n_anchors_used"] == 6
    assert (constants["A"], constants["B"]) == pytest.approx((1, 0), abs=1e-4)


def test_a_score_that_is_no_number_is_a_bad_row(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("user_id,item_id,score\nu1,q,many\nu2,q,1\n")
    with pytest.raises(InputError, match=r"1 bad row: score is no number: many \(1 row: 1\)"):
        read_log(path)
