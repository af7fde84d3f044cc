"""The one rule for which item parameters can be used."""

from math import inf, nan

import pytest

from seedtest_assets.irt.usable_parameters import unusable_parameters


@pytest.mark.parametrize(
    ("a", "b", "c", "reason"),
    [
        (1.2, -0.5, 0.2, ""),
        (1.2, -0.5, nan, ""),
        (-0.3, 2.0, 0.0, ""),
        (1e-4, 5e5, 0.0, ""),
        (nan, nan, nan, "a and b are missing"),
        (nan, 0.5, 0.0, "a is missing"),
        (1.0, nan, 0.0, "b is missing"),
        (0.0, 0.5, 0.0, "a is 0"),
        (inf, 0.5, 0.0, "a is not between -100 and 100"),
        (1.0, -inf, 0.0, "b is not between -1,000,000 and 1,000,000"),
        (1.0, 0.0, 1.0, "c is not from 0 to below 1"),
        (1.0, 0.0, -0.1, "c is not from 0 to below 1"),
    ],
)
def test_each_fault_is_named_and_estimates_of_weak_items_pass(a, b, c, reason):
    assert unusable_parameters([a], [b], [c]).tolist() == [reason]


def test_a_table_is_judged_row_by_row():
    assert unusable_parameters([1.0, nan], [0.0, 0.0], [nan, nan]).tolist() == ["", "a is missing"]
    assert unusable_parameters([], [], []).tolist() == []
