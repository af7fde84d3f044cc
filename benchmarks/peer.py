"""What a peer's file has in common: it fits one set some times, in a process of its own, and prints what that took as JSON."""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.data_sets import DataSet, load

Fit = Callable[[DataSet], tuple[np.ndarray, np.ndarray]]
"""Fits a 2PL to the set; returns slopes a and intercepts d = -a b, float64 [n_items] each."""


def main(fit: Fit, prepare: Callable[[DataSet], object] | None = None) -> None:
    """`python -m benchmarks.FILE SET [REPEATS]`: one run to warm up, then REPEATS (3) timed ones; 0 times the first."""
    data = load(sys.argv[1])
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    given = prepare(data) if prepare is not None else data
    seconds, processor, result = [], [], None
    for _ in range(repeats + 1 if repeats else 1):
        began, used = time.perf_counter(), time.process_time()
        result = fit(given)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    timed = seconds[1:] or seconds
    print(
        json.dumps(
            {
                "seconds": statistics.median(timed),
                "fastest": min(timed),
                "processor": min(processor),
                "first": seconds[0],
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "load": os.getloadavg()[0],
                "loglik": loglik(data, *result) if result is not None else None,
            }
        )
    )


def matrix(data: DataSet, missing: int) -> np.ndarray:
    """Persons x items, for peers that need every cell."""
    cells = np.full((data.n_persons, data.n_items), missing, np.int8 if missing > -100 else np.int32)
    cells[data.person, data.item] = data.correct
    return cells


def loglik(data: DataSet, a: np.ndarray, d: np.ndarray) -> float:
    """Marginal log-likelihood of the estimates on 61 nodes, the same yardstick for all."""
    from seedtest_assets.irt import Responses, normal_grid
    from seedtest_assets.irt.estep import expect
    from seedtest_assets.irt.item_scores import right_or_wrong_curves
    from seedtest_assets.irt.screening import answers_to

    responses = Responses.from_answers(data.person, data.item, data.correct)
    answers = answers_to(responses, np.arange(data.n_items, dtype=np.int32))
    return expect(answers, right_or_wrong_curves(a, d, np.zeros(data.n_items)), normal_grid(), counts=False).loglik
