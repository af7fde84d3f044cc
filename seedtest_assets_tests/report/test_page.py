"""The report as a file: self-contained, complete, in two languages, and right about what it shows."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.report.findings import findings
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.page import calibration_page
from seedtest_assets.report.translations import KOREAN, bilingual, bilingual_reason
from seedtest_assets_tests.report.conftest import ALL_RIGHT, GUESSED, MISSING, anchors_of, calibrated, with_faults

pytestmark = pytest.mark.slow

PICTURES = ["item-map", "a-b", "information", "anchors", "scale", "worst", "abilities", "answers", "runs"]
HOSTILE = ["<script>alert(1)</script>", "$x^2$", "문항 하나", "a&b\"c'", "{{ day }}"]


class Page(HTMLParser):
    """What a page asks for from elsewhere, the texts of its table, its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked, self.scripts, self.languages = [], 0, {"en": 0, "ko": 0}
        self.feed(text)
        body = text[text.index('id="every-item"') :]
        body = body[body.index("<tbody>") : body.index("</tbody>")]
        english = re.sub(r'<span lang="ko">.*?</span>', "", body)
        self.rows = {
            cells[0]: cells
            for row in re.findall(r"<tr>(.*?)</tr>", english, re.DOTALL)
            for cells in [
                [unescape(re.sub(r"<[^>]+>", " ", cell)).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
            ]
        }
        self.pictures = dict(re.findall(r'<figure id="([\w-]+)">.*?(<svg.*?</svg>)', text, re.DOTALL))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.scripts += tag == "script"
        if named.get("lang") in self.languages and tag != "html":
            self.languages[named["lang"]] += 1
        self.asked += [
            value
            for name, value in attributes
            if name in ("src", "href", "xlink:href", "action", "srcset", "data") and value and not value.startswith("#")
        ]


@pytest.fixture(scope="module")
def read(page) -> Page:
    return Page(page)


def test_asks_for_nothing_from_anywhere(read, page):
    assert read.asked == ["data:,"]
    assert "default-src 'none'" in page
    assert re.findall(r"@import|url\((?!#)", page) == []
    assert "fetch(" not in page
    assert "XMLHttpRequest" not in page


def test_every_picture_is_there_and_is_well_formed(read):
    assert list(read.pictures) == PICTURES
    for name, drawing in read.pictures.items():
        root = ElementTree.fromstring(drawing)
        assert root.get("viewBox"), name
        assert root.get("aria-label"), name
        ids = re.findall(r' id="([^"]+)"', drawing)
        for used in re.findall(r'(?:href="#|url\(#)([^")]+)', drawing):
            assert used in ids, (name, used)


def test_every_word_is_there_translated_languages(read):
    assert read.languages["en"] == read.languages["ko"] > 150
    for name, drawing in read.pictures.items():
        for text in re.findall(r"<text[^>]*>([^<]+)</text>", drawing):
            assert re.fullmatch(r"[-−\d.,:% ]+|.* · RMSD .*|6", text), (name, text)


def test_every_translation_keeps_the_places_of_its_values():
    for english, korean in KOREAN.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", korean)), english
    with pytest.raises(KeyError):
        bilingual("a text without Korean")


@pytest.mark.slow
@pytest.mark.usefixtures("words_only")
def test_opens_with_the_items_that_need_a_person_worst_first(data, drifted_anchor):
    flags = {GUESSED: ["not_discriminating", "provisional"], drifted_anchor: ["drifting", "misfit"]}
    statistics = data.statistics.assign(flags=[flags.get(item, []) for item in data.statistics["item_id"]])
    page = calibration_page(replace(data, statistics=statistics))
    opening = page[page.index("<main>") : page.index('<section id="summary">')]
    rows = re.findall(r'<tr><td>(.*?)</td><td><span lang="en">(.*?)<', opening)
    assert rows == [(drifted_anchor, "drifting"), (drifted_anchor, "misfit"), (GUESSED, "not_discriminating")]
    drift = statistics.set_index("item_id").loc[drifted_anchor, "anchor_drift"]
    assert f"It moved by {drift:+.2f} from the value that the bank has for this anchor." in opening
    assert "앵커 태그를 떼거나 새 값을 넣으십시오." in opening
    assert "No item needs a person." in calibration_page(replace(data, statistics=data.statistics.head(0)))
    many = data.statistics.assign(flags=[["too_easy"]] * len(data.statistics))
    assert f"{len(many) - 25} more items" in calibration_page(replace(data, statistics=many))


@pytest.mark.slow
def test_draws_both_groups_curves_of_the_items_that_function_differently(data, page):
    assert 'id="dif"' not in page
    curve = {
        "a_reference": 1.0,
        "b_reference": 0.0,
        "c_reference": 0.0,
        "a_focal": 1.0,
        "b_focal": 0.8,
        "c_focal": None,
    }
    rows = [
        {"partition_date": "2025-06-23", "item_id": f"item {n}", "group_id": "girls", "flag": "C"} | curve
        for n in range(10)
    ]
    shown = calibration_page(replace(data, dif=pd.DataFrame(rows)))
    drawing = Page(shown).pictures["dif"]
    assert re.findall(r"item \d · C · girls", drawing) == [f"item {n} · C · girls" for n in range(8)]
    assert "Of the week from 2025-06-23." in shown
    assert "2 more are flagged" in shown


@pytest.mark.slow
def test_draws_person_fit_and_its_share_over_time(data, page):
    assert 'id="person-fit"' not in page
    days = pd.DataFrame({"partition_date": [data.day - timedelta(days=1), data.day], "share": [0.04, 0.11]})
    students = pd.DataFrame({"lz_star": np.r_[np.random.default_rng(1).normal(size=50), np.nan]})
    drawing = Page(calibration_page(replace(data, person_fit=students, aberrant=days))).pictures["person-fit"]
    assert "students of the day" in drawing
    assert "모형이 맞을 때의 기댓값" in drawing


def test_shows_fit_and_linking_as_they_were_estimated(data, page):
    for name, digits in (("loglik", 3), ("aic", 1), ("bic", 1)):
        assert f"{data.metrics[name]:,.{digits}f}".replace("-", "−") in page
    constants = data.model_spec["linking_constants"]
    assert f"stocking_lord, A {constants['A']:.4f}, B {constants['B']:.4f}" in page
    assert f"through {constants['n_anchors_used']} anchors, 1 screened out" in page
    assert f"{data.metrics['reliability']:.3f}" in page


@pytest.mark.usefixtures("words_only")
def test_shows_the_constants_of_every_block(data, drifted_anchor):
    first = data.model_spec["linking_constants"]
    second = first | {
        "A": 0.7,
        "B": -1.25,
        "n_anchors_used": 5,
        "screened_out": {"9": "its discrimination changed sign"},
    }
    spec = data.model_spec | {"linking_constants": first | {"other_blocks": [second]}}
    history = data.history.copy()
    history.at[len(history) - 1, "A"] = [first["A"], 0.7]
    history.at[len(history) - 1, "B"] = [first["B"], -1.25]
    page = calibration_page(replace(data, model_spec=spec, history=history))
    assert f"stocking_lord, A {first['A']:.4f}, B {first['B']:.4f}<br>stocking_lord, A 0.7000, B -1.2500" in page
    assert "A 0.700 · B −1.250" in page
    assert f"through {first['n_anchors_used'] + 5} anchors, 2 screened out" in page
    assert f"{drifted_anchor}, 9" in page


def test_the_table_has_every_item_with_its_values(data, read):
    items = data.items.set_index("item_id")
    assert set(read.rows) == set(items.index) | {ALL_RIGHT}
    for name, item in items.iterrows():
        cells = read.rows[name]
        assert cells[2:6] == [f"{item[value]:.3f}".replace("-", "−") for value in ("a", "se_a", "b", "se_b")]
        assert cells[7] == f"{item['n_responses']:,}"
    assert read.rows[ALL_RIGHT][2] == "–"
    assert read.rows[ALL_RIGHT][-1] == "left out"
    assert list(read.rows)[:3] == ["1", "2", "3"]


def test_faults_are_named_at_the_top_and_marked_in_the_table(read, page, drifted_anchor):
    top = page[page.index("Needs attention") : page.index('id="items"')]
    for finding in (
        f"moved differently from the others: 1 of 14 ({drifted_anchor})",
        f"discrimination below 0.2: 1 ({GUESSED})",
        "changed by 0.5 or more since the previous calibration: 1 (9)",
        "could not be fitted: 1.",
        f"missing from the lake: 1 ({MISSING})",
        "Failed runs among the last 2: 1.",
        "Check anchor_drift on mirt_item_params failed: 1 anchor drifted",
    ):
        assert finding in top, finding
    assert "screened out" in read.rows[drifted_anchor][-1]
    assert "low discrimination" in read.rows[GUESSED][-1]
    assert "moved" in read.rows["9"][-1]


def test_the_screened_out_anchor_is_marked_and_named_in_the_picture(read, page, drifted_anchor):
    drawing = read.pictures["anchors"]
    assert drawing.count(f">{drifted_anchor}</text>") == 2
    for parameter in "ab":
        used, out = (
            re.search(rf'id="points-anchors-{parameter}-{which}".*?</g>\s*</g>', drawing, re.DOTALL)
            .group()
            .count("<use")
            for which in ("used", "out")
        )
        assert (used, out) == (13, 1)
    assert "its difficulty drifted" in page or "난이도 변화" in page


def test_a_point_of_the_picture_is_the_item_that_the_page_names(data, read):
    """The n-th mark stands where the n-th item of the page's list has its difficulty."""
    drawing = read.pictures["a-b"]
    group = re.search(r'id="points-items".*?</g>\s*</g>', drawing, re.DOTALL).group()
    x = pd.Series([float(value) for value in re.findall(r'<use[^>]* x="([\d.]+)"', group)])
    b = data.items.loc[~data.items["is_anchor"], "b"].reset_index(drop=True)
    assert len(x) == len(b)
    assert x.corr(b) > 0.99999


@pytest.mark.slow
def test_the_same_calibration_gives_the_same_file(data, page):
    assert calibration_page(data) == page


@pytest.mark.slow
def test_a_3pl_that_is_not_linked_without_runs_and_with_hostile_names(school):
    names = dict(zip(["1", "2", "3", "4", "8"], HOSTILE, strict=True))
    answers = with_faults(school.answers)
    renamed = pd.Series(answers["item_id"].to_pandas().astype(str)).replace(names)
    answers = answers.set_column(answers.schema.get_field_index("item_id"), "item_id", [renamed.tolist()])
    data = calibrated(answers, anchors_of(school).head(0))
    data = replace(
        data,
        model_spec=data.model_spec | {"model": "3PL"},
        items=data.items.assign(c=0.2),
        runs=[],
        checks=[],
        missing=[],
        previous=data.previous.head(0),
        history=data.history.tail(1),
    )
    page = Page(text := calibration_page(data))
    assert set(HOSTILE) <= set(page.rows)
    assert page.scripts == 2
    assert "The first calibration: it defines the scale." in text
    assert "not linked" in text
    assert "Dagster has no record of a run." in text
    assert set(page.pictures) == set(PICTURES) - {"anchors", "runs"}
    assert {row[6] for name, row in page.rows.items() if name != ALL_RIGHT} == {"0.200"}


@pytest.mark.usefixtures("words_only")
def test_an_engine_that_tells_little_leaves_dashes_and_a_notice(data):
    unreported = dict.fromkeys(("loglik", "aic", "bic", "converged", "iterations"))
    items = data.items.assign(se_a=float("nan"), se_b=float("nan"))
    text = calibration_page(replace(data, metrics=data.metrics | unreported, items=items))
    assert "The engine does not report whether the calibration converged." in text
    assert "AIC – · BIC –" in text


def test_problems_come_before_notices(data):
    none = np.full(len(data.items), np.nan)
    curves = ItemCurves(*[none] * 8)
    worse = replace(data, metrics=data.metrics | {"converged": False})
    ordered = findings(worse, curves, 0, none)
    assert [finding.level for finding in ordered] == sorted((finding.level for finding in ordered), reverse=True)
    assert "did not converge" in ordered[0].text
    spec = {name: value for name, value in data.model_spec.items() if name != "linking_constants"}
    (first, *_) = findings(replace(data, model_spec=spec), curves, 0, none)
    assert (first.level, "Not linked" in first.text) == ("problem", True)


def test_no_finding_when_all_is_well(data):
    none = np.full(len(data.items), np.nan)
    spec = data.model_spec | {"linking_constants": data.model_spec["linking_constants"] | {"screened_out": {}}}
    well = replace(
        data,
        model_spec=spec,
        metrics=data.metrics | {"retries": 0},
        items=data.items.assign(a=1.0),
        missing=[],
        runs=data.runs[-1:],
        checks=data.checks[:1],
    )
    assert findings(well, ItemCurves(*[none] * 8), 0, none) == []


def test_reasons_of_the_engine_are_translated():
    assert "난이도 변화, robust z +6.0" in bilingual_reason("its difficulty drifted, robust z +6.0")
    assert bilingual_reason("another reason") == "another reason"
