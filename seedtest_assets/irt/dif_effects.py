"""How large a difference between two groups' curves is, and what it comes to."""

import numpy as np

from seedtest_assets.irt.dif_mantel_haenszel import LARGE, SIGNIFICANT, SLIGHT, Z_ONE_SIDED
from seedtest_assets.irt.parameters import ItemParameters

# Delta of one unit of logit, so that curves are judged by ETS's limits.
DELTA_A_LOGIT = 2.35


def areas_between(reference: ItemParameters, focal: ItemParameters) -> tuple[np.ndarray, np.ndarray]:
    """Compute the signed and unsigned area between the curves of each item (Raju, 1988), float64 [n_items].

    The signed area is that of P_focal - P_reference, negative where the item is harder for the focal group. Both are
    finite where c is the same in both groups and the slopes have the same sign; else NaN and infinite.
    """
    a, other = np.abs(reference.a), np.abs(focal.a)
    shift = focal.b - reference.b
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (other - a) / (a * other)
        unsigned = np.abs(2 * crossing * np.logaddexp(0, shift / crossing) - shift)
    unsigned = np.where(np.abs(crossing) < 1e-12, np.abs(shift), unsigned)
    finite = (reference.a * focal.a > 0) & (reference.c == focal.c)
    signed = np.where(finite, -np.sign(reference.a) * (1 - reference.c) * shift, np.nan)
    return signed, np.where(finite, (1 - reference.c) * unsigned, np.inf)


def adjusted_for_many_tests(p: np.ndarray, n_tests: int) -> np.ndarray:
    """Adjust p so that at most that share of the items called different are not (Benjamini & Hochberg, 1995).

    n_tests counts the items that were examined, those without a p (NaN) among them.
    """
    order = np.argsort(p)  # NaN last
    tested = order[: np.count_nonzero(~np.isnan(p))]
    adjusted = np.full(len(p), np.nan)
    ratio = p[tested] * n_tests / np.arange(1, len(tested) + 1)
    adjusted[tested] = np.minimum(np.minimum.accumulate(ratio[::-1])[::-1], 1.0)
    return adjusted


def flags(
    unsigned_area: np.ndarray, reference: ItemParameters, focal: ItemParameters, x2: np.ndarray, p_adjusted: np.ndarray
) -> np.ndarray:
    """Classify by ETS's limits on the size of the difference, and the likelihood-ratio test; str [n_items].

    The size is the unsigned area in units of delta: 2.35 sqrt(a_reference a_focal) times it, which for equal slopes is
    |delta| of the model. A: below 1, or not significant at 5% after the adjustment. C: from 1.5, if significantly above
    1, with the standard error that X2 implies, size / sqrt(X2). Else B.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        size = DELTA_A_LOGIT * np.sqrt(np.abs(reference.a * focal.a)) * unsigned_area
        negligible = ~(size >= SLIGHT) | ~(p_adjusted < SIGNIFICANT)
        large = (size >= LARGE) & ((1 - SLIGHT / size) * np.sqrt(x2) > Z_ONE_SIDED)
    return np.where(negligible, "A", np.where(large, "C", "B"))
