"""How often the tests for differential item functioning call clean items different, and how often they see a difference.

python -m benchmarks.dif_power [banks]      banks: clean ones of each size, 200 by default; of each effect a fifth of it

A bank has 40 items, a ~ lognormal(0.1, 0.3), b ~ N(0, 1). Each person answers 25 of them, drawn at random; the reference
group is N(0, 1), the focal group N(-0.5, 1), as many of each. In a bank with an effect 6 of the 40 items have it in the
focal group, all in the same direction. In complete banks everybody answers all 40, so that Mantel-Haenszel matches by
the rest score.
"""

import sys
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from seedtest_assets import irt

N_ITEMS, N_ANSWERED, N_DIFFERENT = 40, 25, 6
FOCAL_MEAN = -0.5
SIZES = (250, 500, 1000)
EFFECTS = {"b + 0.2": (0.2, 1.0), "b + 0.4": (0.4, 1.0), "b + 0.6": (0.6, 1.0), "a x 1.5": (0.0, 1.5)}
METHODS = ("Mantel-Haenszel", "logistic", "likelihood ratio")


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Answers of two groups. different: bool [n_items], items with the effect."""

    responses: irt.Responses
    focal: np.ndarray
    different: np.ndarray


def bank(seed: int, n: int, *, shift: float = 0.0, factor: float = 1.0, complete: bool = False) -> Bank:
    """Draw a bank with n persons a group; shift, factor: of b and a of the different items in the focal group."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.lognormal(0.1, 0.3, N_ITEMS), rng.normal(0, 1, N_ITEMS), np.zeros(N_ITEMS)
    different = np.arange(N_ITEMS) < N_DIFFERENT
    code = np.arange(N_ITEMS)
    of_group = (
        irt.ItemParameters(code, a, b, c),
        irt.ItemParameters(code, np.where(different, a * factor, a), np.where(different, b + shift, b), c),
    )
    marks = np.concatenate(
        [irt.simulate(rng.normal(mean, 1, n), of_group[g], rng) for g, mean in enumerate((0.0, FOCAL_MEAN))]
    )
    if not complete:
        marks = np.where(rng.random(marks.shape).argsort(axis=1) < N_ANSWERED, marks, np.nan)
    clean = shift == 0 and factor == 1
    return Bank(
        responses=irt.Responses.from_matrix(marks), focal=np.arange(2 * n) >= n, different=different & (not clean)
    )


def called_different(drawn: Bank) -> tuple[np.ndarray, np.ndarray]:
    """Test a bank; gives p < 0.05 by each of METHODS, and flag B or C, bool [4, n_items], and the items."""
    dif = irt.differential_item_functioning(drawn.responses, drawn.focal)
    p = [chdtrc(1, dif.mh_chi_square), dif.logistic_p, dif.p]
    return np.array([*(np.asarray(values) < 0.05 for values in p), dif.flag != "A"]), dif.item


def clean_rates(banks: int, n: int, *, complete: bool = False) -> np.ndarray:
    """Compute the share of clean items called different in so many banks, float64 [4]."""
    return np.mean(
        [called_different(bank(seed, n, complete=complete))[0].mean(axis=1) for seed in range(banks)], axis=0
    )


def rates_of_effect(banks: int, n: int, effect: str) -> np.ndarray:
    """Compute the share of different items called so, and of the other items flagged, float64 [5]."""
    shift, factor = EFFECTS[effect]
    rates = []
    for seed in range(1000, 1000 + banks):
        drawn = bank(seed, n, shift=shift, factor=factor)
        called, items = called_different(drawn)
        different = drawn.different[items]
        rates.append([*called[:, different].mean(axis=1), called[3, ~different].mean()])
    return np.mean(rates, axis=0)


def main() -> None:
    banks = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"Clean items called different at 5%, {banks} banks a row:\n")
    _header("persons a group", "answers", *METHODS, "flag B or C")
    for n, complete in [*((n, False) for n in SIZES), (500, True)]:
        _row(str(n), "all" if complete else f"{N_ANSWERED} of {N_ITEMS}", *clean_rates(banks, n, complete=complete))
    print(
        f"\nItems with an effect called different at 5%, {max(banks // 5, 1)} banks of {N_DIFFERENT} such items a row:\n"
    )
    _header("effect", "persons a group", *METHODS, "flag B or C", "other items flagged")
    for effect in EFFECTS:
        for n in SIZES:
            _row(effect, str(n), *rates_of_effect(max(banks // 5, 1), n, effect))


def _header(*names: str) -> None:
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names), flush=True)


def _row(*cells: str | float) -> None:
    print("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:.1%}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
