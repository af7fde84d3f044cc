"""Is a calibration on the bank's scale, and are the abilities where they usually are?"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.checks.judgement import Fit, Judgement, Level, known, usual
from seedtest_assets.thresholds import Thresholds

FAR = 5.0
"""SDs of the group from its mean where an ability is at the grid's ends: the grid has 6."""


def anchors_present(
    result: CalibrationResult, n_anchors_in_bank: int, method: str, before: Sequence[Fit], limits: Thresholds
) -> Judgement:
    """ERROR when the calibration is not on the bank's scale though it could be; WARN when few of the usual anchors link."""
    spec = result.model_spec
    linked_to, n_used = spec["linked_to"], _n_linking(spec)
    earlier = [_n_linking(fit.model_spec) for fit in before if fit.model_spec["linked_to"] == "anchors"]
    expected = usual(earlier)
    level, said = Level.PASS, ""
    if method == "none":
        said = "linking is switched off (MIRT_LINKING_METHOD=none)"
    elif linked_to == "anchors":
        said = f"linked through {n_used} of the bank's {n_anchors_in_bank} anchors"
        if expected is not None:
            said += f"; usual are {expected:g}"
            level = Level.WARN if n_used < limits.anchors_warn_below * expected else Level.PASS
    elif earlier:
        level = Level.ERROR
        said = f"linked to {linked_to}, though earlier partitions were linked through {expected:g} anchors"
    elif n_anchors_in_bank >= 2:
        level, said = (
            Level.ERROR,
            f"the bank has {n_anchors_in_bank} anchors, but the calibration is linked to {linked_to}",
        )
    elif linked_to == "none" and before:
        level, said = (
            Level.ERROR,
            "not linked to the earlier partitions, so abilities of different days cannot be compared",
        )
    elif linked_to == "none":
        said = "the first calibration: it defines the scale"
    else:
        said = f"no tagged anchors; linked to the previous partition through {n_used} items"
    return Judgement(
        "anchors_present",
        level,
        said,
        "see that the anchors are tagged in question.meta with finite irt a and b, and that students still answer them",
        {
            "anchors_used": n_used,
            "usual_anchors": expected,
            "anchors_in_bank": n_anchors_in_bank,
            "anchors_answered": int(result.items["is_anchor"].sum()),
            "linked_to": linked_to,
            "least": 2,
            "warn_below": limits.anchors_warn_below,
        },
        [*(_n_linking(fit.model_spec) for fit in before if fit.model_spec["linked_to"] == linked_to), n_used],
        f"items that link to {linked_to}",
        [limits.anchors_warn_below * expected] if expected and linked_to == "anchors" else (),
    )


def linking_constants(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """WARN when A or B is far from the last partitions', or far from A = 1, B = 0 when there are none."""
    constants, source = result.model_spec.get("linking_constants") or {}, result.model_spec["linked_to"]
    earlier = [
        fit.model_spec["linking_constants"]
        for fit in before
        if "linking_constants" in fit.model_spec and (fit.model_spec["linked_to"] == source or not constants)
    ]
    usual_A, usual_B = (usual([row[name] for row in earlier]) for name in ("A", "B"))
    A, B = constants.get("A"), constants.get("B")
    A_limits = [(usual_A or 1.0) * limit for limit in (limits.linking_a_low, limits.linking_a_high)]
    B_limits = [(usual_B or 0.0) + side * limits.linking_b for side in (-1, 1)]
    A_fine = B_fine = True
    if A is None or B is None:
        said = "not linked: there are no constants to judge"
    else:
        A_fine, B_fine = A_limits[0] <= A <= A_limits[1], B_limits[0] <= B <= B_limits[1]
        said = f"A {A:.3f}, B {B:+.3f}; " + (
            "no earlier partition to compare with" if usual_A is None else f"usual are {usual_A:.3f} and {usual_B:+.3f}"
        )
    shown = "A" if B_fine and not A_fine else "B"
    return Judgement(
        "linking_constants",
        Level.PASS if A_fine and B_fine else Level.WARN,
        said,
        "the calibrated group or the bank's anchor values changed: see anchor_drift, and who changed question.meta",
        {
            "A": A,
            "B": B,
            "usual_A": usual_A,
            "usual_B": usual_B,
            "A_low": limits.linking_a_low,
            "A_high": limits.linking_a_high,
            "B_limit": limits.linking_b,
        },
        [row[shown] for row in (*earlier, constants) if shown in row],
        shown,
        A_limits if shown == "A" else B_limits,
    )


def ability_distribution(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """WARN when mean, SD or the share at the grid's ends is unlike the last partitions'; sampling error is allowed for."""
    theta, spec = result.abilities["theta"].to_numpy(float), result.model_spec
    mean, sd = (float(theta.mean()), float(theta.std())) if len(theta) else (0.0, 0.0)
    far = np.abs(theta - spec.get("group_mean", 0.0)) >= FAR * (spec.get("group_sd") or 1.0)
    ends = float(far.mean()) if len(theta) else 0.0
    means, sds, ends_before = (known(before, "ability_distribution", name) for name in ("mean", "sd", "share_at_ends"))
    usual_mean, usual_sd, usual_ends = usual(means), usual(sds), usual(ends_before)
    noise = 4 / sqrt(max(len(theta), 1))
    mean_limit, sd_limit = max(limits.ability_mean, noise), max(limits.ability_sd, noise)
    ends_limit = (usual_ends or 0.0) + limits.ability_ends
    history, history_of, lines = [*means, mean], "mean ability", list[float]()
    unlike = []
    if usual_mean is not None and usual_sd:
        lines = [usual_mean + side * mean_limit * usual_sd for side in (-1, 1)]
        if abs(mean - usual_mean) / usual_sd > mean_limit:
            unlike.append(f"mean {mean:+.2f}, usual is {usual_mean:+.2f}")
        if abs(sd / usual_sd - 1) > sd_limit:
            if not unlike:
                history, history_of = [*sds, sd], "SD of the abilities"
                lines = [usual_sd * (1 + side * sd_limit) for side in (-1, 1)]
            unlike.append(f"SD {sd:.2f}, usual is {usual_sd:.2f}")
    if ends > ends_limit and far.sum() > 1:
        if not unlike:
            history, history_of, lines = [*ends_before, ends], "share at the grid's ends", [ends_limit]
        unlike.append(f"{ends:.2%} at the grid's ends")
    return Judgement(
        "ability_distribution",
        Level.WARN if unlike else Level.PASS,
        "; ".join(unlike)
        or f"mean {mean:+.2f}, SD {sd:.2f}, {ends:.2%} at the grid's ends"
        + ("" if usual_mean is not None else "; no earlier partition to compare with"),
        "other students than usual (a new school, a new year) explain it; else compare the answers and the linking with the last days'",
        {
            "mean": mean,
            "sd": sd,
            "share_at_ends": ends,
            "usual_mean": usual_mean,
            "usual_sd": usual_sd,
            "usual_share_at_ends": usual_ends,
            "mean_limit": mean_limit,
            "sd_limit": sd_limit,
            "ends_limit": ends_limit,
        },
        history,
        history_of,
        lines,
    )


def _n_linking(spec: Mapping[str, Any]) -> int:
    """Items that linked a calibration to its scale."""
    return (spec.get("linking_constants") or {}).get("n_anchors_used", 0)
