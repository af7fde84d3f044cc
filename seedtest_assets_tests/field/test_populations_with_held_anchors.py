"""F8: with held anchors, too, persons whose items show their ability have populations of their own."""

import numpy as np
import pytest

from seedtest_assets import irt

LEVELS = np.array([-2.0, -0.7, 0.7, 2.0])
EACH, SHARED, PERSONS = 20, 6, 1000
FIXED = irt.Options(linking_method="fixed")


def levels_of_a_school(seed, shared, origin=0.0):
    """Four grades; each has its own items and `shared` ones of the next grade: answers and the bank, which may have
    another origin."""
    rng = np.random.default_rng(seed)
    n_items = EACH * len(LEVELS)
    b = np.repeat(LEVELS, EACH) + rng.normal(0, 0.8, n_items)
    bank = irt.ItemParameters(np.arange(n_items), rng.lognormal(0, 0.3, n_items), b + origin, np.zeros(n_items))
    grade = np.repeat(np.arange(len(LEVELS)), PERSONS)
    theta = LEVELS[grade] + origin + rng.normal(0, 0.7, len(grade))
    of_item = np.repeat(np.arange(len(LEVELS)), EACH)
    lent = (of_item == grade[:, None] + 1) & (np.arange(n_items) % EACH < shared)
    person, item = np.nonzero((of_item == grade[:, None]) | lent)
    right = rng.random(len(person)) < 1 / (1 + np.exp(-bank.a[item] * (theta[person] - bank.b[item])))
    return irt.Responses.from_answers(person, item, right), bank


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "origin"), [(SHARED, 0.0), (SHARED, 10.0), (0, 0.0)])
def test_groups_far_apart_are_found_with_held_anchors(shared, origin):
    responses, bank = levels_of_a_school(1, shared, origin)
    fit = irt.calibrate(responses, anchors=bank.take(np.arange(0, len(bank), 5)), options=FIXED)
    new = np.isnan(fit.se_a) == 0
    # Blocks that share nothing have populations of their own in any case.
    assert any("separate populations" in warning for warning in fit.warnings) == (shared > 0)
    assert any("no person connects" in warning for warning in fit.warnings) == (shared == 0)
    assert np.mean(fit.items.b[new] - bank.b[new]) == pytest.approx(0, abs=0.05)
    assert np.mean(np.log(fit.items.a[new] / bank.a[new])) == pytest.approx(0, abs=0.05)
    assert fit.groups_mean[[0, -1]] - origin == pytest.approx(LEVELS[[0, -1]], abs=0.15)


def test_one_population_stays_one_with_held_anchors():
    _, bank = levels_of_a_school(1, SHARED)
    rng = np.random.default_rng(2)
    theta = rng.normal(0.5, 1, 1500)
    matrix = rng.random((1500, len(bank))) < irt.probability(theta, bank).T
    fit = irt.calibrate(
        irt.Responses.from_matrix(matrix.astype(float)), anchors=bank.take(slice(0, None, 4)), options=FIXED
    )
    assert len(fit.groups_mean) == 1
    assert fit.group_mean == pytest.approx(0.5, abs=0.1)
