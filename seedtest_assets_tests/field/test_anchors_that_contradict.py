"""Linking says how exact it is, and anchors that contradict each other are not linked to in silence."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.linking import anchors_present
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import calibration
from seedtest_assets_tests.irt.simulate import simulate


@pytest.fixture(scope="module")
def truth():
    return simulate(1500, 20, 4)


def linked(truth, n, *, b=None, method="stocking_lord"):
    rows = np.arange(n)
    items = truth.items.take(rows)
    anchors = irt.ItemParameters(rows, items.a, items.b if b is None else b(items), items.c)
    return irt.calibrate(truth.responses, anchors=anchors, options=irt.Options(linking_method=method))


@pytest.mark.parametrize("method", ["stocking_lord", "haebara", "mean_mean", "mean_sigma", "fixed"])
def test_one_wrong_anchor_of_four_is_a_contradiction(truth, method):
    fit = linked(truth, 4, b=lambda items: items.b + np.array([3.0, 0, 0, 0]), method=method)
    assert fit.linking.contradictory
    assert fit.linking.errors.residual_z > 5
    assert any("anchors contradict each other" in warning for warning in fit.warnings)


def test_intercepts_given_as_difficulties_are_a_contradiction(truth):
    assert linked(truth, 8, b=lambda items: items.d).linking.contradictory


@pytest.mark.parametrize("method", ["stocking_lord", "mean_mean", "fixed"])
def test_slopes_of_the_normal_metric_are_a_contradiction_that_is_named(truth, method):
    items = truth.items.take(np.arange(12))
    anchors = irt.ItemParameters(items.item, items.a / 1.7, items.b, items.c)
    fit = irt.calibrate(truth.responses, anchors=anchors, options=irt.Options(linking_method=method))
    assert fit.linking.contradictory
    assert fit.linking.errors.slope_ratio == pytest.approx(1.7, rel=0.05)
    assert any("a for the normal metric give: multiply the bank's by 1.7" in warning for warning in fit.warnings)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_right_anchors_do_not_contradict_and_few_are_mentioned(truth, n):
    fit = linked(truth, n)
    assert not fit.linking.contradictory
    assert not fit.linking.units_differ
    assert any(f"{n} anchors link" in warning for warning in fit.warnings) == (n < 5)
    assert abs(fit.linking.A - 1) < 4 * fit.linking.errors.se_A
    assert abs(fit.linking.B) < 4 * fit.linking.errors.se_B


@pytest.mark.slow
@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_standard_errors_of_the_constants_are_the_spread_over_samples(method):
    rng = np.random.default_rng(1)
    bank = irt.ItemParameters(np.arange(8), rng.lognormal(0, 0.3, 8), rng.normal(0, 1, 8), np.zeros(8))
    errors = np.array([np.full(8, 0.05), np.full(8, 0.08)])
    links = [
        irt.link(
            irt.ItemParameters(bank.item, bank.a + rng.normal(0, errors[0]), bank.b + rng.normal(0, errors[1]), bank.c),
            bank,
            method,
            screen=False,
            errors=errors,
        )
        for _ in range(150)
    ]
    for name in ("A", "B"):
        spread = np.std([getattr(linking, name) for linking in links])
        # Where chance makes residuals wider than their errors the standard error grows, so that half are the delta method's.
        assert np.min([getattr(linking.errors, f"se_{name}") for linking in links]) == pytest.approx(spread, rel=0.25)


def test_anchors_that_contradict_block_publishing():
    result = calibration(n_used=4)
    result.model_spec["linking_constants"] |= {"contradictory": True, "residual_z": 14.3, "se_A": 0.9, "se_B": 1.0}
    judgement = anchors_present(result, 4, "stocking_lord", [], Settings())
    assert judgement.verdict == Verdict.ERROR
    assert "contradict each other" in judgement.finding
    result.model_spec["linking_constants"]["slope_ratio"] = 1.7
    assert "A is 1.70 times" in anchors_present(result, 4, "stocking_lord", [], Settings()).finding


def test_without_standard_errors_nothing_is_claimed():
    truth = simulate(300, 10, 1)
    fit = irt.calibrate(truth.responses, anchors=truth.items, options=irt.Options(standard_errors=False))
    assert np.isnan(fit.linking.errors.se_A)
    assert not fit.linking.contradictory
