"""Spread that a few outliers do not change."""

import numpy as np

# Fewer values show neither a spread nor a common move.
ENOUGH = 10


def robust_sd(values: np.ndarray) -> float:
    """Estimate the SD from the middle half: 0.74 interquartile ranges (Huynh & Meyer, 2010)."""
    low, high = np.percentile(values, [25, 75])
    return 0.74 * float(high - low)


def standardised(z: np.ndarray) -> np.ndarray:
    """Center z at the median, and divide by the robust SD if it is above 1; unchanged where fewer than ENOUGH are known."""
    known = z[np.isfinite(z)]
    centre, spread = (np.median(known), robust_sd(known)) if len(known) >= ENOUGH else (0.0, 1.0)
    return (z - centre) / max(spread, 1.0)
