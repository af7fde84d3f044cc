"""Standard errors beyond 1,500 parameters, from each item's own information, against those of the whole matrix.

python -m benchmarks.own_blocks
"""

from typing import Any

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt import standard_errors

FIXED = irt.Options(linking_method="fixed")
PERSONS, FORMS, EACH = 3_200, 4, 40


def main() -> None:
    print("ratio - 1, least, median and largest, 2PL, 160 items, 3,200 persons")
    random, _, bank = _answers(seen=0.3)
    _compare("48 of the 160 items at random", random)
    _compare("the same, 10 anchors held", random, anchors=bank.take(np.arange(10)), options=FIXED)
    for common in (20, 5):
        forms, _, _ = _answers(common=common)
        _compare(f"4 forms in a chain, {common} common items", forms)
        forms, form, bank = _answers(common=common, gap=1.0)
        _compare(f"the same, 1 SD apart, {FORMS} populations", forms, groups=form)
        _compare("the same, 8 anchors held", forms, groups=form, anchors=bank.take(np.arange(8)), options=FIXED)


def _answers(
    *, seen: float = 0.0, common: int = 0, gap: float = 0.0
) -> tuple[irt.Responses, np.ndarray, irt.ItemParameters]:
    """Draw answers to items at random, or to forms that share items with the next; also the form, and the true items."""
    rng = np.random.default_rng(1)
    n_items = FORMS * EACH
    of_item, form = np.repeat(np.arange(FORMS), EACH), np.repeat(np.arange(FORMS), PERSONS // FORMS)
    level = gap * (np.arange(FORMS) - (FORMS - 1) / 2)
    a, b = rng.lognormal(0, 0.3, n_items), rng.normal(level[of_item], 1)
    theta = rng.normal(level[form], 1)
    lent = (of_item == form[:, None] + 1) & (np.arange(n_items) % EACH < common)
    given = rng.random((PERSONS, n_items)) < seen if seen else (of_item == form[:, None]) | lent
    person, item = np.nonzero(given)
    right = rng.random(len(person)) < 1 / (1 + np.exp(-a[item] * (theta[person] - b[item])))
    bank = irt.ItemParameters(np.arange(n_items), a, b, np.zeros(n_items))
    return irt.Responses.from_answers(person, item, right), form, bank


def _compare(design: str, responses: irt.Responses, **arguments: Any) -> None:
    own, whole = (_errors(responses, limit, **arguments) for limit in (0, 5000))
    parts = []
    for name, ratio in zip("ab", own / whole - 1, strict=True):
        known = ratio[np.isfinite(ratio)]
        parts.append(f"{name} {known.min():+.1%} {np.median(known):+.1%} {known.max():+.1%}")
    print(f"  {design}: {', '.join(parts)}")


def _errors(responses: irt.Responses, limit: int, **arguments: Any) -> np.ndarray:
    standard_errors.FULL_LIMIT = limit
    fit = irt.calibrate(responses, **arguments)
    return np.stack([fit.se_a, fit.se_b])


if __name__ == "__main__":
    main()
