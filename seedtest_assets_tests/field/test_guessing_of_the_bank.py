"""A bank with guessing and a model without: the bank's c is used, and the mismatch is told."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt.grid import normal_grid
from seedtest_assets.irt.linking import _without_guessing
from seedtest_assets_tests.irt.simulate import simulate


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stocking_lord", "haebara", "mean_sigma", "fixed"])
def test_abilities_are_on_the_scale_of_a_3pl_bank(method):
    truth = simulate(3000, 40, 3, c=0.2)
    anchors = truth.items.take(np.arange(15))
    fit = irt.calibrate(truth.responses, "2PL", anchors=anchors, options=irt.Options(linking_method=method))
    assert pytest.approx(0, abs=0.08) == fit.group_mean
    assert pytest.approx(1, abs=0.08) == fit.group_sd
    assert not fit.linking.contradictory
    assert any("15 items of the bank have c above 0, but the model is 2PL" in warning for warning in fit.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Rasch", "2PL", "3PL"])
def test_held_anchors_keep_their_guessing_in_any_model(model):
    truth = simulate(1500, 20, 3, c=0.2, common_slope=1.0)
    anchors = truth.items.take(np.arange(10))
    fit = irt.calibrate(truth.responses, model, anchors=anchors, options=irt.Options(linking_method="fixed"))
    held = np.isin(fit.items.item, fit.linking.used)
    assert held.sum() > 5
    assert np.allclose(fit.items.c[held], 0.2)
    assert (fit.items.c[~held] == 0).all() == (model != "3PL")
    assert np.allclose(fit.items.b[held], truth.items.b[fit.linking.used])


def test_curves_without_guessing_are_the_nearest_also_for_the_hardest_items():
    items = irt.ItemParameters(np.arange(4), [0.3, 1.0, 2.5, 4.0], [3.0, -3.0, 2.5, 3.5], [0.25, 0.4, 0.2, 0.3])
    grid = normal_grid(0.3, 1.2)
    a, b = _without_guessing(items, grid)
    expected = irt.probability(grid.node, items)
    residual = grid.weight * (expected - irt.probability(grid.node, irt.ItemParameters(items.item, a, b, np.zeros(4))))
    assert np.abs(residual.sum(axis=1)).max() < 1e-6
    assert np.abs(residual @ grid.node).max() < 1e-6
