"""Published and simulated answers, and what other programs give for them.

NAME.txt holds answers, its first lines their source; NAME_MODEL.json the results of R's mirt 1.45.1, with the call. The
optimum in them is that of the same likelihood by an independent optimiser, which mirt's own estimates agree with. Results
of Rasch models have slope 1 and a free ability SD there.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
LEFT_OUT = str.maketrans("abcdef", "012345")


def answers_of(name: str) -> np.ndarray:
    """Read the answers of a data set, float64 [n_persons, n_items] of scores and NaN.

    LSAT7, SAT12, SAT12missing (SAT12 scores an item without an answer as wrong, SAT12missing leaves it out), held_anchors,
    dif, two_forms, Science, mixed, mixed_dense (mixed with the answers that it leaves out) and mixed_anchor; the first lines of
    each file say what it is. two_forms is laid out as 50 items.
    """
    text = (FOLDER / f"{name.removesuffix('missing').removesuffix('_dense')}.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if name == "mixed_dense":
        lines = [line.translate(LEFT_OUT) for line in lines]
    rows = [line.split() for line in lines]
    patterns = np.array([[_mark(mark) for mark in pattern] for pattern, *_ in rows])
    answers = np.repeat(patterns, [int(count[0]) if count else 1 for _, *count in rows], axis=0)
    if name == "two_forms":
        forms = np.full((2, len(answers) // 2, 50), np.nan)
        forms[0, :, :30], forms[1, :, 20:] = np.split(answers, 2)
        return forms.reshape(-1, 50)
    return np.nan_to_num(answers) if name == "SAT12" else answers


def result_of(name: str) -> dict[str, Any]:
    """Read the results that NAME.json holds."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def patterns_of(result: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the patterns of answers [n, n_items] that the result scores, with their EAP abilities and posterior SDs."""
    patterns, theta, theta_se = zip(*result["eap"], strict=True)
    return np.array([[_mark(mark) for mark in pattern] for pattern in patterns]), np.array(theta), np.array(theta_se)


def numbers(values: list[float | None]) -> np.ndarray:
    """Give values as an array, NaN where there is none."""
    return np.array(values, dtype=np.float64)


def _mark(mark: str) -> float:
    return float(mark) if mark.isdigit() else np.nan
