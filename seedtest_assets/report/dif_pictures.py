"""The curves of items that function differently for a group, as the newest week has them."""

import numpy as np
import pandas as pd

from seedtest_assets.report.drawing import BLUE, ORANGE, item_panels, styled, svg
from seedtest_assets.report.item_pictures import shortened

MOST = 8
"""Items that are drawn, the worst first."""
ABILITY = np.linspace(-4, 4, 81)


def dif_curves(dif: pd.DataFrame) -> str:
    """Draw both groups' curves of each flagged item. dif: rows of dif_history with B or C, the worst first."""
    drawn = dif.head(MOST).to_dict("records")
    with styled():
        figure, places = item_panels(len(drawn), "share correct")
        for item, axes in zip(drawn, places, strict=True):
            axes.plot(ABILITY, _curve(item, "reference"), color=BLUE)
            axes.plot(ABILITY, _curve(item, "focal"), color=ORANGE, linestyle="--")
            title = f"{shortened(item['item_id'], 12)} · {item['flag']} · {shortened(item['group_id'], 10)}"
            axes.set_title(title, fontsize=9.5)
            axes.set(ylim=(-0.03, 1.03), yticks=[0, 0.5, 1])
        return svg(figure, "Curves of items that function differently for a group of students")


def _curve(item: dict[str, float], group: str) -> np.ndarray:
    a, b, c = (item[f"{name}_{group}"] for name in "abc")
    c = 0.0 if c is None or np.isnan(c) else c
    return c + (1 - c) / (1 + np.exp(-a * (ABILITY - b)))
