"""Which item parameters can be used: one rule for question banks, files, requests and replies."""

import numpy as np
from numpy.typing import ArrayLike

# Both hold whatever a calibration estimates, and keep a * b exact enough for the E-step.
LARGEST_DISCRIMINATION = 100.0
LARGEST_DIFFICULTY = 1e6
# No item that a scale can rest on is further out, also where a bank reports abilities as 500 +- 100.
LARGEST_ANCHOR_DISCRIMINATION = 20.0
LARGEST_ANCHOR_DIFFICULTY = 1000.0


def unusable_parameters(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Say why item parameters cannot be used.

    Parameters
    ----------
    a, b, c : float64 [n]
        Discrimination, difficulty and guessing; NaN where a value is missing. A missing c counts as 0.

    Returns
    -------
    object [n]
        The reason, an empty text for usable parameters.

    Examples
    --------
    >>> from seedtest_assets.irt.usable_parameters import unusable_parameters
    >>> nan = float("nan")
    >>> unusable_parameters([1.2, nan, 0.0], [0.3, -1.5, 0.1], [nan, nan, 0.2]).tolist()
    ['', 'a is missing', 'a is 0']
    """
    a, b, c = (np.asarray(values, dtype=np.float64) for values in (a, b, c))
    c = np.where(np.isnan(c), 0.0, c)
    reasons = {
        "a and b are missing": np.isnan(a) & np.isnan(b),
        "a is missing": np.isnan(a),
        "b is missing": np.isnan(b),
        "a is 0": a == 0,
        f"a is not between -{LARGEST_DISCRIMINATION:g} and {LARGEST_DISCRIMINATION:g}": np.abs(a)
        > LARGEST_DISCRIMINATION,
        f"b is not between -{LARGEST_DIFFICULTY:,.0f} and {LARGEST_DIFFICULTY:,.0f}": np.abs(b) > LARGEST_DIFFICULTY,
        "c is not from 0 to below 1": (c < 0) | (c >= 1),
    }
    return np.select(list(reasons.values()), list(reasons), "").astype(object)


def unusable_anchors(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Say why item parameters cannot be those of an anchor: unusable, or outside the range of plausible anchors.

    Parameters
    ----------
    a, b, c : float64 [n]
        As in `unusable_parameters`.

    Returns
    -------
    object [n]
        The reason, an empty text for usable anchors.

    Examples
    --------
    >>> from seedtest_assets.irt.usable_parameters import unusable_anchors
    >>> unusable_anchors([1.2, 1.0], [0.3, 1e5], [0.0, 0.0]).tolist()
    ['', 'b of an anchor is not between -1,000 and 1,000']
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (a, b))
    most_a, most_b = LARGEST_ANCHOR_DISCRIMINATION, LARGEST_ANCHOR_DIFFICULTY
    implausible = {
        f"a of an anchor is not between -{most_a:g} and {most_a:g}": np.abs(a) > most_a,
        f"b of an anchor is not between -{most_b:,.0f} and {most_b:,.0f}": np.abs(b) > most_b,
    }
    reasons = unusable_parameters(a, b, c)
    return np.where(reasons == "", np.select(list(implausible.values()), list(implausible), ""), reasons).astype(object)


def unusable_steps(a: ArrayLike, steps: ArrayLike, model: ArrayLike) -> np.ndarray:
    """Say why steps of items with partial credit cannot be used.

    Parameters
    ----------
    a : float64 [n]
        Discrimination.
    steps : float64 [n, n_steps]
        As in `ItemParameters`; items without steps are not looked at.
    model : object [n]
        "GRM", "GPCM" or "PCM" of items with steps.

    Returns
    -------
    object [n]
        The reason, an empty text for usable steps.

    Examples
    --------
    >>> from seedtest_assets.irt.usable_parameters import unusable_steps
    >>> unusable_steps([1.0, 1.0], [[0.5, 0.2], [0.5, 0.2]], ["GRM", "GPCM"]).tolist()
    ['thresholds of a GRM must ascend', '']
    """
    a, steps, model = np.asarray(a, np.float64), np.asarray(steps, np.float64), np.asarray(model, object)
    n_items, n_steps = steps.shape
    finite = np.isfinite(steps)
    below, ascending, gap = np.full(n_items, -np.inf), np.ones(n_items, bool), np.zeros(n_items, bool)
    for k in range(n_steps):
        place = np.sign(a) * np.where(finite[:, k], steps[:, k], 0.0)
        ascending &= ~finite[:, k] | (place > below)
        below = np.where(finite[:, k], place, below)
        # Only the first steps can be those that everybody passes.
        gap |= np.isneginf(steps[:, k]) & ~np.isneginf(steps[:, :k]).all(axis=1)
    reasons = {
        "a step is infinite": gap | np.isposinf(steps).any(axis=1),
        f"a step is not between -{LARGEST_DIFFICULTY:,.0f} and {LARGEST_DIFFICULTY:,.0f}": np.any(
            finite & (np.abs(np.where(finite, steps, 0.0)) > LARGEST_DIFFICULTY), axis=1
        ),
        "thresholds of a GRM must ascend": (model == "GRM") & ~ascending,
    }
    reason = np.select(list(reasons.values()), list(reasons), "").astype(object)
    return np.where(finite.any(axis=1), reason, "").astype(object)
