"""What a calibration says about itself: items that want a look, and warnings of one line each."""

import numpy as np

from seedtest_assets.irt.em import Fit, Problem
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.screening import unconnected_blocks

FEW_PERSONS = 100  # a discrimination's standard error is then about 0.3
NO_SLOPE = 0.05


def flag(items: ItemParameters, se_a: np.ndarray) -> tuple[tuple[int, str], ...]:
    """(item code, reason) of each item whose discrimination is negative, or not told from 0."""
    flagged = []
    for item, a, se in zip(items.item.tolist(), items.a, se_a, strict=True):
        if a < 0:
            flagged.append((item, "discrimination below 0: is the key reversed?"))
        elif a < 1.96 * se:
            flagged.append((item, "discrimination not told from 0"))
    return tuple(flagged)


def flag_warnings(flagged: tuple[tuple[int, str], ...]) -> list[str]:
    """One line for all items that discriminate below 0."""
    reversed_keys = [str(item) for item, reason in flagged if "below 0" in reason]
    if not reversed_keys:
        return []
    names = ", ".join(reversed_keys[:10]) + (", ..." if len(reversed_keys) > 10 else "")
    return [f"{len(reversed_keys)} items discriminate below 0, their keys may be reversed: {names}"]


def fit_warnings(done: Fit, problem: Problem, tolerance: float) -> list[str]:
    """What the estimation itself gives reason to doubt."""
    warnings = []
    if not done.converged:
        warnings.append(
            f"not converged to {tolerance:g} in {done.iterations} iterations: raise max_iterations or min_responses"
        )
    n_items, n_persons = problem.answers.n_items, int(np.count_nonzero(np.diff(problem.answers.start)))
    if n_items < 3:
        warnings.append(
            f"{n_items} items do not tell how much they discriminate: "
            "parameters and abilities are no more than a convention"
        )
    elif n_persons < FEW_PERSONS and problem.model != "Rasch":
        warnings.append(f"{n_persons} persons are few for {problem.model}: see the standard errors, or use model Rasch")
    if problem.model == "Rasch" and abs(float(done.state.a[0])) < NO_SLOPE:
        warnings.append(
            "the answers show no differences in ability: "
            "discrimination is 0, difficulties and abilities have no meaning"
        )
    blocks = np.sort(np.bincount(unconnected_blocks(problem.answers)))[::-1]
    if len(blocks) > 1:
        sizes = ", ".join(map(str, blocks[:5].tolist())) + (", ..." if len(blocks) > 5 else "")
        warnings.append(
            f"no person ties the {len(blocks)} blocks of items ({sizes} items) together: "
            "their scales cannot be compared without anchors in each"
        )
    return warnings
