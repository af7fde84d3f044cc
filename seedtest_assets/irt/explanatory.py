"""What is known of items predicts their parameters: ridge regression on a calibrated bank (explanatory IRT; De Boeck & Wilson, 2004).

y = mean + X beta + u + e: u is what the features do not explain, with the residual SD that becomes the items' prior, and e
the known error of an estimate. An item weighs 1 / (residual variance + error variance), so that items with few answers
teach little.
"""

from dataclasses import dataclass

import numpy as np

# Fewer items teach nothing that is more exact than a prior from experience.
FEWEST_ITEMS = 20
# Least SD of a prior, however well the features predict: an error as small needs some 500 answers.
LEAST_SD = 0.1
# Penalties that are tried, as multiples of the number of items; the last leaves nothing of a feature.
PENALTIES = np.logspace(-4, 4, 49)
# Rounds of weights and residual variance, and the relative change of the SD that ends them.
MOST_ROUNDS, SAME_SD = 30, 1e-3


@dataclass(frozen=True)
class Estimates:
    """Estimates of one parameter of some items, and their standard errors, float64 [n] each."""

    value: np.ndarray
    error: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A parameter's regression on the features of the bank's items.

    Parameters
    ----------
    residual_sd : float
        SD of what the features leave unexplained, free of the estimates' errors; at least LEAST_SD.
    bank_sd : float
        The same about the bank's mean.
    penalty : float
        Ridge penalty, by generalised cross-validation (Golub, Heath & Wahba, 1979).
    """

    ridge: "_Ridge"
    penalty: float
    residual_sd: float
    bank_sd: float

    @property
    def r_squared(self) -> float:
        """Share of the parameter's variance in the bank that the features explain for items that they were not fitted to."""
        return max(0.0, 1 - (self.residual_sd / self.bank_sd) ** 2)

    def predict(self, features: np.ndarray, n_new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict other items: mean and SD of each, float64 [n].

        features: float64 [n, n_features]; n_new: of categories that the bank does not have, whose effect is as unknown as a
        category's is before its first item.
        """
        mean, variance = self.ridge.predict(features, self.penalty)
        return mean, self._with_error(variance + n_new * self.ridge.unit / self.penalty)

    def predict_left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Predict each of the bank's items from the others, so that its answers do not count twice."""
        leverage = self.ridge.leverage(self.penalty)
        mean = self.ridge.y - self.ridge.left_out(self.penalty)
        return mean, self._with_error(self.ridge.unit / self.ridge.weight * leverage / (1 - leverage))

    def _with_error(self, variance: np.ndarray) -> np.ndarray:
        return np.sqrt(self.residual_sd**2 + variance)


def regress(features: np.ndarray, estimates: Estimates) -> Regression:
    """Regress a parameter of the bank's items on their features, float64 [n, n_features].

    The residual variance is that of leave-one-out residuals less what the estimates' errors and the prediction's add.
    """
    penalty, ridge, residual_sd = _fit(features, estimates)
    _, of_bank, bank_sd = _fit(features[:, :0], estimates)
    if residual_sd >= bank_sd:  # features that predict no better than the bank's mean
        penalty, residual_sd = PENALTIES[-1] * len(features), bank_sd
        ridge = _Ridge(features, estimates.value, of_bank.weight / of_bank.unit)
    return Regression(ridge=ridge, penalty=penalty, residual_sd=residual_sd, bank_sd=bank_sd)


def without_prior(estimates: Estimates, prior_sd: np.ndarray, predicted: np.ndarray) -> tuple[Estimates, np.ndarray]:
    """Take a normal prior back out of estimates that are the mode of a posterior, and say which the answers determine.

    Without that, estimates that their prior pulled to the prediction would make the features look better than they are, and
    the next prior narrower, night by night.

    prior_sd: of each estimate's prior, infinite where it had none; predicted: its mean, float64 [n]. An item is determined by
    its answers, bool [n], where they hold at least as much information as the prior.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, of_prior = estimates.error**-2.0, prior_sd**-2.0
        of_answers = precision - of_prior
        determined = of_answers >= of_prior
        of_answers = np.where(determined, of_answers, precision)
        pulled = np.where(determined, of_prior / of_answers, 0.0)
    value = estimates.value + pulled * (estimates.value - predicted)
    return Estimates(value, of_answers**-0.5), determined


def _fit(features: np.ndarray, estimates: Estimates) -> tuple[float, "_Ridge", float]:
    """Alternate between weights and residual variance: the penalty, the ridge and the residual SD."""
    variance = max(float(np.var(estimates.value)) - float(np.median(estimates.error**2)), LEAST_SD**2)
    for _ in range(MOST_ROUNDS):
        ridge = _Ridge(features, estimates.value, 1 / (variance + estimates.error**2))
        penalty = ridge.best_penalty()
        leverage = ridge.leverage(penalty)
        # A leave-one-out residual has the item's own variance and the error of its prediction, together v / (1 - h).
        excess = ridge.left_out(penalty) ** 2 * (1 - leverage) - estimates.error**2
        new = max(float(np.average(excess, weights=ridge.weight**2)), LEAST_SD**2)
        if abs(np.sqrt(new / variance) - 1) < SAME_SD:
            break
        variance = new
    return penalty, ridge, float(np.sqrt(variance))


class _Ridge:
    """Ridge regression with weights, about a free mean, for every penalty: from the eigenvectors of X'WX.

    unit: the variance of an observation whose weight is 1; weights have mean 1.
    """

    def __init__(self, features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        self.unit = 1 / float(weight.mean())
        self.y, self.weight = y, weight * self.unit
        self.mean_x, self.mean_y = np.average(features, axis=0, weights=weight), float(np.average(y, weights=weight))
        self.values, self.vectors = np.linalg.eigh(
            (features - self.mean_x).T @ (self.weight[:, None] * (features - self.mean_x))
        )
        self.values = np.maximum(self.values, 0.0)
        self.rotated = (features - self.mean_x) @ self.vectors
        self.projected = self.rotated.T @ (self.weight * (y - self.mean_y))

    def best_penalty(self) -> float:
        """Choose the penalty by generalised cross-validation."""
        n = len(self.y)
        penalties = PENALTIES * n
        if not len(self.values):
            return float(penalties[-1])
        total = float(self.weight @ (self.y - self.mean_y) ** 2)
        shrunk = self.values + penalties[:, None]
        lost = total - np.sum(self.projected**2 * (self.values + 2 * penalties[:, None]) / shrunk**2, axis=1)
        freedom = 1 + np.sum(self.values / shrunk, axis=1)
        return float(penalties[np.argmin(np.maximum(lost, 0.0) / np.maximum(n - freedom, 1e-9) ** 2)])

    def predict(self, features: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Predict, with the variance of the prediction's own error."""
        rotated = (features - self.mean_x) @ self.vectors
        mean = self.mean_y + rotated @ (self.projected / (self.values + penalty))
        return mean, self.unit * (1 / self.weight.sum() + rotated**2 @ (1 / (self.values + penalty)))

    def leverage(self, penalty: float) -> np.ndarray:
        """Compute the weight of each item's own estimate in its prediction."""
        own = self.weight * (1 / self.weight.sum() + self.rotated**2 @ (1 / (self.values + penalty)))
        return np.minimum(own, 1 - 1e-6)

    def left_out(self, penalty: float) -> np.ndarray:
        """Compute the residual of each item against its prediction from the others."""
        fitted = self.mean_y + self.rotated @ (self.projected / (self.values + penalty))
        residuals: np.ndarray = (self.y - fitted) / (1 - self.leverage(penalty))
        return residuals
