"""Pictures of items with partial credit in the report."""

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.item_steps import steps_column
from seedtest_assets.report.category_pictures import category_curves
from seedtest_assets.report.item_curves import ItemCurves, item_curves
from seedtest_assets_tests.irt.test_partial_credit import THREE, drawn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scored(data):
    """The report's data with four items with partial credit and two without, their curves, and each student's share of the points."""
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
    return replace(data, items=table), curves, matrix / items.max_score


def test_curves_of_each_item_with_partial_credit_are_drawn(scored):
    data, curves, shares = scored
    np.testing.assert_allclose(curves.share_correct, shares.mean(axis=0))
    picture = category_curves(data, curves)
    titles = set(re.findall(r"q\d · \w+, 0–\d", picture.drawing))
    assert titles == {"q0 · GPCM, 0–2", "q1 · GRM, 0–3", "q3 · GPCM, 0–2", "q4 · GRM, 0–3"}
    assert (picture.n_drawn, picture.n_items) == (4, 4)


def test_intervals_are_those_of_shares_of_points(scored):
    """Within and between ten groups of about 40 students, the shares vary as they do among all 400."""
    _, curves, shares = scored
    within, between = np.nanmean(40 * curves.standard_error**2, axis=1), np.nanvar(curves.expected, axis=1)
    np.testing.assert_allclose(within + between, shares.var(axis=0), rtol=0.25)


def test_each_score_has_a_shade_and_a_number_of_its_own(scored):
    data, curves, _ = scored
    drawing = category_curves(replace(data, items=data.items.iloc[[1]]), one_item(curves, 1)).drawing
    lines = re.findall(r"fill: none; stroke: (#\w+); stroke-width: 1.3[;\"]", drawing)
    lightness = [sum(int(shade[k : k + 2], 16) for k in (1, 3, 5)) for shade in lines]
    assert len(lines) == 4
    assert lightness == sorted(set(lightness), reverse=True)
    numbers = re.findall(r"font-size: 8.5px[^>]*>(\d)</text>", drawing)
    assert numbers == ["0", "1", "2", "3"]


@pytest.mark.parametrize(("sd", "least"), [(2.0, 5), (0.1, 1)])
def test_the_axis_covers_the_population_and_every_group_of_students(scored, sd, least):
    data, curves, _ = scored
    spec = data.model_spec | {"group_mean": 0.0, "group_sd": sd}
    assert np.abs(curves.theta[[0, -1]]).min() > 1.5
    drawing = category_curves(replace(data, model_spec=spec), curves).drawing
    ticks = [float(text.replace("−", "-")) for text in re.findall(r"middle[^>]*>([−\d.]+)</text>", drawing)]
    assert (min(ticks) <= -least, max(ticks) >= least) == (True, True)


def one_item(curves: ItemCurves, row: int) -> ItemCurves:
    """The curves of a single item."""
    per_item = {field.name: getattr(curves, field.name)[[row]] for field in fields(curves) if field.name != "theta"}
    return replace(curves, **per_item)


def test_without_partial_credit_there_is_no_picture(data):
    curves = item_curves(data.answers, data.items, data.abilities)
    assert category_curves(data, curves) is None
