"""The report in a real browser: both languages, the table, the points, and a printed page, without a network."""

import base64

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from seedtest_assets_tests.browser import chromium, needs_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def opened(page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "calibration.html"
    file.write_text(page, encoding="utf-8")
    with chromium(folder / "profile") as driver:
        yield driver, file.as_uri()


@pytest.fixture
def report(opened):
    driver, uri = opened
    load(driver, uri + "#en")
    return driver


def load(driver, uri: str) -> None:
    """Open the page anew, and wait for its end: on a busy machine the browser may say too early that it is there."""
    driver.get("about:blank")
    driver.get(uri)
    there = "return location.href === arguments[0] && document.readyState === 'complete'"
    WebDriverWait(driver, 60).until(lambda _: driver.execute_script(there, uri))


def column(report, number: int) -> list[str]:
    return report.execute_script(
        "return [...document.querySelectorAll('#every-item tbody tr')].map(row => row.cells[arguments[0]].innerText.trim())",
        number,
    )


def heading(report, number: int):
    return report.find_elements(By.CSS_SELECTOR, "#every-item th button")[number]


def enter(report, values: dict[str, str]) -> None:
    """Fill in the table's filters, the others empty."""
    report.execute_script(
        "for (const id of ['find', 'topic', 'flag']) { const field = document.getElementById(id);"
        "field.value = arguments[0][id] ?? ''; field.dispatchEvent(new Event('input')); }",
        values,
    )


def test_opens_without_an_error_and_nothing_is_cut_off(report):
    assert report.get_log("browser") == []
    assert report.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    drawn = report.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(it => it.getBoundingClientRect().height)"
    )
    assert len(drawn) == 9
    assert min(drawn) > 200


def test_the_switch_changes_page_and_pictures_and_is_remembered(report, opened):
    def visible(text: str) -> bool:
        return report.execute_script(
            "return [...document.querySelectorAll('h2 span, svg tspan')].some(it => it.textContent === arguments[0] "
            "&& getComputedStyle(it).display !== 'none')",
            text,
        )

    assert visible("Students")
    assert visible("difficulty b")
    assert not visible("난이도 b")
    report.find_element(By.CSS_SELECTOR, "[data-language=ko]").click()
    assert visible("학생")
    assert visible("난이도 b")
    assert not visible("difficulty b")
    assert "해당" in report.find_element(By.ID, "count").text
    load(report, opened[1])
    assert report.execute_script("return document.documentElement.lang") == "ko"


def test_the_table_sorts_by_value_with_unknown_ones_last(report):
    heading(report, 4).click()
    values = column(report, 4)
    numbers = [float(value.replace("−", "-")) for value in values[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert values[-1] == "–"
    heading(report, 4).click()
    numbers = [float(value.replace("−", "-")) for value in column(report, 4)[:-1]]
    assert numbers == sorted(numbers)
    heading(report, 0).click()
    assert column(report, 0)[8:11] == ["9", "10", "11"]


def test_the_table_filters_by_name_topic_and_note(report, drifted_anchor):
    for entered, names in (
        ({"find": "12"}, ["12"]),
        ({"find": "=1"}, ["1"]),
        ({"flag": "screened out"}, [drifted_anchor]),
    ):
        enter(report, entered)
        assert column(report, 0) == names
    assert report.find_element(By.ID, "count").text == "1 of 40 items, 1 shown"
    enter(report, {"topic": "topic-02"})
    assert set(column(report, 1)) == {"topic-02"}
    assert len(column(report, 0)) == 10


def test_a_point_says_its_item_and_a_click_finds_it(report, drifted_anchor):
    cross = report.find_element(By.CSS_SELECTOR, '[id="points-anchors-b-out"] use')
    report.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", cross)
    ActionChains(report).move_to_element(cross).perform()
    assert report.find_element(By.ID, "tip").text.split()[0] == drifted_anchor
    ActionChains(report).click(cross).perform()
    assert column(report, 0) == [drifted_anchor]


def test_prints_on_paper_without_its_controls(report):
    pdf = base64.b64decode(report.print_page())
    assert pdf.startswith(b"%PDF")
    report.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = report.execute_script(
        "return ['.controls', '.filters', '.cards'].map(it => getComputedStyle(document.querySelector(it)).display)"
    )
    report.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == ["none", "none", "grid"]
