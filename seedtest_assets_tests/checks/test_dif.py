"""The check of differential item functioning: each item and group once."""

import pandas as pd

from seedtest_assets.checks.dif import COLUMNS, dif
from seedtest_assets.checks.judgement import Verdict


def flagged(*rows: tuple[str, str, str]) -> pd.DataFrame:
    numbers = {"mh_delta": -1.7, "lr_x2": 20.0, "p": 1e-5, "signed_area": -0.5, "unsigned_area": 0.5}
    return pd.DataFrame(
        [{"item_id": item, "group_id": group, "flag": flag} | numbers for item, group, flag in rows], columns=COLUMNS
    )


def test_a_new_c_is_an_error_and_a_new_b_warns():
    of_c = dif(flagged(("q1", "g", "C"), ("q2", "g", "B")), {}, [])
    assert of_c.verdict == Verdict.ERROR
    assert of_c.finding == "2 items with new differential functioning: q1 (C, g), q2 (B, g)"
    of_b = dif(flagged(("q2", "g", "B")), {}, [1])
    assert of_b.verdict == Verdict.WARN
    assert list(of_b.history.values) == [1, 1]
    assert of_b.worst["item_id"].tolist() == ["q2"]


def test_what_a_group_had_before_at_that_level_or_worse_is_known():
    before = {("q1", "g"): "B", ("q2", "g"): "C", ("q3", "other"): "C"}
    assert dif(flagged(("q2", "g", "B")), before, [1]).passed
    worse = dif(flagged(("q1", "g", "C"), ("q2", "g", "C")), before, [1])
    assert (worse.verdict, worse.numbers["known"]) == (Verdict.ERROR, 1)
    assert dif(flagged(("q3", "g", "B")), before, [1]).verdict == Verdict.WARN


def test_nothing_flagged_passes():
    judgement = dif(flagged(), {}, [])
    assert judgement.passed
    assert judgement.finding == "no item with new differential functioning"
