"""Are the abilities where they usually are?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.checks.judgement import EarlierFit, Judgement, Trend, Verdict, recorded, usual
from seedtest_assets.thresholds import Thresholds

FAR = 5.0
"""SDs of the group from its mean where an ability is at the grid's ends: the grid has 6."""


@dataclass(frozen=True, kw_only=True)
class _Deviation:
    """A number of the abilities, unlike the last partitions': in words, and over the partitions."""

    finding: str
    history: Trend


def ability_distribution(result: CalibrationResult, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """WARN when mean, SD or the share at the grid's ends is unlike the last partitions'; sampling error is allowed for."""
    theta, spec = result.abilities["theta"].to_numpy(float), result.model_spec
    mean, sd = (float(theta.mean()), float(theta.std())) if len(theta) else (0.0, 0.0)
    far = np.abs(theta - spec.get("group_mean", 0.0)) >= FAR * (spec.get("group_sd") or 1.0)
    numbers = {"mean": mean, "sd": sd, "share_at_ends": float(far.mean()) if len(theta) else 0.0}
    earlier = {name: recorded(before, "ability_distribution", name) for name in numbers}
    usual_numbers = {name: usual(values) for name, values in earlier.items()}
    sampling_error = 4 / sqrt(max(len(theta), 1))
    allowed = {
        "mean_limit": max(limits.ability_mean, sampling_error),
        "sd_limit": max(limits.ability_sd, sampling_error),
        "ends_limit": (usual_numbers["share_at_ends"] or 0.0) + limits.ability_ends,
    }
    deviations = _deviations(numbers, earlier, usual_numbers, allowed, several_far=bool(far.sum() > 1))
    if deviations:
        finding, history = ". ".join(deviation.finding for deviation in deviations), deviations[0].history
    else:
        finding = f"mean {mean:+.2f}, SD {sd:.2f}, {numbers['share_at_ends']:.2%} at the grid's ends"
        if usual_numbers["mean"] is None:
            finding += ". There is no earlier partition to compare with"
        history = Trend(
            values=[*earlier["mean"], mean], label="mean ability", limits=_mean_limits(usual_numbers, allowed)
        )
    return Judgement(
        check="ability_distribution",
        verdict=Verdict.WARN if deviations else Verdict.PASS,
        finding=finding,
        advice=(
            "Other students than usual (a new school, a new year) explain it. If there are none, compare the answers and the "
            "linking with the last days'"
        ),
        numbers={**numbers, **{f"usual_{name}": value for name, value in usual_numbers.items()}},
        limits=allowed,
        history=history,
    )


def _deviations(
    numbers: Mapping[str, float],
    earlier: Mapping[str, list[float]],
    usual_numbers: Mapping[str, float | None],
    allowed: Mapping[str, float],
    *,
    several_far: bool,
) -> list[_Deviation]:
    mean, sd, ends = numbers["mean"], numbers["sd"], numbers["share_at_ends"]
    usual_mean, usual_sd = usual_numbers["mean"], usual_numbers["sd"]
    deviations = []
    if usual_mean is not None and usual_sd:
        if abs(mean - usual_mean) / usual_sd > allowed["mean_limit"]:
            history = Trend(
                values=[*earlier["mean"], mean], label="mean ability", limits=_mean_limits(usual_numbers, allowed)
            )
            deviations.append(_Deviation(finding=f"mean {mean:+.2f}, usual is {usual_mean:+.2f}", history=history))
        if abs(sd / usual_sd - 1) > allowed["sd_limit"]:
            history = Trend(
                values=[*earlier["sd"], sd],
                label="SD of the abilities",
                limits=[usual_sd * (1 + side * allowed["sd_limit"]) for side in (-1, 1)],
            )
            deviations.append(_Deviation(finding=f"SD {sd:.2f}, usual is {usual_sd:.2f}", history=history))
    if ends > allowed["ends_limit"] and several_far:
        history = Trend(
            values=[*earlier["share_at_ends"], ends], label="share at the grid's ends", limits=[allowed["ends_limit"]]
        )
        deviations.append(_Deviation(finding=f"{ends:.2%} at the grid's ends", history=history))
    return deviations


def _mean_limits(usual_numbers: Mapping[str, float | None], allowed: Mapping[str, float]) -> list[float]:
    usual_mean, usual_sd = usual_numbers["mean"], usual_numbers["sd"]
    if usual_mean is None or not usual_sd:
        return []
    return [usual_mean + side * allowed["mean_limit"] * usual_sd for side in (-1, 1)]
