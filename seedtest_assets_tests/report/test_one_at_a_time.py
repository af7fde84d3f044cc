"""Steps run side by side, and matplotlib's settings are those of the process."""

from concurrent.futures import ThreadPoolExecutor

import matplotlib.figure
import pytest

from seedtest_assets.report.drawing import panels, styled, svg
from seedtest_assets.report.one_at_a_time import DRAWING
from seedtest_assets.report.pictures import histogram, history, item_map, reliability_curve


def another_may_draw() -> bool:
    """Whether another thread could draw now."""
    with ThreadPoolExecutor(1) as other:
        may = other.submit(DRAWING.acquire, blocking=False).result()
        if may:
            other.submit(DRAWING.release).result()
    return may


def page_picture() -> None:
    with styled():
        svg(panels(1, 1, 2.0)[0], "a picture of the report")


@pytest.mark.parametrize(
    "draw",
    [
        page_picture,
        lambda: histogram([0.0, 1.0], "x", "y"),
        lambda: history([0.0, 1.0], "x"),
        lambda: item_map([0.0], [0.0, 1.0]),
        lambda: reliability_curve([0.1, 0.9], [0.2, 0.8]),
    ],
)
def test_nothing_else_is_drawn_meanwhile(draw, monkeypatch):
    seen = []
    save = matplotlib.figure.Figure.savefig

    def saved(figure, *arguments, **named):
        seen.append(another_may_draw())
        save(figure, *arguments, **named)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", saved)
    assert another_may_draw()
    draw()
    assert seen == [False]
    assert another_may_draw()
