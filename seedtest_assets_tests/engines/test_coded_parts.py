"""A calibration request in parts of students gives what the whole table gives."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.coded_parts import code_here, code_in_shards, hold_part
from seedtest_assets.engines.coded_request import code_request
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.irt.shards import ShardsHere


def answers(seed: int = 3, *, scores: bool = False) -> pa.Table:
    """Answers of 90 students to 12 items, some twice, some without a usable id or a mark; with scores those to i3 in halves of a point."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "student_id": np.repeat([f"s{k}" for k in range(90)], 16),
            "item_id": [f"i{k}" for k in rng.integers(0, 12, 1440)],
        }
    )
    ability, difficulty = rng.normal(0, 1, 90), rng.normal(0, 1, 12)
    z = np.repeat(ability, 16) - difficulty[frame["item_id"].str[1:].astype(int)]
    frame["correct"] = (rng.random(1440) < 1 / (1 + np.exp(-1.5 * z))).astype(object)
    frame["answered_at"] = pd.Timestamp("2025-03-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 900, 1440), "s")
    if scores:
        of_item = (frame["item_id"] == "i3") & (rng.random(1440) < 0.8)
        frame["score"] = np.where(of_item, rng.integers(0, 5, 1440) / 2, np.nan)
        frame["max_score"] = np.where(of_item, 2.0, np.nan)
        frame.loc[frame.index[of_item][:2], "score"] = 7.0
    frame.loc[5, "student_id"], frame.loc[7, "item_id"], frame.loc[9, "correct"] = " ", None, None
    return pa.Table.from_pandas(frame, preserve_index=False)


def parts_of(table: pa.Table, n: int) -> list[pa.Table]:
    number = np.array([sum(name.encode()) % n for name in table["student_id"].to_pylist()])
    return [table.filter(pa.array(number == k)) for k in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("n", [1, 4])
def test_parts_are_coded_as_the_whole_table(scores, n):
    table = answers(scores=scores)
    whole = InProcessEngine().calibrate(CalibrationRequest(table))
    parted = InProcessEngine().calibrate(CalibrationRequest(parts_of(table, n)))
    pd.testing.assert_frame_equal(parted.items, whole.items, atol=1e-7)
    pd.testing.assert_frame_equal(
        parted.abilities.sort_values("user_id", ignore_index=True),
        whole.abilities.sort_values("user_id", ignore_index=True),
    )
    assert parted.model_spec == whole.model_spec
    assert parted.warnings == whole.warnings
    assert any("without usable ids left out: no student_id (1), no item_id (1)" in line for line in whole.warnings)
    assert scores == any("2 answers with a score below 0 or above max_score" in line for line in whole.warnings)


def test_scores_without_the_highest_possible_ones():
    table = answers(scores=True).drop_columns("max_score")
    coded = code_here(CalibrationRequest([table]))
    assert coded.units == code_request(CalibrationRequest(table)).units != {}


def test_scores_of_one_part_count_in_all():
    of_marks, of_scores = answers(1), answers(2, scores=True)
    students = pa.array([f"t{k}" for k in range(len(of_scores))])
    of_scores = of_scores.set_column(0, "student_id", students)
    coded = code_here(CalibrationRequest([of_marks, of_scores]))
    i3 = coded.item_ids.index("i3").as_py()
    assert coded.units == {i3: 0.5}
    assert set(np.unique(coded.responses.shards.held[0].score[coded.responses.shards.held[0].item == i3])) == {
        0,
        1,
        2,
        3,
        4,
    }
    assert any("a right one counts as the highest score" in line for line in coded.warnings)


def test_later_answers_to_an_item_that_is_refused_are_not_set_aside_whichever_parts_have_scores():
    of_scores = answers(2).slice(0, 400)
    many = pa.array([k / 7 for k in range(400)])  # no categories
    score = pc.if_else(pc.equal(of_scores["item_id"], "i3"), many, None)
    of_scores = of_scores.set_column(0, "student_id", pa.array([f"t{k // 16}" for k in range(400)], pa.large_string()))
    parts = [answers(1), of_scores.append_column("score", score)]
    whole = code_request(CalibrationRequest(pa.concat_tables(parts, promote_options="default")))
    parted = code_here(CalibrationRequest(parts))
    assert [code for code, _, _ in parted.left_out] == [parted.item_ids.index("i3").as_py()]
    assert parted.n_set_aside == whole.n_set_aside > 0


def test_shards_hold_what_is_coded_here():
    parts = parts_of(answers(scores=True), 3)
    request = CalibrationRequest(parts)
    held = ShardsHere(range(3)).derive(hold_part, pickle.loads(pickle.dumps(parts)))
    here, there = code_here(request), code_in_shards(request, held)
    assert there.student_ids.equals(here.student_ids)
    np.testing.assert_array_equal(there.n_responses, here.n_responses)
    np.testing.assert_array_equal(there.responses.count, here.responses.count)
    assert len(there.responses.shards) == 3


def test_codes_of_the_whole_table_and_of_parts_name_the_same_items():
    table = answers()
    one, other = code_request(CalibrationRequest(table)), code_here(CalibrationRequest([table]))
    assert one.item_ids.to_pylist() == other.item_ids.to_pylist() == sorted(f"i{k}" for k in range(12))
    assert one.n_set_aside == other.n_set_aside > 0
