"""Differential item functioning: agreement with R mirt 1.45.1, and what it finds in answers whose truth is known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import chdtrc

from benchmarks.dif_power import bank
from seedtest_assets import irt
from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.dif_effects import adjusted_for_many_tests, areas_between, flags
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


@pytest.mark.slow
def test_clean_items_are_called_different_as_often_as_chance_says():
    """At 5%, although the groups differ in ability by half a SD; without that in the match MH's deltas lean by 0.15."""
    called, deltas, flagged = [], [], []
    for seed in range(100, 110):
        drawn = bank(seed, 300)
        dif = irt.differential_item_functioning(drawn.responses, drawn.focal)
        assert dif.matched_on == "ability"
        called.append([(p < 0.05).mean() for p in (chdtrc(1, dif.mh_chi_square), dif.logistic_p, dif.p)])
        deltas.append(dif.mh_delta.mean())
        flagged.append((dif.flag != "A").any())
    assert (np.abs(np.mean(called, axis=0) - 0.05) < 0.025).all()
    assert abs(np.mean(deltas)) < 0.05
    assert np.sum(flagged) <= 2


@pytest.mark.slow
def test_items_that_differ_are_flagged_where_persons_answered_different_items():
    drawn = bank(5, 1000, shift=0.6)
    dif = irt.differential_item_functioning(drawn.responses, drawn.focal)
    assert (dif.flag[drawn.different] != "A").sum() >= 4
    assert (dif.flag[~drawn.different] == "A").all()
    assert (dif.signed_area[drawn.different] < 0).all()
    assert (dif.mh_delta[drawn.different] < 0).all()
    assert not np.isin(np.flatnonzero(drawn.different), dif.anchors).any()


@pytest.mark.slow
def test_a_slope_that_differs_is_seen_where_the_curves_cross():
    drawn = bank(3, 2000, factor=2.0)
    dif = irt.differential_item_functioning(drawn.responses, drawn.focal)
    assert (dif.p[drawn.different] < 0.01).all()
    assert (dif.focal.a[drawn.different] > dif.reference.a[drawn.different]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("model", "df"), [("Rasch", 1), ("3PL", 2)])
def test_other_models_find_the_same_items(reference, model, df):
    result, responses, focal = reference
    dif = irt.differential_item_functioning(responses, focal, model, anchors=result["anchors"])
    np.testing.assert_array_equal(dif.df, df)
    assert {2, 10} <= set(dif.item[dif.flag != "A"].tolist()) <= {2, 7, 10, 16}
    np.testing.assert_array_equal(dif.reference.c, dif.focal.c)
    assert (dif.reference.c > 0).all() == (model == "3PL")


def test_groups_exchanged_change_the_signs_only(reference, anchored):
    result, responses, focal = reference
    other = irt.differential_item_functioning(responses, ~focal, anchors=result["anchors"])
    np.testing.assert_allclose(other.lr_x2, anchored.lr_x2, atol=1e-3)
    np.testing.assert_allclose(other.mh_delta, -anchored.mh_delta, atol=1e-9)
    np.testing.assert_allclose(other.signed_area, -anchored.signed_area / anchored.focal_sd, atol=1e-3)


def test_an_item_that_separates_perfectly_in_a_group_is_left_out_and_named(reference):
    result, _, focal = reference
    matrix = answers_of("dif")
    others = np.delete(matrix, 7, axis=1).sum(axis=1)
    matrix[focal, 7] = others[focal] > np.median(others[focal])
    dif = irt.differential_item_functioning(irt.Responses.from_matrix(matrix), focal, anchors=result["anchors"])
    assert 7 not in dif.item
    assert dif.converged
    assert any("separate perfectly in a group" in warning and ": 7" in warning for warning in dif.warnings)
    np.testing.assert_allclose(dif.lr_x2[dif.item == 10], result["x2"][result["tested"].index(10)], atol=5)


def test_answers_of_one_group_only_are_used_and_their_item_is_not_studied(reference):
    result, _, focal = reference
    matrix = answers_of("dif")
    matrix[focal, 4] = np.nan
    dif = irt.differential_item_functioning(irt.Responses.from_matrix(matrix), focal, anchors=[*result["anchors"], 4])
    assert 4 not in dif.item
    assert set(dif.anchors.tolist()) == set(result["anchors"])
    assert any("anchors not used (1 of 6)" in warning for warning in dif.warnings)
    assert dif.matched_on == "ability"


def test_items_with_partial_credit_are_left_out_and_named_and_change_nothing_else(reference):
    result, responses, focal = reference
    matrix = answers_of("dif")
    points = np.minimum(matrix[:, :2].sum(axis=1), 2.0)
    with_points = irt.Responses.from_matrix(np.column_stack([matrix, points]))
    dif = irt.differential_item_functioning(with_points, focal, anchors=[*result["anchors"], 20])
    expected = irt.differential_item_functioning(responses, focal, anchors=result["anchors"])
    assert dif.warnings == (
        "anchors not used (1 of 6), since they are not studied: 20",
        "items not studied (1), with partial credit: 20",
    )
    np.testing.assert_array_equal(dif.item, expected.item)
    np.testing.assert_array_equal(dif.lr_x2, expected.lr_x2)
    np.testing.assert_array_equal(dif.mh_delta, expected.mh_delta)
    with pytest.raises(irt.DataError, match=r"no item can be studied. items not studied \(1\), with partial credit: 0"):
        irt.differential_item_functioning(irt.Responses.from_matrix(points[:, None]), focal)


def test_the_warning_of_items_not_studied_names_the_answers_that_are_needed():
    responses, focal = irt.Responses.from_matrix([[1], [0], [1]]), [False, False, True]
    for asked, needed in ((0, 2), (3, 3)):
        with pytest.raises(irt.DataError, match=rf"not studied \(1\), with fewer than {needed} answers or only right"):
            irt.differential_item_functioning(responses, focal, options=irt.Options(min_responses=asked))


@pytest.mark.parametrize(
    ("focal", "anchors", "message"),
    [
        (np.zeros(2000, bool), None, "nobody of the focal group has answers"),
        (np.arange(2000) >= 1990, None, "no item can be studied"),
        (np.zeros(3, bool), None, "focal must be 2000 values of true or false"),
        (np.arange(2000), None, "focal must be 2000 values of true or false"),
        (np.arange(2000) >= 1200, [99], "none of the anchors can be studied: with enough answers in both groups"),
        (np.arange(2000) >= 1200, np.arange(20), "every item that can be studied is an anchor"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference, focal, anchors, message):
    with pytest.raises(irt.DataError, match=message):
        irt.differential_item_functioning(reference[1], focal, anchors=anchors)


def test_p_is_adjusted_for_all_items_examined():
    adjusted = adjusted_for_many_tests(np.array([0.01, np.nan, 0.04, 0.03]), 5)
    np.testing.assert_allclose(adjusted, [0.05, np.nan, 0.2 / 3, 0.2 / 3])


def test_flags_need_the_size_and_the_test():
    reference = irt.ItemParameters(np.arange(5), np.ones(5), np.zeros(5), np.zeros(5))
    focal = irt.ItemParameters(np.arange(5), np.ones(5), np.array([0.3, 0.5, 0.8, 0.8, 0.8]), np.zeros(5))
    x2, p = np.array([30.0, 12.0, 40.0, 7.0, 40.0]), np.array([1e-6, 0.01, 1e-8, 0.03, 0.2])
    found = flags(areas_between(reference, focal)[1], reference, focal, x2, p)
    assert found.tolist() == ["A", "B", "C", "B", "A"]


def test_a_freed_anchor_without_a_finite_slope_does_not_count_as_not_converged():
    focal = np.arange(800) >= 770
    matrix = bank(7, 400, complete=True).responses.score.reshape(800, 40).astype(float)
    score = matrix[focal][:, :39].sum(axis=1)
    matrix[focal, 39] = score > np.quantile(score, 0.6)
    answers = GroupedAnswers.of(irt.Responses.from_matrix(matrix), focal, 10)
    model = GroupModel(answers=answers, model="2PL", stopping=Stopping(1e-5, 500))
    base = model.first_fit(answers.studied)
    unbounded, bounded = (likelihood_ratio(model, base, item) for item in (39, 20))
    assert (unbounded.unbounded, unbounded.converged) == (True, True)
    assert (bounded.unbounded, bounded.converged) == (False, True)


def test_two_forms_with_common_items_are_fitted_as_mirt_does():
    """Each group answered items that the other did not, and left some out."""
    result, focal = result_of("two_forms"), np.arange(3000) >= 1500
    answers = GroupedAnswers.of(irt.Responses.from_matrix(answers_of("two_forms")), focal, 10)
    np.testing.assert_array_equal(np.flatnonzero(answers.studied), np.arange(20, 30))
    fit = GroupModel(answers=answers, model="2PL", stopping=Stopping(1e-7, 500)).first_fit(answers.studied)
    assert fit.loglik == pytest.approx(result["loglik"], abs=1e-3)
    mean, sd = fit.focal_mean_and_sd
    assert (mean, sd**2) == pytest.approx((result["mean"], result["variance"]), abs=1e-4)
    for item, group in ((0, 0), (25, 0), (25, 1), (49, 1)):
        ours = fit.parameters(group, item)
        assert (ours.a[0], ours.b[0]) == pytest.approx([result["optimum"][name][item] for name in "ab"], abs=1e-4)


def test_the_order_of_persons_makes_no_difference():
    """Persons with like answers have the same ability, and must not be parted by rounding or by their place."""
    items = irt.ItemParameters(np.arange(8), np.ones(8), np.linspace(-1, 1, 8), np.zeros(8))
    random = np.random.default_rng(1)
    marks = irt.simulate(random.normal(size=600), items, seed=2)
    marks[random.random(600) < 0.5, 3] = np.nan
    focal = np.arange(600) < 300
    order = random.permutation(600)
    dif, other = (
        irt.differential_item_functioning(irt.Responses.from_matrix(marks[rows]), focal[rows], "Rasch")
        for rows in (np.arange(600), order)
    )
    np.testing.assert_allclose(other.mh_chi_square, dif.mh_chi_square, rtol=1e-9)
    assert other.anchors.tolist() == dif.anchors.tolist()
