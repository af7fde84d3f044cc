"""Did items move on the bank's scale? An item counts only when its move is large, and far beyond its sampling error."""

from datetime import date

import numpy as np
import pandas as pd

from seedtest_assets.checks.judgement import Judgement, Level, robust_spread, worse
from seedtest_assets.checks.thresholds import Thresholds

ENOUGH_ITEMS = 10
"""Fewer items tell neither a spread nor a move of the whole scale."""
DIFFICULTY, DISCRIMINATION = "difficulty", "discrimination"


def anchor_drift(items: pd.DataFrame, anchors: pd.DataFrame, limits: Thresholds) -> Judgement:
    """The anchors, estimated today, against the values that the bank has published for them.

    items: ITEM_COLUMNS of today; anchors: item_id, a, b, c of the bank, taken as free of error.
    """
    to_do = (
        "an anchor that moved no longer carries the scale: look at the question (leaked, edited, wrong key?), "
        "then untag it or give it new values"
    )
    if anchors.empty:
        return Judgement("anchor_drift", Level.PASS, "the bank has no anchors")
    reference = anchors.assign(se_a=0.0, se_b=0.0, n_responses=1)
    both = _compared(items, reference, 0.0, limits)
    return _judge("anchor_drift", "anchors", both, None, to_do, limits.seedtest_anchor_drift_z, limits)


def item_drift(
    day: date, items: pd.DataFrame, published: pd.DataFrame, lookback_days: int, limits: Thresholds
) -> Judgement:
    """Every item against the median of its values in the last partitions, and the whole scale with it.

    items: ITEM_COLUMNS of the day; published: partition_date, item_id, a, b, se_a, se_b, n_responses of the last
    partitions; lookback_days: the window whose answers two nights share.
    """
    to_do = (
        "look at these questions and at who changed them: an edited text, a wrong key or a leak moves one item, "
        "a linking gone wrong moves all"
    )
    if published.empty:
        return Judgement("item_drift", Level.PASS, f"{len(items):,} items; no earlier partition to compare with")
    names = ["a", "b", "se_a", "se_b", "n_responses"]
    usual = published.groupby("item_id", as_index=False)[names].median()
    age = (pd.Timestamp(day) - pd.to_datetime(published["partition_date"])).dt.days.median()
    both = _compared(items, usual, max(0.0, 1 - age / lookback_days), limits)
    return _judge("item_drift", "items", both, published, to_do, limits.seedtest_item_drift_z, limits)


def _compared(items: pd.DataFrame, reference: pd.DataFrame, shared: float, limits: Thresholds) -> pd.DataFrame:
    """A row an item that both have and that has enough answers: its moves, their standard errors and robust z.

    shared: how much of the smaller calibration's answers the other has, too. Two estimates from n and m answers, o of
    them the same, correlate o / sqrt(n m), so that their difference has the variance
    se_n^2 + se_m^2 - 2 se_n se_m o / sqrt(n m). z is the move in these errors, around the median of all items' and,
    where the night is noisier than that, in units of their robust SD.
    """
    both = items[items["n_responses"] >= limits.seedtest_drift_min_answers].merge(
        reference[["item_id", "a", "b", "se_a", "se_b", "n_responses"]], on="item_id", suffixes=("", "_usual")
    )
    n, m = (both[name].to_numpy(float) for name in ("n_responses", "n_responses_usual"))
    alike = shared * np.minimum(n, m) / np.sqrt(n * m)
    for name in "ab":
        new, old = (both[f"se_{name}{suffix}"].to_numpy(float) for suffix in ("", "_usual"))
        both[f"move_{name}"] = both[name] - both[f"{name}_usual"]
        both[f"error_{name}"] = np.sqrt(np.maximum(new**2 + old**2 - 2 * alike * new * old, 1e-8))
    both = both[np.isfinite(both[["move_a", "move_b", "error_a", "error_b"]].to_numpy(float)).all(axis=1)]
    for name in "ab":
        z = (both[f"move_{name}"] / both[f"error_{name}"]).to_numpy(float)
        centre, spread = (np.median(z), robust_spread(z)) if len(z) >= ENOUGH_ITEMS else (0.0, 1.0)
        both[f"z_{name}"] = (z - centre) / max(spread, 1.0)
    return both.reset_index(drop=True)


def _judge(
    check: str,
    what: str,
    both: pd.DataFrame,
    published: pd.DataFrame | None,
    to_do: str,
    z_limit: float,
    limits: Thresholds,
) -> Judgement:
    if both.empty:
        return Judgement(
            check,
            Level.PASS,
            f"none of the {what} has {limits.seedtest_drift_min_answers} answers, a standard error and an earlier value",
        )
    sizes = {
        DIFFICULTY: ("b", limits.seedtest_drift_b_moderate, limits.seedtest_drift_b_severe),
        DISCRIMINATION: ("a", limits.seedtest_drift_a_moderate, limits.seedtest_drift_a_severe),
    }
    moved = np.zeros(len(both), int)
    scale, levels = [], []
    for parameter, (name, moderate, severe) in sizes.items():
        move = both[f"move_{name}"].to_numpy(float)
        size = np.select([np.abs(move) >= severe, np.abs(move) >= moderate], [int(Level.ERROR), int(Level.WARN)], 0)
        moved = np.maximum(moved, np.where(np.abs(both[f"z_{name}"]) > z_limit, size, 0))
        middle = float(np.median(move))
        if len(both) >= ENOUGH_ITEMS and abs(middle) >= moderate:
            levels.append(Level.ERROR if abs(middle) >= severe else Level.WARN)
            scale.append(f"the whole scale moved: median change of {parameter} {middle:+.2f}")
    worst = both.assign(level=moved)[moved > 0].sort_values(["level", "n_responses"], ascending=False)
    columns = ["item_id", "a", "a_usual", "error_a", "b", "b_usual", "error_b", "n_responses"]
    n_severe = int((moved == int(Level.ERROR)).sum())
    named = ", ".join(f"{row.item_id} (b {row.move_b:+.2f}, a {row.move_a:+.2f})" for row in worst.head(3).itertuples())
    parts = [*scale]
    if len(worst):
        more = f" and {len(worst) - 3} more" if len(worst) > 3 else ""
        parts.append(f"{len(worst)} of {len(both)} {what} moved, {n_severe} severely: {named}{more}")
    largest = both["move_b"].abs()
    shown = () if published is None else _history_of(published, both, worst)
    return Judgement(
        check,
        worse(*levels, Level(int(moved.max()))),
        "; ".join(parts)
        or f"none of {len(both):,} {what} moved; the largest change of difficulty is {largest.max():.2f}, of discrimination {both['move_a'].abs().max():.2f}",
        to_do,
        {
            "judged": len(both),
            "moved": len(worst),
            "moved_severely": n_severe,
            "median_change_b": float(both["move_b"].median()),
            "median_change_a": float(both["move_a"].median()),
            "largest_change_b": float(largest.max()),
            "largest_change_a": float(both["move_a"].abs().max()),
            "b_moderate": limits.seedtest_drift_b_moderate,
            "b_severe": limits.seedtest_drift_b_severe,
            "a_moderate": limits.seedtest_drift_a_moderate,
            "a_severe": limits.seedtest_drift_a_severe,
            "z_limit": z_limit,
        },
        shown,
        "",
        worst[columns].head(10) if len(worst) else None,
    )


def _history_of(published: pd.DataFrame, both: pd.DataFrame, worst: pd.DataFrame) -> list[float]:
    """The difficulty over the partitions of the item that moved worst, else of the one that moved most."""
    row = worst.iloc[0] if len(worst) else both.iloc[int(both["move_b"].abs().to_numpy().argmax())]
    earlier = published[published["item_id"] == row["item_id"]].sort_values("partition_date")["b"]
    return [*earlier.astype(float), float(row["b"])]
