"""How calibration time grows from 1 to 50 million answers (the first persons of S5), as a table and benchmarks/out/growth.png.

python -m benchmarks.growth
"""

import os
import statistics
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.data_sets import OUT, load
from seedtest_assets import irt

MILLIONS = [1, 2.5, 5, 10, 25, 50]


def main() -> None:
    data = load("S5")
    irt.calibrate(irt.Responses.from_answers(data.person[:500_000], data.item[:500_000], data.correct[:500_000]))
    answers, seconds = [], []
    print(f"{'answers':>12} {'items':>6} {'seconds':>8} {'ns an answer':>13} {'steps':>6} {'load':>5}")
    for million in MILLIONS:
        n = int(million * 1e6)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            responses = irt.Responses.from_answers(data.person[:n], data.item[:n], data.correct[:n])
            calibration = irt.calibrate(responses, standard_errors=False)
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


if __name__ == "__main__":
    main()
