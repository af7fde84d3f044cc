"""Scores of answers become the categories of items; what is not as it came is told."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from threading import Event

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.calibration import ANSWER_SCHEMA, SCORE_SCHEMA, CalibrationRequest
from seedtest_assets.engines.coded_request import code_request
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.score_categories import common_step, item_scores, score_categories
from seedtest_assets.table_shards import TableShards
from seedtest_assets.tables_on_demand import PartsOnDemand

SCHEMA = pa.schema([*ANSWER_SCHEMA, *SCORE_SCHEMA])


def table(rows) -> pa.Table:
    """Rows of (student, item, correct, score, max_score)."""
    names = ["student_id", "item_id", "correct", "score", "max_score"]
    frame = pd.DataFrame(rows, columns=names).assign(answered_at=None)
    return pa.Table.from_pandas(frame[SCHEMA.names], SCHEMA, preserve_index=False)


def categories_of(rows) -> list[int]:
    answers = table(rows)
    item = pd.factorize(answers["item_id"].to_pandas())[0]
    return score_categories(answers, item, item.max() + 1).score.tolist()


def test_marks_alone_are_0_and_1():
    rows = [("s", "q", True, None, None), ("t", "q", False, None, None)]
    assert categories_of(rows) == [1, 0]


def test_integers_keep_their_numbers():
    assert categories_of([("s", "q", None, score, None) for score in (0, 3, 1)]) == [0, 3, 1]


def test_parts_of_points_count_as_the_items_steps():
    rows = [("s", "q", None, 0.5, 1), ("t", "q", None, 1, 1), ("u", "q", None, 0, 1), ("s", "p", None, 1, 1)]
    coded = code_request(CalibrationRequest(table(rows)))
    assert coded.responses.score.tolist() == [1, 1, 2, 0]
    assert coded.warnings == ("the scores of 1 item are parts of points, which count as their steps: q (steps of 1/2)",)


def test_the_unit_follows_from_the_highest_score_too():
    assert categories_of([("s", "q", None, 2.5, 7.5), ("t", "q", None, 7.5, 7.5)]) == [1, 3]


@pytest.mark.parametrize(
    ("values", "step"),
    [([0, 0.5, 1], Fraction(1, 2)), ([1 / 3, 2 / 3], Fraction(1, 3)), ([0.5, 1 / 3], Fraction(1, 6)), ([0.137, 1], None),
     ([1 / 7, 1 / 5], None), ([2.5, 5], Fraction(5, 2))],
)  # fmt: skip
def test_common_steps(values, step):
    assert common_step(np.array(values)) == step


@pytest.mark.parametrize(
    ("scores", "unit"),
    [
        ([0, 0.33, 0.67, 1], Fraction(1, 3)),
        ([0, 0.17, 0.33, 0.5, 1], Fraction(1, 6)),
        ([0, 0.333, 0.667, 1], Fraction(1, 3)),
        ([0, 0.143, 0.857, 1], Fraction(1, 7)),
    ],
)
def test_rounded_parts_of_points_are_the_parts_and_the_warning_says_which(scores, unit):
    rows = [(f"s{n}", "q", None, score, 1.0) for n, score in enumerate(scores * 40)]
    assert categories_of(rows)[: len(scores)] == [round(score / unit) for score in scores]
    assert (
        f"which count as their steps: q (steps of {unit})" in code_request(CalibrationRequest(table(rows))).warnings[0]
    )


@pytest.mark.parametrize("scores", [[0, 0.45, 0.55, 1], [0, 0.34, 0.67, 1], [0, 0.137, 1]])
def test_measurements_near_parts_of_points_are_no_parts(scores):
    rows = [(f"s{n}", "q", None, score, 1.0) for n, score in enumerate(scores * 40)]
    ((_, _, reason),) = code_request(CalibrationRequest(table(rows))).left_out
    assert reason.startswith("scores without a common step of at least 1/12")


def test_scores_that_are_no_categories_leave_the_item_out_by_name():
    rows = [("s", "percent", None, 87, 100), ("s", "odd", None, 0.137, 1), ("s", "q", True, None, None)]
    coded = code_request(CalibrationRequest(table(rows)))
    assert coded.responses.n_answers == 1
    names = coded.item_ids.to_pylist()
    assert {names[item]: (n, reason) for item, n, reason in coded.left_out} == {
        "odd": (1, "scores without a common step of at least 1/12: 0.137, 1"),
        "percent": (1, "0 to 100 are 101 categories, and at most 20 are possible"),
    }
    assert coded.warnings[0].startswith("the scores of 2 items are no categories and were left out: ")


def test_a_score_beyond_the_highest_or_below_0_is_no_answer_and_is_named():
    rows = [("s", "q", None, 5, 4), ("t", "q", None, -1, 4), ("u", "q", None, 3, 4), ("v", "q", True, None, None)]
    coded = code_request(CalibrationRequest(table(rows)))
    assert coded.responses.score.tolist() == [3, 4]
    assert coded.warnings[0] == "2 answers with a score below 0 or above max_score left out: q (2)"


def test_a_measurement_is_left_out_without_a_look_for_steps():
    rows = [(f"s{n}", "q", None, n / 1000, None) for n in range(1000)]
    ((item, n, reason),) = code_request(CalibrationRequest(table(rows))).left_out
    assert (item, n, reason) == (0, 1000, "1,000 different scores, and at most 20 are categories")


def test_sums_of_parts_are_the_parts():
    assert categories_of(
        [("s", "q", None, 0.1 + 0.2, None), ("t", "q", None, 0.3, None), ("u", "q", None, 1, None)]
    ) == [3, 3, 10]


def scores_of(item, *given):
    """Rows of an item: (how many, score, max_score)."""
    return [(f"u{score} {n}", item, None, score, top) for count, score, top in given for n in range(count)]


@pytest.mark.parametrize("odd", [1.5, 1.25, 1.37])
def test_a_few_parts_of_points_do_not_change_what_a_step_is(odd):
    rows = scores_of("q", (100, 0, 3), (100, 2, 3), (100, 3, 3), (6, odd, 3))
    coded = code_request(CalibrationRequest(table(rows)))
    assert sorted(set(coded.categories)) == [0, 2, 3]
    assert len(coded.categories) == 300
    assert coded.warnings[0].endswith(f"so that they do not change what a step of the item is: q ({odd})")


def test_parts_of_points_of_many_answers_are_steps_and_rarer_ones_are_left_out():
    coded = code_request(
        CalibrationRequest(table(scores_of("q", (100, 0, 1), (30, 0.5, 1), (100, 1, 1), (2, 0.75, 1))))
    )
    assert sorted(set(coded.categories)) == [0, 1, 2]
    assert [line.rpartition(": ")[2] for line in coded.warnings] == ["q (steps of 1/2)", "q (0.75)"]


def test_the_points_of_a_step_are_among_the_facts_of_the_fit():
    random = np.random.default_rng(5)
    rows = [
        (f"u{n}", item, None, random.integers(3) / parts, 2 / parts)
        for n in range(200)
        for item, parts in (("p", 1), ("q", 2))
    ]
    assert InProcessEngine().calibrate(CalibrationRequest(table(rows))).model_spec["points_per_step"] == {"q": 0.5}


def test_an_item_right_or_wrong_but_for_a_few_parts_of_points_is_right_or_wrong():
    rows = scores_of("q", (100, 0, 2.5), (100, 2.5, 2.5), (1, 1.25, 2.5))
    coded = code_request(CalibrationRequest(table(rows)))
    assert np.bincount(coded.categories).tolist() == [100, 100]
    assert coded.responses.max_score.tolist() == [1]


def test_an_item_with_more_than_one_max_score_is_named():
    rows = scores_of("q", (5, 0, 3), (5, 1, 3), (5, 3, 3), (5, 2, 2)) + scores_of("p", (5, 0, 1), (5, 2, 2))
    (warning,) = code_request(CalibrationRequest(table(rows))).warnings
    assert warning.startswith("1 item with more than one max_score, the highest of which counts as full marks")
    assert warning.endswith(": q (2 to 3)")


def test_where_no_item_can_be_calibrated_for_its_scores_they_are_named():
    rows = [(f"u{n}", "q", None, n, 100) for n in range(100)]
    with pytest.raises(InputError, match=r"no categories .* q \(0 to 100 are 101 categories"):
        InProcessEngine().calibrate(CalibrationRequest(table(rows)))


def test_marks_among_parts_of_points_are_named():
    answers = table([("u1", "x", None, 0.5, 1), ("u2", "x", None, 0, 1), ("u3", "x", True, None, None)])
    categories = score_categories(answers, np.zeros(3, int), 1)
    assert categories.score.tolist() == [1, 0, 2]
    assert any(line.startswith("1 answer without a score to items") for line in categories.warnings(pa.array(["x"])))


def test_items_of_which_nobody_got_full_marks_are_named():
    rows = [(f"u{n}", item, None, score, 3) for n in range(2) for item, score in (("x", n), ("y", 2 + n))]
    warnings = code_request(CalibrationRequest(table(rows))).warnings
    assert warnings == (
        "1 item without an answer of full marks, so that steps to them are unknown: x (at most 1 of 3)",
    )


def test_marks_among_scores_are_the_ends():
    rows = [("s", "q", None, 2, 3), ("t", "q", True, None, None), ("u", "q", False, None, None)]
    coded = code_request(CalibrationRequest(table(rows)))
    assert coded.responses.score.tolist() == [2, 3, 0]
    assert coded.warnings[0].startswith("2 answers without a score to items with partial credit: a right one counts")


def test_models_of_single_items_come_from_the_request_then_anchors_then_starts():
    rows = [(f"u{score}", item, None, score, 2) for item in "abc" for score in range(3)]
    known = {"a": [1.0], "b": [0.0], "c": [0.0], "steps": [[0.0, 1.0]]}
    request = CalibrationRequest(
        table(rows),
        starts=pd.DataFrame({"item_id": ["a"], "model": ["GPCM"], **known}),
        anchors=pd.DataFrame({"item_id": ["b"], "model": ["PCM"], **known}),
        item_models={"c": "GRM", "unknown": "GPCM"},
    )
    coded = code_request(request)
    assert {coded.item_ids[code].as_py(): model for code, model in coded.item_models.items()} == {
        "a": "GPCM",
        "b": "PCM",
        "c": "GRM",
    }


def test_models_of_items_that_are_right_or_wrong_are_named_and_not_used():
    """Only where they were asked for: an anchor is compared with the bank, and an item left out has its reason."""
    rows = [
        ("s", "a", None, 2, 2),
        ("t", "a", None, 1, 2),
        ("s", "b", None, 1, 1),
        ("s", "c", True, None, None),
        ("s", "d", True, None, None),
    ]
    rows += [("s", "e", None, n / 7, 100) for n in range(100)]
    starts = pd.DataFrame({"item_id": ["d"], "model": ["PCM"], "a": 1.0, "b": 0.0, "c": 0.0, "steps": [[0.0, 1.0]]})
    coded = code_request(CalibrationRequest(table(rows), starts=starts, item_models=dict.fromkeys("abce", "GRM")))
    assert coded.item_models == {0: "GRM"}
    line = "2 items have a model of partial credit that changes nothing, since nobody has a score above 1: b, c"
    assert [warning for warning in coded.warnings if "changes nothing" in warning] == [line]


def test_anchors_whose_steps_cannot_be_used_are_left_out_by_name():
    rows = [("s", item, None, 2, 2) for item in "abc"]
    anchors = pd.DataFrame(
        {"item_id": list("abc"), "model": ["GRM", None, "GPCM"], "a": 1.0, "b": np.nan, "c": 0.0,
         "steps": [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]}
    )  # fmt: skip
    coded = code_request(CalibrationRequest(table(rows), anchors=anchors))
    assert coded.anchors.item.tolist() == [2]
    assert coded.warnings[0] == (
        "anchors without usable parameters left out (2 of 3): a (thresholds of a GRM must ascend), "
        "b (b_1 is given, but model is not GRM, GPCM or PCM)"
    )


def test_a_calibration_by_ids_has_models_steps_and_errors():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=400)
    rows = []
    for item in range(8):
        score = sum(
            (theta + rng.logistic(size=400) > step).astype(int) for step in ((-0.5, 0.8) if item < 3 else (0.0,))
        )
        rows += [(f"s{person}", f"q{item}", None if item < 3 else bool(score[person]), float(score[person]) if item < 3 else None,
                  2.0 if item < 3 else None) for person in range(400)]  # fmt: skip
    request = CalibrationRequest(table(rows), polytomous_model="GPCM", item_models={"q2": "GRM"})
    result = InProcessEngine().calibrate(request)
    items = result.items.set_index("item_id")
    assert items["model"].tolist() == ["GPCM", "GPCM", "GRM", *["2PL"] * 5]
    assert steps_matrix(items["steps"]).shape == (8, 2)
    assert np.isfinite(steps_matrix(items["se_steps"])[:3]).all()
    assert items["steps"].isna().tolist() == [False] * 3 + [True] * 5
    assert result.model_spec["polytomous_model"] == "GPCM"
    assert result.model_spec["n_items_partial_credit"] == 3


class Parts(PartsOnDemand):
    """A part with a right and a wrong answer. when_read: called with the rows each time."""

    def __init__(self, rows, when_read):
        self._rows, self._when_read = rows, when_read

    rows = property(lambda self: self._rows)

    def __len__(self):
        return 1

    def read(self, number):
        self._when_read(self._rows)
        return pa.table({"item_id": ["q1", "q2"], "correct": [True, False]})

    def select(self, columns):
        return self


def test_the_scores_of_the_same_rows_are_looked_for_once():
    read = []
    for rows in ("one window", "one window", "another", "one window", None, None):
        assert item_scores(TableShards.here(Parts(rows, read.append))).item_ids.to_pylist() == ["q1", "q2"]
    assert read == ["one window", "another", None, None]


def test_two_steps_that_ask_at_the_same_time_look_for_the_scores_once():
    second_read, read = Event(), []

    def when_read(rows):
        read.append(rows)
        second_read.set() if len(read) > 1 else second_read.wait(0.2)

    parts = Parts("a window that two steps ask for", when_read)
    with ThreadPoolExecutor(2) as steps:
        asked = [steps.submit(item_scores, TableShards.here(parts)) for _ in range(2)]
        assert asked[0].result() is asked[1].result()
    assert len(read) == 1
