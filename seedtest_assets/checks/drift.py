"""Did items move on the bank's scale? An item counts only when its move is large, and far beyond its sampling error."""

from datetime import date

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.checks.judgement import Judgement, Level, worse
from seedtest_assets.irt.robust import robust_sd
from seedtest_assets.thresholds import Thresholds

ENOUGH_ITEMS = 10
"""Fewer items tell neither a spread nor a move of the whole scale."""
GRID = irt.normal_grid()
DIFFICULTY, DISCRIMINATION = "difficulty", "discrimination"
COLUMNS = ["item_id", "a", "a_usual", "error_a", "b", "b_usual", "error_b", "n_responses"]
"""What is shown of the items that moved."""


def anchor_drift(
    items: pd.DataFrame, anchors: pd.DataFrame, residuals: pd.DataFrame, published: pd.DataFrame, limits: Thresholds
) -> Judgement:
    """The anchors, estimated today, against the values that the bank has published for them.

    items: ITEM_COLUMNS of today; anchors: item_id, a, b, c of the bank, taken as free of error; residuals: item_id, z of the
    anchors' answers under the bank's values; published: as in item_drift.

    The z of a difficulty is the larger of two: its move in standard errors, and the residual. The second sees an item of low
    discrimination, or far from the students, whose standard errors are wide, and needs none.
    """
    to_do = (
        "an anchor that moved no longer carries the scale: look at the question (leaked, edited, wrong key?), "
        "then untag it or give it new values"
    )
    reference = anchors.assign(se_a=0.0, se_b=0.0, n_responses=1)
    both = _compared(items, reference, 0.0, limits)
    residual = _standardised(both["item_id"].map(residuals.set_index("item_id")["z"]).to_numpy(float))
    in_proportion = limits.anchor_drift_z / limits.anchor_residual_z
    both["z_b"] = np.fmax(both["z_b"].abs(), np.abs(residual) * in_proportion)
    both["z_a"] = both["z_a"].fillna(0.0)
    nothing = "" if len(anchors) else "the bank has no anchors"
    return _judge("anchor_drift", "anchors", both, published, to_do, limits.anchor_drift_z, limits, nothing)


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
    names = ["a", "b", "c", "se_a", "se_b", "n_responses"]
    usual = published.groupby("item_id", as_index=False)[names].median()
    age = (pd.Timestamp(day) - pd.to_datetime(published["partition_date"])).dt.days.median()
    both = _compared(_with_errors(items), _with_errors(usual), max(0.0, 1 - age / lookback_days), limits)
    nothing = "" if len(published) else f"{len(items):,} items; no earlier partition to compare with"
    return _judge("item_drift", "items", both, published, to_do, limits.item_drift_z, limits, nothing)


def _compared(items: pd.DataFrame, reference: pd.DataFrame, shared: float, limits: Thresholds) -> pd.DataFrame:
    """A row an item that both have and that has enough answers: its moves, their standard errors and robust z.

    shared: how much of the smaller calibration's answers the other has, too. Two estimates from n and m answers, o of
    them the same, correlate o / sqrt(n m), so that their difference has the variance
    se_n^2 + se_m^2 - 2 se_n se_m o / sqrt(n m). z is the move in these errors, around the median of all items' and,
    where the night is noisier than that, in units of their robust SD.
    """
    both = items[items["n_responses"] >= limits.drift_min_answers].merge(
        reference[["item_id", "a", "b", "se_a", "se_b", "n_responses"]], on="item_id", suffixes=("", "_usual")
    )
    n, m = (both[name].to_numpy(float) for name in ("n_responses", "n_responses_usual"))
    alike = shared * np.minimum(n, m) / np.sqrt(n * m)
    for name in "ab":
        new, old = (both[f"se_{name}{suffix}"].to_numpy(float) for suffix in ("", "_usual"))
        both[f"move_{name}"] = both[name] - both[f"{name}_usual"]
        both[f"error_{name}"] = np.sqrt(np.maximum(new**2 + old**2 - 2 * alike * new * old, 1e-8))
        both[f"z_{name}"] = _standardised((both[f"move_{name}"] / both[f"error_{name}"]).to_numpy(float))
    return both


def _with_errors(items: pd.DataFrame) -> pd.DataFrame:
    """The items as they are or, where an engine gave no standard error at all, with those of known abilities, N(0, 1).

    They are those of the inverse of n answers' expected information about a and b, whose elements are E[I (theta - b)^2 / a^2],
    E[I] and -E[I (theta - b) / a] with the item's information I. By how much they are too small is much the same for all
    items, and what the moves' robust SD takes out.
    """
    if items.empty or np.isfinite(items[["se_a", "se_b"]].to_numpy(float)).any():
        return items
    a, b, c, n = (items[name].to_numpy(float) for name in ("a", "b", "c", "n_responses"))
    told = n[:, None] * irt.information(GRID.node, irt.ItemParameters(np.arange(len(items)), a, b, c)) * GRID.weight
    distance = (GRID.node - b[:, None]) / np.where(a == 0, 1e-3, a)[:, None]
    about_a, about_b, between = (told * distance**2).sum(axis=1), told.sum(axis=1), (told * distance).sum(axis=1)
    determinant = np.maximum(about_a * about_b - between**2, 1e-12)
    return items.assign(se_a=np.sqrt(about_b / determinant), se_b=np.sqrt(about_a / determinant))


def _standardised(z: np.ndarray) -> np.ndarray:
    """z around the median of all items' and, where they spread more than z should, in units of their robust SD."""
    told = z[np.isfinite(z)]
    centre, spread = (np.median(told), robust_sd(told)) if len(told) >= ENOUGH_ITEMS else (0.0, 1.0)
    return (z - centre) / max(spread, 1.0)


def _judge(
    check: str,
    what: str,
    both: pd.DataFrame,
    published: pd.DataFrame,
    to_do: str,
    z_limit: float,
    limits: Thresholds,
    nothing: str,
) -> Judgement:
    both = both[np.isfinite(both[["move_a", "move_b", "z_a", "z_b"]].to_numpy(float)).all(axis=1)].reset_index(
        drop=True
    )
    sizes = {
        DIFFICULTY: ("b", limits.drift_b_moderate, limits.drift_b_severe),
        DISCRIMINATION: ("a", limits.drift_a_moderate, limits.drift_a_severe),
    }
    scale, levels = [], []
    for parameter, (name, moderate, severe) in sizes.items():
        move = both[f"move_{name}"].to_numpy(float)
        size = np.select([np.abs(move) >= severe, np.abs(move) >= moderate], [int(Level.ERROR), int(Level.WARN)], 0)
        both[f"level_{name}"] = np.where(np.abs(both[f"z_{name}"]) > z_limit, size, 0)
        middle = float(np.median(move)) if len(move) >= ENOUGH_ITEMS else 0.0
        if abs(middle) >= moderate:
            levels.append(Level.ERROR if abs(middle) >= severe else Level.WARN)
            scale.append(f"the whole scale moved: median change of {parameter} {middle:+.2f}")
    both["level"] = both[["level_a", "level_b"]].max(axis=1)
    worst = both[both["level"] > 0].sort_values(["level", "n_responses"], ascending=False)
    n_severe = int((worst["level"] == int(Level.ERROR)).sum())
    shown, shown_of, usual = _history_of(published, both, worst)
    return Judgement(
        check,
        worse(*levels, *map(Level, worst["level"])),
        "; ".join([*scale, *_named(what, both, worst, n_severe)]) or nothing or _nothing_moved(what, both, limits),
        to_do,
        {
            "judged": len(both),
            "moved": len(worst),
            "moved_severely": n_severe,
            **{f"median_change_{name}": _or_none(both[f"move_{name}"].median()) for name in "ba"},
            **{f"largest_change_{name}": _or_none(both[f"move_{name}"].abs().max()) for name in "ba"},
            "b_moderate": limits.drift_b_moderate,
            "b_severe": limits.drift_b_severe,
            "a_moderate": limits.drift_a_moderate,
            "a_severe": limits.drift_a_severe,
            "z_limit": z_limit,
        },
        shown,
        shown_of,
        usual,
        worst[COLUMNS].head(10) if len(worst) else None,
    )


def _named(what: str, both: pd.DataFrame, worst: pd.DataFrame, n_severe: int) -> list[str]:
    if worst.empty:
        return []
    named = ", ".join(f"{row.item_id} (b {row.move_b:+.2f}, a {row.move_a:+.2f})" for row in worst.head(3).itertuples())
    more = f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    return [f"{len(worst)} of {len(both)} {what} moved, {n_severe} severely: {named}{more}"]


def _nothing_moved(what: str, both: pd.DataFrame, limits: Thresholds) -> str:
    if both.empty:
        return f"none of the {what} has {limits.drift_min_answers} answers, a standard error and an earlier value"
    return (
        f"none of {len(both):,} {what} moved; the largest change of difficulty is {both['move_b'].abs().max():.2f}, "
        f"of discrimination {both['move_a'].abs().max():.2f}"
    )


def _history_of(
    published: pd.DataFrame, both: pd.DataFrame, worst: pd.DataFrame
) -> tuple[list[float], str, list[float]]:
    """Over the partitions, the parameter that moved of the item that moved worst, else the difficulty that moved most.

    Gives its values, what they are, and the value that the last is compared with.
    """
    if both.empty:
        return [], "", []
    row = worst.iloc[0] if len(worst) else both.iloc[int(both["move_b"].abs().to_numpy().argmax())]
    name, parameter = ("a", DISCRIMINATION) if row["level_a"] > row["level_b"] else ("b", DIFFICULTY)
    earlier = published[published["item_id"] == row["item_id"]].sort_values("partition_date")[name]
    shown = [*earlier.astype(float), float(row[name])]
    return shown, f"{parameter} of {row['item_id']}", [float(row[f"{name}_usual"])]


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
