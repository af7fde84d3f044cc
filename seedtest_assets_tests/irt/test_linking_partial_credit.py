"""Linking of items with partial credit: constants of R's plink, errors by finite differences, and what must not change."""

import numpy as np
import pytest
import scipy.optimize

from seedtest_assets import irt
from seedtest_assets.irt.linking_curves import difficulties, upright
from seedtest_assets.irt.parameters import Line, joined
from seedtest_assets_tests.irt.reference import result_of
from seedtest_assets_tests.irt.test_partial_credit import NONE, drawn, items_of

A, B = 1.25, 0.4
LINE = Line(A, B)
FORMS = [(method, False) for method in irt.SCALE_TRANSFORMATIONS] + [("haebara", True), ("stocking_lord", True)]
EVERY_KIND = irt.ItemParameters(
    np.arange(8),
    [1.2, 0.8, 1.5, 0.9, 1.1, 1.3, 0.7, 1.0],
    [-0.5, 0.7, *[0.0] * 6],
    [0.0, 0.2, *[0.0] * 6],
    [[NONE] * 3, [NONE] * 3, [-1, 0.2, 1.3], [-0.5, NONE, 0.9], [0.3, -0.2, NONE], [-0.7, 0.2, 1.0], [-np.inf, 0.4, 1.0], [0.1, NONE, 0.8]],
    ["", "", "GRM", "GRM", "GPCM", "GRM", "GPCM", "PCM"],
)  # fmt: skip


def changed(items, row, place, by) -> irt.ItemParameters:
    """The items with another a (place 0), or another b (place 1, 2, ...) of one of them."""
    a, b, steps = items.a.copy(), items.b.copy(), items.steps.copy()
    if place == 0:
        a[row] += by
    elif items.polytomous[row]:
        steps[row, place - 1] += by
    else:
        b[row] += by
    return irt.ItemParameters(items.item, a, b, items.c, steps, items.model)


def many(n=14, seed=1) -> irt.ItemParameters:
    """Items with scores 0 to 3, GRM and GPCM by turns."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.normal([-1.0, 0.0, 1.0], 0.3, (n, 3)) + rng.normal(0, 0.7, (n, 1)), axis=1)
    return irt.ItemParameters(
        np.arange(n), rng.lognormal(0, 0.3, n), np.zeros(n), np.zeros(n), steps, ["GRM", "GPCM"] * (n // 2)
    )


def noisy(items, seed=2, sd=0.03) -> irt.ItemParameters:
    rng = np.random.default_rng(seed)
    a, steps = items.a * np.exp(rng.normal(0, sd, len(items))), items.steps + rng.normal(0, sd, items.steps.shape)
    return irt.ItemParameters(items.item, a, items.b, items.c, steps, items.model)


@pytest.mark.slow
@pytest.mark.parametrize("items", ["mixed", "graded_only", "gpcm_only", "polytomous_only", "dichotomous_only"])
@pytest.mark.parametrize(("method", "symmetric"), FORMS)
def test_constants_are_those_of_plink_and_optim(items, method, symmetric):
    result = result_of("linking_mixed")
    new, bank = (items_of(result[side]).among(result["sets"][items]["items"]) for side in ("from_items", "to_items"))
    linking = irt.link(new, bank, method, symmetric=symmetric, screen=False)
    expected = result["sets"][items]["constants"][method + (" symmetric" if symmetric else "")]
    assert pytest.approx(expected, abs=1e-7) == (linking.A, linking.B)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_search_for_constants_ends_where_rounding_hides_which_are_better(symmetric, monkeypatch):
    ends, minimize = [], scipy.optimize.minimize
    monkeypatch.setattr(
        scipy.optimize, "minimize", lambda *how, **more: ends.append(minimize(*how, **more)) or ends[-1]
    )
    result = result_of("linking_mixed")
    new, bank = (items_of(result[side]).among(result["sets"]["mixed"]["items"]) for side in ("from_items", "to_items"))
    irt.link(new, bank, "stocking_lord", symmetric=symmetric, screen=False)
    assert [end.success for end in ends] == [True]


@pytest.mark.parametrize(("method", "symmetric"), FORMS)
def test_a_scale_that_is_moved_is_found_back(method, symmetric):
    linking = irt.link(EVERY_KIND, LINE.apply(EVERY_KIND), method, symmetric=symmetric)
    assert pytest.approx((A, B), abs=1e-8) == (linking.A, linking.B)
    back = irt.link(LINE.apply(EVERY_KIND), EVERY_KIND, method, symmetric=symmetric)
    assert pytest.approx((1 / A, -B / A), abs=1e-8) == (back.A, back.B)
    np.testing.assert_allclose(linking.apply(EVERY_KIND).steps, LINE.apply(EVERY_KIND).steps, atol=1e-7)


@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_a_bank_at_500_with_an_sd_of_100_links_as_one_near_0(method):
    new, far = noisy(many()), Line(100.0, 500.0)
    near, linking = irt.link(new, LINE.apply(many()), method), irt.link(new, far.apply(LINE.apply(many())), method)
    if method in ("mean_mean", "mean_sigma"):
        assert pytest.approx((100 * near.A, 100 * near.B + 500)) == (linking.A, linking.B)
    assert pytest.approx((125, 540), abs=3) == (linking.A, linking.B)


@pytest.mark.slow
@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
@pytest.mark.parametrize("model", irt.POLYTOMOUS_MODELS)
def test_items_of_one_step_link_exactly_as_the_2pl(method, model):
    rng, n = np.random.default_rng(4), 9
    pairs = [(rng.lognormal(0, 0.3, n), rng.normal(0, 1, n)) for _ in range(2)]
    errors = rng.uniform(0.05, 0.1, (2, n))
    of_2pl = [irt.ItemParameters(np.arange(n), a, b, np.zeros(n)) for a, b in pairs]
    in_steps = [irt.ItemParameters(np.arange(n), a, b, np.zeros(n), b[:, None], [model] * n) for a, b in pairs]
    expected = irt.link(*of_2pl, method, errors=errors)
    for new, bank in (in_steps, (in_steps[0], of_2pl[1]), (of_2pl[0], in_steps[1])):
        linking = irt.link(new, bank, method, errors=errors)
        assert (linking.A, linking.B, linking.errors) == (expected.A, expected.B, expected.errors)


@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_items_that_fall_link_as_their_mirror_image(method):
    new, bank = noisy(many()), LINE.apply(many())
    errors = np.random.default_rng(5).uniform(0.05, 0.1, (5, len(new)))

    def mirrored(items):
        """Items 0 to 4 with scores 3 - score."""
        a, steps = items.a.copy(), items.steps.copy()
        a[:5], steps[:5] = -a[:5], steps[:5, ::-1]
        return irt.ItemParameters(items.item, a, items.b, items.c, steps, items.model)

    expected, turned_errors = irt.link(new, bank, method, errors=errors), errors.copy()
    turned_errors[2:, :5] = errors[:1:-1, :5]
    linking = irt.link(mirrored(new), mirrored(bank), method, errors=turned_errors)
    assert pytest.approx((expected.A, expected.B)) == (linking.A, linking.B)
    assert tuple(linking.errors) == pytest.approx(tuple(expected.errors))


def test_a_falling_item_is_turned_round_about_its_highest_score():
    falling = irt.ItemParameters(
        [0, 1], [-1.3, -0.8], [0, 0], [0, 0], [[0.9, NONE, -0.4], [0.2, 0.5, NONE]], ["GRM", "GPCM"]
    )
    theta = np.linspace(-3, 3, 7)
    turned = irt.expected_score(theta, upright(falling))
    np.testing.assert_allclose(turned, [[3], [2]] - irt.expected_score(theta, falling), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", irt.SCALE_TRANSFORMATIONS)
def test_standard_errors_are_the_delta_methods_by_finite_differences(method):
    bank = LINE.apply(EVERY_KIND)
    there = ~np.isnan(difficulties(EVERY_KIND)).T
    errors = np.where(np.concatenate([np.ones((1, 8), bool), there]), 0.07, NONE)
    errors[0] = 0.05
    variance, step = np.zeros(2), 1e-4
    for place, row in np.argwhere(~np.isnan(errors)):
        ends = [irt.link(changed(EVERY_KIND, row, place, by), bank, method, screen=False) for by in (step, -step)]
        slope = [(getattr(ends[0], name) - getattr(ends[1], name)) / (2 * step) for name in ("A", "B")]
        variance += (np.array(slope) * errors[place, row]) ** 2
    given = np.stack([errors[0], errors[1], *errors[1:]])  # a, b, and steps
    linking = irt.link(EVERY_KIND, bank, method, screen=False, errors=given)
    # The residuals are 0, so that the errors are not widened.
    assert (linking.errors.se_A, linking.errors.se_B) == pytest.approx(tuple(np.sqrt(variance)), rel=1e-4)


def test_an_item_without_errors_of_its_steps_adds_none():
    new, bank = noisy(many()), LINE.apply(many())
    errors = np.full((5, len(new)), 0.05)
    whole = irt.link(new, bank, errors=errors)
    errors[3, 2] = np.nan
    assert irt.link(new, bank, errors=errors).errors.se_A < whole.errors.se_A
    assert np.isnan(irt.link(new, bank, errors=errors[:2]).errors.se_A)


@pytest.mark.parametrize("errors", [None, np.full((5, 14), 0.03)])
def test_an_item_of_which_one_step_moved_is_left_out_and_named(errors):
    new, bank = noisy(many()), LINE.apply(many())
    steps = new.steps.copy()
    steps[3] += [-0.4, 0.0, 0.4]  # b, their mean, stays
    moved = irt.ItemParameters(new.item, new.a, new.b, new.c, steps, new.model)
    linking = irt.link(moved, bank, errors=errors)
    assert dict(linking.screened_out)[3].startswith(("its step 1 drifted, robust z", "its step 3 drifted, robust z"))
    assert len(linking.screened_out) < 4
    assert pytest.approx((A, B), abs=0.05) == (linking.A, linking.B)


def test_a_step_that_is_known_badly_has_not_drifted():
    new, bank = noisy(many()), LINE.apply(many())
    steps, errors = new.steps.copy(), np.full((5, 14), 0.03)
    steps[3] += [-0.5, 0.0, 0.5]
    errors[2:, 3] = 0.4
    moved = irt.ItemParameters(new.item, new.a, new.b, new.c, steps, new.model)
    assert 3 in irt.link(moved, bank, errors=errors).used


@pytest.mark.parametrize(("place", "reason"), [(0, "discrimination"), (1, "difficulty")])
def test_drift_of_location_and_slope_is_found_as_of_other_items(place, reason):
    new, bank = noisy(many()), LINE.apply(many())
    for step in (3, 2, 1) if place else [0]:
        new = changed(new, 6, step, 1.2)
    assert reason in dict(irt.link(new, bank).screened_out)[6]


@pytest.mark.parametrize("screen", [True, False])
def test_items_with_other_scores_or_another_kind_of_model_do_not_link(screen):
    new, bank = many(), LINE.apply(many())
    steps, model = bank.steps.copy(), bank.model.copy()
    steps[0, 1] = steps[1, 2] = steps[2] = np.nan
    steps[5, 0] = -np.inf
    model[2], model[3], model[4], model[7] = "", "GRM", "GPCM", "PCM"
    steps[3] = np.sort(steps[3])
    bank = irt.ItemParameters(bank.item, bank.a, bank.b, bank.c, steps, model)
    linking = irt.link(new, bank, screen=screen)
    assert dict(linking.screened_out) == {
        0: "its scores changed: 0, 1, 3 in the bank, 0, 1, 2, 3 now",
        1: "its scores changed: 0, 1, 2 in the bank, 0, 1, 2, 3 now",
        2: "its scores changed: 0, 1 in the bank, 0, 1, 2, 3 now",
        3: "its model changed: GRM in the bank, GPCM now",
        4: "its model changed: GPCM in the bank, GRM now",
        5: "its scores changed: 1, 2, 3 in the bank, 0, 1, 2, 3 now",
    }
    assert pytest.approx((A, B)) == (linking.A, linking.B)


@pytest.mark.slow
def test_steps_stay_where_the_bank_has_guessing_and_the_model_has_none():
    """The curve of the bank is replaced by the nearest one without guessing; items with partial credit are not touched."""
    marked = irt.ItemParameters([20, 21], [1.2, 0.9], [0.0, 0.5], [0.0, 0.0])
    bank = LINE.apply(joined([many(), marked]))
    guessed = irt.ItemParameters(bank.item, bank.a, bank.b, [*[0.0] * 14, 0.2, 0.2], bank.steps, bank.model)
    linking = irt.link(joined([many(), marked]), guessed, "haebara", screen=False)
    assert pytest.approx((A, B), abs=0.15) == (linking.A, linking.B)
    assert len(linking.used) == 16


@pytest.mark.parametrize("kind", ["anchors", "previous"])
def test_a_calibration_links_through_its_items_with_partial_credit(kind):
    models = ["GRM", "GPCM", "GRM", "GPCM", "GRM", "GPCM"]
    answers, truth = drawn(1500, many(6).steps.tolist(), models, 7, a=1.2)
    bank = LINE.apply(truth)
    given = irt.Models(item_models=dict(enumerate(models)))
    fit = irt.calibrate(irt.Responses.from_matrix(answers), given, **{kind: bank})
    assert len(fit.linking.used) == 6
    assert abs(fit.linking.A - A) < 4 * fit.linking.errors.se_A < 0.3
    assert abs(fit.linking.B - B) < 4 * fit.linking.errors.se_B < 0.3
    np.testing.assert_allclose(fit.items.b, bank.b, atol=0.2)


def test_anchors_with_other_scores_are_named_in_a_warning():
    models = ["GRM"] * 6
    answers, truth = drawn(800, many(6).steps.tolist(), models, 8, a=1.2)
    steps = truth.steps.copy()
    steps[2, 2] = np.nan
    bank = irt.ItemParameters(truth.item, truth.a, truth.b, truth.c, steps, truth.model)
    warning = (
        "anchors with other scores or another model than in the bank (1) are not linked to: "
        "2 (its scores changed: 0, 1, 2 in the bank, 0, 1, 2, 3 now). Give"
    )
    for kind in ("anchors", "previous"):
        fit = irt.calibrate(irt.Responses.from_matrix(answers), **{kind: bank})
        assert 2 in dict(fit.linking.screened_out)
        assert any(warning in line for line in fit.warnings) == (kind == "anchors")
