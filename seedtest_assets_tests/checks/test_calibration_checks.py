"""Which checks decide, which rejections an operator can overrule, in the code and in the pages."""

import re

import pandas as pd
import pytest

from seedtest_assets.checks import calibration_checks, catalogue
from seedtest_assets.checks.calibration_checks import (
    BLOCKING,
    NEVER_ACCEPTED,
    CalibratedDay,
    EarlierPartitions,
    rejected_by,
)
from seedtest_assets.checks.judgement import Judgement, Verdict
from seedtest_assets.thresholds import Thresholds
from seedtest_assets_tests.checks.made import calibration
from seedtest_assets_tests.conftest import ROOT


def failed(check: str) -> Judgement:
    return Judgement(check=check, verdict=Verdict.ERROR, finding=f"{check} failed")


@pytest.mark.parametrize("check", sorted(BLOCKING))
def test_an_operator_overrules_every_blocking_check_but_finite(check):
    assert [judgement.check for judgement in rejected_by([failed(check)])] == [check]
    assert bool(rejected_by([failed(check)], accept=True)) == (check == "finite")


def test_a_failed_finite_keeps_the_others_rejected():
    both = [failed("plausible_ranges"), failed("finite")]
    assert rejected_by(both, accept=True) == both


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("checks.md", "No operator can accept a failed `{}`"),
        ("operations.md", "A calibration that fails `{}` cannot be accepted"),
        ("operations.ko.md", "`{}` 점검에 걸린 추정은 승인할 수 없습니다"),
    ],
)
def test_the_pages_say_which_check_cannot_be_accepted(page, sentence):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert all(sentence.format(check) in text for check in NEVER_ACCEPTED)


def test_what_is_judged_and_what_the_catalogue_lists_are_the_same():
    day = CalibratedDay(
        window=None,
        answers_since=None,
        result=calibration(),
        anchors=pd.DataFrame(),
        earlier=EarlierPartitions(fits=(), parameters=pd.DataFrame(), newest=None, abilities=pd.DataFrame()),
        linking_method="stocking_lord",
    )
    assert list(calibration_checks._checks(day, Thresholds())) == [check.name for check in catalogue.CALIBRATION]


def test_the_page_of_checks_has_a_row_for_every_check_with_its_assets():
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    documented = {
        (name, asset)
        for name, assets in re.findall(r"^\| `([a-z_]+)` \| ([a-z_, ]+) \|", page, re.MULTILINE)
        for asset in assets.split(", ")
    }
    tables = (*catalogue.TOPIC_THETA, *catalogue.FEATURES)
    others = (*catalogue.ITEM_STATISTICS, catalogue.DIF, catalogue.FRESHNESS, catalogue.PUBLISHED)
    every = (*catalogue.OBSERVATIONS, *catalogue.CALIBRATION, *others, *tables)
    assert documented == {(check.name, check.asset) for check in every}
