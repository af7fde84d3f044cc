"""The second-order test: is a stationary point of the likelihood a maximum, and if not, where does it still rise?

At a maximum the observed information is positive definite. A saddle is where all slopes are 0: there no derivative tells
the estimation to move, but answers that have anything in common have a higher likelihood elsewhere.
"""

import numpy as np

# An eigenvalue of the scaled information is negative below this; closer to 0 it is that of a direction in which the
# answers say nothing, with errors of rounding.
NEGATIVE = -1e-3
# Largest change of a parameter on the way off a saddle.
STEP = 0.5


def rising_direction(information: np.ndarray, complete: np.ndarray) -> np.ndarray | None:
    """Find the step from a saddle in which the likelihood rises most; None at a maximum.

    Parameters
    ----------
    information : float64 [size, size]
        Observed information of the parameters, its lower triangle.
    complete : float64 [size]
        Information of each parameter, were the abilities known: the unit in which the observed is judged.

    Returns
    -------
    float64 [size] or None
        The eigenvector of the most negative eigenvalue, its largest change STEP.
    """
    scale = 1 / np.sqrt(np.where(complete > 0, complete, 1.0))
    lower = np.tril(information) * scale[:, None] * scale
    if not np.isfinite(lower).all():
        return None
    values, vectors = np.linalg.eigh(lower)
    if values[0] > NEGATIVE:
        return None
    direction = vectors[:, 0] * scale
    return direction * (STEP / np.abs(direction).max())
