"""How calibration time grows from 1 to 50 million answers, as a table and benchmarks/out/growth.png.

    python -m benchmarks.growth

A bank of 1,000 items, of which each person answers 50; more answers are more persons.
"""

import os
import statistics
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.data_sets import OUT
from seedtest_assets import irt

MILLIONS = [1, 2.5, 5, 10, 25, 50]
ITEMS, EACH = 1_000, 50


def main() -> None:
    person, item, correct = _draw(int(MILLIONS[-1] * 1e6) // EACH)
    irt.calibrate(irt.Responses.from_answers(person[:500_000], item[:500_000], correct[:500_000]))
    answers, seconds = [], []
    print(f"{'answers':>12} {'items':>6} {'seconds':>8} {'ns an answer':>13} {'steps':>6} {'load':>5}")
    for million in MILLIONS:
        n = int(million * 1e6)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            responses = irt.Responses.from_answers(person[:n], item[:n], correct[:n])
            calibration = irt.calibrate(responses, options=irt.Options(standard_errors=False))
            times.append(time.perf_counter() - began)
        answers.append(n)
        seconds.append(statistics.median(times))
        print(
            f"{n:12,} {len(calibration.items):6,} {seconds[-1]:8.3f} {seconds[-1] / n * 1e9:13.0f} "
            f"{calibration.iterations:6} {os.getloadavg()[0]:5.1f}",
            flush=True,
        )
    slope = np.polyfit(np.log(answers), np.log(seconds), 1)[0]
    print(f"seconds grow as answers to the power {slope:.2f}")
    figure, axis = plt.subplots(figsize=(5.5, 4), layout="constrained")
    axis.loglog(answers, seconds, "o-", label="measured")
    axis.loglog(answers, seconds[-1] * np.array(answers) / answers[-1], "--", label="in proportion")
    axis.set_xlabel("answers")
    axis.set_ylabel("seconds")
    axis.legend(frameon=False)
    figure.savefig(OUT / "growth.png", dpi=150)
    print(OUT / "growth.png")


def _draw(n_persons: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Persons, items and right answers; a person's items are every so-many-th of the bank from some item on."""
    rng = np.random.default_rng(1006)
    a, b = rng.lognormal(0, 0.3, ITEMS).astype(np.float32), rng.normal(0, 1, ITEMS).astype(np.float32)
    theta = rng.normal(0, 1, n_persons).astype(np.float32)
    first = rng.integers(0, ITEMS, n_persons, dtype=np.int32)
    step = rng.choice(np.array([n for n in range(1, ITEMS) if np.gcd(n, ITEMS) == 1], np.int32), n_persons)
    item = ((first[:, None] + step[:, None] * np.arange(EACH, dtype=np.int32)) % ITEMS).ravel()
    person = np.repeat(np.arange(n_persons, dtype=np.int32), EACH)
    chance = 1 / (1 + np.exp(-a[item] * (theta[person] - b[item])))
    return person, item, (rng.random(len(item), dtype=np.float32) < chance).astype(np.uint8)


if __name__ == "__main__":
    main()
