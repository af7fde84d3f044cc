"""The report's rapid guesses: shares by item, worst first, and what the other policy gives, in both languages."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.calibration import CalibrationRequest, answers_to_calibrate
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.rapid_guesses import apply_policy, find_rapid_guesses
from seedtest_assets.report.page import calibration_page
from seedtest_assets.report.rapid_guesses import (
    BY_A_SERVICE,
    MOST_ROWS,
    OtherPolicy,
    RapidGuessData,
    rapid_guess_section,
)
from seedtest_assets.report.translations import KOREAN, bilingual
from seedtest_assets_tests.rapid_school import rapid_rows, school_with_rapid_guesses
from seedtest_assets_tests.report.conftest import anchors_of, calibrated

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guessed():
    """The report's data of a school with rapid guesses that were kept, and those ignored."""
    school = school_with_rapid_guesses()
    answers, anchors = school.answers.sort_by("completed_at"), anchors_of(school)
    rapid = find_rapid_guesses([answers])
    _, count = apply_policy(answers, rapid, "keep")
    others, _ = apply_policy(answers, rapid, "ignore")
    result = InProcessEngine().calibrate(CalibrationRequest(answers_to_calibrate(others), anchors=anchors))
    other = OtherPolicy(policy="ignore", result=result)
    return calibrated(answers, anchors), RapidGuessData(rapid=rapid, count=count, other=other), answers.to_pandas()


def test_items_stand_with_the_largest_share_first_as_pandas_counts_them(guessed):
    data, rapid, log = guessed
    rows = rapid_guess_section(data, rapid).rows
    times = log["response_time_ms"].where(log["response_time_ms"] > 0)
    by_item = pd.DataFrame({"item": log["item_id"], "time": times, "rapid": rapid_rows(log)}).groupby("item")
    counted = by_item.agg(timed=("time", "count"), n=("rapid", "sum"), threshold=("time", "median"))
    assert len(rows) == min(MOST_ROWS, (counted["n"] > 0).sum())
    shares = [counted["n"][row[0]] / counted["timed"][row[0]] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == (counted["n"] / counted["timed"]).max()
    for row, share in zip(rows, shares, strict=True):
        of_item = counted.loc[row[0]]
        assert row[1:5] == [
            f"{of_item['threshold'] / 1e4:.1f}",
            f"{of_item['timed']:.0f}",
            f"{of_item['n']:.0f}",
            f"{share:.1%}",
        ]


def test_the_section_compares_both_calibrations(guessed):
    data, rapid, _ = guessed
    section, other = rapid_guess_section(data, rapid), rapid.other.result
    facts = {label: (here, there) for label, here, there in section.facts}
    assert facts["Reliability"] == (f"{data.metrics['reliability']:.3f}", f"{other.metrics['reliability']:.3f}")
    assert facts["Items fitted"] == (f"{data.model_spec['n_items']}", f"{other.model_spec['n_items']}")
    assert int(facts["Answers used"][0].replace(",", "")) > int(facts["Answers used"][1].replace(",", ""))
    here, there = (items.set_index("item_id") for items in (data.items, other.items))
    assert facts["largest change of b"][1] == f"{np.abs(there['b'] - here['b']).max():.3f}"
    for row in section.rows:
        minus = [cell.replace("−", "-") for cell in row[5:]]
        numbers = [here["a"][row[0]], there["a"][row[0]], here["b"][row[0]], there["b"][row[0]]]
        assert minus[:4] == [f"{value:.3f}" for value in numbers]


@pytest.mark.slow
def test_the_page_shows_the_section_in_both_languages(guessed):
    data, rapid, _ = guessed
    page = calibration_page(data, rapid)
    (section,) = re.findall(r'<section id="rapid">.*?</section>', page, re.S)
    assert "This calibration keeps them as the answers they are." in section
    assert "이 추정에서는 응답 그대로 사용했습니다." in section
    assert section.count('lang="en"') == section.count('lang="ko"')
    assert section.count("<tr>") == 2 + len(rapid_guess_section(data, rapid).facts) + MOST_ROWS


def test_a_sample_is_compared_with_itself_and_the_section_says_which_share_it_is(guessed):
    data, rapid, _ = guessed
    day, other = rapid.other.result, rapid.other
    moved = replace(
        day,
        items=day.items.assign(b=day.items["b"] + 1),
        model_spec=day.model_spec | {"n_persons": data.model_spec["n_persons"] // 4},
    )
    section = rapid_guess_section(data, replace(rapid, other=replace(other, same_policy=moved)))
    assert "Both calibrations below are of a random sample of the students, 25% of all." in section.note
    assert (section.same, rapid_guess_section(data, rapid).same) == ("this policy, sample", "this calibration")
    assert {label: change for label, _, change in section.facts}["largest change of b"] == "1.000"
    assert {row[9] for row in section.rows} == {"−1.000"}
    assert rapid_guess_section(data, rapid).note is None
    unsettled = replace(moved, metrics=moved.metrics | {"converged": False})
    section = rapid_guess_section(data, replace(rapid, other=replace(other, same_policy=unsettled)))
    assert "With this policy the calibration of the sample did not converge" in section.note


def test_without_rapid_guesses_there_is_no_section(page):
    assert 'id="rapid"' not in page


def test_a_calibration_of_a_service_shows_shares_only(guessed):
    data, rapid, _ = guessed
    alone = RapidGuessData(
        rapid=rapid.rapid, count=rapid.count, other=OtherPolicy(policy="ignore", why_not=bilingual(BY_A_SERVICE))
    )
    section = rapid_guess_section(data, alone)
    assert KOREAN[BY_A_SERVICE] in section.note
    assert section.facts == []
    assert {row[6] for row in section.rows} == {row[8] for row in section.rows} == {"–"}
