"""The curves of items that function differently for a group, as the newest week has them."""

import numpy as np
import pandas as pd

from seedtest_assets.report.drawing import BLUE, ORANGE, panels, styled, svg
from seedtest_assets.report.item_pictures import shortened

MOST = 8
"""Items that are drawn, the worst first."""
COLUMNS = 4
ABILITY = np.linspace(-4, 4, 81)


def dif_curves(dif: pd.DataFrame) -> str:
    """Draw both groups' curves of each flagged item. dif: rows of dif_history with B or C, the worst first."""
    drawn = dif.head(MOST).to_dict("records")
    n_rows = -(-len(drawn) // COLUMNS)
    with styled():
        figure, grid = panels(
            n_rows,
            COLUMNS,
            0.85 + 2.05 * n_rows,
            gaps=(0.2, 0.38),
            margins=(0.3, 0.55),
            sharex=True,
            sharey=True,
            squeeze=False,
        )
        for place, axes in enumerate(grid.ravel()):
            if place >= len(drawn):
                axes.set_axis_off()
                continue
            item = drawn[place]
            axes.plot(ABILITY, _curve(item, "reference"), color=BLUE)
            axes.plot(ABILITY, _curve(item, "focal"), color=ORANGE, linestyle="--")
            title = f"{shortened(item['item_id'], 12)} · {item['flag']} · {shortened(item['group_id'], 10)}"
            axes.set_title(title, fontsize=9.5)
            axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1])
        for axes in grid[:, 0]:
            axes.set_ylabel("share correct")
        for axes in grid[-1]:
            axes.set_xlabel("ability")
        return svg(figure, "Curves of items that function differently for a group of students")


def _curve(item: dict[str, float], group: str) -> np.ndarray:
    a, b, c = (item[f"{name}_{group}"] for name in "abc")
    c = 0.0 if c is None or np.isnan(c) else c
    return c + (1 - c) / (1 + np.exp(-a * (ABILITY - b)))
