"""Is a calibration whole and sound? Judged before it is written, and not written when it is not."""

from collections.abc import Sequence

import numpy as np

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.checks.judgement import Fit, Judgement, Level, known, usual
from seedtest_assets.thresholds import Thresholds


def item_count_drop(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """Fewer items fitted than usual: a source, a topic or an item table went missing."""
    n, counts = len(result.items), [fit.model_spec["n_items"] for fit in before]
    expected = usual(counts)
    share = n / expected if expected else 1.0
    warn, error = limits.item_count_warn_below, limits.item_count_error_below
    numbers = {
        "items": n,
        "usual_items": expected,
        "share": share,
        "warn_below": warn,
        "error_below": error,
    }
    said = (
        f"{n:,} items fitted; no earlier partition to compare with"
        if expected is None
        else f"{n:,} items fitted, {share:.0%} of the {expected:,g} usual in the last {len(counts)} partition{'s' * (len(counts) > 1)}"
    )
    return Judgement(
        "item_count_drop",
        Level.ERROR if share < error else Level.WARN if share < warn else Level.PASS,
        said,
        "look at the answers of the last days: is a source, a topic or an item table missing?",
        numbers,
        [*counts, n],
        "items fitted",
        [limit * expected for limit in (warn, error)] if expected else (),
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


def finite(result: CalibrationResult, before: Sequence[Fit]) -> Judgement:
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
        {
            "items_not_finite": len(bad_items),
            "abilities_not_finite": len(bad_users),
            "rows_twice": twice,
            "bad": bad,
            "allowed": 0,
        },
        [*known(before, "finite", "bad"), bad],
        "rows not finite or twice",
        worst=items[items["item_id"].isin(bad_items)].head(10) if bad else None,
    )


def plausible_ranges(result: CalibrationResult, before: Sequence[Fit], limits: Thresholds) -> Judgement:
    """Share of items with parameters that no sound item has; thin items (few answers) are why it is never 0 in a young bank."""
    items = result.items
    inside = (
        items["a"].between(limits.range_a_low, limits.range_a_high)
        & items["b"].between(-limits.range_b, limits.range_b)
        & (items["c"] < limits.range_c)
    )
    n, share = int((~inside).sum()), float((~inside).mean()) if len(items) else 0.0
    shares = known(before, "plausible_ranges", "share_outside")
    expected = usual(shares)
    warn = max(limits.outside_warn_above, 2 * (expected or 0))
    error = limits.outside_error_above
    return Judgement(
        "plausible_ranges",
        Level.ERROR if share > error else Level.WARN if share > warn else Level.PASS,
        f"{n:,} of {len(items):,} items ({share:.1%}) lie outside a {limits.range_a_low:g} to "
        f"{limits.range_a_high:g}, |b| up to {limits.range_b:g}, c below {limits.range_c:g}"
        + ("" if expected is None else f"; usual is {expected:.1%}"),
        "look at these items: a negative or tiny a is a wrong key or a broken item, a huge b an item that all get right or wrong",
        {
            "items_outside": n,
            "share_outside": share,
            "usual_share": expected,
            "warn_above": warn,
            "error_above": error,
        },
        [*shares, share],
        "share outside",
        [warn, error],
        worst=items.loc[~inside, ["item_id", "a", "b", "c", "n_responses"]].nlargest(10, "n_responses") if n else None,
    )
