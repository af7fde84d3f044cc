"""Spread that a few outliers do not change."""

import numpy as np


def robust_sd(values: np.ndarray) -> float:
    """Estimate the SD from the middle half: 0.74 interquartile ranges (Huynh & Meyer, 2010)."""
    low, high = np.percentile(values, [25, 75])
    return 0.74 * float(high - low)
