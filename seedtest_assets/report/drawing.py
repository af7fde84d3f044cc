"""How the report's pictures look, and how they become SVG in both languages."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from html import escape, unescape
from typing import Any

import matplotlib as mpl
import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedtest_assets.report.one_at_a_time import DRAWING
from seedtest_assets.report.translations import KOREAN, bilingual

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
"""Okabe & Ito's colours, told apart by the colour-blind; what matters differs in shape, too."""
INK, GREY, PALE = "#1f2933", "#7b8794", "#cbd2d9"
WIDTH = 10.4
"""Inches, across the page."""
ITEMS_A_ROW = 4

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "seedtest",
    "text.parse_math": False,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ecf0",
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
}


@contextmanager
def styled() -> Iterator[None]:
    """The context in which pictures are drawn."""
    with DRAWING, mpl.rc_context(_STYLE):
        yield


def panels(
    rows: int,
    columns: int,
    height: float,
    *,
    gaps: tuple[float, float] = (0.75, 0.35),
    margins: tuple[float, float] = (0.15, 0.55),
    ratios: Sequence[float] | None = None,
    **more: Any,
) -> tuple[Figure, Any]:
    """A figure of `height` inches and its axes. gaps: inches between columns and between rows; margins: above and below; ratios: of the rows' heights.

    Margins are fixed: finding them by drawing everything twice takes longer than the drawing.
    """
    figure = Figure(figsize=(WIDTH, height))
    left, right = 0.72, 0.12
    top, bottom = margins
    axes_width = (WIDTH - left - right - gaps[0] * (columns - 1)) / columns
    axes_height = (height - top - bottom - gaps[1] * (rows - 1)) / rows
    space = {
        "left": left / WIDTH,
        "right": 1 - right / WIDTH,
        "bottom": bottom / height,
        "top": 1 - top / height,
        "wspace": gaps[0] / axes_width,
        "hspace": gaps[1] / axes_height,
    }
    return figure, figure.subplots(rows, columns, gridspec_kw={**space, "height_ratios": ratios}, **more)


def item_panels(n: int, ylabel: str) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each of n items, whose curves over ability share their axes; gives the panels in the order of the items."""
    rows = -(-n // ITEMS_A_ROW)
    figure, grid = panels(
        rows,
        ITEMS_A_ROW,
        0.85 + 2.05 * rows,
        gaps=(0.2, 0.38),
        margins=(0.3, 0.55),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    for axes in grid[-1]:
        axes.set_xlabel("ability")
    used, left = grid.ravel()[:n], grid.ravel()[n:]
    for axes in left:
        axes.set_axis_off()
    return figure, list(used)


def segments(low_x: Any, low_y: Any, high_x: Any, high_y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Line segments as one broken line, which is one short path in the SVG."""
    gap = np.full(len(low_x), np.nan)
    return np.column_stack([low_x, high_x, gap]).ravel(), np.column_stack([low_y, high_y, gap]).ravel()


def days_axis(axes: Axes, first: datetime, last: datetime) -> None:
    """The days from first to last, some of them named by month and day."""
    n_days = (last - first).days + 1
    margin = timedelta(days=0.5 + 0.01 * n_days)
    axes.set_xlim(first - margin, last + margin)  # type: ignore[arg-type]
    axes.xaxis.set_major_locator(mpl.dates.DayLocator(interval=-(-n_days // 8)))
    axes.xaxis.set_major_formatter(mpl.dates.DateFormatter("%m-%d"))


def points(axes: Axes, name: str, x: Any, y: Any, **style: Any) -> None:
    """Markers that the page's script can name: the n-th of them is the n-th of the page's list called `name`."""
    (line,) = axes.plot(x, y, linestyle="none", **style)
    line.set_gid(f"points-{name}")


def svg(figure: Figure, description: str) -> str:
    """The figure as inline SVG: text stays text, in both languages, and numbers are as short as the eye can tell."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")  # the reader's browser has the letters of any name
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<!--.*?-->\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group()), drawn)
    drawn = re.sub(r' id="(?!points-|[mp][0-9a-f]{8,}|image|C)[^"]*"', "", drawn)
    drawn = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r"<svg ", f'<svg role="img" aria-label="{escape(description)}" ', drawn, count=1)
    return re.sub(r"(<text[^>]*>)([^<]+)(</text>)", _translated, drawn)


def _translated(match: re.Match[str]) -> str:
    opening, text, closing = match.groups()
    label = unescape(text)
    return f"{opening}{bilingual(label, tag='tspan')}{closing}" if label in KOREAN else match.group()
