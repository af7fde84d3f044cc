"""Agreement with R mirt 1.45.1, on published answers and on simulated ones."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.reference import answers_of, numbers, patterns_of, result_of

RASCH = ["LSAT7_Rasch", "SAT12_Rasch"]
TWO_PL = ["LSAT7_2PL", "SAT12_2PL", "SAT12missing_2PL"]
EVERY = [*RASCH, *TWO_PL, "SAT12_3PL"]
COMPLETE = [name for name in EVERY if "missing" not in name]


@pytest.fixture(scope="module")
def fits():
    """Every reference with the answers and the engine's fit to them."""
    results = {}
    for name in EVERY:
        data, model = name.split("_")
        responses = irt.Responses.from_matrix(answers_of(data))
        fit = irt.calibrate(responses, model, options=irt.Options(tolerance=1e-8))
        results[name] = result_of(name), responses, fit
    return results


@pytest.mark.parametrize("name", [*TWO_PL, *RASCH])
def test_parameters_and_likelihood_are_mirts(fits, name):
    result, _, fit = fits[name]
    sd = result["group_sd"]
    limit = 1e-5 if name == "LSAT7_2PL" else 1e-4
    assert fit.converged
    assert fit.loglik == pytest.approx(result["loglik"], abs=1e-4)
    np.testing.assert_allclose(fit.items.a, sd * numbers(result["optimum"]["a"]), atol=limit)
    np.testing.assert_allclose(fit.items.b, numbers(result["optimum"]["b"]) / sd, atol=limit)
    assert fit.aic == pytest.approx(result["aic"], abs=1e-3)
    assert fit.bic == pytest.approx(result["bic"], abs=1e-3)
    assert fit.n_parameters == result["n_parameters"]


def test_3pl_with_the_prior_is_mirts(fits):
    result, _, fit = fits["SAT12_3PL"]
    np.testing.assert_allclose(fit.items.a, result["optimum"]["a"], atol=2e-3)
    np.testing.assert_allclose(fit.items.d, result["optimum"]["d"], atol=2e-3)
    np.testing.assert_allclose(fit.items.c, result["optimum"]["c"], atol=1e-4)
    assert fit.loglik == pytest.approx(result["loglik"], abs=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_standard_errors_are_within_1_percent_of_oakes(fits, name):
    result, _, fit = fits[name]
    for parameter, errors in result["standard_errors"].items():
        errors, ours = numbers(errors), getattr(fit, f"se_{parameter}")
        np.testing.assert_allclose(ours[~np.isnan(errors)], errors[~np.isnan(errors)], rtol=0.01)


@pytest.mark.parametrize("name", EVERY)
def test_abilities_of_patterns_are_mirts(fits, name):
    result, _, fit = fits[name]
    patterns, eap, posterior_sd = patterns_of(result)
    theta, theta_se = irt.expected_a_posteriori(irt.Responses.from_matrix(patterns), fit.items)
    np.testing.assert_allclose(theta * result["eap_group_sd"], eap, atol=1e-4)
    np.testing.assert_allclose(theta_se * result["eap_group_sd"], posterior_sd, atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_infit_and_outfit_are_mirts(fits, name):
    result, responses, fit = fits[name]
    ours = irt.item_fit(responses, fit.items, fit.theta)
    np.testing.assert_allclose(ours.infit, result["infit"], rtol=0.01)
    np.testing.assert_allclose(ours.outfit, result["outfit"], rtol=0.01)
    np.testing.assert_allclose(ours.z_infit, result["z_infit"], atol=0.05)


@pytest.mark.parametrize("name", COMPLETE)
def test_s_x2_is_mirts(fits, name):
    result, responses, fit = fits[name]
    statistic, df, p = irt.s_x2(responses, fit.items, n_parameters=3 if fit.model == "3PL" else 2)
    np.testing.assert_allclose(statistic, numbers(result["s_x2"]["statistic"]), rtol=0.01)
    np.testing.assert_array_equal(df, result["s_x2"]["df"])
    np.testing.assert_allclose(p, numbers(result["s_x2"]["p"]), atol=0.01)


@pytest.mark.parametrize("name", [*TWO_PL, "SAT12_3PL"])
def test_reliabilities_are_mirts(fits, name):
    result, _, fit = fits[name]
    assert fit.reliability == pytest.approx(result["reliability"], abs=1e-4)
    assert irt.marginal_reliability(fit.items) == pytest.approx(result["marginal_reliability"], abs=1e-4)


def test_held_anchors_with_a_free_population_are_mirts():
    result = result_of("held_anchors")
    anchors = irt.ItemParameters(**result["anchors"], c=np.zeros(len(result["anchors"]["item"])))
    options = irt.Options(linking_method="fixed", tolerance=1e-8)
    fit = irt.calibrate(irt.Responses.from_matrix(answers_of("held_anchors")), anchors=anchors, options=options)
    np.testing.assert_allclose(fit.items.a, result["optimum"]["a"], atol=1e-3)
    np.testing.assert_allclose(fit.items.b, result["optimum"]["b"], atol=1e-3)
    assert fit.group_mean == pytest.approx(result["group_mean"], abs=1e-3)
    assert fit.group_sd == pytest.approx(result["group_sd"], abs=1e-3)
    assert fit.linking.method == "fixed"
    assert (fit.group_sd, fit.group_mean) == (fit.linking.A, fit.linking.B)
    np.testing.assert_allclose(fit.se_a, numbers(result["standard_errors"]["a"]), rtol=0.01)
    np.testing.assert_allclose(fit.se_b, numbers(result["standard_errors"]["b"]), rtol=0.01)
    np.testing.assert_allclose(fit.theta[:50], result["eap"]["theta"], atol=1e-4)
    np.testing.assert_allclose(fit.theta_se[:50], result["eap"]["theta_se"], atol=1e-4)


def test_two_linked_populations_are_mirts():
    result, group = result_of("two_forms"), np.repeat([0, 1], 1500)
    responses = irt.Responses.from_matrix(answers_of("two_forms"))
    fit = irt.calibrate(responses, groups=group, options=irt.Options(tolerance=1e-8, standard_errors=False))
    (mean, other_mean), (sd, other_sd) = fit.groups_mean, fit.groups_sd
    assert fit.loglik == pytest.approx(result["loglik"], abs=1e-3)
    # mirt has the first population at N(0, 1).
    np.testing.assert_allclose(fit.items.a * sd, result["optimum"]["a"], atol=1e-4)
    np.testing.assert_allclose((fit.items.b - mean) / sd, result["optimum"]["b"], atol=1e-4)
    assert (other_mean - mean) / sd == pytest.approx(result["mean"], abs=1e-4)
    assert (other_sd / sd) ** 2 == pytest.approx(result["variance"], abs=1e-4)


@pytest.mark.parametrize(
    ("method", "symmetric"),
    [
        ("mean_mean", False),
        ("mean_sigma", False),
        ("haebara", False),
        ("haebara", True),
        ("stocking_lord", False),
        ("stocking_lord", True),
    ],
)
def test_linking_constants_are_those_of_the_reference(method, symmetric):
    result = result_of("linking")
    new, bank = irt.ItemParameters(**result["from_items"]), irt.ItemParameters(**result["to_items"])
    linking = irt.link(new, bank, method, symmetric=symmetric, screen=False)
    A, B = result["constants"][method + (" symmetric" if symmetric else "")]
    assert pytest.approx(A, abs=1e-5) == linking.A
    assert pytest.approx(B, abs=1e-5) == linking.B
