"""S-X2 of items with partial credit, and of mixed tests: agreement with R mirt, the definition, what must not change, and p values."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import kstest

from seedtest_assets import irt
from seedtest_assets.irt.score_fit import expected_shares, merged_cells
from seedtest_assets_tests.irt.reference import numbers, result_of
from seedtest_assets_tests.irt.simulate import simulate
from seedtest_assets_tests.irt.test_partial_credit import NONE, answers_in_steps, items_of

# Right or wrong, a GRM, a GPCM of which nobody has score 1, and a PCM of which nobody has score 0.
MIXED = irt.ItemParameters(
    np.arange(4),
    [1.3, 0.9, 1.1, 1.0],
    [0.2, 0.0, 0.0, 0.0],
    [0.15, 0.0, 0.0, 0.0],
    [[NONE] * 3, [-0.8, 0.1, 1.2], [NONE, -0.2, 0.9], [-np.inf, -0.4, NONE]],
    ["", "GRM", "GPCM", "PCM"],
)


@pytest.mark.parametrize("name", ["Science_GRM", "Science_GPCM", "mixed_dense"])
def test_statistic_df_and_p_are_mirts(name):
    result = result_of(name)
    responses = irt.Responses.from_matrix(answers_in_steps(name.split("_G")[0]))
    statistic, df, p = irt.s_x2(responses, items_of(result["optimum"]))
    np.testing.assert_allclose(statistic, numbers(result["s_x2"]["statistic"]), atol=2e-5)
    np.testing.assert_array_equal(df, result["s_x2"]["df"])
    np.testing.assert_allclose(p, numbers(result["s_x2"]["p"]), atol=1e-6)


def test_expected_shares_are_those_of_all_patterns_of_scores():
    grid = irt.normal_grid()
    p = irt.category_probabilities(grid.node, MIXED)
    highest = MIXED.max_score
    expected = np.zeros((4, highest.sum() + 1, 4))
    for pattern in product(*(range(m + 1) for m in highest)):
        chance = np.prod([p[item, score] for item, score in enumerate(pattern)], axis=0) @ grid.weight
        for item, score in enumerate(pattern):
            expected[item, sum(pattern), score] += chance
    total = expected.sum(axis=2, keepdims=True)
    shares = expected_shares(MIXED, highest, grid)
    np.testing.assert_allclose(
        shares, np.divide(expected, total, out=np.zeros_like(expected), where=total > 0), atol=1e-13
    )


def test_cells_that_expect_too_few_are_merged():
    """Comfort of R mirt's Science: persons and expected shares by score in the test, 1 to 11, and its table after merging."""
    observed = [
        [0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 5, 6, 0], [1, 8, 21, 2], [1, 6, 50, 1],
        [0, 4, 61, 5], [0, 4, 74, 13], [0, 2, 28, 26], [0, 1, 22, 13], [0, 0, 3, 17],
    ]  # fmt: skip
    expected = [
        [0.418, 0.582, 0, 0], [0.425, 1.108, 0.467, 0], [0.114, 0.441, 0.441, 0.004], [0.67, 3.494, 6.7, 0.136],
        [1.026, 6.922, 23.178, 0.873], [0.901, 8.078, 46.06, 2.961], [0.355, 5.706, 57.6, 6.34],
        [0.126, 3.016, 73.393, 14.464], [0.02, 0.754, 37.16, 18.066], [0, 0.156, 17.252, 18.593], [0, 0, 5.072, 14.928],
    ]  # fmt: skip
    persons = np.sum(observed, axis=1, keepdims=True)
    merged = merged_cells(np.array(observed, float), np.array(expected) / persons)
    after = [[6, 9, 0], [1, 8, 23], [7, 50, 1], [4, 61, 5], [4, 74, 13], [56, 56, 0]]
    np.testing.assert_array_equal(merged[0], np.pad(after, ((0, 0), (0, 1))))
    after = [
        [5.121, 9.879, 0], [1.026, 6.922, 24.051], [8.979, 46.06, 2.961],
        [6.061, 57.6, 6.34], [3.143, 73.393, 14.464], [60.414, 51.586, 0],
    ]  # fmt: skip
    np.testing.assert_allclose(merged[1], np.pad(after, ((0, 0), (0, 1))), atol=2e-3)


@pytest.mark.parametrize("model", ["GRM", "GPCM", "PCM"])
def test_items_of_one_step_are_those_of_the_2pl(model):
    truth = simulate(1500, 10, seed=4)
    items = truth.items
    of_one_step = irt.ItemParameters(items.item, items.a, items.b, items.c, items.b[:, None], [model] * 10)
    expected = irt.s_x2(truth.responses, items, n_parameters=2)
    for ours, theirs in zip(irt.s_x2(truth.responses, of_one_step, n_parameters=2), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_scores_reversed_mirror_the_expected_shares():
    items = MIXED.take([1, 2])
    steps = [[-1.2, -0.1, 0.8], [-0.9, NONE, 0.2]]
    mirrored = irt.ItemParameters(items.item, items.a, items.b, items.c, steps, items.model)
    up, down = (expected_shares(each, each.max_score, irt.normal_grid()) for each in (items, mirrored))
    np.testing.assert_allclose(down, up[:, ::-1, ::-1], atol=1e-12)


def test_an_item_without_a_score_between_is_the_same_whatever_the_numbers():
    """Twice the scores of every item of a GRM are the same test: every second score in it nobody can have."""
    steps = np.linspace(-1, 1, 6)[:, None] + np.array([-0.6, 0.5])
    twice = np.full((6, 4), NONE)
    twice[:, [1, 3]] = steps
    items, doubled = (
        irt.ItemParameters(np.arange(6), np.full(6, 1.2), np.zeros(6), np.zeros(6), each, ["GRM"] * 6)
        for each in (steps, twice)
    )
    scores = irt.simulate(np.random.default_rng(1).normal(size=1000), items, seed=2)
    expected = irt.s_x2(irt.Responses.from_matrix(scores), items)
    for ours, theirs in zip(irt.s_x2(irt.Responses.from_matrix(2 * scores), doubled), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_an_item_that_makes_up_most_of_the_test_has_none():
    steps = [[-1.0, 0.0, 0.5, 1.0], [0.0, NONE, NONE, NONE], [0.3, NONE, NONE, NONE]]
    items = irt.ItemParameters([0, 1, 2], [1.0] * 3, [0.0] * 3, [0.0] * 3, steps, ["GRM"] * 3)
    scores = irt.simulate(np.random.default_rng(1).normal(size=500), items)
    statistic, _, p = irt.s_x2(irt.Responses.from_matrix(scores), items, n_parameters=0)
    assert np.isnan(statistic[0])
    assert np.isnan(p[0])
    assert np.isfinite(statistic[1:]).all()


def test_scores_in_the_test_that_nobody_has_count_for_nothing():
    observed, share = np.array([[4.0, 9.0], [8.0, 7.0], [20.0, 6.0]]), np.array([[0.3, 0.7], [0.5, 0.5], [0.8, 0.2]])
    expected = merged_cells(observed, share)
    with_empty = merged_cells(np.insert(observed, [0, 2, 3], 0.0, axis=0), np.insert(share, [0, 2, 3], 0.5, axis=0))
    for ours, theirs in zip(with_empty, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("guessing", [0.0, 0.2])
def test_under_the_model_p_is_uniform_in_a_mixed_test(guessing):
    steps = np.full((9, 3), NONE)
    steps[:6] = np.linspace(-1, 1, 6)[:, None] + np.array([-0.9, 0.1, 0.8])
    model = ["GRM"] * 3 + ["GPCM"] * 3 + [""] * 3
    b, c = np.r_[np.zeros(6), -1.0, 0.0, 1.0], np.r_[np.zeros(6), [guessing] * 3]
    items = irt.ItemParameters(np.arange(9), np.linspace(0.8, 1.6, 9), b, c, steps, model)
    p = np.array([
        irt.s_x2(
            irt.Responses.from_matrix(irt.simulate(np.random.default_rng(seed).normal(size=1500), items, seed)),
            items,
            n_parameters=0,
        )[2]
        for seed in range(60)
    ])  # fmt: skip
    assert kstest(p[:, :6].ravel(), "uniform").pvalue > 0.01
    assert kstest(p[:, 6:].ravel(), "uniform").pvalue > 0.01
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.02)
