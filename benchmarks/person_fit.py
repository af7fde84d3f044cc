"""lz* under the model: python -m benchmarks.person_fit

Its mean and SD, and how often it is below the one-sided limits of 5 and 1%, by the number of answers. Prints the table of docs/method.md.
"""

import numpy as np

from seedtest_assets import irt

PERSONS = 40_000


def main() -> None:
    rng = np.random.default_rng(1)
    print("| answers | mean | SD | below -1.645 | below -2.326 |\n|---|---|---|---|---|")
    for n_items in (5, 10, 20, 40, 80):
        items = irt.ItemParameters(
            np.arange(n_items), rng.lognormal(0, 0.3, n_items), rng.normal(size=n_items), np.zeros(n_items)
        )
        marks = irt.simulate(rng.normal(size=PERSONS), items, seed=n_items)
        lz_star = irt.person_fit(irt.Responses.from_matrix(marks), items)
        lz_star = lz_star[np.isfinite(lz_star)]
        print(
            f"| {n_items} | {lz_star.mean():+.2f} | {lz_star.std():.2f} | {np.mean(lz_star < -1.645):.1%} | "
            f"{np.mean(lz_star < -2.326):.1%} |"
        )


if __name__ == "__main__":
    main()
