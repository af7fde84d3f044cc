"""Warnings read as sentences, of one item as of many."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt.remarks import (
    NAMES_SHOWN,
    REVERSED,
    error_warnings,
    flag_warnings,
    merged_warnings,
    mismatch_warnings,
    names_of,
)

IDS = np.array([f"q{n}" for n in range(20)], object)


@pytest.mark.parametrize(
    ("warn", "one", "two"),
    [
        (
            lambda items: flag_warnings(tuple((item, REVERSED) for item in items), IDS),
            "1 item discriminates below 0, its key may be reversed: q3",
            "2 items discriminate below 0, their keys may be reversed: q3, q5",
        ),
        (
            lambda items: merged_warnings(tuple((item, (2,)) for item in items), IDS),
            "1 item has scores that nobody got, so that their steps are merged with the next ones: q3 (score 2)",
            "2 items have scores that nobody got, so that their steps are merged with the next ones: "
            "q3 (score 2), q5 (score 2)",
        ),
        (
            lambda items: error_warnings(np.array(items), IDS),
            "1 item has infinite standard errors, because the information is not positive: q3",
            "2 items have infinite standard errors, because the information is not positive: q3, q5",
        ),
    ],
)
def test_warnings_of_one_item_and_of_two(warn, one, two):
    assert warn([3]) == [one]
    assert warn([3, 5]) == [two]


def test_a_long_list_ends_with_how_many_more_there_are():
    assert names_of(np.arange(NAMES_SHOWN), IDS) == ", ".join(IDS[:NAMES_SHOWN])
    assert names_of(np.arange(NAMES_SHOWN + 3), IDS) == f"{', '.join(IDS[:NAMES_SHOWN])} and 3 more"


def test_a_test_of_one_item_and_a_bank_of_one_item_with_guessing():
    fit = irt.calibrate(irt.Responses.from_matrix([[1], [0]] * 20), "Rasch")
    assert any(line.startswith("1 item does not determine how much it discriminates") for line in fit.warnings)
    bank = irt.ItemParameters(np.arange(2), a=np.ones(2), b=np.zeros(2), c=np.array([0.2, 0.0]))
    (line,) = mismatch_warnings("2PL", bank)
    assert line.startswith("1 item of the bank has c above 0, but the model is 2PL")
