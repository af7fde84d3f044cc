"""F2: forms that groups of different ability took are no adaptive test, whichever order the items have; staged tests
are."""

import numpy as np
import pytest

from seedtest_assets import irt

COMMON, SEPARATE, PERSONS = 10, 15, 1500
OPTIONS = irt.Options(standard_errors=False)


def draw(rng, theta, b):
    a = rng.lognormal(0, 0.3, len(b))
    return (rng.random((len(theta), len(b))) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(int), a


def forms(seed):
    """Two forms with common items, taken by groups 1.96 SD apart: marks, who had what, form, a and the gap in SD."""
    rng = np.random.default_rng(seed)
    form = np.repeat([0, 1], PERSONS)
    theta = np.where(form == 0, -0.98, 0.98) + rng.normal(0, 1, 2 * PERSONS)
    means = np.repeat([0, -1, 1], [COMMON, SEPARATE, SEPARATE])
    right, a = draw(rng, theta, means + rng.normal(0, 0.7, len(means)))
    seen = np.ones(right.shape, bool)
    seen[form == 0, COMMON + SEPARATE :] = False
    seen[form == 1, COMMON : COMMON + SEPARATE] = False
    return right, seen, form, a * theta.std(), (theta[form == 1].mean() - theta[form == 0].mean()) / theta.std()


def times(kind, seen):
    """Times that say nothing, and times of blocks that are mixed within."""
    rng = np.random.default_rng(7)
    column = np.arange(seen.shape[1])
    return {
        "none": None,
        "equal": np.zeros(seen.shape),
        "common first": np.tile(column, (len(seen), 1)),
        "common last": np.tile(-column, (len(seen), 1)),
        "common in the middle": np.tile(np.where(column < COMMON, 25, column), (len(seen), 1)) + column / 100,
        "mixed within blocks": np.where(column < COMMON, 0, 100) + rng.random(seen.shape),
        "with jumps": column + rng.normal(0, 1.5, seen.shape),
    }[kind]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["none", "equal", "common first", "common last", "common in the middle", "mixed within blocks", "with jumps"],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_forms_of_groups_far_apart_have_populations_whatever_the_order(kind, seed):
    right, seen, form, a, gap = forms(seed)
    person, item = np.nonzero(seen)
    when = times(kind, seen)
    fit = irt.calibrate(
        irt.Responses.from_answers(person, item, right[person, item], None if when is None else when[person, item]),
        options=OPTIONS,
    )
    assert any("depend on ability" in warning for warning in fit.warnings)
    assert abs(np.mean(np.log(fit.items.a / a))) < 0.05
    assert np.ptp(fit.groups_mean) == pytest.approx(gap, abs=0.05)
    assert fit.theta[form == 1].mean() - fit.theta[form == 0].mean() == pytest.approx(gap, abs=0.05)


def test_forms_are_found_where_the_persons_are_sorted_by_form():
    right, seen, _, a, _ = forms(3)
    person, item = np.nonzero(np.repeat(seen, 4, axis=0))
    fit = irt.calibrate(
        irt.Responses.from_answers(person, item, np.repeat(right, 4, axis=0)[person, item]), options=OPTIONS
    )
    assert len(fit.groups_mean) == 2
    assert abs(np.mean(np.log(fit.items.a / a))) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("seed", [4, 5])
def test_staged_test_whose_form_follows_from_the_first_answers_has_one_population(timed, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=3000)
    means = np.repeat([0.0, -1.2, 0.0, 1.2], [COMMON, SEPARATE, SEPARATE, SEPARATE])
    right, a = draw(rng, theta, means + rng.normal(0, 0.5, len(means)))
    score = right[:, :COMMON].sum(axis=1) + rng.normal(0, 0.5, len(theta))
    stage = np.searchsorted(np.quantile(score, [1 / 3, 2 / 3]), score)
    form = np.repeat([-1, 0, 1, 2], [COMMON, SEPARATE, SEPARATE, SEPARATE])
    person, item = np.nonzero((form < 0) | (form == stage[:, None]))
    fit = irt.calibrate(
        irt.Responses.from_answers(person, item, right[person, item], item if timed else None), options=OPTIONS
    )
    assert len(fit.groups_mean) == 1
    assert abs(np.mean(np.log(fit.items.a / a))) < 0.05


def test_answers_at_the_same_time_share_their_place_in_the_order():
    responses = irt.Responses.from_answers([0, 0, 0, 0], [0, 1, 2, 3], [1, 1, 0, 0], [20, 10, 20, 30])
    assert responses.order.tolist() == [1, 0, 1, 3]
