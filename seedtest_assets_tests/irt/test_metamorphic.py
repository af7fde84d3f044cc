"""What must not change a calibration, and what must change it in a known way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedtest_assets import irt
from seedtest_assets_tests.irt.simulate import marginal_loglik, responses_of, simulate

TIGHT = irt.Options(tolerance=1e-9)


def answer_list(truth):
    person, item = np.nonzero(truth.seen)
    return person, item, truth.right[person, item].astype(int)


def assert_same(first, second, atol=1e-6):
    for name in ("a", "b", "c"):
        np.testing.assert_allclose(getattr(first.items, name), getattr(second.items, name), atol=atol)
    np.testing.assert_allclose(first.theta, second.theta, atol=atol)
    np.testing.assert_allclose(first.loglik, second.loglik, rtol=1e-9)


@pytest.mark.parametrize("model", ["Rasch", "2PL", "3PL"])
def test_order_of_rows_does_not_matter(model):
    truth = simulate(400, 12, 1, seen=0.7)
    person, item, correct = answer_list(truth)
    shuffled = np.random.default_rng(2).permutation(len(person))
    first = irt.calibrate(irt.Responses.from_answers(person, item, correct), model)
    second = irt.calibrate(irt.Responses.from_answers(person[shuffled], item[shuffled], correct[shuffled]), model)
    np.testing.assert_array_equal(first.items.a, second.items.a)
    np.testing.assert_array_equal(first.theta, second.theta)


def test_names_of_persons_and_items_do_not_matter():
    truth = simulate(400, 12, 3, seen=0.7)
    person, item, correct = answer_list(truth)
    rng = np.random.default_rng(4)
    new_person, new_item = rng.permutation(400), rng.permutation(30)[:12]
    first = irt.calibrate(irt.Responses.from_answers(person, item, correct), options=TIGHT)
    second = irt.calibrate(
        irt.Responses.from_answers(new_person[person], new_item[item], correct, n_items=30), options=TIGHT
    )
    back = np.searchsorted(second.items.item, new_item)
    np.testing.assert_allclose(first.items.a, second.items.a[back], atol=1e-6)
    np.testing.assert_allclose(first.items.b, second.items.b[back], atol=1e-6)
    np.testing.assert_allclose(first.theta, second.theta[new_person], atol=1e-6)


def test_everyone_twice_gives_the_same_parameters_and_errors_smaller_by_root_2():
    truth = simulate(500, 10, 5)
    first = irt.calibrate(truth.responses, options=TIGHT)
    twice = irt.calibrate(responses_of(np.vstack([truth.right, truth.right])), options=TIGHT)
    np.testing.assert_allclose(first.items.a, twice.items.a, atol=1e-6)
    np.testing.assert_allclose(first.se_a, twice.se_a * np.sqrt(2), rtol=1e-4)
    assert twice.loglik == pytest.approx(2 * first.loglik, rel=1e-9)


def test_persons_answers_in_several_pieces_are_one_person():
    truth = simulate(300, 12, 6)
    person, item, correct = answer_list(truth)
    half = item % 2 == 0
    pieces = [np.concatenate([values[half], values[~half]]) for values in (person, item, correct)]
    assert_same(
        irt.calibrate(truth.responses, options=TIGHT), irt.calibrate(irt.Responses.from_answers(*pieces), options=TIGHT)
    )


def test_right_and_wrong_exchanged_turns_the_scale_round():
    truth = simulate(800, 12, 7)
    first, second = (
        irt.calibrate(truth.responses, options=TIGHT),
        irt.calibrate(responses_of(1 - truth.right), options=TIGHT),
    )
    np.testing.assert_allclose(first.items.a, second.items.a, atol=1e-5)
    np.testing.assert_allclose(first.items.b, -second.items.b, atol=1e-5)
    np.testing.assert_allclose(first.theta, -second.theta, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mean_mean", "mean_sigma", "haebara", "stocking_lord"])
@pytest.mark.parametrize("model", ["Rasch", "2PL", "3PL"])
def test_anchors_on_a_shifted_and_stretched_scale_move_everything_along(method, model):
    truth = simulate(1500, 15, 8, c=0.2 if model == "3PL" else 0.0)
    plain = irt.calibrate(truth.responses, model)
    A, B = 1.3, -0.7
    rows = np.arange(8)
    anchors = irt.ItemParameters(rows, plain.items.a[rows] / A, A * plain.items.b[rows] + B, plain.items.c[rows])
    linked = irt.calibrate(truth.responses, model, anchors=anchors, options=irt.Options(linking_method=method))
    assert pytest.approx(A, abs=2e-3) == linked.linking.A
    assert pytest.approx(B, abs=2e-3) == linked.linking.B
    np.testing.assert_allclose(linked.items.b, A * plain.items.b + B, atol=5e-3)
    np.testing.assert_allclose(linked.theta, A * plain.theta + B, atol=5e-3)
    np.testing.assert_allclose(linked.theta_se, A * plain.theta_se, rtol=5e-3)
    np.testing.assert_allclose(linked.se_b, A * plain.se_b, rtol=1e-2)
    assert (linked.group_mean, linked.group_sd) == pytest.approx((B, A), abs=2e-3)
    assert linked.loglik == pytest.approx(plain.loglik, abs=1e-3)


def test_yesterdays_parameters_keep_the_scale_and_save_steps():
    truth = simulate(1500, 15, 9)
    first = irt.calibrate(truth.responses)
    again = irt.calibrate(truth.responses, previous=first.items)
    assert again.linking.source == "previous"
    assert again.iterations < first.iterations
    np.testing.assert_allclose(again.items.b, first.items.b, atol=1e-3)


def test_bank_far_from_the_persons_is_linked_to_all_the_same():
    truth = simulate(1500, 15, 9)
    first = irt.calibrate(truth.responses)
    far = irt.ItemParameters(first.items.item, first.items.a / 2, 2 * first.items.b + 10, first.items.c)
    again = irt.calibrate(truth.responses, previous=far)
    assert again.converged
    assert again.iterations < 15
    assert again.group_mean == pytest.approx(10, abs=0.01)
    np.testing.assert_allclose(again.items.b, far.b, atol=0.01)


def test_group_without_answers_changes_nothing():
    truth = simulate(800, 10, 14)
    groups = np.where(np.arange(800) < 400, 0, 2)
    first, second = (irt.calibrate(truth.responses, groups=each) for each in (groups // 2, groups))
    np.testing.assert_allclose(first.items.b, second.items.b, atol=1e-4)
    np.testing.assert_allclose(first.se_b, second.se_b, rtol=1e-3)
    assert first.n_parameters == second.n_parameters == 22


def test_start_does_not_decide_the_estimate():
    truth = simulate(1000, 12, 10)
    rng = np.random.default_rng(11)
    starts = irt.ItemParameters(np.arange(12), rng.lognormal(0, 0.6, 12), rng.normal(0, 2, 12), np.zeros(12))
    first = irt.calibrate(truth.responses, options=TIGHT)
    assert_same(first, irt.calibrate(truth.responses, starts=starts, options=TIGHT), atol=1e-5)


def test_fixed_anchors_give_the_scale_that_they_are_on():
    truth = simulate(4000, 20, 12)
    anchors = truth.items.take(slice(0, 8))
    A, B = 1.5, 0.8
    moved = irt.ItemParameters(anchors.item, anchors.a / A, A * anchors.b + B, anchors.c)
    fit = irt.calibrate(truth.responses, anchors=moved, options=irt.Options(linking_method="fixed"))
    np.testing.assert_array_equal(fit.items.a[:8], moved.a)
    assert np.isnan(fit.se_a[:8]).all()
    assert np.isfinite(fit.se_a[8:]).all()
    assert fit.group_sd == pytest.approx(A, abs=0.08)
    assert fit.group_mean == pytest.approx(B, abs=0.08)


def test_far_away_population_is_not_cut_off_by_the_grid():
    truth = simulate(4000, 20, 13)
    anchors = truth.items.take(slice(0, 10))
    far = irt.ItemParameters(anchors.item, anchors.a, anchors.b + 5, anchors.c)
    fit = irt.calibrate(truth.responses, anchors=far, options=irt.Options(linking_method="fixed"))
    assert fit.group_mean == pytest.approx(5, abs=0.1)
    assert fit.group_sd == pytest.approx(1, abs=0.06)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_small_answer_table_gives_finite_numbers_or_a_clear_error(data):
    n_persons, n_items = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 6))
    cells = data.draw(
        st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=n_persons * n_items, max_size=n_persons * n_items)
    )
    responses = responses_of(np.reshape(cells, (n_persons, n_items)))
    model = data.draw(st.sampled_from(["Rasch", "2PL", "3PL"]))
    try:
        fit = irt.calibrate(responses, model, options=irt.Options(min_responses=2, max_iterations=60))
    except irt.DataError:
        return
    assert np.isfinite(
        [*fit.items.a, *fit.items.b, *fit.items.c, *fit.theta, *fit.theta_se, fit.loglik, fit.reliability]
    ).all()
    assert len(fit.items) + len(fit.left_out) == np.count_nonzero(np.bincount(responses.item, minlength=n_items))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.booleans(), st.integers(0, 3)), max_size=60),
    st.randoms(use_true_random=False),
)
def test_responses_are_the_earliest_answers_whatever_the_order(rows, random):
    shuffled = random.sample(rows, len(rows))
    built = [
        irt.Responses.from_answers(
            *(np.array([row[i] for row in order], dtype=int) for i in range(4)), n_persons=6, n_items=5
        )
        for order in (rows, shuffled)
    ]
    wanted = {}
    for person, item, correct, time in rows:
        wanted[person, item] = min(wanted.get((person, item), (9, 9)), (time, int(correct)))
    for responses in built:
        person = np.repeat(np.arange(6), np.diff(responses.person_start))
        kept = {
            (p, i): c
            for p, i, c in zip(person.tolist(), responses.item.tolist(), responses.score.tolist(), strict=True)
        }
        assert kept == {key: correct for key, (_, correct) in wanted.items()}
        assert responses.n_set_aside == len(rows) - len(wanted)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_loglik_is_the_integral_of_the_definition(seed, seen):
    truth = simulate(60, 6, seed, seen=seen)
    fit = irt.calibrate(truth.responses, "Rasch", options=irt.Options(standard_errors=False))
    matrix = np.where(truth.seen, truth.right, np.nan)[:, fit.items.item]
    assert fit.loglik == pytest.approx(
        marginal_loglik(matrix, fit.items.a, fit.items.d), abs=1e-3
    )  # a is 1e-4 at least


@pytest.mark.parametrize("model", ["Rasch", "3PL"])
def test_held_anchors_work_for_the_other_models(model):
    truth = simulate(6000, 24, 15, c=0.2 if model == "3PL" else 0.0, common_slope=1.1 if model == "Rasch" else None)
    anchors = truth.items.take(slice(0, 10))
    fit = irt.calibrate(truth.responses, model, anchors=anchors, options=irt.Options(linking_method="fixed"))
    assert fit.converged
    assert (fit.group_mean, fit.group_sd) == pytest.approx((0, 1), abs=0.08)
    free = slice(10, None)
    theta = np.linspace(-2, 2, 9)
    error = irt.probability(theta, fit.items.take(free)) - irt.probability(theta, truth.items.take(free))
    assert np.abs(error).max() < 0.06
    assert np.isnan(fit.se_b[:10]).all()
    assert np.isfinite(fit.se_b[free]).all()
    assert fit.n_parameters == {"Rasch": 14, "3PL": 42}[model] + 2
