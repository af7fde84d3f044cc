"""Largest differences from R mirt 1.45.1 on the reference results of the test suite.

python -m benchmarks.agreement
"""

import numpy as np

from seedtest_assets import irt
from seedtest_assets_tests.irt.reference import answers_of, numbers, patterns_of, result_of
from seedtest_assets_tests.irt.test_partial_credit import fit_of

NAMES = ["LSAT7_2PL", "LSAT7_Rasch", "SAT12_2PL", "SAT12_Rasch", "SAT12missing_2PL", "SAT12_3PL"]
PARTIAL_CREDIT = ["Science_GRM", "Science_GPCM", "mixed", "mixed_anchor"]
COLUMNS = ["logLik", "a", "b", "c", "SE", "EAP", "its SD", "infit", "outfit", "S-X2"]


def main() -> None:
    print("| data | " + " | ".join(COLUMNS) + " | steps |\n|" + "---|" * (len(COLUMNS) + 2))
    for name in NAMES:
        print(f"| {name} | " + " | ".join(_row(name)) + " |")
    print("\n| partial credit | logLik | a | steps, b | SE a | SE of steps, b | EAP | steps |\n" + "|---" * 8 + "|")
    for name in PARTIAL_CREDIT:
        print(f"| {name} | " + " | ".join(_partial_credit(name)) + " |")
    print("\nDifferential item functioning: " + ", ".join(f"{name} {value:.0e}" for name, value in _dif().items()))


def _row(name: str) -> list[str]:
    result, (data, model) = result_of(name), name.split("_")
    responses = irt.Responses.from_matrix(answers_of(data))
    fit = irt.calibrate(responses, model, options=irt.Options(tolerance=1e-8))
    optimum, sd = result["optimum"], result["group_sd"]
    patterns, eap, eap_se = patterns_of(result)
    theta, theta_se = irt.expected_a_posteriori(irt.Responses.from_matrix(patterns), fit.items)
    item_fit = irt.item_fit(responses, fit.items, fit.theta)
    errors = [
        np.nanmax(np.abs(getattr(fit, f"se_{parameter}") / numbers(values) - 1))
        for parameter, values in result["standard_errors"].items()
        if any(value is not None for value in values)
    ]
    s_x2 = None
    if "s_x2" in result:
        statistic = irt.s_x2(responses, fit.items, n_parameters=3 if model == "3PL" else 2)[0]
        s_x2 = np.nanmax(np.abs(statistic / numbers(result["s_x2"]["statistic"]) - 1))
    differences = [
        abs(fit.loglik - result["loglik"]),
        np.max(np.abs(fit.items.a - sd * numbers(optimum["a"]))),
        np.max(np.abs(fit.items.b - numbers(optimum["b"]) / sd)),
        np.max(np.abs(fit.items.c - numbers(optimum["c"]))) if model == "3PL" else None,
        max(errors),
        np.max(np.abs(theta * result["eap_group_sd"] - eap)),
        np.max(np.abs(theta_se * result["eap_group_sd"] - eap_se)),
        np.max(np.abs(item_fit.infit / numbers(result["infit"]) - 1)),
        np.max(np.abs(item_fit.outfit / numbers(result["outfit"]) - 1)),
        s_x2,
    ]
    return ["-" if difference is None else f"{difference:.0e}" for difference in differences] + [str(fit.iterations)]


def _partial_credit(name: str) -> list[str]:
    """Compare a bank with partial credit with its exact optimum."""
    result, items, fit = fit_of(name)
    held = result.get("n_held", 0)
    optimum = result["optimum"][held:]
    ours = np.where(items.polytomous[:, None], fit.se_steps, fit.se_b[:, None])[held:]
    errors = [
        np.abs(row[: len(item["se_b"])] / item["se_b"] - 1).max() for row, item in zip(ours, optimum, strict=True)
    ]
    if "eap" in result:
        patterns, eap, _ = patterns_of(result)
        theta = irt.expected_a_posteriori(irt.Responses.from_matrix(patterns), fit.items)[0]
    else:
        eap, theta = numbers(result["eap_first50"])[:, 0], fit.theta[:50]
    differences = [
        abs(fit.loglik - result["loglik"]),
        np.abs(fit.items.a - items.a).max(),
        max(np.nanmax(np.abs(fit.items.steps - items.steps)), np.abs(fit.items.b - items.b).max()),
        np.abs(fit.se_a[held:] / [item["se_a"] for item in optimum] - 1).max(),
        max(errors),
        np.abs(theta - eap).max(),
    ]
    return [f"{difference:.0e}" for difference in differences] + [str(fit.iterations)]


def _dif() -> dict[str, float]:
    """Compare DIF statistics of 15 items, against 5 anchors."""
    result, matrix = result_of("dif"), answers_of("dif")
    focal = np.arange(len(matrix)) >= result["n_reference"]
    dif = irt.differential_item_functioning(irt.Responses.from_matrix(matrix), focal, anchors=result["anchors"])
    by_score = result["mantel_haenszel"]["rest_score"]
    return {
        "base logLik": abs(dif.loglik - result["base"]["loglik"]),
        "X2": np.max(np.abs(dif.lr_x2 - result["x2"])),
        "p": np.max(np.abs(dif.p - result["p"])),
        "MH delta": np.max(np.abs(dif.mh_delta - numbers(by_score["delta"])[dif.item])),
        "MH chi-square": np.max(np.abs(dif.mh_chi_square - numbers(by_score["chi_square"])[dif.item])),
    }


if __name__ == "__main__":
    main()
