"""Items with partial credit: the probability of each score, and the expected score against what students got."""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from seedtest_assets import irt
from seedtest_assets.item_steps import parameters_by_position
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.drawing import BLUE, INK, ORANGE, item_panels, segments, styled, svg
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.item_pictures import INTERVAL, shortened

MOST = 8
"""Items that are drawn, the one that fits worst first."""
REACH = 3
"""SDs of the population on either side of its mean that the curves cover at least."""
SHADES = (0.42, 1.0)
"""Of the lowest and of the highest score in the sequential colour map: the lightest still stands out from white paper."""


@dataclass(frozen=True)
class CategoryCurves:
    """drawing: SVG; n_drawn: items in it, of n_items with partial credit."""

    drawing: str
    n_drawn: int
    n_items: int


def category_curves(data: ReportData, curves: ItemCurves) -> CategoryCurves | None:
    """Draw the scores of the items with partial credit that fit worst; None where there are none."""
    items = parameters_by_position(data.items)
    scored = np.flatnonzero(items.polytomous)
    drawn = scored[np.argsort(-np.nan_to_num(curves.misfit[scored]), kind="stable")][:MOST]
    if not len(drawn):
        return None
    scale = _scale(data, curves)
    probability = irt.category_probabilities(scale, items.take(drawn))
    expected = irt.probability(scale, items.take(drawn))
    with styled():
        figure, places = item_panels(len(drawn), "probability, share")
        for place, (row, axes) in enumerate(zip(drawn, places, strict=True)):
            _scores(axes, scale, probability[place, : items.max_score[row] + 1])
            axes.plot(scale, expected[place], color=BLUE, linestyle="--")
            error, observed = INTERVAL * curves.standard_error[row], curves.observed[row]
            low, high = np.clip(observed - error, 0, 1), np.clip(observed + error, 0, 1)
            axes.plot(*segments(curves.theta, low, curves.theta, high), color=ORANGE, linewidth=1)
            axes.plot(curves.theta, observed, "o", color=ORANGE, markersize=4)
            name, model = shortened(data.items["item_id"].iloc[row], 12), items.model[row]
            axes.set_title(f"{name} · {model}, 0–{items.max_score[row]}", fontsize=9.5)
            axes.set(xlim=(scale[0], scale[-1]), ylim=(-0.03, 1.17), yticks=[0, 0.5, 1])
        drawing = svg(
            figure,
            "Items with partial credit: probability of each score, and expected and observed shares of the points",
        )
    return CategoryCurves(drawing, len(drawn), len(scored))


def _scale(data: ReportData, curves: ItemCurves) -> np.ndarray:
    """Abilities of the curves: REACH SDs of the population, and all groups whose shares are drawn."""
    mean, sd = data.model_spec.get("group_mean") or 0.0, data.model_spec.get("group_sd") or 1.0
    low, high = (end([mean + side * REACH * sd, *curves.theta]) for end, side in ((min, -1), (max, 1)))
    return np.linspace(low, high, 121)


def _scores(axes: Axes, scale: np.ndarray, probability: np.ndarray) -> None:
    """Draw the curve of each score, the darker the higher, and write the score above its highest point.

    probability: float64 [n_scores, n_abilities]; 0 throughout for a score that nobody has.
    """
    shades = mpl.colormaps["Greens"](np.linspace(*SHADES, len(probability)))
    for score in np.flatnonzero(probability.any(axis=1)).tolist():
        axes.plot(scale, probability[score], color=shades[score], linewidth=1.3)
        peak = int(probability[score].argmax())
        # A number at the end of the axis stays inside the panel.
        side, shift = {0: ("left", 2), len(scale) - 1: ("right", -2)}.get(peak, ("center", 0))
        axes.annotate(
            str(score),
            (float(scale[peak]), float(probability[score, peak])),
            xytext=(shift, 3),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=8.5,
            color=INK,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            zorder=5,
        )
