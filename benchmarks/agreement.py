"""Largest differences from R mirt 1.45.1 on the reference results (../shared/reference beside the checkout).

python -m benchmarks.agreement
"""

import json
from pathlib import Path

import numpy as np

from seedtest_assets import irt

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
NAMES = ["LSAT7_2PL", "LSAT7_Rasch", "SAT12_2PL", "SAT12_Rasch", "SAT12missing_2PL", "SAT12_3PLprior"]


def main() -> None:
    columns = ["logLik", "a", "b", "c", "SE", "EAP", "its SD", "infit", "outfit", "S-X2"]
    print("| data | " + " | ".join(columns) + " | steps |\n|" + "---|" * (len(columns) + 2))
    for name in NAMES:
        print(f"| {name} | " + " | ".join(_row(name)) + " |")


def _row(name: str) -> list[str]:
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    optimum, sd = reference["independent_check"], np.sqrt(reference["independent_check"]["group_var"])
    model = {"3PLprior": "3PL"}.get(reference["model"], reference["model"])
    responses = _responses(np.genfromtxt(REFERENCE / reference["data_csv"], delimiter=",", skip_header=1)[:, 1:])
    fit = irt.calibrate(responses, model, options=irt.Options(tolerance=1e-8))
    rows = [row for item, row in reference["par_and_SE_IRT"].items() if item != "GroupPars"]
    errors = []
    for ours, theirs in ((fit.se_a, "a"), (fit.se_b, "b"), (fit.se_c, "g")):
        told = _numbers([row[theirs]["SE"] for row in rows])
        if not np.isnan(told).all() and model != "Rasch":
            errors.append(np.nanmax(np.abs(ours / told - 1)))
    if model == "Rasch":  # the reference has slope 1 and a free variance
        variance = reference["par_and_SE_IRT"]["GroupPars"]["COV_11"]
        errors.append(abs(fit.se_a[0] / (variance["SE"] / (2 * np.sqrt(variance["par"]))) - 1))
    patterns = np.array([_numbers(list(row.values())) for row in reference["EAP_patterns"]])
    theta, se = irt.expected_a_posteriori(_responses(patterns[:, :-2]), fit.items)
    infit = irt.item_fit(responses, fit.items, fit.theta)
    told_fit = reference["itemfit_infit"]["rows"]
    x2 = "-"
    if not reference["has_missing"]:
        statistic = irt.s_x2(responses, fit.items, n_parameters=3 if model == "3PL" else 2)[0]
        told = _numbers([row["S_X2"] for row in reference["itemfit_S_X2"]["rows"]])
        x2 = f"{np.nanmax(np.abs(statistic / told - 1)):.0e}"
    return [
        f"{abs(fit.loglik - optimum['logLik_at_optimum']):.0e}",
        f"{np.max(np.abs(fit.items.a - sd * np.array(optimum['a']))):.0e}",
        f"{np.max(np.abs(fit.items.b - np.array(optimum['b']) / sd)):.0e}",
        f"{np.max(np.abs(fit.items.c - optimum['g'])):.0e}" if model == "3PL" else "-",
        f"{max(errors):.0e}",
        f"{np.max(np.abs(theta * sd - patterns[:, -2])):.0e}",
        f"{np.max(np.abs(se * sd - patterns[:, -1])):.0e}",
        f"{np.max(np.abs(infit.infit / _numbers([row['infit'] for row in told_fit]) - 1)):.0e}",
        f"{np.max(np.abs(infit.outfit / _numbers([row['outfit'] for row in told_fit]) - 1)):.0e}",
        x2,
        str(fit.iterations),
    ]


def _numbers(values: list[object]) -> np.ndarray:
    return np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=float)


def _responses(cells: np.ndarray) -> irt.Responses:
    person, item = np.nonzero(~np.isnan(cells))
    correct = cells[person, item].astype(int)
    return irt.Responses.from_answers(person, item, correct, n_persons=cells.shape[0], n_items=cells.shape[1])


if __name__ == "__main__":
    main()
