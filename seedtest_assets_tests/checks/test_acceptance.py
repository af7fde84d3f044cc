"""Which rejections an operator can overrule, in the code and in the operators' pages."""

import pytest

from seedtest_assets.checks.acceptance import BLOCKING, NEVER_ACCEPTED, rejected_by
from seedtest_assets.checks.judgement import Judgement, Verdict
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
