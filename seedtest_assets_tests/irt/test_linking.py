"""Linking alone: drift, too few anchors, wrong methods."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import simulate

A, B = 1.25, 0.4


def pair(n=20, noise=0.05, seed=1):
    """The same items on two scales, theta_to = A theta_from + B, with a little noise."""
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.3, n), rng.normal(0, 1, n)
    new = irt.ItemParameters(
        np.arange(n), a * np.exp(rng.normal(0, noise, n)), b + rng.normal(0, noise, n), np.zeros(n)
    )
    return new, irt.ItemParameters(np.arange(n), a / A, A * b + B, np.zeros(n))


def moved(items, rows, a=1.0, b=0.0):
    new_a, new_b = items.a.copy(), items.b.copy()
    new_a[rows] *= a
    new_b[rows] += b
    return irt.ItemParameters(items.item, new_a, new_b, items.c)


@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_drifted_anchors_are_left_out_and_named(method):
    new, bank = pair()
    linking = irt.link(moved(moved(new, [2], b=1.0), [7], a=2.5), bank, method)
    reasons = dict(linking.screened_out)
    assert {2, 7} <= set(reasons)
    assert len(reasons) <= 4
    assert "difficulty" in reasons[2]
    assert "discrimination" in reasons[7]
    assert not set(reasons) & set(linking.used.tolist())
    assert pytest.approx(A, rel=0.05) == linking.A
    assert pytest.approx(B, abs=0.05) == linking.B


def test_drift_of_many_anchors_is_found_one_after_the_other():
    new, bank = pair(n=30)
    linking = irt.link(moved(new, [1, 4, 9, 16, 25], b=1.5), bank)
    assert {1, 4, 9, 16, 25} <= {item for item, _ in linking.screened_out}
    assert pytest.approx(B, abs=0.05) == linking.B


@pytest.mark.slow
def test_screening_keeps_nearly_all_steady_anchors():
    dropped = [len(irt.link(*pair(seed=seed)).screened_out) for seed in range(40)]
    assert np.mean(dropped) < 1.5


def test_anchor_whose_discrimination_changed_sign_is_left_out():
    new, bank = pair(n=4)
    linking = irt.link(moved(new, [1], a=-1.0), bank)
    assert linking.screened_out == ((1, "its discrimination changed sign"),)


@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_items_that_fall_on_both_scales_link_like_others(method):
    new, bank = pair(n=8)
    same = irt.link(new, bank, method)
    turned = irt.link(moved(new, [1, 3, 4], a=-1.0), moved(bank, [1, 3, 4], a=-1.0), method)
    assert pytest.approx((same.A, same.B)) == (turned.A, turned.B)


def test_fewer_than_two_common_items_are_an_error_that_says_how_many():
    new, bank = pair()
    with pytest.raises(irt.DataError, match="1 common items remain"):
        irt.link(new.take([0]), bank)


def test_unknown_method_is_an_error_that_lists_them():
    with pytest.raises(irt.DataError, match="mean_mean"):
        irt.link(*pair(), "equipercentile")


def test_calibration_with_one_usable_anchor_is_not_linked_and_says_why():
    truth = simulate(500, 10, 2)
    anchors = irt.ItemParameters([0, 99], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    fit = irt.calibrate(truth.responses, anchors=anchors)
    assert fit.linking is None
    assert any("1 of 2 anchors can be fitted, but 2 are needed" in warning for warning in fit.warnings)


def test_anchors_come_before_the_previous_calibration():
    truth = simulate(500, 10, 3)
    first = irt.calibrate(truth.responses)
    fit = irt.calibrate(truth.responses, anchors=first.items.take([0, 1, 2]), previous=first.items)
    assert fit.linking.source == "anchors"
    assert set(fit.linking.used.tolist()) <= {0, 1, 2}


def test_linking_turned_off_leaves_the_groups_own_scale():
    truth = simulate(500, 10, 4)
    fit = irt.calibrate(truth.responses, previous=truth.items, options=irt.Options(linking_method="none"))
    assert fit.linking is None
    assert (fit.group_mean, fit.group_sd) == (0, 1)
