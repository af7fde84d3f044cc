"""Calibrations made up from numbers, for the judgements that take nothing else."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from seedtest_assets.calibration import LEFT_OUT_COLUMNS, CalibrationResult
from seedtest_assets.checks.judgement import EarlierFit

DAY = date(2025, 3, 20)


def item_table(n: int = 100, **columns) -> pd.DataFrame:
    """n items of usual parameters, all alike from call to call; columns replace theirs."""
    rng = np.random.default_rng(7)
    usual = {
        "item_id": [f"i{number}" for number in range(n)],
        "a": rng.lognormal(0, 0.2, n),
        "b": rng.normal(0, 1, n),
        "c": 0.0,
        "se_a": 0.1,
        "se_b": 0.1,
        "se_c": np.nan,
        "n_responses": 400,
        "is_anchor": False,
        "flag": "",
    }
    return pd.DataFrame(usual | columns)


def calibration(items=None, theta=None, linked_to="anchors", A=1.0, B=0.0, n_used=20, **metrics) -> CalibrationResult:
    theta = np.random.default_rng(8).normal(0, 1, 1000) if theta is None else np.asarray(theta, float)
    items = item_table() if items is None else items
    spec = {"model": "2PL", "n_items": len(items), "linked_to": linked_to, "group_mean": 0.0, "group_sd": 1.0}
    if linked_to != "none":
        spec["linking_constants"] = {"A": A, "B": B, "n_anchors_used": n_used}
    abilities = pd.DataFrame({"user_id": [f"u{n}" for n in range(len(theta))], "theta": theta, "se": 0.3})
    return CalibrationResult(
        items, abilities, pd.DataFrame(columns=LEFT_OUT_COLUMNS), spec, {"converged": True, "iterations": 12} | metrics
    )


def fits(result: CalibrationResult, n: int = 7, **checks) -> list[EarlierFit]:
    """n earlier partitions that were like a calibration, and what checks wrote down for them."""
    metrics = dict(result.metrics) | {"checks": checks}
    return [
        EarlierFit(day=DAY - timedelta(days=n - k), model_spec=result.model_spec, metrics=metrics) for k in range(n)
    ]
