"""Is a calibration whole, sound and on the bank's scale? Judged before it is written."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from seedtest_assets.checks.judgement import Fit, Judgement, Level, known, usual
from seedtest_assets.checks.thresholds import Thresholds
from seedtest_assets.engines.protocol import CalibrationResult

FAR = 5.0
"""SDs of the group from its mean where an ability is at the grid's ends: the grid has 6."""


def item_count_drop(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """Fewer items fitted than usual: a source, a topic or an item table went missing."""
    n, counts = len(result.items), [fit.model_spec["n_items"] for fit in before]
    expected = usual(counts)
    share = n / expected if expected else 1.0
    numbers = {
        "items": n,
        "usual_items": expected,
        "share": share,
        "warn_below": limits.seedtest_item_count_warn_below,
        "error_below": limits.seedtest_item_count_error_below,
    }
    said = (
        f"{n:,} items fitted; no earlier partition to compare with"
        if expected is None
        else f"{n:,} items fitted, {share:.0%} of the {expected:,g} usual in the last {len(counts)} partitions"
    )
    return Judgement(
        "item_count_drop",
        _below(share, limits.seedtest_item_count_warn_below, limits.seedtest_item_count_error_below),
        said,
        "look at the answers of the last days: is a source, a topic or an item table missing?",
        numbers,
        [*counts, n],
        "items fitted",
    )


def converged(result: CalibrationResult, before: Sequence[Fit]) -> Judgement:
    """The estimation ended because nothing moved any more, not because it ran out of iterations."""
    done, iterations = result.metrics.get("converged"), result.metrics.get("iterations")
    said = {True: "converged", False: "did not converge", None: "the IRT service does not say whether it converged"}[
        done
    ]
    counts = [fit.metrics["iterations"] for fit in before if fit.metrics.get("iterations")]
    return Judgement(
        "converged",
        Level.ERROR if done is False else Level.PASS,
        said + (f" after {iterations:,} iterations" if iterations else ""),
        "look at the items with huge standard errors and at the newest answers; a broken source is likelier than bad luck",
        {"converged": done, "iterations": iterations, "allowed": "converged"},
        [*counts, iterations] if iterations else (),
        "iterations",
    )


def finite(result: CalibrationResult) -> Judgement:
    """Every parameter and ability is a number, and every item and person comes once."""
    items, abilities = result.items, result.abilities
    bad_items = items["item_id"][~np.isfinite(items[["a", "b", "c"]].to_numpy(float)).all(axis=1)]
    bad_users = abilities["user_id"][~np.isfinite(abilities[["theta", "se"]].to_numpy(float)).all(axis=1)]
    twice = int(items["item_id"].duplicated().sum() + abilities["user_id"].duplicated().sum())
    bad = len(bad_items) + len(bad_users) + twice
    return Judgement(
        "finite",
        Level.ERROR if bad else Level.PASS,
        f"{len(bad_items):,} items and {len(bad_users):,} abilities are not finite numbers, {twice:,} rows come twice"
        if bad
        else f"all {len(items):,} items and {len(abilities):,} abilities are finite and come once",
        "the engine is at fault: compare with a run in-process (R_IRT_BASE_URL unset), and keep the rejected result for its makers",
        {"items_not_finite": len(bad_items), "abilities_not_finite": len(bad_users), "rows_twice": twice, "allowed": 0},
        worst=items[items["item_id"].isin(bad_items)].head(10) if bad else None,
    )


def plausible_ranges(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """Share of items with parameters that no sound item has; thin items (few answers) are why it is never 0 in a young bank."""
    items = result.items
    inside = (
        items["a"].between(limits.seedtest_range_a_low, limits.seedtest_range_a_high)
        & items["b"].between(-limits.seedtest_range_b, limits.seedtest_range_b)
        & (items["c"] < limits.seedtest_range_c)
    )
    n, share = int((~inside).sum()), float((~inside).mean()) if len(items) else 0.0
    shares = known(before, "plausible_ranges", "share_outside")
    expected = usual(shares)
    level = Level.PASS
    if share > limits.seedtest_outside_error_above:
        level = Level.ERROR
    elif share > max(limits.seedtest_outside_warn_above, 2 * (expected or 0)):
        level = Level.WARN
    return Judgement(
        "plausible_ranges",
        level,
        f"{n:,} of {len(items):,} items ({share:.1%}) lie outside a {limits.seedtest_range_a_low:g} to "
        f"{limits.seedtest_range_a_high:g}, |b| up to {limits.seedtest_range_b:g}, c below {limits.seedtest_range_c:g}"
        + ("" if expected is None else f"; usual is {expected:.1%}"),
        "look at these items: a negative or tiny a is a wrong key or a broken item, a huge b an item that all get right or wrong",
        {
            "items_outside": n,
            "share_outside": share,
            "usual_share": expected,
            "warn_above": limits.seedtest_outside_warn_above,
            "error_above": limits.seedtest_outside_error_above,
        },
        [*shares, share],
        "share outside",
        worst=items.loc[~inside, ["item_id", "a", "b", "c", "n_responses"]].nlargest(10, "n_responses") if n else None,
    )


def anchors_present(
    result: CalibrationResult, n_anchors_in_bank: int, method: str, before: Sequence[Fit], limits: Thresholds
) -> Judgement:
    """ERROR when the calibration is not on the bank's scale though it could be; WARN when few of the usual anchors link."""
    spec = result.model_spec
    linked_to, n_used = spec["linked_to"], spec.get("linking_constants", {}).get("n_anchors_used", 0)
    earlier = [
        f.model_spec["linking_constants"]["n_anchors_used"] for f in before if f.model_spec["linked_to"] == "anchors"
    ]
    expected = usual(earlier)
    level, said = Level.PASS, ""
    if method == "none":
        said = "linking is switched off (MIRT_LINKING_METHOD=none)"
    elif linked_to == "anchors":
        said = f"linked through {n_used} of the bank's {n_anchors_in_bank} anchors"
        if expected is not None:
            said += f"; usual are {expected:g}"
            level = Level.WARN if n_used < limits.seedtest_anchors_warn_below * expected else Level.PASS
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
            "warn_below": limits.seedtest_anchors_warn_below,
        },
        [*earlier, n_used] if linked_to == "anchors" or earlier else (),
        "anchors used",
    )


def linking_constants(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """WARN when A or B is far from the last partitions', or far from A = 1, B = 0 when there are none."""
    constants = result.model_spec.get("linking_constants")
    if not constants:
        return Judgement("linking_constants", Level.PASS, "not linked: there are no constants to judge")
    source = result.model_spec["linked_to"]
    earlier = [fit.model_spec["linking_constants"] for fit in before if fit.model_spec["linked_to"] == source]
    usual_A, usual_B = (usual([row[name] for row in earlier]) for name in ("A", "B"))
    A, B = constants["A"], constants["B"]
    ratio, shift = A / (usual_A or 1.0), B - (usual_B or 0.0)
    fine = (
        limits.seedtest_linking_a_low <= ratio <= limits.seedtest_linking_a_high
        and abs(shift) <= limits.seedtest_linking_b
    )
    return Judgement(
        "linking_constants",
        Level.PASS if fine else Level.WARN,
        f"A {A:.3f}, B {B:+.3f}"
        + (
            f"; usual are {usual_A:.3f} and {usual_B:+.3f}"
            if usual_A is not None
            else "; no earlier partition to compare with"
        ),
        "the calibrated group or the bank's anchor values changed: see anchor_drift, and who changed question.meta",
        {
            "A": A,
            "B": B,
            "usual_A": usual_A,
            "usual_B": usual_B,
            "A_low": limits.seedtest_linking_a_low,
            "A_high": limits.seedtest_linking_a_high,
            "B_limit": limits.seedtest_linking_b,
        },
        [*(row["B"] for row in earlier), B],
        "B",
    )


def ability_distribution(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """WARN when mean, SD or the share at the grid's ends is unlike the last partitions'; sampling error is allowed for."""
    theta, spec = result.abilities["theta"].to_numpy(float), result.model_spec
    mean, sd = (float(theta.mean()), float(theta.std())) if len(theta) else (0.0, 0.0)
    far = np.abs(theta - spec.get("group_mean", 0.0)) >= FAR * (spec.get("group_sd") or 1.0)
    ends = float(far.mean()) if len(theta) else 0.0
    means, sds, ends_before = (known(before, "ability_distribution", name) for name in ("mean", "sd", "share_at_ends"))
    usual_mean, usual_sd, usual_ends = usual(means), usual(sds), usual(ends_before)
    unlike = []
    noise = 4 / sqrt(max(len(theta), 1))
    if usual_mean is not None and usual_sd:
        if abs(mean - usual_mean) / usual_sd > max(limits.seedtest_ability_mean, noise):
            unlike.append(f"mean {mean:+.2f}, usual is {usual_mean:+.2f}")
        if abs(sd / usual_sd - 1) > max(limits.seedtest_ability_sd, noise):
            unlike.append(f"SD {sd:.2f}, usual is {usual_sd:.2f}")
    if ends > (usual_ends or 0.0) + limits.seedtest_ability_ends and far.sum() > 1:
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
            "mean_limit": limits.seedtest_ability_mean,
            "sd_limit": limits.seedtest_ability_sd,
            "ends_limit": limits.seedtest_ability_ends,
        },
        [*means, mean],
        "mean ability",
    )


def _below(value: float, warn: float, error: float) -> Level:
    return Level.ERROR if value < error else Level.WARN if value < warn else Level.PASS
