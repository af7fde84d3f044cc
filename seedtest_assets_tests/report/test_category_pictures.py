"""Pictures of items with partial credit in the report."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.item_steps import steps_column
from seedtest_assets.report.category_pictures import category_curves
from seedtest_assets.report.item_curves import item_curves
from seedtest_assets_tests.irt.test_partial_credit import THREE, drawn


def test_curves_of_each_item_with_partial_credit_are_drawn(data):
    matrix, items = drawn(400, [*THREE[:2], []] * 2, ["GPCM", "GRM", ""] * 2, seed=6)
    person, item = np.nonzero(~np.isnan(matrix))
    score = matrix[person, item]
    answers = pa.table(
        {
            "student_id": [f"u{n}" for n in person],
            "item_id": [f"q{n}" for n in item],
            "correct": score >= 1,
            "completed_at": pa.array(np.arange(len(score)), pa.timestamp("us", tz="UTC")),
            "score": np.where(items.polytomous[item], score, np.nan),
            "max_score": np.where(items.polytomous[item], items.max_score[item], np.nan),
        }
    )
    answers = answers.set_column(4, "score", pa.array(answers["score"].to_numpy(), from_pandas=True))
    answers = answers.set_column(5, "max_score", pa.array(answers["max_score"].to_numpy(), from_pandas=True))
    table = pd.DataFrame(
        {"item_id": [f"q{n}" for n in range(6)], "model": items.model, "a": items.a, "b": items.b, "c": 0.0}
    )
    table["steps"] = steps_column(items.steps)
    abilities = pd.DataFrame({"user_id": [f"u{n}" for n in range(400)], "theta": np.linspace(-2, 2, 400)})
    curves = item_curves(answers, table, abilities)
    np.testing.assert_allclose(curves.share_correct, np.nanmean(matrix, axis=0) / items.max_score)
    picture = category_curves(replace(data, items=table), curves)
    titles = set(re.findall(r"q\d · \w+, 0 to \d", picture))
    assert titles == {"q0 · GPCM, 0 to 2", "q1 · GRM, 0 to 3", "q3 · GPCM, 0 to 2", "q4 · GRM, 0 to 3"}


def test_without_partial_credit_there_is_no_picture(data):
    curves = item_curves(data.answers, data.items, data.abilities)
    assert category_curves(data, curves) == ""
