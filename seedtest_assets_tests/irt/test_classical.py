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


def test_scores_count_as_shares_of_the_items_highest():
    rng = np.random.default_rng(1)
    highest = np.array([1, 2, 4, 1, 3, 2, 1])
    scores = rng.integers(0, highest + 1, (300, 7)).astype(float)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    responses = irt.Responses.from_matrix(scores)
    classical, shares = irt.classical_statistics(responses), scores / highest
    assert classical.share_correct == pytest.approx(np.nanmean(shares, axis=0), abs=1e-12)
    others = np.delete(shares, 2, axis=1)
    used = np.isfinite(shares[:, 2]) & (np.isfinite(others).sum(axis=1) >= 5)
    expected = np.corrcoef(scores[used, 2], np.nanmean(others[used], axis=1))[0, 1]
    assert classical.point_biserial[2] == pytest.approx(expected, abs=1e-10)
    doubled = irt.classical_statistics(responses, max_score=2 * highest)
    assert doubled.share_correct == pytest.approx(classical.share_correct / 2)


def test_scores_reversed_have_the_other_share_and_the_same_correlations():
    highest = np.array([1, 2, 4, 1, 3, 2, 1])
    scores = np.random.default_rng(2).integers(0, highest + 1, (300, 7))
    up, down = (irt.classical_statistics(irt.Responses.from_matrix(each)) for each in (scores, highest - scores))
    assert down.share_correct == pytest.approx(1 - up.share_correct)
    assert down.point_biserial == pytest.approx(up.point_biserial, abs=1e-12)
