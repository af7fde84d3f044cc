"""Is a calibration on the bank's scale?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from operator import itemgetter
from typing import Any

from seedtest_assets.calibration import CalibrationResult, linked_blocks, n_linking_items
from seedtest_assets.checks.judgement import EarlierFit, Judgement, Trend, Verdict, usual, worst_of
from seedtest_assets.errors import first_few
from seedtest_assets.thresholds import Thresholds

MOST_NOT_LINKED = 0.05
"""Share of items on a scale of their own above which a calibration is not published."""


def anchors_present(
    result: CalibrationResult, n_anchors_in_bank: int, method: str, before: Sequence[EarlierFit], limits: Thresholds
) -> Judgement:
    """ERROR when the calibration is not on the bank's scale though it could be, or its anchors contradict each other.

    WARN when few of the usual anchors link.
    """
    linked_to, n_used = result.model_spec["linked_to"], n_linking_items(result.model_spec)
    expected = usual([n_linking_items(fit.model_spec) for fit in before if fit.model_spec["linked_to"] == "anchors"])
    if method == "none":
        verdict, finding = Verdict.PASS, "linking is switched off (MIRT_LINKING_METHOD=none)"
    elif linked_to == "anchors":
        verdict, finding = _through_anchors(result.model_spec, expected, n_anchors_in_bank, limits)
    else:
        verdict, finding = _without_anchors(linked_to, n_used, expected, n_anchors_in_bank, bool(before))
    n_not_linked, n_items = result.model_spec.get("n_items_not_linked", 0), result.model_spec["n_items"]
    if n_not_linked:
        verdict = worst_of(verdict, Verdict.ERROR if n_not_linked > MOST_NOT_LINKED * n_items else Verdict.WARN)
        finding += (
            f". {n_not_linked} of {n_items} items are not on the bank's scale: no person connects them with the others, "
            "and fewer than 2 of them link"
        )
    residuals = [block["residual_z"] for block in linked_blocks(result.model_spec) if "residual_z" in block]
    return Judgement(
        check="anchors_present",
        verdict=verdict,
        finding=finding,
        advice="See that the anchors are tagged in question.meta with finite irt a and b, and that students still answer them",
        numbers={
            "anchors_used": n_used,
            "usual_anchors": expected,
            "anchors_in_bank": n_anchors_in_bank,
            "anchors_answered": int(result.items["is_anchor"].sum()),
            "linked_to": linked_to,
            "residual_z": max(residuals, default=None),
        },
        limits={"least": 2, "warn_below": limits.anchors_warn_below},
        history=Trend(
            values=[
                *(n_linking_items(fit.model_spec) for fit in before if fit.model_spec["linked_to"] == linked_to),
                n_used,
            ],
            label=f"items that link to {linked_to}",
            limits=[limits.anchors_warn_below * expected] if expected and linked_to == "anchors" else (),
        ),
    )


def _through_anchors(
    spec: Mapping[str, Any], expected: float | None, n_anchors_in_bank: int, limits: Thresholds
) -> tuple[Verdict, str]:
    """Judge a calibration that anchors link. expected: usual number of them, None without earlier partitions."""
    n_used = n_linking_items(spec)
    verdict, finding = Verdict.PASS, f"linked through {n_used} of the bank's {n_anchors_in_bank} anchors"
    if expected is not None:
        finding += f". Usual are {expected:g}"
        verdict = Verdict.WARN if n_used < limits.anchors_warn_below * expected else Verdict.PASS
    contradictory = [block for block in linked_blocks(spec) if block.get("contradictory")]
    if contradictory:
        worst = max(contradictory, key=itemgetter("residual_z"))
        verdict = Verdict.ERROR
        finding += (
            f". They contradict each other: residuals are {worst['residual_z']:.1f} times as wide as their errors, "
            f"and the standard errors of A and B are {worst['se_A']:.2f} and {worst['se_B']:.2f}"
        )
        if "slope_ratio" in worst:
            finding += f". By a alone A is {worst['slope_ratio']:.2f} times what it is by b alone"
    return verdict, finding


def _without_anchors(
    linked_to: str, n_used: int, expected: float | None, n_anchors_in_bank: int, has_history: bool
) -> tuple[Verdict, str]:
    """Judge a calibration that no anchors link."""
    if expected is not None:
        return (
            Verdict.ERROR,
            f"linked to {linked_to}, though earlier partitions were linked through {expected:g} anchors",
        )
    if n_anchors_in_bank >= 2:
        return (
            Verdict.ERROR,
            f"the bank has {n_anchors_in_bank} anchors, but the calibration is linked to {linked_to}",
        )
    if linked_to != "none":
        return Verdict.PASS, f"no tagged anchors, so linked to the previous partition through {n_used} items"
    if has_history:
        return (
            Verdict.ERROR,
            "not linked to the earlier partitions, so abilities of different days cannot be compared",
        )
    return Verdict.PASS, "the first calibration: it defines the scale"


def linking_constants(result: CalibrationResult, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """WARN when A or B of a block is far from the last partitions', or far from A = 1, B = 0 when there are none."""
    blocks, source = linked_blocks(result.model_spec), result.model_spec["linked_to"]
    comparable = [fit for fit in before if fit.model_spec["linked_to"] == source or not blocks]
    judged = [_Constants.of(block, comparable, limits) for block in blocks or [{}]]
    worst = max(judged, key=lambda block: (bool(block.beyond), block.distance))
    A, B = worst.today.get("A"), worst.today.get("B")
    if A is None or B is None:
        finding = "not linked: no constants to judge"
    elif worst.usual_A is None:
        finding = f"A {A:.3f}, B {B:+.3f}. There is no earlier partition to compare with"
    else:
        finding = f"A {A:.3f}, B {B:+.3f}. Usual are {worst.usual_A:.3f} and {worst.usual_B:+.3f}"
    if len(blocks) > 1:
        anchors = first_few(worst.today.get("anchors", ()))
        finding += f". This is the most unusual of {len(blocks)} blocks of items, linked through {anchors}"
    shown = "A" if worst.beyond == ["A"] else "B"
    return Judgement(
        check="linking_constants",
        verdict=Verdict.WARN if worst.beyond else Verdict.PASS,
        finding=finding,
        advice="The calibrated group or the bank's anchor values changed: see anchor_drift, and who changed question.meta",
        numbers={
            "A": A,
            "B": B,
            "usual_A": worst.usual_A,
            "usual_B": worst.usual_B,
        },
        limits={"A_low": limits.linking_a_low, "A_high": limits.linking_a_high, "B": limits.linking_b},
        history=Trend(
            values=[row[shown] for row in (*worst.earlier, worst.today) if shown in row],
            label=shown,
            limits=worst.bounds[shown],
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Constants:
    """Linking constants of a block, empty where nothing is linked, beside those of the same block before."""

    today: Mapping[str, Any]
    earlier: list[dict[str, Any]]
    usual_A: float | None
    usual_B: float | None
    bounds: dict[str, list[float]]

    @classmethod
    def of(cls, block: Mapping[str, Any], before: Sequence[EarlierFit], limits: Thresholds) -> "_Constants":
        earlier = [same for fit in before if (same := _same_block(block, linked_blocks(fit.model_spec)))]
        usual_A, usual_B = (usual([row[name] for row in earlier]) for name in ("A", "B"))
        bounds = {
            "A": [(usual_A or 1.0) * limit for limit in (limits.linking_a_low, limits.linking_a_high)],
            "B": [(usual_B or 0.0) + side * limits.linking_b for side in (-1, 1)],
        }
        return cls(today=block, earlier=earlier, usual_A=usual_A, usual_B=usual_B, bounds=bounds)

    @property
    def beyond(self) -> list[str]:
        """The constants that are out of bounds."""
        given = self.bounds.keys() & self.today.keys()
        return [name for name in given if not self.bounds[name][0] <= self.today[name] <= self.bounds[name][1]]

    @property
    def distance(self) -> float:
        """How far the constants are from the usual, in log A or in B."""
        if not self.today:
            return 0.0
        return max(abs(log(self.today["A"] / (self.usual_A or 1.0))), abs(self.today["B"] - (self.usual_B or 0.0)))


def _same_block(block: Mapping[str, Any], earlier: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Find the block of an earlier partition that shares most anchors, or its only one."""
    if len(earlier) < 2 or "anchors" not in block:
        return earlier[0] if earlier else None
    anchors = set(block["anchors"])
    nearest = max(earlier, key=lambda other: len(anchors & set(other.get("anchors", ()))))
    return nearest if anchors & set(nearest.get("anchors", ())) else None
