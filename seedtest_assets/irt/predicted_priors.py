"""Priors of items from what is known of items like them: from a calibrated bank and features to means and SDs."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.explanatory import FEWEST_ITEMS, Estimates, Regression, regress, without_prior
from seedtest_assets.irt.item_features import FeatureCoding, Values

# Rounds in which the last priors are taken out of the bank: their means are near the predictions that are looked for.
ROUNDS = 3
# Of an a with a larger error, the logarithm is off centre and its error not known.
MOST_ERROR_OF_LOG_A = 0.5


@dataclass(frozen=True, kw_only=True)
class KnownItems:
    """Parameters of the bank's items as they were estimated, float64 [n] each; NaN where there is none.

    An error of 0 is that of a value that is trusted. log_a_prior_sd, b_prior_sd: of the priors that the items were estimated
    with, infinite without.
    """

    a: np.ndarray
    b: np.ndarray
    se_a: np.ndarray
    se_b: np.ndarray
    log_a_prior_sd: np.ndarray
    b_prior_sd: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Prior means and SDs of one parameter, float64 [n]: of the bank's items, each from the others, then of the new ones.

    regression: what they come from; n_items: items of the bank that it learnt from.
    """

    mean: np.ndarray
    sd: np.ndarray
    regression: Regression
    n_items: int


def predict_items(
    bank: Values, known: KnownItems, new: Values, *, own_slopes: bool, n_new: int
) -> tuple[Prediction | None, Prediction | None]:
    """Predict log a and b of the bank's items and of new ones; None where fewer than FEWEST_ITEMS can teach it.

    An item teaches where its a is above 0, its errors are finite, and its answers hold at least as much information as its
    prior. Where all items have one slope, log a is not predicted.

    bank, new: features of the bank's items, in the order of `known`, and of the n_new others.
    """
    coding = FeatureCoding.of(bank)
    features, _ = coding.columns(bank, len(known.b))
    columns = (features, *coding.columns(new, n_new))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = known.se_a / known.a
        log_a = Estimates(np.log(known.a), np.where(error <= MOST_ERROR_OF_LOG_A, error, np.nan))
    b = Estimates(np.where(known.a > 0, known.b, np.nan), known.se_b)
    of_log_a = _predict(columns, log_a, known.log_a_prior_sd) if own_slopes else None
    return of_log_a, _predict(columns, b, known.b_prior_sd)


def _predict(
    columns: tuple[np.ndarray, np.ndarray, np.ndarray], estimates: Estimates, prior_sd: np.ndarray
) -> Prediction | None:
    """Predict one parameter. columns: features of the bank's items and of the others, and how many categories of those are
    new to the bank."""
    features, of_others, n_new = columns
    usable = np.isfinite([estimates.value, estimates.error]).all(axis=0) & (estimates.error >= 0)
    predicted = estimates.value
    for _ in range(ROUNDS):
        freed, determined = without_prior(estimates, prior_sd, predicted)
        teaches = usable & determined
        if teaches.sum() < FEWEST_ITEMS:
            return None
        regression = regress(features[teaches], Estimates(freed.value[teaches], freed.error[teaches]))
        mean, sd = regression.predict(features, np.zeros(len(features)))
        mean[teaches], sd[teaches] = regression.predict_left_out()
        predicted = mean
        if not np.isfinite(prior_sd).any():
            break
    others = regression.predict(of_others, n_new)
    return Prediction(
        mean=np.concatenate([mean, others[0]]),
        sd=np.concatenate([sd, others[1]]),
        regression=regression,
        n_items=int(teaches.sum()),
    )
