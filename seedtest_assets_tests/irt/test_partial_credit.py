"""Items with partial credit: agreement with R mirt and an exact optimum, the definition, and what must not change."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets import irt
from seedtest_assets.irt import estimation, standard_errors
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets_tests.irt.reference import answers_of, numbers, patterns_of, result_of
from seedtest_assets_tests.irt.simulate import simulate
from seedtest_assets_tests.irt.test_optimum import differences

NONE = float("nan")
TIGHT = irt.Options(tolerance=1e-9)
NODE = np.linspace(-6, 6, 61)
WEIGHT = np.exp(-0.5 * NODE**2) / np.exp(-0.5 * NODE**2).sum()


def steps_of(optimum) -> np.ndarray:
    """Steps of the items of a result, NaN for those that are right or wrong."""
    steps = np.full((len(optimum), max(len(item["b"]) for item in optimum)), NONE)
    for row, item in zip(steps, optimum, strict=True):
        if item["model"]:
            row[: len(item["b"])] = item["b"]
    return steps


def items_of(optimum) -> irt.ItemParameters:
    return irt.ItemParameters(
        np.arange(len(optimum)),
        [item["a"] for item in optimum],
        [item["b"][0] for item in optimum],
        np.zeros(len(optimum)),
        steps_of(optimum),
        [item["model"] for item in optimum],
    )


def models_of(items) -> dict[int, str]:
    return {int(item): model for item, model in zip(items.item, items.model, strict=True) if model}


def answers_in_steps(name) -> np.ndarray:
    """Answers of a reference. R's mirt moves the scores of item 12, of which nobody has 2, together."""
    answers = answers_of(name)
    if name != "Science":
        answers[:, 11] -= answers[:, 11] > 2
    return answers


def fit_of(name) -> tuple[dict, irt.ItemParameters, irt.Calibration]:
    """Give a reference, its items, and the engine's fit to its answers."""
    result = result_of(name)
    items = items_of(result["optimum"])
    anchors = items.take(slice(0, result.get("n_held", 0)))
    fit = irt.calibrate(
        irt.Responses.from_matrix(answers_in_steps(name.split("_G")[0])),
        irt.Models(item_models=models_of(items)),
        anchors=anchors if len(anchors) else None,
        options=irt.Options(tolerance=1e-9, linking_method="fixed" if len(anchors) else "stocking_lord"),
    )
    return result, items, fit


EVERY = ["Science_GRM", "Science_GPCM", "mixed", "mixed_anchor"]


@pytest.fixture(scope="module")
def fits():
    return {name: fit_of(name) for name in EVERY}


@pytest.mark.parametrize("name", EVERY)
def test_the_optimum_is_the_exact_one(fits, name):
    result, items, fit = fits[name]
    assert fit.converged
    assert fit.loglik == pytest.approx(result["loglik"], abs=1e-6)
    np.testing.assert_allclose(fit.items.a, items.a, atol=2e-5)
    np.testing.assert_allclose(fit.items.steps, items.steps, atol=2e-5)
    np.testing.assert_allclose(fit.items.b, items.b, atol=2e-5)
    assert fit.items.model.tolist() == items.model.tolist()
    assert fit.n_parameters == result["n_parameters"]


@pytest.mark.parametrize("name", ["Science_GRM", "Science_GPCM", "mixed"])
def test_aic_and_bic_are_mirts(fits, name):
    result, _, fit = fits[name]
    assert fit.aic == pytest.approx(result["aic"], abs=1e-3)
    assert fit.bic == pytest.approx(result["bic"], abs=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_standard_errors_are_those_of_the_observed_information(fits, name):
    result, items, fit = fits[name]
    held = result.get("n_held", 0)
    optimum = result["optimum"][held:]
    np.testing.assert_allclose(fit.se_a[held:], [item["se_a"] for item in optimum], rtol=1e-4)
    marked = items.model[held:] == ""
    np.testing.assert_allclose(
        fit.se_b[held:][marked], [item["se_b"][0] for item in optimum if not item["model"]], rtol=1e-4
    )
    for ours, item in zip(fit.se_steps[held:], optimum, strict=True):
        if item["model"]:
            np.testing.assert_allclose(ours[: len(item["b"])], item["se_b"], rtol=1e-4)
    assert np.isnan(fit.se_steps[:held]).all()


@pytest.mark.parametrize("name", ["Science_GRM", "Science_GPCM"])
def test_abilities_of_patterns_are_mirts(fits, name):
    result, _, fit = fits[name]
    patterns, eap, posterior_sd = patterns_of(result)
    theta, theta_se = irt.expected_a_posteriori(irt.Responses.from_matrix(patterns), fit.items)
    np.testing.assert_allclose(theta, eap, atol=2e-5)
    np.testing.assert_allclose(theta_se, posterior_sd, atol=2e-5)


@pytest.mark.parametrize("name", ["mixed", "mixed_anchor"])
def test_abilities_of_the_first_persons_are_mirts(fits, name):
    result, _, fit = fits[name]
    theta, theta_se = numbers(result["eap_first50"]).T
    np.testing.assert_allclose(fit.theta[:50], theta, atol=1e-4)
    np.testing.assert_allclose(fit.theta_se[:50], theta_se, atol=1e-4)


def test_population_around_held_anchors_is_the_exact_one(fits):
    result, _, fit = fits["mixed_anchor"]
    assert fit.group_mean == pytest.approx(result["group"]["mean"], abs=1e-4)
    assert fit.group_sd == pytest.approx(result["group"]["sd"], abs=1e-4)


def marginal_loglik(matrix, items) -> float:
    """The log-likelihood by its definition: persons x items x nodes."""
    log_p = np.log(np.maximum(irt.category_probabilities(NODE, items), 1e-300))
    total = np.zeros((len(matrix), len(NODE)))
    for column, of_item in zip(matrix.T, log_p, strict=True):
        given = ~np.isnan(column)
        total[given] += of_item[column[given].astype(int)]
    return float(np.log(np.exp(total) @ WEIGHT).sum())


def drawn(n_persons, steps, models, seed, a=None, seen=1.0) -> tuple[np.ndarray, irt.ItemParameters]:
    """Draw scores of N(0, 1) persons: a matrix, and the items."""
    rng = np.random.default_rng(seed)
    width = max(map(len, steps))
    rows = np.array([[*row, *[NONE] * (width - len(row))] for row in steps])
    a = rng.lognormal(0, 0.3, len(steps)) if a is None else np.full(len(steps), a)
    items = irt.ItemParameters(np.arange(len(steps)), a, np.zeros(len(steps)), np.zeros(len(steps)), rows, models)
    below = np.cumsum(irt.category_probabilities(rng.normal(size=n_persons), items), axis=1)
    score = (rng.random((len(steps), 1, n_persons)) > below[:, :-1]).sum(axis=1).T.astype(float)
    score[rng.random(score.shape) >= seen] = NONE
    return score, items


THREE = [[-0.8, 0.9], [-0.2, 0.1, 1.1], [0.4]]


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_gradient_is_zero_and_errors_are_the_hessians(model):
    matrix, _ = drawn(600, [*THREE, [-0.6, 0.3]], [model] * 4, seed=4, seen=0.8)
    matrix[matrix[:, 1] == 2, 1] = 3  # a score that nobody has
    fit = irt.calibrate(irt.Responses.from_matrix(matrix), irt.Models(polytomous_model=model), options=TIGHT)
    finite = np.isfinite(fit.items.steps)
    assert finite.tolist() == [[True, True, False], [True, False, True], [False] * 3, [True, True, False]]
    assert fit.merged == ((1, (2,)),)

    def loglik(x):
        steps, b = fit.items.steps.copy(), fit.items.b.copy()
        steps[finite], b[2] = x[5:], x[4]
        return marginal_loglik(
            matrix, irt.ItemParameters(fit.items.item, x[:4], b, fit.items.c, steps, fit.items.model)
        )

    at = np.concatenate([fit.items.a, fit.items.b[[2]], fit.items.steps[finite]])
    assert loglik(at) == pytest.approx(fit.loglik, abs=1e-8)
    gradient, hessian = differences(loglik, at)
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    ours = np.concatenate([fit.se_a, fit.se_b[[2]], fit.se_steps[finite]])
    np.testing.assert_allclose(ours, errors, rtol=2e-3)


@pytest.mark.parametrize("n_right_or_wrong", [0, 2])
def test_one_slope_for_pcm_and_rasch_has_zero_gradient_and_the_hessians_errors(n_right_or_wrong):
    steps = [*THREE[:2], [-0.6, 0.3], *[[0.4], [-0.5]][:n_right_or_wrong]]
    matrix, _ = drawn(700, steps, ["PCM"] * len(steps), seed=5, a=1.2)
    fit = irt.calibrate(
        irt.Responses.from_matrix(matrix), irt.Models(model="Rasch", polytomous_model="PCM"), options=TIGHT
    )
    finite = np.isfinite(fit.items.steps)
    assert np.ptp(fit.items.a) == 0

    def loglik(x):
        steps, b = fit.items.steps.copy(), fit.items.b.copy()
        steps[finite], b[3:] = x[1 + n_right_or_wrong :], x[1 : 1 + n_right_or_wrong]
        a = np.full(len(b), x[0])
        return marginal_loglik(matrix, irt.ItemParameters(fit.items.item, a, b, fit.items.c, steps, fit.items.model))

    gradient, hessian = differences(loglik, np.concatenate([fit.items.a[:1], fit.items.b[3:], fit.items.steps[finite]]))
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    ours = np.concatenate([fit.se_a[:1], fit.se_b[3:], fit.se_steps[finite]])
    np.testing.assert_allclose(ours, errors, rtol=2e-3)
    assert fit.n_parameters == len(errors)


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_items_of_one_step_are_the_2pl(model, monkeypatch):
    truth = simulate(1500, 12, 7, seen=0.7)
    responses = truth.responses
    expected = irt.calibrate(responses, options=TIGHT)
    monkeypatch.setattr(ResponseShards, "max_score", property(lambda self: np.full(self.n_items, 2)))
    polytomous = irt.calibrate(responses, irt.Models(polytomous_model=model), options=TIGHT)
    assert polytomous.items.polytomous.all()
    assert polytomous.loglik == pytest.approx(expected.loglik, abs=1e-8)
    np.testing.assert_allclose(polytomous.items.a, expected.items.a, atol=1e-7)
    np.testing.assert_allclose(polytomous.items.b, expected.items.b, atol=1e-7)
    np.testing.assert_allclose(polytomous.se_b, expected.se_b, rtol=1e-6)
    np.testing.assert_allclose(polytomous.se_steps[:, 0], expected.se_b, rtol=1e-6)
    np.testing.assert_allclose(polytomous.theta, expected.theta, atol=1e-7)


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_scores_reversed_turn_the_scale_round(model):
    matrix, _ = drawn(800, [*THREE[:2]] * 3, [model] * 6, seed=8, seen=0.8)
    highest = np.nanmax(matrix, axis=0)
    up, down = (
        irt.calibrate(irt.Responses.from_matrix(scores), irt.Models(polytomous_model=model), options=TIGHT)
        for scores in (matrix, highest - matrix)
    )
    assert down.loglik == pytest.approx(up.loglik, abs=1e-7)
    np.testing.assert_allclose(down.items.a, up.items.a, atol=1e-6)
    np.testing.assert_allclose(down.items.b, -up.items.b, atol=1e-6)
    for ours, theirs in zip(down.items.steps, up.items.steps, strict=True):
        np.testing.assert_allclose(ours[np.isfinite(ours)], -theirs[np.isfinite(theirs)][::-1], atol=1e-6)
    np.testing.assert_allclose(down.theta, -up.theta, atol=1e-6)


def test_a_graded_item_is_the_same_whatever_the_numbers_of_its_scores():
    matrix, _ = drawn(800, [*THREE[:2]] * 3, ["GRM"] * 6, seed=9)
    spread = np.where(matrix == 3, 5, matrix)
    first, second = (irt.calibrate(irt.Responses.from_matrix(scores), options=TIGHT) for scores in (matrix, spread))
    assert second.loglik == pytest.approx(first.loglik, abs=1e-9)
    np.testing.assert_allclose(second.items.steps[:, [0, 1, 4]], first.items.steps, atol=1e-8)
    assert second.merged == ((1, (3, 4)), (3, (3, 4)), (5, (3, 4)))
    assert "6 items" not in " ".join(second.warnings)
    assert any("3 items have scores that nobody got" in line and "1 (score 3, 4)" in line for line in second.warnings)


@pytest.mark.parametrize("item", ["q1", 2, -1])
def test_a_model_of_an_item_that_does_not_exist_is_refused(item):
    responses = irt.Responses.from_matrix([[0, 1], [2, 0], [1, 1]])
    with pytest.raises(irt.DataError, match=f"item_models names the item {item!r}, which is no code from 0 to 1"):
        irt.calibrate(responses, irt.Models(item_models={item: "GPCM"}))


def test_a_model_of_items_that_are_right_or_wrong_changes_nothing_and_says_so():
    matrix, _ = drawn(300, [*THREE, *THREE], ["GPCM"] * 6, seed=3)
    responses = irt.Responses.from_matrix(pd.DataFrame(matrix, columns=[f"q{n}" for n in range(6)]))
    without = irt.calibrate(responses)
    named = irt.calibrate(responses, irt.Models(item_models={2: "GRM", 5: "PCM", 0: "GRM"}))
    np.testing.assert_array_equal(named.items.b, without.items.b)
    line = "2 items have a model of partial credit that changes nothing, since nobody has a score above 1: q2, q5"
    assert set(named.warnings) - set(without.warnings) == {line}


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_without_score_0_the_lowest_score_is_passed_by_everybody(model):
    matrix, _ = drawn(800, [*THREE[:2]] * 3, [model] * 6, seed=10)
    shifted = matrix.copy()
    shifted[:, 0] += 1
    plain, without = (
        irt.calibrate(irt.Responses.from_matrix(scores), irt.Models(polytomous_model=model), options=TIGHT)
        for scores in (matrix, shifted)
    )
    assert without.loglik == pytest.approx(plain.loglik, abs=1e-9)
    assert without.items.steps[0, 0] == -np.inf
    np.testing.assert_allclose(without.items.steps[0, 1:3], plain.items.steps[0, :2], atol=1e-8)
    assert without.merged == ((0, (0,)),)


def test_order_and_names_do_not_matter():
    matrix, _ = drawn(500, THREE * 2, ["GPCM"] * 6, seed=11, seen=0.7)
    order = np.random.default_rng(0).permutation(6)
    models = irt.Models(polytomous_model="GPCM")
    first = irt.calibrate(irt.Responses.from_matrix(matrix), models, options=TIGHT)
    second = irt.calibrate(irt.Responses.from_matrix(matrix[::-1, order]), models, options=TIGHT)
    np.testing.assert_allclose(second.items.steps, first.items.steps[order], atol=1e-8)
    np.testing.assert_allclose(second.theta[::-1], first.theta, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["GRM", "GPCM", "PCM"])
def test_standard_errors_of_large_banks_are_those_of_the_whole_matrix(model, monkeypatch):
    rng = np.random.default_rng(12)
    steps = [np.sort(rng.normal(0, 1, rng.integers(1, 4))) for _ in range(120)]
    matrix, _ = drawn(3000, steps, [model] * 120, seed=13, a=1.1 if model == "PCM" else None, seen=0.3)
    responses = irt.Responses.from_matrix(matrix)
    models = irt.Models(model="Rasch" if model == "PCM" else "2PL", polytomous_model=model)
    monkeypatch.setattr(standard_errors, "FULL_LIMIT", 10_000)
    whole = irt.calibrate(responses, models)
    monkeypatch.setattr(standard_errors, "FULL_LIMIT", 0)
    by_item = irt.calibrate(responses, models)
    np.testing.assert_allclose(by_item.se_a, whole.se_a, rtol=0.015)
    np.testing.assert_allclose(by_item.se_steps, whole.se_steps, rtol=0.015)
    np.testing.assert_allclose(by_item.se_b, whole.se_b, rtol=0.015)


def test_single_precision_and_mixing_do_not_move_the_estimate(monkeypatch):
    matrix, _ = drawn(2000, THREE * 8, ["GRM", "GPCM", "GPCM"] * 8, seed=14, seen=0.6)
    models = irt.Models(item_models=dict(enumerate(["GRM", "GPCM", "GPCM"] * 8)))
    responses = irt.Responses.from_matrix(matrix)
    usual, tight = (irt.calibrate(responses, models, options=each) for each in (irt.Options(), TIGHT))
    np.testing.assert_allclose(usual.items.steps, tight.items.steps, atol=2e-3)
    np.testing.assert_allclose(usual.items.a, tight.items.a, atol=1e-3)
    assert tight.loglik - usual.loglik < 1e-3


def test_priors_of_the_mean_step_pull_it():
    matrix, _ = drawn(300, THREE[:2] * 3, ["GPCM"] * 6, seed=15)
    fit = irt.calibrate(
        irt.Responses.from_matrix(matrix),
        irt.Models(polytomous_model="GPCM"),
        options=irt.Options(tolerance=1e-9, prior_b=(1.0, 0.2)),
    )

    def posterior(x):
        steps = np.where(np.isfinite(fit.items.steps), x[6:].reshape(6, 3), fit.items.steps)
        items = irt.ItemParameters(fit.items.item, x[:6], fit.items.b, fit.items.c, steps, fit.items.model)
        return marginal_loglik(matrix, items) - np.sum((items.b - 1.0) ** 2) / (2 * 0.2**2)

    at = np.concatenate([fit.items.a, np.nan_to_num(fit.items.steps).ravel()])
    unit = np.eye(len(at)) * 1e-4
    gradient = np.array([(posterior(at + e) - posterior(at - e)) / 2e-4 for e in unit])
    np.testing.assert_allclose(gradient, 0, atol=1e-3)


def test_starts_and_previous_parameters_save_steps():
    matrix, _ = drawn(2000, THREE * 4, ["GRM"] * 12, seed=16)
    responses = irt.Responses.from_matrix(matrix)
    first = irt.calibrate(responses)
    assert irt.calibrate(responses, starts=first.items).iterations <= 3 < first.iterations


def test_weights_of_earlier_parameters_pull_steps_towards_them():
    matrix, truth = drawn(200, THREE[:2] * 3, ["GRM"] * 6, seed=17)
    responses = irt.Responses.from_matrix(matrix)
    free = irt.calibrate(responses)
    pulled = irt.calibrate(responses, starts=truth, options=irt.Options(prior_answers=1e5, linking_method="none"))
    finite = np.isfinite(truth.steps)
    spread = truth.steps[:, 1] - truth.steps[:, 0]
    assert pulled.items.steps[:, 1] - pulled.items.steps[:, 0] == pytest.approx(
        spread * np.exp(np.mean(np.log((pulled.items.steps[:, 1] - pulled.items.steps[:, 0]) / spread))), rel=0.02
    )
    assert (
        np.abs(free.items.steps - truth.steps)[finite].mean() > np.abs(pulled.items.steps - truth.steps)[finite].mean()
    )


def test_items_whose_answers_all_have_one_score_are_left_out():
    matrix, _ = drawn(200, THREE * 2, ["GRM"] * 6, seed=18)
    matrix[:, 1] = 3
    fit = irt.calibrate(irt.Responses.from_matrix(matrix))
    assert fit.left_out == ((1, 200, "all answers have the same score"),)


def test_a_rare_category_gets_an_honest_error():
    matrix, _ = drawn(2000, [[-0.8, 0.9], [-1.0, 3.6], *[[0.0, 1.0]] * 6], ["GRM"] * 8, seed=19, a=1.0)
    fit = irt.calibrate(irt.Responses.from_matrix(matrix))
    n_top = int(np.sum(matrix[:, 1] == 2))
    assert 10 < n_top < 80
    assert fit.se_steps[1, 1] > 3 * fit.se_steps[0, 1]


def test_answers_with_a_score_that_the_item_does_not_have_are_refused():
    items = irt.ItemParameters([0], [1.0], [0.0], [0.0], steps=[[0.0, 1.0]], model=["GRM"])
    responses = irt.Responses.from_matrix([[3]])
    with pytest.raises(irt.DataError, match="an answer to item 0 has the score 3, which its parameters do not have"):
        irt.expected_a_posteriori(responses, items)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_abilities_are_those_of_exact_integration_whatever_the_items(model):
    """Steep items and long tests need grids of the persons' own."""
    rng = np.random.default_rng(20)
    steps = rng.normal(0, 1.5, (30, 1)) + np.array([-0.6, 0.0, 0.7])
    items = irt.ItemParameters(
        np.arange(30), np.where(np.arange(30) < 3, 14.0, 1.5), np.zeros(30), np.zeros(30), steps, [model] * 30
    )
    below = np.cumsum(irt.category_probabilities(rng.normal(0, 1.5, 40), items), axis=1)
    score = (rng.random((30, 1, 40)) > below[:, :-1]).sum(axis=1).T
    theta, theta_se = irt.expected_a_posteriori(irt.Responses.from_matrix(score), items)
    node = np.linspace(-8, 8, 64_001)
    log_p = np.log(np.maximum(irt.category_probabilities(node, items), 1e-300))
    for person in range(0, 40, 4):
        density = sum(log_p[j, score[person, j]] for j in range(30)) - 0.5 * node**2
        density = np.exp(density - density.max())
        mean = (density @ node) / density.sum()
        assert theta[person] == pytest.approx(mean, abs=1e-3)
        assert theta_se[person] == pytest.approx(np.sqrt(density @ (node - mean) ** 2 / density.sum()), abs=1e-3)


def test_topic_abilities_use_the_scores():
    """With one topic and no spread the topic's ability is the person's EAP."""
    matrix, items = drawn(50, THREE * 3, ["GRM", "GPCM", "GPCM"] * 3, seed=21)
    person, item = np.nonzero(~np.isnan(matrix))
    answers = irt.TopicAnswers(person, np.zeros(len(person), int), item, matrix[person, item])
    topics = irt.topic_abilities(answers, items, tau=0.0)
    theta, theta_se = irt.expected_a_posteriori(irt.Responses.from_matrix(matrix), items)
    np.testing.assert_allclose(topics.theta, theta, atol=1e-5)
    np.testing.assert_allclose(topics.se, theta_se, atol=1e-5)
    with pytest.raises(irt.DataError, match="item 0 has the score 7"):
        irt.topic_abilities(irt.TopicAnswers([0], [0], [0], [7]), items, tau=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["GRM", "GPCM", "PCM"])
def test_intervals_cover_and_estimates_are_unbiased_over_many_seeds(model):
    inside, z, inside_a = [], [], []
    for seed in range(300, 350):
        rng = np.random.default_rng(seed)
        centre = rng.normal(0, 0.7, (20, 1))
        steps = centre + np.array([-0.8, 0.0, 0.8]) + rng.uniform(-0.2, 0.2, (20, 3))
        matrix, truth = drawn(1000, steps, [model] * 20, seed, a=1.1 if model == "PCM" else None, seen=0.7)
        models = irt.Models(model="Rasch" if model == "PCM" else "2PL", polytomous_model=model)
        fit = irt.calibrate(irt.Responses.from_matrix(matrix), models)
        error = (fit.items.steps - truth.steps) / fit.se_steps
        inside.append(np.abs(error) < 1.96)
        z.append(error)
        inside_a.append(np.abs(fit.items.a - truth.a) < 1.96 * fit.se_a)
    assert 0.93 < np.mean(inside) < 0.97
    assert abs(np.mean(z)) < 0.15
    assert 0.93 < np.mean(inside_a) < 0.97 or model == "PCM"  # one slope a seed


def test_unknown_models_are_refused():
    responses = irt.Responses.from_matrix([[0, 2], [1, 1]])
    with pytest.raises(irt.DataError, match="model 'NRM' of items with partial credit is not one of GRM, GPCM, PCM"):
        irt.calibrate(responses, irt.Models(polytomous_model="NRM"))
    with pytest.raises(irt.DataError, match="model '3PL' of items"):
        irt.calibrate(responses, irt.Models(item_models={1: "3PL"}))


def test_summary_and_frames_show_steps():
    matrix, _ = drawn(300, THREE, ["GPCM", "GRM", "GRM"], seed=22)
    fit = irt.calibrate(irt.Responses.from_matrix(matrix), irt.Models(item_models={0: "GPCM"}))
    assert "GPCM: b_1 " in fit.summary()
    items = fit.to_frames().items
    assert items["model"].tolist() == ["GPCM", "GRM", "2PL"]
    assert items["b_2"].isna().tolist() == [False, False, True]
    again = ResponseShards.here(irt.Responses.from_matrix(matrix))
    assert len(estimation.Sample.of(again, irt.Models(), None, irt.Options()).fitted) == 3


@pytest.mark.parametrize("model", ["GRM", "GPCM"])
def test_items_with_the_same_answers_are_refused(model):
    """Mixed steps towards the infinite slope may bring the thresholds of a GRM out of order, which have no likelihood."""
    matrix = np.repeat(np.arange(40)[:, None] % 3, 4, axis=1)
    with pytest.raises(irt.DataError, match="separate right from wrong perfectly"):
        irt.calibrate(irt.Responses.from_matrix(matrix), irt.Models(polytomous_model=model))


def test_3pl_changes_nothing_where_every_item_has_partial_credit():
    matrix, _ = drawn(300, THREE[:2], ["GRM"] * 2, seed=5)
    of_2pl, of_3pl = (irt.calibrate(irt.Responses.from_matrix(matrix), model=model) for model in ("2PL", "3PL"))
    np.testing.assert_allclose(of_3pl.items.steps, of_2pl.items.steps, atol=1e-3)
    np.testing.assert_allclose(of_3pl.se_steps, of_2pl.se_steps, rtol=1e-2)
