"""Data at the edge: a stated result or a clear error, never NaN, never an endless loop."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from seedtest_assets import irt
from seedtest_assets.irt.parallel import announce_compilation
from seedtest_assets_tests.irt.simulate import responses_of, simulate

MODELS = ["Rasch", "2PL", "3PL"]


def assert_finite(fit):
    for values in (
        fit.items.a,
        fit.items.b,
        fit.items.c,
        fit.theta,
        fit.theta_se,
        [fit.loglik, fit.aic, fit.bic, fit.reliability],
    ):
        assert np.isfinite(values).all()
    assert (fit.theta_se > 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_no_answers_is_an_error(model):
    with pytest.raises(irt.DataError, match="no answers"):
        irt.calibrate(
            irt.Responses.from_answers(np.array([], int), np.array([], int), np.array([], int), n_persons=3, n_items=2),
            model,
        )


@pytest.mark.parametrize("model", MODELS)
def test_two_persons_are_an_error_that_names_the_minimum(model):
    with pytest.raises(irt.DataError, match="fewer than 10 answers"):
        irt.calibrate(simulate(2, 20, 0).responses, model)


@pytest.mark.parametrize("model", MODELS)
def test_one_item_is_calibrated_and_called_a_convention(model):
    fit = irt.calibrate(simulate(200, 1, 0).responses, model)
    assert_finite(fit)
    assert any("convention" in warning for warning in fit.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_small_class_is_calibrated_with_a_warning(model):
    truth = simulate(25, 40, 1)
    fit = irt.calibrate(truth.responses, model)
    assert_finite(fit)
    assert model == "Rasch" or any("persons are few" in warning for warning in fit.warnings)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("value", "reason"), [(1, "all answers right"), (0, "all answers wrong")])
def test_item_with_one_kind_of_answer_is_left_out_and_named(model, value, reason):
    right = simulate(300, 8, 2).right
    right[:, 3] = value
    fit = irt.calibrate(responses_of(right), model)
    assert fit.left_out == ((3, 300, reason),)
    assert 3 not in fit.items.item
    assert_finite(fit)


def test_item_answered_once_is_left_out_and_named():
    right = simulate(300, 8, 3).right
    right[1:, 5] = np.nan
    assert irt.calibrate(responses_of(right)).left_out == ((5, 1, "fewer than 10 answers"),)


def test_person_with_one_answer_and_person_with_none_have_abilities():
    right = simulate(300, 8, 4).right
    right[0, 1:] = np.nan
    right[1] = np.nan
    fit = irt.calibrate(responses_of(right))
    assert_finite(fit)
    assert 0.7 < fit.theta_se[0] < 1
    assert (fit.theta[1], fit.theta_se[1]) == (0, 1)


@pytest.mark.parametrize("model", MODELS)
def test_unconnected_blocks_are_reported(model):
    right = np.full((600, 16), np.nan)
    right[:300, :8] = simulate(300, 8, 5).right
    right[300:, 8:] = simulate(300, 8, 6).right
    fit = irt.calibrate(responses_of(right), model)
    assert_finite(fit)
    assert any(
        "2 blocks of items (8, 8 items)" in warning and "cannot be compared" in warning for warning in fit.warnings
    )


def test_connected_items_are_not_called_blocks():
    truth = simulate(300, 16, 7, seen=0.3)
    assert not any("blocks" in warning for warning in irt.calibrate(truth.responses).warnings)


def test_reverse_keyed_item_is_estimated_as_it_is_and_flagged():
    truth = simulate(3000, 15, 8)
    right = truth.right.copy()
    right[:, 4] = 1 - right[:, 4]
    straight, reversed_ = (
        irt.calibrate(truth.responses, options=irt.Options(tolerance=1e-7)),
        irt.calibrate(responses_of(right), options=irt.Options(tolerance=1e-7)),
    )
    assert reversed_.items.a[4] == pytest.approx(-straight.items.a[4], abs=1e-4)
    assert reversed_.items.b[4] == pytest.approx(straight.items.b[4], abs=1e-4)
    assert [item for item, reason in reversed_.flagged if "reversed" in reason] == [4]
    assert any("4" in warning and "reversed" in warning for warning in reversed_.warnings)


def test_ability_axis_points_up_whatever_the_start_and_down_only_for_anchors():
    truth = simulate(1000, 15, 9)
    down = irt.ItemParameters(truth.items.item, -truth.items.a, -truth.items.b, truth.items.c)
    for known in ({}, {"starts": down}, {"previous": down}):
        fit = irt.calibrate(truth.responses, **known, options=irt.Options(standard_errors=False))
        assert (fit.items.a > 0).all()
        assert np.corrcoef(fit.theta, truth.theta)[0, 1] > 0.7
    bank = irt.calibrate(truth.responses, anchors=down, options=irt.Options(standard_errors=False))
    assert (bank.items.a < 0).all()
    assert np.corrcoef(bank.theta, truth.theta)[0, 1] < -0.7


@pytest.mark.parametrize("model", MODELS)
def test_perfectly_separated_answers_end_and_say_so(model):
    ladder = (np.arange(100)[:, None] > np.arange(0, 100, 10)[None] + 5).astype(float)
    with contextlib.suppress(irt.DataError):  # nothing is left
        fit = irt.calibrate(responses_of(ladder), model)
        assert_finite(fit)
        assert all("no finite estimate" in reason for _, _, reason in fit.left_out)
        assert fit.left_out


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_coin_flips_end_with_finite_numbers(model):
    rng = np.random.default_rng(10)
    assert_finite(irt.calibrate(responses_of(rng.integers(0, 2, (300, 8)).astype(float)), model))


def test_answers_without_differences_in_ability_are_reported_under_rasch():
    rng = np.random.default_rng(0)
    fit = irt.calibrate(responses_of((rng.random((500, 10)) < 0.5).astype(float)), "Rasch")
    assert fit.items.a[0] < 0.2
    assert_finite(fit)


def test_extreme_items_are_estimated_not_cut_off():
    rng = np.random.default_rng(11)
    theta, b = rng.normal(0, 1, 40_000), np.array([6.5, -6.5, *rng.normal(0, 1, 10)])
    fit = irt.calibrate(
        responses_of((rng.random((40_000, 12)) < 1 / (1 + np.exp(b - theta[:, None]))).astype(float)), "Rasch"
    )
    assert fit.converged
    assert np.all(np.abs(fit.items.b - b) < 4 * fit.se_b)
    assert np.abs(fit.items.b).max() > 6


def test_1200_items_a_person_do_not_underflow_and_errors_are_right():
    truth = simulate(300, 1200, 12)
    fit = irt.calibrate(truth.responses, options=irt.Options(standard_errors=False))
    assert_finite(fit)
    theta, se = irt.expected_a_posteriori(truth.responses, truth.items)
    exact_theta, exact_se = _fine_grid(truth)
    np.testing.assert_allclose(theta, exact_theta, atol=1e-4)
    np.testing.assert_allclose(se, exact_se, rtol=1e-3)
    assert 0.85 < np.std((theta - truth.theta) / se) < 1.15


def _fine_grid(truth):
    node = np.linspace(-6, 6, 2001)
    p = irt.probability(node, truth.items)
    logs = truth.right @ np.log(p) + (1 - truth.right) @ np.log1p(-p) - 0.5 * node**2
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ node
    return mean, np.sqrt(weight @ node**2 - mean**2)


def test_later_answer_of_a_person_to_an_item_is_set_aside():
    person, item, time = [0, 0, 0, 1], [2, 2, 0, 2], [5, 3, 9, 1]
    responses = irt.Responses.from_answers(np.array(person), np.array(item), np.array([1, 0, 1, 1]), np.array(time))
    assert responses.n_set_aside == 1
    assert responses.item.tolist() == [0, 2, 2]
    assert responses.score.tolist() == [1, 0, 1]


@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_answers_at_the_same_time_the_wrong_one_counts_in_any_order(rows):
    correct, time = np.array([1, 0, 1])[rows], np.array([7, 7, 8])[rows]
    responses = irt.Responses.from_answers(np.zeros(3, int), np.zeros(3, int), correct, time)
    assert responses.score.tolist() == [0]


@pytest.mark.parametrize("kind", [np.int64, np.float32, "datetime64[s]"])
def test_order_of_a_persons_answers_is_that_of_their_times_whatever_their_type(kind):
    n = 300
    time = np.random.default_rng(1).integers(-40, 40, n)
    responses = irt.Responses.from_answers(np.zeros(n, int), np.arange(n)[::-1], np.ones(n, int), time.astype(kind))
    of_item = time[::-1]
    assert responses.order.tolist() == [int((of_item < t).sum()) for t in of_item]


def test_an_answer_without_a_time_is_the_latest_and_zero_has_no_sign():
    time = np.array([np.nan, 0.0, -0.0, np.inf, -np.inf, -2.5])
    responses = irt.Responses.from_answers(np.zeros(6, int), np.arange(6), np.ones(6, int), time)
    assert responses.order.tolist() == [4, 2, 2, 4, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [0], [0.5]), "0 or 1"),
        (([0], [0], [20]), "0 or 1"),
        (([0], [0], [float("nan")]), "0 or 1"),
        (([0, 1], [0], [1]), "differ in length"),
        (([-1], [0], [1]), "person codes"),
        (([0], [0.5], [1]), "item codes"),
    ],
)
def test_wrong_codes_are_errors(arguments, message):
    with pytest.raises(irt.DataError, match=message):
        irt.Responses.from_answers(*(np.array(values) for values in arguments))


def test_unknown_choices_are_errors_that_list_them():
    responses = simulate(50, 5, 0).responses
    with pytest.raises(irt.DataError, match="Rasch, 2PL, 3PL"):
        irt.calibrate(responses, "4PL")
    with pytest.raises(irt.DataError, match="stocking_lord"):
        irt.calibrate(responses, options=irt.Options(linking_method="equipercentile"))


def test_progress_reports_every_step_and_the_likelihood_rises():
    steps = []
    fit = irt.calibrate(
        simulate(2000, 20, 13).responses, options=irt.Options(progress=lambda *step: steps.append(step))
    )
    assert [iteration for iteration, _, _ in steps] == list(range(1, fit.iterations + 1))
    assert steps[-1][1] <= 1e-4
    assert steps[-1][2] > steps[0][2]


def test_too_few_iterations_are_reported():
    fit = irt.calibrate(simulate(500, 10, 14).responses, options=irt.Options(max_iterations=2))
    assert not fit.converged
    assert any("not converged" in warning for warning in fit.warnings)


def test_calibrations_at_the_same_time_do_not_disturb_each_other():
    responses = [simulate(3000, 60, seed, seen=0.8).responses for seed in (20, 21, 22, 23)]
    alone = [irt.calibrate(each, options=irt.Options(standard_errors=False)) for each in responses]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda each: irt.calibrate(each, options=irt.Options(standard_errors=False)), responses)
        )
    for sequential, parallel in zip(alone, together, strict=True):
        np.testing.assert_allclose(sequential.items.a, parallel.items.a, atol=1e-6)
        np.testing.assert_allclose(sequential.theta, parallel.theta, atol=1e-6)


def test_calibration_says_that_a_fresh_machine_compiles(caplog):
    announce_compilation.cache_clear()
    with caplog.at_level("INFO"):
        irt.calibrate(simulate(100, 5, 24).responses)
        irt.calibrate(simulate(100, 5, 24).responses)
    assert [record.message for record in caplog.records if "compiles first" in record.message] == [
        "loading the compiled estimation, which a fresh machine compiles first, once, in about 10 seconds"
    ]


def test_text_among_the_marks_is_an_error_that_quotes_it():
    table = pd.DataFrame({"student_id": ["ann", "bo"], "item_id": ["q1", "q1"], "correct": [1, "maybe"]})
    with pytest.raises(irt.DataError, match=r"column correct must hold numbers: .*maybe"):
        irt.Responses.from_frame(table)
    with pytest.raises(irt.DataError, match=r"column score must hold numbers: .*maybe"):
        irt.Responses.from_frame(table.rename(columns={"correct": "score"}))
    with pytest.raises(irt.DataError, match=r"a cell of the matrix is no number: .*maybe"):
        irt.Responses.from_matrix(table[["correct"]])


@pytest.mark.parametrize(
    ("score", "advice"),
    [
        (-1, "Leave out answers that were not given"),
        (0.5, "Number the scores of such an item: 0, 1, 2 for 0, 0.5, 1 point"),
        (20, "Join scores of such an item, so that there are 20 at most"),
    ],
)
def test_a_score_that_is_none_is_named_with_its_row_and_item_and_what_to_do(score, advice):
    message = rf"^row {{}}, item {{}}: the score is {score}, but a score is 0 or 1, .*\. {advice}$"
    with pytest.raises(irt.DataError, match=message.format(1, 7)):
        irt.Responses.from_answers(person=[0, 1], item=[0, 7], score=[1, score])
    with pytest.raises(irt.DataError, match=message.format(2, 1)):
        irt.Responses.from_matrix([[1, 0], [np.nan, 0], [np.nan, score]])
    table = pd.DataFrame([[np.nan, 0], [1, score]], index=["ann", "bo"], columns=["q1", "q2"])
    with pytest.raises(irt.DataError, match=message.format("bo", "q2")):
        irt.Responses.from_matrix(table)
    frame = pd.DataFrame({"student_id": ["a", "b", "c"], "item_id": ["q9", "q1", "q1"], "score": [1, None, score]})
    with pytest.raises(irt.DataError, match=message.format(2, "q1")):
        irt.Responses.from_frame(frame)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(irt.DataError, match=r"scores are object, not numbers\. Leave out answers that were not given"):
        irt.Responses.from_answers(person=[0, 1], item=[0, 1], score=[1, None])
