"""Warnings read as sentences, of one item as of many."""

import numpy as np
import pytest

from seedtest_assets.irt.remarks import NAMES_SHOWN, REVERSED, error_warnings, flag_warnings, merged_warnings, names_of

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
