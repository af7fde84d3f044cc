"""The report of a school whose last topic has partial credit: models, steps, shares of points, why anchors do not link."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from seedtest_assets.cli.simulated_school import SimulatedBank, simulate_school
from seedtest_assets.report.item_table import left_out_items, table_columns
from seedtest_assets.report.page import calibration_page
from seedtest_assets_tests.report.conftest import DAY, anchors_of, calibrated
from seedtest_assets_tests.report.test_page import Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scored():
    """The last of four topics has partial credit; the bank has another model of one of its anchors."""
    school = simulate_school(
        DAY, SimulatedBank(n_items=40, n_topics=4, n_anchors=14, partial_credit=True), n_days=15, n_students=300
    )
    anchors = anchors_of(school)
    graded = anchors.loc[anchors["steps"].notna(), "item_id"].iloc[0]
    models = {"polytomous_model": "GPCM", "item_models": {graded: "GRM"}}
    return calibrated(school.answers.sort_by("completed_at"), anchors, **models), graded


@pytest.fixture(scope="module")
def scored_page(scored) -> str:
    return calibration_page(scored[0])


def test_the_summary_names_every_model(scored_page, page):
    card = re.search(r'<span lang="en">Model</span>.*?<div class="value">(.*?)</div>', scored_page, re.DOTALL).group(1)
    assert re.findall(r'<span lang="en">(.*?)</span>', card) == ["2PL: 30 items", "GPCM: 9 items", "GRM: 1 item"]
    assert '<div class="value">2PL</div>' in page


def test_the_heading_says_how_many_items_are_drawn_and_which(scored_page):
    assert "Items with partial credit: 8 of 10, worst fit first" in scored_page
    assert "부분 점수 문항: 10개 중 적합도가 낮은 순으로 8개" in scored_page


def test_the_table_shows_models_steps_and_shares_of_points(scored, scored_page, page):
    data, graded = scored
    titles = [column.title for column in table_columns(True)]
    rows = {name: dict(zip(titles, cells, strict=True)) for name, cells in Page(scored_page).rows.items()}
    for item in data.items.itertuples():
        row = rows[item.item_id]
        steps = [f"{step:.2f}".replace("-", "−") for step in item.steps or ()]
        model = "2PL" if not steps else "GRM" if item.item_id == graded else "GPCM"
        assert (row["model"], row["steps"]) == (model, ", ".join(steps) or "–")
    assert '<span lang="en">share of points</span>' in scored_page
    assert {"model", "steps", "share of points"}.isdisjoint(column.title for column in table_columns(False))
    assert '<span lang="en">share of points</span>' not in page


@pytest.mark.usefixtures("words_only")
def test_a_score_that_nobody_has_and_a_step_that_everybody_passes(scored):
    data, graded = scored
    items = data.items.copy()
    items.at[items.index[items["item_id"] == graded][0], "steps"] = [-np.inf, None, 0.5]
    row = Page(calibration_page(replace(data, items=items))).rows[graded]
    assert "−∞, –, 0.50" in row


@pytest.mark.usefixtures("words_only")
def test_an_item_left_out_has_the_share_of_its_points(scored):
    data, graded = scored
    rest = replace(data, items=data.items[data.items["item_id"] != graded])
    (left,) = left_out_items(rest).itertuples()
    answers = data.answers.to_pandas()
    answers = answers[answers["item_id"] == graded]
    assert left.share_correct == pytest.approx((answers["score"] / answers["max_score"]).mean())
    assert left.share_correct != pytest.approx(answers["correct"].mean())
    titles = [column.title for column in table_columns(True)]
    row = dict(zip(titles, Page(calibration_page(rest)).rows[graded], strict=True))
    assert (row["share of points"], row["a"]) == (f"{left.share_correct:.2f}", "–")


def test_an_anchor_with_another_model_is_listed_without_a_change_and_not_drawn(scored, scored_page):
    _, graded = scored
    row = re.search(rf'<tr class="out"><td>{graded}</td>(.*?)</tr>', scored_page).group(1)
    _, _, change, _, _ = re.findall(r'<td class="n">(.*?)</td>', row)
    assert (change, "its model changed: GPCM in the bank, GRM now" in row) == ("–", True)
    names = json.loads(re.search(r'id="point-names">(.*?)</script>', scored_page).group(1))
    drawing = Page(scored_page).pictures["anchors"]
    for parameter in "ab":
        listed = [name for which in ("used", "out") for name, _ in names[f"anchors-{parameter}-{which}"]]
        assert len(listed) == len(set(listed) - {graded}) == 13
        groups = re.findall(rf'id="points-anchors-{parameter}-\w+".*?</g>\s*</g>', drawing, re.DOTALL)
        assert sum(group.count("<use") for group in groups) == 13


@pytest.mark.usefixtures("words_only")
def test_findings_say_why_anchors_do_not_link(scored):
    data, graded = scored
    screened = {
        graded: "its model changed: GPCM in the bank, GRM now",
        "q1": "its scores changed: 0, 1, 2, 3 in the bank, 0, 1 now",
        "q2": "its step 2 drifted, robust z +5.0",
        "q3": "its discrimination changed sign",
        "q4": "",
    }
    assert data.model_spec["linking_constants"]["screened_out"][graded] == screened[graded]
    constants = data.model_spec["linking_constants"] | {"screened_out": screened, "n_anchors_used": 9}
    page = calibration_page(replace(data, model_spec=data.model_spec | {"linking_constants": constants}))
    lines = re.findall(r'<span lang="en">(Linking items screened out[^<]*)</span>', page)
    assert lines == [
        f"Linking items screened out because their scores or model changed: 2 of 14 ({graded}, q1).",
        "Linking items screened out because they moved differently from the others: 2 of 14 (q2, q3).",
        "Linking items screened out: 1 of 14 (q4).",
    ]
