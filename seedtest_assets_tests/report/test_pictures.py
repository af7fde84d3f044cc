"""The small pictures of the Dagster UI."""

import numpy as np
import pytest

from seedtest_assets.report.pictures import histogram, history, item_map

PNG = b"\x89PNG"


def test_limits_are_drawn():
    assert history([3, 2, 1], "items", [2.5]) != history([3, 2, 1], "items")


@pytest.mark.parametrize("values", [[1.0], [0, 0], [1, np.nan, 2], [np.nan], [1, np.inf], [-np.inf, -1]])
def test_a_history_is_drawn_whatever_the_numbers(values):
    assert history(values, "b", [np.nan]).startswith(PNG)


def test_what_is_unknown_is_left_out():
    assert histogram([1.0, 2.0, np.nan], "improvement", "pairs") == histogram([1.0, 2.0], "improvement", "pairs")
    assert histogram([], "improvement", "pairs").startswith(PNG)
    assert item_map([], []).startswith(PNG)
