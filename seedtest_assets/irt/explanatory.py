"""What is known of items predicts their parameters: ridge regression on a calibrated bank (explanatory IRT; De Boeck & Wilson, 2004).

A parameter is mean + X beta + u, and the SD of u, what the features do not explain, is that of the items' prior. The bank's
estimates were made with the last night's prior. Each night takes a step of an EM algorithm from there: regression of the modes
of the posteriors, and the spread of their residuals with the posteriors' variances added. Taken as if they were exact, estimates
that a prior pulled to the prediction would make the features look better than they are, and the next prior narrower, night by
night.
"""

from dataclasses import dataclass, replace

import numpy as np

# Fewer items teach nothing that is more exact than a prior from experience.
FEWEST_ITEMS = 20
# Least SD of a prior, however well the features predict: an error as small needs some 500 answers.
LEAST_SD = 0.1
# Penalties that are tried, as multiples of the number of items; the last leaves nothing of a feature.
PENALTIES = np.logspace(-4, 4, 49)
# SD of a normal distribution, as a multiple of the median distance from the median.
SD_OF_MEDIAN_DISTANCE = 1.4826

# Weight of an item whose answers say nothing, so that a bank of such has a mean.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Posteriors:
    """Modes and SDs of the posteriors of one parameter of some items, and the SDs of their priors, float64 [n] each."""

    mode: np.ndarray
    sd: np.ndarray
    prior_sd: np.ndarray

    @property
    def learnt(self) -> np.ndarray:
        """The share of the information that is from answers: an item with few teaches little."""
        return np.clip(1 - (self.sd / self.prior_sd) ** 2, 0.0, 1.0)

    def take(self, rows: np.ndarray) -> "Posteriors":
        """Select items."""
        return Posteriors(self.mode[rows], self.sd[rows], self.prior_sd[rows])

    def with_prior(self) -> "Posteriors":
        """Give estimates without a prior (prior_sd infinite) the bank's median and spread as theirs, errors included.

        That is wider than what the true values need. Later nights find the right width, which from a wide start does less harm.
        """
        without = np.isinf(self.prior_sd)
        if not without.any():
            return self
        middle = float(np.median(self.mode))
        spread = max(SD_OF_MEDIAN_DISTANCE * float(np.median(np.abs(self.mode - middle))), LEAST_SD)
        share = spread**2 / (spread**2 + self.sd**2)
        return Posteriors(
            np.where(without, middle + share * (self.mode - middle), self.mode),
            np.where(without, np.sqrt(share) * self.sd, self.sd),
            np.where(without, spread, self.prior_sd),
        )


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
        return mean, self.residual_sd * np.sqrt(1 + variance + n_new / self.penalty)

    def predict_left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Predict each of the bank's items from the others, so that its answers do not count twice."""
        left_out, variance = self.ridge.left_out(self.penalty)
        return self.ridge.y - left_out, self.residual_sd * np.sqrt(1 + variance)


def regress(features: np.ndarray, bank: Posteriors) -> Regression:
    """Regress a parameter of the bank's items on their features, float64 [n, n_features]."""
    about_mean = _fit(features[:, :0], bank)
    regression = _fit(features, bank)
    if regression.residual_sd >= about_mean.residual_sd:  # features that predict no better than the bank's mean
        return replace(about_mean, ridge=regression.ridge)
    return replace(regression, bank_sd=about_mean.residual_sd)


def _fit(features: np.ndarray, bank: Posteriors) -> Regression:
    ridge = _Ridge(features, bank.mode, np.maximum(bank.learnt, LEAST_WEIGHT))
    penalty = ridge.best_penalty()
    left_out, variance = ridge.left_out(penalty)
    # A left-out residual has the error of its prediction, too.
    squared = left_out**2 / (1 + variance) + bank.sd**2
    sd = max(float(np.sqrt(np.average(squared, weights=ridge.weight))), LEAST_SD)
    return Regression(ridge=ridge, penalty=penalty, residual_sd=sd, bank_sd=sd)


class _Ridge:
    """Ridge regression with weights, about a free mean, for every penalty: from the eigenvectors of X'WX.

    Variances of predictions are in units of the residual variance.
    """

    def __init__(self, features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        self.y, self.weight = y, weight
        self.mean_x, self.mean_y = np.average(features, axis=0, weights=weight), float(np.average(y, weights=weight))
        centred = features - self.mean_x
        self.values, self.vectors = np.linalg.eigh(centred.T @ (weight[:, None] * centred))
        self.values = np.maximum(self.values, 0.0)
        self.rotated = centred @ self.vectors
        self.projected = self.rotated.T @ (weight * (y - self.mean_y))

    def best_penalty(self) -> float:
        """Choose the penalty by generalised cross-validation."""
        n = float(self.weight.sum())
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
        return self.mean_y + rotated @ (self.projected / (self.values + penalty)), self._variance(rotated, penalty)

    def left_out(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Compute the residual of each item against its prediction from the others, and the variance of that prediction."""
        variance = self._variance(self.rotated, penalty)
        of_others = 1 - np.minimum(self.weight * variance, 1 - 1e-6)
        fitted = self.mean_y + self.rotated @ (self.projected / (self.values + penalty))
        return (self.y - fitted) / of_others, variance / of_others

    def _variance(self, rotated: np.ndarray, penalty: float) -> np.ndarray:
        variance: np.ndarray = 1 / self.weight.sum() + rotated**2 @ (1 / (self.values + penalty))
        return variance
