"""Priors of items from what is known of items like them: from a calibrated bank and features to means and SDs."""

from dataclasses import dataclass

import numpy as np

from seedtest_assets.irt.explanatory import FEWEST_ITEMS, Posteriors, Regression, regress
from seedtest_assets.irt.item_features import FeatureCoding, Values

# Of an a with a larger error, the logarithm is off centre and its error not known.
MOST_ERROR_OF_LOG_A = 0.5
# Share of the information of an estimate without a prior that must be from answers, were the bank's spread its prior.
LEAST_LEARNT = 0.5


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

    An item can teach where its a is above 0 and its errors are finite; without a prior of its own, where its error is also no
    larger than the spread of the bank. Where all items have one slope, log a is not predicted.

    bank, new: features of the bank's items, in the order of `known`, and of the n_new others.
    """
    coding = FeatureCoding.of(bank)
    features, _ = coding.columns(bank, len(known.b))
    columns = (features, *coding.columns(new, n_new))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = known.se_a / known.a
        log_a, error = np.log(known.a), np.where(error <= MOST_ERROR_OF_LOG_A, error, np.nan)
    of_log_a = Posteriors(log_a, error, known.log_a_prior_sd)
    of_b = Posteriors(np.where(known.a > 0, known.b, np.nan), known.se_b, known.b_prior_sd)
    return _predict(columns, of_log_a) if own_slopes else None, _predict(columns, of_b)


def _predict(columns: tuple[np.ndarray, np.ndarray, np.ndarray], bank: Posteriors) -> Prediction | None:
    """Predict one parameter. columns: features of the bank's items and of the others, and how many categories of those are
    new to the bank."""
    features, of_others, n_new = columns
    finite = np.isfinite([bank.mode, bank.sd]).all(axis=0)
    rows = np.flatnonzero(finite)
    if len(rows) < FEWEST_ITEMS:
        return None
    with_prior = bank.take(rows).with_prior()
    teaches = ~np.isinf(bank.prior_sd[rows]) | (with_prior.learnt >= LEAST_LEARNT)
    rows, learnt_from = rows[teaches], with_prior.take(teaches)
    if len(rows) < FEWEST_ITEMS:
        return None
    regression = regress(features[rows], learnt_from)
    mean, sd = regression.predict(features, np.zeros(len(features)))
    mean[rows], sd[rows] = regression.predict_left_out()
    others = regression.predict(of_others, n_new)
    return Prediction(
        mean=np.concatenate([mean, others[0]]),
        sd=np.concatenate([sd, others[1]]),
        regression=regression,
        n_items=len(rows),
    )
