"""Items with partial credit: the probability of each score, and the expected score against what students got."""

import numpy as np

from seedtest_assets import irt
from seedtest_assets.item_steps import parameters_by_position
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.drawing import BLUE, GREEN, ORANGE, panels, segments, styled, svg
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.item_pictures import INTERVAL, shortened

MOST = 8
"""Items that are drawn, the one that fits worst first."""
COLUMNS = 4
ABILITY = np.linspace(-4, 4, 81)


def category_curves(data: ReportData, curves: ItemCurves) -> str:
    """Draw the scores of the items with partial credit that fit worst; empty where there are none."""
    items = parameters_by_position(data.items)
    drawn = np.flatnonzero(items.polytomous)
    drawn = drawn[np.argsort(-np.nan_to_num(curves.misfit[drawn]), kind="stable")][:MOST]
    if not len(drawn):
        return ""
    scale = np.linspace(curves.theta.min(), curves.theta.max(), 81) if len(curves.theta) else ABILITY
    probability = irt.category_probabilities(scale, items.take(drawn))
    expected = irt.probability(scale, items.take(drawn))
    n_rows = -(-len(drawn) // COLUMNS)
    with styled():
        figure, grid = panels(
            n_rows, COLUMNS, 0.85 + 2.05 * n_rows, gaps=(0.2, 0.38), top=0.3, sharex=True, sharey=True, squeeze=False
        )
        for place, axes in enumerate(grid.ravel()):
            if place >= len(drawn):
                axes.set_axis_off()
                continue
            row = drawn[place]
            for of_score in probability[place]:
                if of_score.any():
                    axes.plot(scale, of_score, color=GREEN, linewidth=1)
            axes.plot(scale, expected[place], color=BLUE, linestyle="--")
            error, observed = INTERVAL * curves.standard_error[row], curves.observed[row]
            low, high = np.clip(observed - error, 0, 1), np.clip(observed + error, 0, 1)
            axes.plot(*segments(curves.theta, low, curves.theta, high), color=ORANGE, linewidth=1)
            axes.plot(curves.theta, observed, "o", color=ORANGE, markersize=4)
            name, model = shortened(data.items["item_id"].iloc[row], 12), items.model[row]
            axes.set_title(f"{name} · {model}, 0 to {items.max_score[row]}", fontsize=9.5)
            axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1])
        for axes in grid[:, 0]:
            axes.set_ylabel("probability, share")
        for axes in grid[-1]:
            axes.set_xlabel("ability")
        return svg(
            figure,
            "Items with partial credit: probability of each score, and expected and observed shares of the points",
        )
