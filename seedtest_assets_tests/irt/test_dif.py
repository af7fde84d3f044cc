"""Differential item functioning: agreement with R mirt 1.45.1, and what it finds in answers whose truth is known."""

import numpy as np
import pytest
from scipy.integrate import quad

from seedtest_assets import irt
from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.dif_effects import areas_between
from seedtest_assets.irt.dif_likelihood_ratio import GroupModel, likelihood_ratio
from seedtest_assets.irt.dif_mantel_haenszel import mantel_haenszel
from seedtest_assets.irt.dif_matching import Matching, rest_scores
from seedtest_assets.irt.em import Stopping
from seedtest_assets_tests.irt.reference import answers_of, result_of


@pytest.fixture(scope="module")
def reference():
    """R's results, the answers, and whether a person is of the focal group."""
    result = result_of("dif")
    matrix = answers_of("dif")
    return result, irt.Responses.from_matrix(matrix), np.arange(len(matrix)) >= result["n_reference"]


@pytest.fixture(scope="module")
def anchored(reference):
    result, responses, focal = reference
    return irt.differential_item_functioning(responses, focal, anchors=result["anchors"])


def test_likelihood_ratio_tests_are_mirts(reference, anchored):
    result, _, _ = reference
    np.testing.assert_array_equal(anchored.item, result["tested"])
    np.testing.assert_allclose(anchored.lr_x2, result["x2"], atol=1e-4)
    np.testing.assert_allclose(anchored.p, result["p"], atol=1e-4)
    np.testing.assert_array_equal(anchored.df, 2)
    assert anchored.loglik == pytest.approx(result["base"]["loglik"], abs=1e-4)
    assert anchored.converged


def test_parameters_of_both_groups_are_mirts(reference, anchored):
    base, rows = reference[0]["base"], anchored.item
    for group in ("reference", "focal"):
        items = getattr(anchored, group)
        np.testing.assert_allclose(items.a, np.array(base[group]["a"])[rows], atol=1e-3)
        np.testing.assert_allclose(items.b, np.array(base[group]["b"])[rows], atol=1e-3)
    assert anchored.focal_mean == pytest.approx(base["focal_mean"], abs=1e-3)
    assert anchored.focal_sd**2 == pytest.approx(base["focal_variance"], abs=1e-3)


def test_anchors_are_tested_against_the_other_anchors_as_mirt_does(reference):
    result, responses, focal = reference
    answers = GroupedAnswers.of(responses, focal, 10)
    model = GroupModel(answers=answers, model="2PL", stopping=Stopping(1e-6, 500))
    base = model.first_fit(np.ones(20, bool))
    expected = result["all_others_as_anchors"]
    assert base.loglik == pytest.approx(expected["loglik"], abs=1e-4)
    for item in (0, 2, 16):
        assert likelihood_ratio(model, base, item).x2 == pytest.approx(expected["x2"][item], abs=1e-3)


def test_mantel_haenszel_with_anchors_is_rs(reference, anchored):
    expected, rows = reference[0]["mantel_haenszel"]["rest_score"], anchored.item
    for ours, name in (("mh_delta", "delta"), ("mh_se", "se"), ("mh_chi_square", "chi_square")):
        np.testing.assert_allclose(getattr(anchored, ours), np.array(expected[name])[rows], atol=1e-9)
    np.testing.assert_array_equal(anchored.mh_class, np.array(expected["ets_class"])[rows])


def test_mantel_haenszel_by_the_total_score_is_rs(reference):
    result, responses, focal = reference
    answers = GroupedAnswers.of(responses, focal, 10)
    rest = rest_scores(answers, np.ones(20, bool))
    total = Matching(value=rest.value + answers.correct, by_score=True)
    found, expected = mantel_haenszel(answers, total), result["mantel_haenszel"]["total_score_including_item"]
    np.testing.assert_allclose(found.delta, expected["delta"], atol=1e-9)
    np.testing.assert_allclose(found.chi_square, expected["chi_square"], atol=1e-9)
    np.testing.assert_array_equal(found.ets_class, expected["ets_class"])


def test_without_anchors_the_items_with_dif_are_flagged_and_no_other(reference):
    _, responses, focal = reference
    found = irt.differential_item_functioning(responses, focal)
    np.testing.assert_array_equal(found.item[found.flag != "A"], [2, 10, 16])
    assert not np.isin([2, 10, 16], found.anchors).any()
    assert (found.signed_area[[2, 10]] < -0.4).all()
    assert found.matched_on == "rest score"


def test_areas_are_the_integrals_between_the_curves():
    reference = irt.ItemParameters([0, 1, 2, 3], [1.2, 0.8, 1.5, -0.7], [0.3, -0.5, 0.0, 0.2], [0.0, 0.2, 0.0, 0.0])
    focal = irt.ItemParameters([0, 1, 2, 3], [1.2, 1.4, 0.9, -1.1], [0.8, 0.1, 0.0, -0.4], [0.0, 0.2, 0.0, 0.0])
    signed, unsigned = areas_between(reference, focal)
    for j in range(4):
        items = reference.take([j]), focal.take([j])

        def difference(theta, items=items):
            return float((irt.probability(theta, items[1]) - irt.probability(theta, items[0])).item())

        assert signed[j] == pytest.approx(quad(difference, -60, 60, limit=500)[0], abs=1e-5)
        assert unsigned[j] == pytest.approx(quad(lambda t: abs(difference(t)), -60, 60, limit=500)[0], abs=1e-4)
