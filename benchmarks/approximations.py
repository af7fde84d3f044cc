"""What is done for speed, and what it changes: single precision, each item's own information, few polynomials.

python -m benchmarks.approximations
"""

import numpy as np

from benchmarks.data_sets import load
from seedtest_assets import irt
from seedtest_assets.irt import em, standard_errors


def main() -> None:
    print("single precision against double, tolerance 1e-4: largest change of an estimate, in its standard errors")
    for name in ("S1", "S3", "S4"):
        single, double = _fit(name), _fit(name, steps=0)
        a, b = (np.abs(getattr(single.items, x) - getattr(double.items, x)) for x in "ab")
        print(f"  {name}: a {np.max(a / double.se_a):.1e}, b {np.max(b / double.se_b):.1e}")
    print("standard errors from each item's own information against the whole matrix: least and largest ratio - 1")
    for name in ("S1", "S3", "S4"):
        for model in ("2PL", "Rasch"):
            if (name, model) != ("S4", "Rasch"):
                diagonal, whole = _fit(name, model, limit=0), _fit(name, model, limit=5000)
                ratios = [np.asarray(getattr(diagonal, x) / getattr(whole, x) - 1) for x in ("se_a", "se_b")]
                ranges = ", ".join(
                    f"{x} {ratio.min():+.2%} {ratio.max():+.2%}" for x, ratio in zip("ab", ratios, strict=True)
                )
                print(f"  {name} {model}: {ranges}")
    print("8 polynomials against 24: largest relative change of a standard error")
    for name in ("S1", "S3"):
        few, many = _fit(name), _fit(name, degree=24)
        print(f"  {name}: {np.max(np.abs(few.se_a / many.se_a - 1)):.1e}")


def _fit(name: str, model: str = "2PL", *, steps: int = 15, limit: int = 1500, degree: int = 8) -> irt.Calibration:
    em.SINGLE_PRECISION_STEPS, standard_errors.FULL_LIMIT, standard_errors.DEGREE = steps, limit, degree
    data = load(name)
    return irt.calibrate(irt.Responses.from_answers(data.person, data.item, data.correct), model)


if __name__ == "__main__":
    main()
