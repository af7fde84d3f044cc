"""Is a calibration whole and sound? Judged before it is written; an ERROR keeps it from being written."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.checks.judgement import EarlierFit, Judgement, Trend, Verdict, recorded, usual
from seedtest_assets.errors import first_few
from seedtest_assets.irt.remarks import REVERSED
from seedtest_assets.item_steps import steps_matrix
from seedtest_assets.thresholds import Thresholds


def item_count_drop(result: CalibrationResult, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """Compare the number of fitted items with the usual: a source, a topic or an item table may be missing."""
    n, counts = len(result.items), [fit.model_spec["n_items"] for fit in before]
    expected = usual(counts)
    share = n / expected if expected else 1.0
    warn, error = limits.item_count_warn_below, limits.item_count_error_below
    if expected is None:
        finding = f"{n:,} items fitted. There is no earlier partition to compare with"
    else:
        partitions = f"{len(counts)} partition{'s' * (len(counts) > 1)}"
        finding = f"{n:,} items fitted, {share:.0%} of the {expected:,g} usual in the last {partitions}"
    return Judgement(
        check="item_count_drop",
        verdict=Verdict.ERROR if share < error else Verdict.WARN if share < warn else Verdict.PASS,
        finding=finding,
        advice="See the answers of the last days: is a source, a topic or an item table missing?",
        numbers={"items": n, "usual_items": expected, "share": share},
        limits={"warn_below": warn, "error_below": error},
        history=Trend(
            values=[*counts, n],
            label="items fitted",
            limits=[limit * expected for limit in (warn, error)] if expected else (),
        ),
    )


def converged(result: CalibrationResult, before: Sequence[EarlierFit]) -> Judgement:
    """ERROR when the estimation ran out of iterations before it converged."""
    did, iterations = result.metrics.get("converged"), result.metrics.get("iterations")
    outcome = {
        True: "converged",
        False: "did not converge",
        None: "the IRT service does not report whether it converged",
    }[did]
    counts = [fit.metrics["iterations"] for fit in before if fit.metrics.get("iterations")]
    return Judgement(
        check="converged",
        verdict=Verdict.ERROR if did is False else Verdict.PASS,
        finding=outcome + (f" after {iterations:,} iterations" if iterations else ""),
        advice="See the items with huge standard errors, and the newest answers: a broken source is likelier than bad luck",
        numbers={"converged": did, "iterations": iterations},
        limits={"allowed": "converged"},
        history=Trend(values=[*counts, iterations] if iterations else (), label="iterations"),
    )


def finite(result: CalibrationResult, before: Sequence[EarlierFit]) -> Judgement:
    """ERROR when a parameter, a step or an ability is not a finite number, or an item or a person has two rows."""
    items, abilities = result.items, result.abilities
    of_items = np.isfinite(items[["a", "b", "c"]].to_numpy(float)).all(axis=1) & _finite_steps(items)
    bad_items = items["item_id"][~of_items]
    bad_abilities = abilities["user_id"][~np.isfinite(abilities[["theta", "se"]].to_numpy(float)).all(axis=1)]
    repeated = int(items["item_id"].duplicated().sum() + abilities["user_id"].duplicated().sum())
    bad = len(bad_items) + len(bad_abilities) + repeated
    if bad:
        finding = f"{len(bad_items):,} items and {len(bad_abilities):,} abilities are not finite numbers, {repeated:,} rows are repeated"
    else:
        finding = f"all {len(items):,} items and {len(abilities):,} abilities are finite, each in one row"
    return Judgement(
        check="finite",
        verdict=Verdict.ERROR if bad else Verdict.PASS,
        finding=finding,
        advice="The engine is at fault. Compare with a run in this process (R_IRT_BASE_URL unset), and keep the rejected result for its makers",
        numbers={
            "items_not_finite": len(bad_items),
            "abilities_not_finite": len(bad_abilities),
            "rows_twice": repeated,
            "bad": bad,
        },
        limits={"allowed": 0},
        history=Trend(values=[*recorded(before, "finite", "bad"), bad], label="rows not finite or repeated"),
        worst=items[items["item_id"].isin(bad_items)].head(10) if bad else None,
    )


def _finite_steps(items: pd.DataFrame) -> np.ndarray:
    """Tell which items have no steps or finite ones; -inf is a step that everybody passes."""
    if "steps" not in items.columns or items["steps"].isna().all():
        return np.ones(len(items), bool)
    steps = steps_matrix(items["steps"])
    return items["steps"].isna().to_numpy() | (np.isfinite(steps).any(axis=1) & ~np.isposinf(steps).any(axis=1))


def plausible_ranges(result: CalibrationResult, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """Judge the share of items with implausible parameters; items with few answers keep it above 0 in a young bank."""
    items = result.items
    outside = _outside(items, limits)
    n, share = int(outside.sum()), float(outside.mean()) if len(items) else 0.0
    shares = recorded(before, "plausible_ranges", "share_outside")
    expected = usual(shares)
    warn, error = _above_the_usual(limits.outside_warn_above, expected), limits.outside_error_above
    ranges = (
        f"a {limits.range_a_low:g} to {limits.range_a_high:g}, |b| up to {limits.range_b:g}, c below {limits.range_c:g}"
    )
    return Judgement(
        check="plausible_ranges",
        verdict=Verdict.ERROR if share > error else Verdict.WARN if share > warn else Verdict.PASS,
        finding=f"{n:,} of {len(items):,} items ({share:.1%}) lie outside {ranges}"
        + ("" if expected is None else f". Usual is {expected:.1%}"),
        advice="See these items: a negative or tiny a is a wrong key or a broken item, a huge b an item that all get right or wrong",
        numbers={
            "items_outside": n,
            "share_outside": share,
            "usual_share": expected,
        },
        limits={"warn_above": warn, "error_above": error},
        history=Trend(values=[*shares, share], label="share outside", limits=[warn, error]),
        worst=items.loc[outside, ["item_id", "a", "b", "c", "n_responses"]].nlargest(10, "n_responses") if n else None,
    )


def discrimination(result: CalibrationResult, before: Sequence[EarlierFit], limits: Thresholds) -> Judgement:
    """WARN when an item discriminates below 0 beyond its error, or unusually many cannot be told from 0."""
    items = result.items
    flagged = result.to_review
    reversed_keys = flagged[flagged["flag"] == REVERSED]
    share = len(flagged) / len(items) if len(items) else 0.0
    shares = recorded(before, "discrimination", "share_to_review")
    expected = usual(shares)
    warn = _above_the_usual(limits.to_review_warn_above, expected)
    finding = f"{len(flagged):,} of {len(items):,} items ({share:.1%}) do not discriminate beyond their error"
    if len(flagged):
        finding += f": {first_few(flagged['item_id'].tolist())}"
    if len(reversed_keys):
        finding += f". {len(reversed_keys):,} discriminate below 0: {first_few(reversed_keys['item_id'].tolist())}"
    return Judgement(
        check="discrimination",
        verdict=Verdict.WARN if len(reversed_keys) or share > warn else Verdict.PASS,
        finding=finding,
        advice="See the key and the text of these items. Where they have few answers, more answers may settle it",
        numbers={
            "items_to_review": len(flagged),
            "keys_reversed": len(reversed_keys),
            "share_to_review": share,
            "usual_share": expected,
        },
        limits={"warn_above": warn},
        history=Trend(values=[*shares, share], label="share to review", limits=[warn]),
        worst=flagged[["item_id", "flag", "a", "se_a", "b", "n_responses"]].nlargest(10, "n_responses")
        if len(flagged)
        else None,
    )


def _above_the_usual(limit: float, expected: float | None) -> float:
    """Raise a limit to twice the usual share: a bank that is always above it is compared with itself."""
    return max(limit, 2 * (expected or 0))


def _outside(items: pd.DataFrame, limits: Thresholds) -> pd.Series:
    return ~(
        items["a"].between(limits.range_a_low, limits.range_a_high)
        & items["b"].between(-limits.range_b, limits.range_b)
        & (items["c"] < limits.range_c)
    )
