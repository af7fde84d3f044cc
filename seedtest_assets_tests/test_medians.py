"""Medians by group from parts, against pandas."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.medians import grouped_medians, medians_and_counts_below


@pytest.mark.parametrize("n_parts", [1, 7])
@pytest.mark.parametrize("n_groups", [1, 300])
def test_medians_are_those_of_pandas(n_parts, n_groups):
    random = np.random.default_rng(n_groups)
    group = random.integers(0, n_groups, 3000)
    value = np.exp(random.uniform(0, np.log(2**31), 3000)).astype(np.int64)
    value[group % 3 == 1] = 70  # ties
    value[group % 3 == 2] = random.integers(1, 9, (group % 3 == 2).sum())
    medians, n = grouped_medians(list(zip(np.array_split(group, n_parts), np.array_split(value, n_parts), strict=True)))
    expected = pd.Series(value).groupby(group).agg(["median", "size"]).reindex(range(group.max() + 1))
    np.testing.assert_array_equal(medians, expected["median"])
    np.testing.assert_array_equal(n, expected["size"].fillna(0))


def test_the_two_in_the_middle_may_be_far_apart_and_a_group_may_be_empty():
    parts = [(np.array([2, 2, 0]), np.array([1, 2**32 - 1, 5])), (np.array([2, 2]), np.array([1, 2**32 - 1]))]
    medians, n = grouped_medians(parts)
    np.testing.assert_array_equal(medians, [5, np.nan, 2**31])
    assert n.tolist() == [1, 0, 4]
    assert len(grouped_medians([])[0]) == 0


@pytest.mark.parametrize("spread", [0.3, 4.0])
def test_values_below_a_limit_that_follows_from_the_median_are_those_of_pandas(spread):
    random = np.random.default_rng(3)
    group = random.integers(0, 200, 4000)
    value = np.exp(np.clip(random.normal(9, spread, 4000), 0, np.log(2**31))).astype(np.int64)
    value[group < 50] = 50 * random.integers(1, 30, (group < 50).sum())  # often as long as the limit

    def limit_of(medians, n):
        return np.where(n >= 15, np.minimum(medians / 2, 10_000), np.nan)

    parts = list(zip(np.array_split(group, 5), np.array_split(value, 5), strict=True))
    medians, n, limits, n_below = medians_and_counts_below(parts, limit_of)
    expected = pd.Series(value).groupby(group).agg(["median", "size"])
    np.testing.assert_array_equal([medians, n], expected.T)
    np.testing.assert_array_equal(limits, limit_of(expected["median"], expected["size"]))
    below = value < limits[group]
    np.testing.assert_array_equal(n_below, np.bincount(group[below], minlength=200))
    assert below.sum() > 100
    assert np.isnan(limits).any()
