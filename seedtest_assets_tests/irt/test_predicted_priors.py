"""What is known of items predicts their parameters: ridge regression on the bank."""

import numpy as np
import pytest

from seedtest_assets.irt.explanatory import LEAST_SD, Posteriors, regress
from seedtest_assets.irt.item_features import MOST_LEVELS, FeatureCoding
from seedtest_assets.irt.predicted_priors import KnownItems, predict_items

N_TOPICS = 12


class Bank:
    """Items whose topic and author's difficulty explain half of the variance of b, and estimates with known errors."""

    def __init__(self, n=400, seed=1, mean_log_information=3.0):
        rng = np.random.default_rng(seed)
        topic, author = rng.integers(0, N_TOPICS, n), rng.normal(size=n)
        self.b = rng.normal(0, 0.6, N_TOPICS)[topic] + 0.4 * author + rng.normal(0, 0.7, n)
        self.information = rng.lognormal(mean_log_information, 1.2, n)
        self.estimated = self.b + rng.normal(size=n) / np.sqrt(self.information)
        self.features = {"topic": [f"topic-{t}" for t in topic], "author": author.tolist()}
        self.useless = {"letter": [str(letter) for letter in rng.integers(0, 20, n)]}

    def predict(self, features, new=None, **given):
        n, new = len(self.b), new or {name: [] for name in features}
        known = {
            "a": np.ones(n),
            "b": self.estimated,
            "se_a": np.full(n, 0.1),
            "se_b": self.information**-0.5,
            "log_a_prior_sd": np.full(n, np.inf),
            "b_prior_sd": np.full(n, np.inf),
        }
        n_new = len(next(iter(new.values())))
        return predict_items(features, KnownItems(**known | given), new, own_slopes=False, n_new=n_new)[1]


def test_predictions_are_as_exact_as_they_say():
    bank = Bank()
    predicted = bank.predict(bank.features)
    assert predicted.regression.residual_sd == pytest.approx(0.7, abs=0.08)
    assert predicted.regression.r_squared == pytest.approx(1 - 0.49 / bank.b.var(), abs=0.1)
    assert np.mean(((predicted.mean - bank.b) / predicted.sd) ** 2) == pytest.approx(1, abs=0.15)


def test_a_useless_feature_gives_the_banks_mean_and_spread():
    bank = Bank()
    predicted = bank.predict(bank.useless)
    assert predicted.regression.r_squared < 0.03
    np.testing.assert_allclose(predicted.mean, bank.b.mean(), atol=0.25)
    np.testing.assert_allclose(predicted.sd, bank.b.std(), rtol=0.08)
    same = bank.predict({"letter": ["x"] * 400})
    assert same.regression.r_squared == 0
    np.testing.assert_allclose(same.mean, bank.b.mean(), atol=0.08)


def test_predictions_of_the_banks_items_leave_their_own_answers_out():
    bank = Bank(n=60)
    before = bank.predict(bank.features)
    bank.estimated[7] += 0.5
    after = bank.predict(bank.features)
    # Only by way of the penalty and the spread, which it moves for all.
    assert abs(after.mean[7] - before.mean[7]) < 0.05


def test_left_out_predictions_are_those_of_a_regression_without_the_item():
    rng = np.random.default_rng(3)
    x, sd = rng.normal(size=(40, 3)), rng.uniform(0.1, 0.4, 40)
    y = x @ [0.5, 0.2, 0.0] + rng.normal(size=40)
    bank = Posteriors(y, sd, np.full(40, 0.9))
    regression = regress(x, bank)
    got = regression.predict_left_out()[0]
    without = np.arange(40) != 5
    weight = bank.learnt[without]
    centre_x, centre_y = np.average(x[without], axis=0, weights=weight), np.average(y[without], weights=weight)
    xc, yc = x[without] - centre_x, y[without] - centre_y
    beta = np.linalg.solve((xc.T * weight) @ xc + regression.penalty * np.eye(3), xc.T @ (weight * yc))
    assert got[5] == pytest.approx(centre_y + (x[5] - centre_x) @ beta, abs=1e-9)


def test_items_with_few_answers_teach_little():
    bank = Bank()
    clean = bank.predict(bank.features)
    noisy, information = bank.estimated.copy(), bank.information.copy()
    noisy[:200] += np.random.default_rng(4).normal(0, 3, 200)
    information[:200] = 1 / 9
    predicted = Bank().predict(bank.features, b=noisy, se_b=information**-0.5)
    assert predicted.regression.residual_sd == pytest.approx(clean.regression.residual_sd, abs=0.15)
    assert np.corrcoef(predicted.mean, clean.mean)[0, 1] > 0.9


@pytest.mark.parametrize("first_sd", [0.2, 3.0])
def test_the_prior_finds_its_width_over_nights_of_estimates_that_it_pulled(first_sd):
    bank = Bank(mean_log_information=1.5)
    mean, sd = np.full(400, bank.b.mean()), np.full(400, first_sd)
    for _ in range(20):
        of_prior = sd**-2
        predicted = bank.predict(
            bank.features,
            b=(bank.information * bank.estimated + of_prior * mean) / (bank.information + of_prior),
            se_b=(bank.information + of_prior) ** -0.5,
            b_prior_sd=sd,
        )
        mean, sd = predicted.mean, np.full(400, predicted.regression.residual_sd)
    assert predicted.regression.residual_sd == pytest.approx(0.7, abs=0.12)


def test_a_category_that_the_bank_lacks_is_less_known_than_one_it_has():
    bank = Bank()
    predicted = bank.predict(bank.features, {"topic": ["topic-1", "unheard of", None], "author": [0.0, 0.0, 0.0]})
    known, unknown, missing = predicted.sd[-3:]
    assert known < unknown
    assert unknown == pytest.approx(missing)
    assert predicted.mean[-2] == pytest.approx(bank.b.mean(), abs=0.25)


def test_the_spread_has_a_floor():
    x = np.random.default_rng(5).normal(size=(100, 1))
    exact = Posteriors(2 * x[:, 0], np.full(100, 0.01), np.full(100, 2.0))
    assert regress(x, exact).residual_sd == LEAST_SD


def test_fewer_than_twenty_items_teach_nothing():
    bank = Bank(n=25)
    assert bank.predict(bank.features) is not None
    error = bank.information**-0.5
    error[:6] = np.nan
    assert bank.predict(bank.features, se_b=error) is None


def test_values_become_columns():
    coding = FeatureCoding.of(
        {
            "level": [1, 2, None, 3],
            "kind": ["x", "y", "x", None],
            "tags": [["p", "q"], ["q"], [], None],
            "same": ["z"] * 4,
        }
    )
    assert coding.numbers["level"][:2] == (1, 3)
    assert {name: set(kinds) for name, kinds in coding.levels.items()} == {
        "level": {""},
        "kind": {"x", "y", ""},
        "tags": {"p", "q", ""},
    }
    columns, n_new = coding.columns(
        {"level": [99, None], "kind": ["x", "w"], "tags": [["p", "q"], ["r"]], "same": "zz"}, 2
    )
    assert columns[0, 0] == pytest.approx(1 / np.std([1, 2, 3]))  # nothing is extrapolated
    assert columns[1, 0] == 0
    assert columns[:, 1].tolist() == [0, 1]
    assert columns[0, 2:].sum() == 3
    assert n_new.tolist() == [0, 2]


def test_the_rarest_of_many_categories_are_one():
    kinds = [str(number // 2) for number in range(2 * MOST_LEVELS)] + [f"once {number}" for number in range(50)]
    coding = FeatureCoding.of({"author": kinds})
    assert len(coding.levels["author"]) == MOST_LEVELS + 1
    columns, n_new = coding.columns({"author": ["once 3", "never"]}, 2)
    assert (columns[:, -1] == 1).all()
    assert not n_new.any()
