"""A bank may have any origin and unit: linking and held anchors give what they give on a scale like N(0, 1)."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import simulate

SCALES = [(1.0, 5.0), (1.0, 60.0), (100.0, 500.0), (0.1, 0.0), (1.0, -30.0)]


@pytest.fixture(scope="module")
def truth():
    return simulate(800, 20, 4)


@pytest.fixture(scope="module")
def usual(truth):
    """Calibrations linked to the bank where persons are N(0, 1), by method."""
    return {method: linked(truth, 1.0, 0.0, method) for method in irt.LINKING_METHODS if method != "none"}


def linked(truth, A, B, method, **priors):
    bank = irt.ItemParameters(truth.items.item, truth.items.a / A, A * truth.items.b + B, truth.items.c)
    options = irt.Options(linking_method=method, tolerance=1e-6, **priors)
    return irt.calibrate(truth.responses, anchors=bank.take(np.arange(8)), starts=bank, options=options)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stocking_lord", "haebara", "fixed"])
@pytest.mark.parametrize(("A", "B"), SCALES)
def test_results_do_not_depend_on_origin_and_unit(truth, usual, A, B, method):
    fit, same = linked(truth, A, B, method), usual[method]
    assert fit.converged
    assert pytest.approx(same.linking.A, abs=0.01) == fit.linking.A / A
    assert pytest.approx(same.linking.B, abs=0.01) == (fit.linking.B - B) / A
    assert fit.linking.errors.se_A / A == pytest.approx(same.linking.errors.se_A, rel=0.05)
    assert fit.linking.screened_out == same.linking.screened_out
    np.testing.assert_allclose((fit.items.b - B) / A, same.items.b, atol=0.03)
    np.testing.assert_allclose(fit.items.a * A, same.items.a, atol=0.03)
    np.testing.assert_allclose((fit.theta - B) / A, same.theta, atol=0.03)
    np.testing.assert_allclose(fit.se_b / A, same.se_b, rtol=0.03)


def test_priors_are_on_the_banks_scale_with_held_anchors(truth):
    usual = linked(truth, 1.0, 0.0, "fixed", prior_a=(0.0, 0.2), prior_b=(0.5, 0.5))
    moved = linked(truth, 100.0, 500.0, "fixed", prior_a=(-np.log(100), 0.2), prior_b=(550.0, 50.0))
    np.testing.assert_allclose((moved.items.b - 500) / 100, usual.items.b, atol=2e-3)
    np.testing.assert_allclose(moved.items.a * 100, usual.items.a, atol=2e-3)


@pytest.mark.slow
def test_held_anchors_far_from_the_persons_are_not_clipped(truth):
    items = truth.items.take(np.arange(4))
    a, b = items.a.copy(), items.b.copy()
    a[0], b[0] = 12.0, 9.0
    anchors = irt.ItemParameters(items.item, a, b, items.c)
    fit = irt.calibrate(truth.responses, anchors=anchors, options=irt.Options(linking_method="fixed"))
    assert (fit.items.a[0], fit.items.b[0]) == pytest.approx((12.0, 9.0))
    assert any("contradict each other" in line for line in fit.warnings)
