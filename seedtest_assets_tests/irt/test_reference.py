"""Agreement with R mirt 1.45.1 on published data; the results are in ../shared/reference, beside the checkout."""

import json
from pathlib import Path

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import responses_of

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
pytestmark = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the reference results (../shared/reference) are not beside this checkout"
)

TWO_PL = ["LSAT7_2PL", "SAT12_2PL", "SAT12missing_2PL"]
RASCH = ["LSAT7_Rasch", "SAT12_Rasch"]
COMPLETE = ["LSAT7_2PL", "LSAT7_Rasch", "SAT12_2PL", "SAT12_Rasch", "SAT12_3PLprior"]
EVERY = [*COMPLETE, "SAT12missing_2PL"]


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


def data_of(result):
    return responses_of(np.genfromtxt(REFERENCE / result["data_csv"], delimiter=",", skip_header=1)[:, 1:])


@pytest.fixture(scope="module")
def fits():
    """Every reference with the engine's fit to its data."""
    pairs = {}
    for name in EVERY:
        result = reference(name)
        model = "3PL" if result["model"] == "3PLprior" else result["model"]
        pairs[name] = result, irt.calibrate(data_of(result), model, options=irt.Options(tolerance=1e-8))
    return pairs


def table(rows, column):
    return np.array([np.nan if row[column] in (None, "NA") else row[column] for row in rows], dtype=float)


@pytest.mark.parametrize("name", [*TWO_PL, *RASCH])
def test_parameters_and_likelihood_are_mirts(fits, name):
    result, fit = fits[name]
    optimum = result["independent_check"]
    sd = np.sqrt(optimum["group_var"])  # Rasch there has slope 1 and a free variance
    limit = 1e-5 if name == "LSAT7_2PL" else 1e-4
    assert fit.converged
    assert abs(fit.loglik - optimum["logLik_at_optimum"]) < 1e-4
    np.testing.assert_allclose(fit.items.a, sd * np.array(optimum["a"]), atol=limit)
    np.testing.assert_allclose(fit.items.b, np.array(optimum["b"]) / sd, atol=limit)
    assert abs(fit.aic - result["AIC"]) < 1e-3
    assert abs(fit.bic - result["BIC"]) < 1e-3
    assert fit.n_parameters == result["nest"]


def test_3pl_with_the_prior_is_mirts(fits):
    result, fit = fits["SAT12_3PLprior"]
    optimum = result["independent_check"]
    np.testing.assert_allclose(fit.items.a, optimum["a"], atol=2e-3)
    np.testing.assert_allclose(fit.items.d, optimum["d"], atol=2e-3)
    np.testing.assert_allclose(fit.items.c, optimum["g"], atol=1e-4)
    assert abs(fit.loglik - optimum["logLik_at_optimum"]) < 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_standard_errors_are_within_1_percent_of_oakes(fits, name):
    result, fit = fits[name]
    items = [values for item, values in result["par_and_SE_IRT"].items() if item != "GroupPars"]
    if result["model"] == "Rasch":  # SE of d = -b there; of the SD, from that of the variance
        variance = result["par_and_SE_IRT"]["GroupPars"]["COV_11"]
        np.testing.assert_allclose(fit.se_a, variance["SE"] / (2 * np.sqrt(variance["par"])), rtol=0.01)
        return
    for ours, theirs in ((fit.se_a, "a"), (fit.se_b, "b"), (fit.se_c, "g")):
        errors = table([values[theirs] for values in items], "SE")
        np.testing.assert_allclose(ours[~np.isnan(errors)], errors[~np.isnan(errors)], rtol=0.01)


@pytest.mark.parametrize("name", EVERY)
def test_abilities_of_patterns_are_mirts(fits, name):
    result, fit = fits[name]
    patterns = np.array(
        [[np.nan if value in (None, "NA") else value for value in row.values()] for row in result["EAP_patterns"]],
        dtype=float,
    )
    sd = np.sqrt(result["group_cov"])
    theta, se = irt.expected_a_posteriori(responses_of(patterns[:, :-2]), fit.items)
    np.testing.assert_allclose(theta * sd, patterns[:, -2], atol=1e-4)
    np.testing.assert_allclose(se * sd, patterns[:, -1], atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_infit_and_outfit_are_mirts(fits, name):
    result, fit = fits[name]
    ours = irt.item_fit(data_of(result), fit.items, fit.theta)
    rows = result["itemfit_infit"]["rows"]
    np.testing.assert_allclose(ours.infit, table(rows, "infit"), rtol=0.01)
    np.testing.assert_allclose(ours.outfit, table(rows, "outfit"), rtol=0.01)
    np.testing.assert_allclose(ours.z_infit, table(rows, "z.infit"), atol=0.05)


@pytest.mark.parametrize("name", COMPLETE)
def test_s_x2_is_mirts(fits, name):
    result, fit = fits[name]
    statistic, df, p = irt.s_x2(
        data_of(result), fit.items, n_parameters=3 if fit.se_c is not None and "3PL" in name else 2
    )
    rows = result["itemfit_S_X2"]["rows"]
    np.testing.assert_allclose(statistic, table(rows, "S_X2"), rtol=0.01)
    np.testing.assert_array_equal(df, table(rows, "df.S_X2"))
    np.testing.assert_allclose(p, table(rows, "p.S_X2"), atol=0.01)


@pytest.mark.parametrize("name", ["LSAT7_2PL", "SAT12_2PL", "SAT12missing_2PL", "SAT12_3PLprior"])
def test_reliabilities_are_mirts(fits, name):
    result, fit = fits[name]
    assert abs(fit.reliability - result["empirical_rxx"]) < 1e-4
    assert abs(irt.marginal_reliability(fit.items) - result["marginal_rxx"]) < 1e-4


def test_held_anchors_with_a_free_population_are_mirts():
    result = reference("anchor_dense")
    optimum = result["independent_check"]
    anchors = irt.ItemParameters(
        [int(row["item"][1:]) - 1 for row in result["anchors"]],
        [row["a"] for row in result["anchors"]],
        [row["b"] for row in result["anchors"]],
        np.zeros(len(result["anchors"])),
    )
    fit = irt.calibrate(data_of(result), anchors=anchors, options=irt.Options(linking_method="fixed", tolerance=1e-8))
    np.testing.assert_allclose(fit.items.a, optimum["a"], atol=1e-3)
    np.testing.assert_allclose(fit.items.b, optimum["b"], atol=1e-3)
    assert abs(fit.group_mean - optimum["mean"]) < 1e-3
    assert abs(fit.group_sd - optimum["sd"]) < 1e-3
    assert fit.linking.method == "fixed"
    assert (fit.group_sd, fit.group_mean) == (fit.linking.A, fit.linking.B)
    for ours, theirs in ((fit.se_a, "SE_a"), (fit.se_b, "SE_b")):
        errors = table(result["items"], theirs)
        np.testing.assert_allclose(ours, errors, rtol=0.01)
    np.testing.assert_allclose(fit.theta[:50], table(result["EAP_first50"], "theta"), atol=1e-4)
    np.testing.assert_allclose(fit.theta_se[:50], table(result["EAP_first50"], "se"), atol=1e-4)


@pytest.mark.parametrize(
    ("method", "symmetric", "name"),
    [
        ("mean_mean", False, "mean_mean"),
        ("mean_sigma", False, "mean_sigma"),
        ("haebara", False, "haebara_one_directional"),
        ("haebara", True, "haebara_symmetric"),
        ("stocking_lord", False, "stocking_lord_one_directional"),
        ("stocking_lord", True, "stocking_lord_symmetric"),
    ],
)
def test_linking_constants_are_those_of_the_reference(method, symmetric, name):
    result = reference("linking_2pl")
    new, bank = (
        irt.ItemParameters([int(row["item"][1:]) for row in rows], table(rows, "a"), table(rows, "b"), table(rows, "c"))
        for rows in (result["group2_from"], result["group1_to"])
    )
    linking = irt.link(new, bank, method, symmetric=symmetric, screen=False)
    assert abs(linking.A - result["optim"][name]["A"]) < 1e-5
    assert abs(linking.B - result["optim"][name]["B"]) < 1e-5
