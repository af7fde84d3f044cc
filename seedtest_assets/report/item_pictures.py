"""The report's pictures of items: where they lie, how sharp they are, which of them moved, which of them do not fit."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seedtest_assets import irt
from seedtest_assets.calibration import screened_out
from seedtest_assets.irt.linking_curves import is_unlike
from seedtest_assets.item_steps import parameters_by_position
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    item_panels,
    panels,
    points,
    segments,
    styled,
    svg,
)
from seedtest_assets.report.item_curves import ItemCurves

INTERVAL = 1.96
"""Error bars are 95% intervals."""
N_WORST = 12
N_NAMED = 8


def item_map(data: ReportData) -> str:
    """Abilities above, difficulties below, on one scale."""
    theta, b = data.abilities["theta"].to_numpy(float), data.items["b"].to_numpy(float)
    anchor = data.items["is_anchor"].to_numpy(bool)
    low, high = _range(theta, b)
    bins = np.linspace(low, high, 61)
    with styled():
        figure, (above, below) = panels(2, 1, 4.8, gaps=(0, 0.12), ratios=[1.1, 1], sharex=True)
        above.hist(np.clip(theta, low, high), bins, color=BLUE, alpha=0.85)
        above.axvline(theta.mean(), color=INK, linewidth=1)
        above.annotate(
            "mean ability",
            (theta.mean(), 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
        )
        above.set(ylabel="students")
        above.set_ylim(0, above.get_ylim()[1] * 1.12)
        below.hist(
            [np.clip(b[~anchor], low, high), np.clip(b[anchor], low, high)],
            bins,
            stacked=True,
            color=[ORANGE, INK],
            label=["items", "anchors"],
        )
        below.set(xlabel="ability, difficulty", ylabel="items", xlim=(low, high))
        below.yaxis.get_major_locator().set_params(integer=True)
        below.invert_yaxis()
        below.set_ylim(below.get_ylim()[0] * 1.3, 0)
        if anchor.any():
            below.legend(loc="lower right", ncols=2)
        return svg(figure, "Item map: difficulties of the items against abilities of the students")


def discrimination_against_difficulty(data: ReportData) -> str:
    """Draw every item with its errors; the tooltip names it."""
    items = data.items
    a, b, anchor = items["a"].to_numpy(float), items["b"].to_numpy(float), items["is_anchor"].to_numpy(bool)
    se_a, se_b = (INTERVAL * np.nan_to_num(items[name].to_numpy(float)) for name in ("se_a", "se_b"))
    low, high = _range(b, b)
    top = max(1.0, float(np.quantile(a, 0.995)) * 1.25)
    shown_b, shown_a = np.clip(b, low, high), np.clip(a, 0, top)
    many = len(items) > 500
    with styled():
        figure, axes = panels(1, 1, 4.8)
        bars = {"color": GREY, "linewidth": 0.5 if many else 0.8, "alpha": 0.35 if many else 0.55, "zorder": 1}
        axes.plot(*segments(np.clip(b - se_b, low, high), shown_a, np.clip(b + se_b, low, high), shown_a), **bars)
        axes.plot(*segments(shown_b, np.clip(a - se_a, 0, top), shown_b, np.clip(a + se_a, 0, top)), **bars)
        size, edge = 3.2 if many else 5, {"markeredgecolor": "white", "markeredgewidth": 0.4}
        of_items = {"marker": "o", "color": BLUE, "markersize": size, "label": "items", **edge}
        points(axes, "items", shown_b[~anchor], shown_a[~anchor], **of_items)
        if anchor.any():
            of_anchors = {"marker": "D", "color": ORANGE, "markersize": size + 2, "label": "anchors", **edge}
            points(axes, "anchors", shown_b[anchor], shown_a[anchor], **of_anchors)
            axes.legend(loc="upper right", ncols=2)
        axes.set(
            xlabel="difficulty b",
            ylabel="discrimination a",
            xlim=(low - 0.1, high + 0.1),
            ylim=(-0.02 * top, top * 1.12),
        )
        return svg(figure, "Discrimination against difficulty of every item, with 95% intervals")


def bank_information(data: ReportData) -> str:
    """Where on the scale the bank measures well, and what a test of some of its items would give."""
    theta = data.abilities["theta"].to_numpy(float)
    low, high = _range(theta, theta)
    scale = np.linspace(low, high, 121)
    items = parameters_by_position(data.items)
    information = irt.information(scale, items)
    total = information.sum(axis=0)
    with styled():
        figure, (left, right) = panels(1, 2, 3.5)
        density, edges = np.histogram(np.clip(theta, low, high), np.linspace(low, high, 41))
        left.stairs(
            density / max(1, density.max()) * total.max() * 0.35, edges, fill=True, color=PALE, label="students"
        )
        left.plot(scale, total, color=BLUE, label="all items")
        left.set(xlabel="ability", ylabel="information", ylim=(0, None), xlim=(low, high))
        left.legend(loc="upper right")
        prior = 1 / float(data.model_spec.get("group_sd") or 1) ** 2
        for n, color, line in ((10, ORANGE, ":"), (20, BLUE, "--"), (40, GREEN, "-")):
            error = 1 / np.sqrt(information.mean(axis=0) * n + prior)
            right.plot(scale, error, color=color, linestyle=line, label=f"{n} average items")
        right.set(xlabel="ability", ylabel="standard error", ylim=(0, None), xlim=(low, high))
        right.legend(loc="lower left")
        return svg(figure, "Test information and the standard errors that tests of 10, 20 and 40 items would have")


def reference_change(data: ReportData) -> pd.DataFrame:
    """Every item that is linked by, against the values it is linked to, those that moved most first.

    Columns: those of the items, a_reference, b_reference, change_a, change_b (NaN where scores or model changed, so that values
    cannot be compared), reason (why it was screened out, else empty).
    """
    both = data.items.merge(
        data.reference[["item_id", "a", "b"]], on="item_id", how="inner", suffixes=("", "_reference")
    )
    screened = screened_out(data.model_spec)
    reasons = [str(screened.get(item, "")) for item in both["item_id"]]
    alike = np.array([not is_unlike(reason) for reason in reasons], bool)
    change = both.assign(
        change_a=(both["a"] - both["a_reference"]).where(alike),
        change_b=(both["b"] - both["b_reference"]).where(alike),
        reason=reasons,
    )
    order = change["change_b"].abs().sort_values(ascending=False).index
    return change.loc[order].reset_index(drop=True)


def drawn_changes(change: pd.DataFrame) -> pd.DataFrame:
    """Select the linking items, of reference_change, whose values can be compared."""
    return change[change["change_b"].notna()].reset_index(drop=True)


def anchor_change(change: pd.DataFrame) -> str:
    """Draw the change of linking items against their reference values; screened-out items are marked and named."""
    change = drawn_changes(change)
    with styled():
        figure, (left, right) = panels(1, 2, 4.0)
        _change_of(left, change, "b")
        _change_of(right, change, "a")
        left.set(xlabel="difficulty it is linked to", ylabel="change of b")
        right.set(xlabel="difficulty it is linked to", ylabel="change of a")
        left.legend(loc="best")
        return svg(figure, "Change of every linking item in difficulty and discrimination")


def _change_of(axes: Axes, change: pd.DataFrame, parameter: str) -> None:
    out = (change["reason"] != "").to_numpy()
    x, y = change["b_reference"].to_numpy(float), change[f"change_{parameter}"].to_numpy(float)
    error = INTERVAL * np.nan_to_num(change[f"se_{parameter}"].to_numpy(float))
    # One item with a huge change must not flatten all others.
    limit = float(np.clip(1.5 * np.abs(y[~out]).max(initial=0), 0.6, 3))
    low, high, y = (np.clip(values, -limit, limit) for values in (y - error, y + error, y))
    axes.set_ylim(-1.05 * limit, 1.05 * limit)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(*segments(x, low, x, high), color=GREY, linewidth=0.8, alpha=0.5, zorder=1)
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    used = {"marker": "o", "color": BLUE, "markersize": 5, "label": "used to link"}
    crosses = {"marker": "X", "color": ORANGE, "markersize": 9, "label": "screened out"}
    points(axes, f"anchors-{parameter}-used", x[~out], y[~out], **used, **edge)
    if out.any():
        points(axes, f"anchors-{parameter}-out", x[out], y[out], **crosses, **edge)
    for row in np.flatnonzero(out)[:N_NAMED]:
        name, at = shortened(change["item_id"][row]), (x[row], y[row])
        axes.annotate(name, at, xytext=(6, 4), textcoords="offset points", fontsize=9, color=INK)


def worst_items(data: ReportData, curves: ItemCurves) -> str:
    """The curves of the items that fit worst, with the shares correct that were observed."""
    worst = worst_rows(curves)
    scored = parameters_by_position(data.items).polytomous.any()
    with styled():
        figure, places = item_panels(len(worst), "share of points" if scored else "share correct")
        for row, axes in zip(worst, places, strict=True):
            error = INTERVAL * curves.standard_error[row]
            theta, observed = curves.theta, curves.observed[row]
            axes.plot(theta, curves.expected[row], color=BLUE)
            low_end, high_end = np.clip(observed - error, 0, 1), np.clip(observed + error, 0, 1)
            axes.plot(*segments(theta, low_end, theta, high_end), color=ORANGE, linewidth=1)
            axes.plot(theta, observed, "o", color=ORANGE, markersize=4)
            axes.set_title(
                f"{shortened(data.items['item_id'].iloc[row])} · RMSD {curves.misfit[row]:.3f}", fontsize=9.5
            )
            axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1])
        return svg(figure, "Worst-fitting items: model curves and observed shares correct")


def worst_rows(curves: ItemCurves) -> np.ndarray:
    """The rows of the items that fit worst, the worst first."""
    order = np.argsort(-np.nan_to_num(curves.misfit), kind="stable")
    return order[: min(N_WORST, int((np.nan_to_num(curves.misfit) > 0).sum()))]


def shortened(name: object, length: int = 18) -> str:
    """A name that fits into a picture."""
    text = str(name)
    return text if len(text) <= length else text[: length - 1] + "…"


def _range(*values: np.ndarray) -> tuple[float, float]:
    """Give a range that covers 98% of the values, at least -3 to 3 and at most -6 to 6."""
    low = min(float(np.quantile(some, 0.01)) for some in values if len(some))
    high = max(float(np.quantile(some, 0.99)) for some in values if len(some))
    return max(-6.0, min(-3.0, low - 0.2)), min(6.0, max(3.0, high + 0.2))
