"""Decide which flags of item_flags.py an item has."""

import numpy as np
import pandas as pd

from seedtest_assets.irt.robust import standardised
from seedtest_assets.item_flags import FLAGS
from seedtest_assets.thresholds import Thresholds


def flags_of(statistics: pd.DataFrame, limits: Thresholds) -> list[list[str]]:
    """Flag items, worst first.

    statistics: a row an item: n_answers, n_rest, share_correct, point_biserial, reversed_key (discriminates below 0 beyond
        its error), se_b, rmsd, p (of the fit), exposure_7_days, anchor_drift, n_rarest_score (answers with the score that fewest
        have, of items with partial credit); NaN where unknown.

    A share or a correlation must also be `item_flag_z` standard errors beyond its limit, and the move of an anchor
    `anchor_drift_z`, around the median of all anchors: every item is tested every night. An item with few answers gets no flag but provisional.
    """
    known = {name: statistics[name].to_numpy(float) for name in statistics.columns.drop("item_id")}
    n, z = np.maximum(known["n_answers"], 1), limits.item_flag_z
    enough = known["n_answers"] >= limits.item_flag_min_answers
    r, share, exposure = known["point_biserial"], known["share_correct"], known["exposure_7_days"]
    with np.errstate(invalid="ignore"):
        error = np.sqrt((1 - r**2) / np.maximum(known["n_rest"] - 2, 1))
        against_key = (r + z * error < 0) | (known["reversed_key"] > 0)
        shown = exposure[exposure > 0]
        usual_exposure = np.median(shown) if shown.size else np.nan
        holds = {
            "key_suspect": against_key,
            "drifting": (np.abs(known["anchor_drift"]) >= limits.drift_b_moderate)
            & (np.abs(standardised(known["anchor_drift"] / known["se_b"])) > limits.anchor_drift_z),
            "misfit": (known["rmsd"] >= limits.item_rmsd) & (known["p"] < limits.item_misfit_p),
            "not_discriminating": ~against_key & (r + z * error < limits.item_point_biserial),
            "overexposed": (exposure >= limits.item_exposure)
            & (exposure >= limits.item_exposure_ratio * usual_exposure),
            "too_hard": share + z * _error_of_share(limits.item_hard, n) < limits.item_hard,
            "too_easy": share - z * _error_of_share(limits.item_easy, n) > limits.item_easy,
            "rare_score": known["n_rarest_score"] < limits.item_rare_score,
            "provisional": known["se_b"] > limits.item_provisional_se_b,
        }
    flagged = np.stack([holds[flag.name] & (enough | (flag.name == "provisional")) for flag in FLAGS], axis=1)
    return [[flag.name for flag, has in zip(FLAGS, row, strict=True) if has] for row in flagged]


def _error_of_share(share: float, n: np.ndarray) -> np.ndarray:
    return np.sqrt(share * (1 - share) / n)
