"""Calibration of items with partial credit: seconds, and what an answer costs beside the same answers as right or wrong.

    python -m benchmarks.partial_credit            # 20,000 persons x 500 items, 4 scores, 50 answers each; and 50,000 x 50, 5 scores
    python -m benchmarks.partial_credit mirt       # PyPI mirt 1.2.0 on the same answers in the same run, where it is installed

Items of a GRM and of a GPCM. Seconds are the least of three runs, processor seconds of all cores together.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from seedtest_assets import irt

# name: (seed, persons, items, scores, items a person or None for all)
SETS = {"sparse": (3101, 20_000, 500, 4, 50), "dense": (3102, 50_000, 50, 5, None)}
REPEATS = 3


def main(peers: list[str]) -> None:
    print(
        f"{'set':7} {'engine':24} {'seconds':>8} {'processor':>9} {'ns an answer':>12} {'steps':>6} {'logLik':>14} {'load':>5}"
    )
    for name in SETS:
        matrix = draw(*SETS[name])
        responses = irt.Responses.from_matrix(matrix)
        marked = replace(responses, score=(responses.score >= 2).astype(np.uint8))
        _row(name, "right or wrong", responses.n_answers, partial(irt.calibrate, marked, options=QUICK))
        for model in ("GRM", "GPCM"):
            run = partial(irt.calibrate, responses, irt.Models(polytomous_model=model), options=QUICK)
            _row(name, model, responses.n_answers, run)
        if "mirt" in peers:
            _row(name, "GRM, PyPI mirt, 41 nodes", responses.n_answers, partial(_peer, matrix), repeats=1)


QUICK = irt.Options(standard_errors=False)


def draw(seed: int, n_persons: int, n_items: int, n_scores: int, per_person: int | None) -> np.ndarray:
    """Draw scores of N(0, 1) persons under a GRM, float64 [n_persons, n_items], NaN where an item was not given."""
    rng = np.random.default_rng(seed)
    a, centre = rng.lognormal(0.2, 0.3, n_items), rng.normal(0, 0.7, (n_items, 1))
    half = 0.5 * (n_scores - 1)
    steps = centre + np.linspace(-half, half, n_scores - 1) + rng.uniform(-0.2, 0.2, (n_items, n_scores - 1))
    theta = rng.normal(size=(n_persons, 1))
    score = np.empty((n_persons, n_items), np.float32)
    for item in range(n_items):
        reaches = 1 / (1 + np.exp(-a[item] * (theta - np.sort(steps[item]))))
        score[:, item] = (rng.random((n_persons, 1)) < reaches).sum(axis=1)
    if per_person is not None:
        for person in range(n_persons):
            score[person, rng.permutation(n_items)[per_person:]] = np.nan
    return score


def _row(name: str, engine: str, n_answers: int, run: Callable[[], object], repeats: int = REPEATS) -> None:
    best, processor, result = np.inf, np.inf, None
    for _ in range(repeats):
        began, began_processor = time.perf_counter(), time.process_time()
        result = run()
        best = min(best, time.perf_counter() - began)
        processor = min(processor, time.process_time() - began_processor)
    loglik, steps = (f"{result.loglik:.3f}", result.iterations) if isinstance(result, irt.Calibration) else ("", "")
    cost = processor / n_answers * 1e9
    load = os.getloadavg()[0]
    print(
        f"{name:7} {engine:24} {best:8.3f} {processor:9.3f} {cost:12.0f} {steps!s:>6} {loglik:>14} {load:5.1f}",
        flush=True,
    )


def _peer(matrix: np.ndarray) -> object:
    import mirt

    cells = np.where(np.isnan(matrix), -1, matrix).astype(np.int32)
    return mirt.fit_mirt(cells, "GRM", n_quadpts=41, compute_standard_errors=False)


if __name__ == "__main__":
    main(sys.argv[1:])
