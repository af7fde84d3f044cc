"""Answers drawn from known items: right or wrong, and scores."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.test_score_fit import MIXED


def test_scores_are_drawn_with_the_probabilities_of_the_model():
    theta = np.repeat([-1.0, 0.5], 20_000)
    scores = irt.simulate(theta, MIXED, seed=1)
    p = irt.category_probabilities([-1.0, 0.5], MIXED)
    for group, persons in enumerate((theta < 0, theta > 0)):
        for item in range(len(MIXED)):
            shares = np.bincount(scores[persons, item].astype(int), minlength=4) / 20_000
            assert shares == pytest.approx(p[item, :, group], abs=0.015)
            assert (shares[p[item, :, group] == 0] == 0).all()


def test_items_of_one_step_and_right_or_wrong_ones_get_the_same_answers():
    items = irt.ItemParameters(np.arange(5), np.full(5, 1.2), np.linspace(-1, 1, 5), np.zeros(5))
    of_one_step = irt.ItemParameters(items.item, items.a, items.b, items.c, items.b[:, None], ["GRM"] * 5)
    theta = np.random.default_rng(1).normal(size=400)
    np.testing.assert_array_equal(irt.simulate(theta, of_one_step, seed=3), irt.simulate(theta, items, seed=3))
