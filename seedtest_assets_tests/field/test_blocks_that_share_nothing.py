"""Forms that share no person each have a scale of their own: linked one by one, or left unlinked and named."""

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import responses_of

SHIFT = np.array([-0.8, 0.7])


@pytest.fixture(scope="module")
def forms():
    """Two forms of 15 items; the 900 persons of each are SHIFT able."""
    rng = np.random.default_rng(12)
    items = irt.ItemParameters(np.arange(30), rng.lognormal(0, 0.25, 30), rng.normal(0, 1, 30), np.zeros(30))
    form = np.repeat([0, 1], 900)
    theta = rng.normal(SHIFT[form], 1.0)
    right = (rng.random((1800, 30)) < irt.probability(theta, items).T).astype(float)
    seen = (np.arange(30) // 15)[None, :] == form[:, None]
    return items, theta, responses_of(np.where(seen, right, np.nan))


@pytest.mark.parametrize("method", ["stocking_lord", "mean_sigma", "fixed"])
def test_each_block_is_linked_through_its_own_anchors(forms, method):
    items, theta, responses = forms
    anchors = items.take([*range(6), *range(15, 21)])
    fit = irt.calibrate(responses, anchors=anchors, options=irt.Options(linking_method=method))
    linkings = [fit.linking, *fit.linking.others]
    assert sorted(linking.used.tolist() for linking in linkings) == [[*range(6)], [*range(15, 21)]]
    for form in (0, 1):
        linking = next(linking for linking in linkings if linking.used[0] == 15 * form)
        assert pytest.approx(SHIFT[form], abs=0.15) == linking.B
        assert pytest.approx(1, abs=0.15) == linking.A
        assert max(linking.errors[:2]) < 0.15
        rows = slice(15 * form, 15 * form + 15)
        assert abs((fit.items.b - items.b)[rows].mean()) < 0.15
        assert abs((fit.theta - theta)[900 * form : 900 * form + 900].mean()) < 0.1
    (line,) = fit.warnings
    assert line.startswith("no person connects the 2 blocks of items (15, 15 items)")
    assert fit.group_mean == pytest.approx(theta.mean(), abs=0.1)
    assert fit.group_sd == pytest.approx(theta.std(), abs=0.1)


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
def test_a_block_without_anchors_is_not_linked_and_named(forms, method):
    items, theta, responses = forms
    fit = irt.calibrate(responses, anchors=items.take(range(6)), options=irt.Options(linking_method=method))
    free = irt.calibrate(responses)
    assert fit.linking.others == ()
    assert fit.not_linked.tolist() == [*range(15, 30)]
    assert abs((fit.theta - theta)[:900].mean()) < 0.1
    assert np.allclose(fit.items.b[15:], free.items.b[15:], atol=2e-3)
    assert any(
        "15 items are not linked to the bank's scale: 15, 16, 17" in w and "fewer than 2 anchors" in w
        for w in fit.warnings
    )


@pytest.mark.parametrize("method", ["stocking_lord", "fixed"])
def test_persons_without_answers_have_mean_and_sd_of_all(forms, method):
    items, _, responses = forms
    person = np.repeat(np.arange(responses.n_persons), np.diff(responses.person_start))
    more = irt.Responses.from_answers(person, responses.item, responses.score, n_persons=1801, n_items=30)
    anchors = items.take([*range(6), *range(15, 21)])
    fit = irt.calibrate(more, anchors=anchors, options=irt.Options(linking_method=method))
    assert (fit.theta[-1], fit.theta_se[-1]) == (fit.group_mean, fit.group_sd)
    assert fit.reliability == pytest.approx(irt.reliability(fit.theta[:-1], fit.theta_se[:-1]))


def test_a_person_without_answers_has_mean_and_sd_of_the_group_that_was_given(forms):
    items, _, responses = forms
    person = np.repeat(np.arange(responses.n_persons), np.diff(responses.person_start))
    more = irt.Responses.from_answers(person, responses.item, responses.score, n_persons=1802, n_items=30)
    group = np.append(np.repeat([0, 1], 900), [0, 1])
    anchors = items.take([*range(6), *range(15, 21)])
    fit = irt.calibrate(more, groups=group, anchors=anchors)
    np.testing.assert_allclose(fit.theta[1800:], fit.groups_mean)
    np.testing.assert_allclose(fit.theta_se[1800:], fit.groups_sd)
    np.testing.assert_allclose(fit.groups_mean, SHIFT, atol=0.15)


def test_small_blocks_have_populations_of_their_own_with_held_anchors(forms):
    items, theta, responses = forms
    few = np.r_[0:150, 900:1050]
    matrix = np.full((1800, 30), np.nan)
    matrix[np.repeat(np.arange(1800), np.diff(responses.person_start)), responses.item] = responses.score
    fit = irt.calibrate(
        responses_of(matrix[few]),
        anchors=items.take([*range(6), *range(15, 21)]),
        options=irt.Options(linking_method="fixed"),
    )
    assert fit.groups_mean == pytest.approx(SHIFT, abs=0.25)
    assert abs((fit.theta - theta[few])[:150].mean()) < 0.15
    assert abs((fit.theta - theta[few])[150:].mean()) < 0.15


def test_anchors_that_cannot_be_held_in_every_block_are_not_held_silently(forms):
    items, _, responses = forms
    fit = irt.calibrate(responses, anchors=items.take(range(6)), options=irt.Options(linking_method="fixed"))
    assert fit.linking.method == "stocking_lord"
    assert any("not held at their values but linked to by stocking_lord" in warning for warning in fit.warnings)
