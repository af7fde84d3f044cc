"""Classical statistics against a count that goes item by item."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import simulate


def test_share_and_point_biserial_are_those_of_a_count_item_by_item():
    truth = simulate(400, 15, seed=5, seen=0.6)
    classical = irt.classical_statistics(truth.responses)
    marks = np.where(truth.seen, truth.right, np.nan)
    for item in range(15):
        answered = truth.seen[:, item]
        assert classical.n_answers[item] == answered.sum()
        assert classical.share_correct[item] == pytest.approx(marks[answered, item].mean(), abs=1e-12)
        others = np.delete(marks, item, axis=1)
        used = answered & (np.isfinite(others).sum(axis=1) >= 5)
        assert classical.n_rest[item] == used.sum()
        rest = np.nanmean(others[used], axis=1)
        assert classical.point_biserial[item] == pytest.approx(np.corrcoef(marks[used, item], rest)[0, 1], abs=1e-10)


def test_what_cannot_be_computed_is_nan():
    marks = np.ones((30, 8))
    marks[:, 1] = np.arange(30) % 2  # everybody's rest score of the others is the same but for this one
    marks[:, 7] = np.nan
    classical = irt.classical_statistics(irt.Responses.from_matrix(marks))
    assert np.isnan(classical.share_correct[7])
    assert np.isnan(classical.point_biserial).all()  # all right, a constant rest score, or no answer
    few = irt.classical_statistics(irt.Responses.from_matrix(np.arange(40).reshape(8, 5) % 2))
    assert list(few.n_rest) == [0] * 5  # four other answers are too few
    assert np.isnan(few.point_biserial).all()
