"""Small pictures as PNG bytes, for the Dagster UI and the report. Colours are safe for the colour-blind (Okabe-Ito)."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.report.one_at_a_time import one_at_a_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
LEFT, RIGHT, BOTTOM, TOP = 0.78, 0.22, 0.48, 0.2
"""Margins in inches, with room for the axis labels."""


@one_at_a_time
def item_map(difficulty: ArrayLike, theta: ArrayLike) -> bytes:
    """Difficulties of the items against the abilities of the students, on one scale."""
    theta, difficulty = np.asarray(theta, float), np.asarray(difficulty, float)
    figure, axes = _figure()
    bins = np.linspace(-4, 4, 41).tolist()
    axes.hist(
        np.clip(theta, -4, 4),
        bins,
        histtype="stepfilled",
        weights=np.full(len(theta), 1 / max(1, len(theta))),
        color=BLUE,
        alpha=0.7,
        label="students",
    )
    axes.hist(
        np.clip(difficulty, -4, 4),
        bins,
        histtype="stepfilled",
        weights=np.full(len(difficulty), -1 / max(1, len(difficulty))),
        color=ORANGE,
        alpha=0.8,
        label="items",
    )
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlabel="ability, difficulty", yticks=[])
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


@one_at_a_time
def histogram(values: ArrayLike, what: str, of_what: str) -> bytes:
    """Distribution of a number over what it was counted of; unknown ones are left out."""
    values = np.asarray(values, float)
    figure, axes = _figure()
    axes.hist(values[np.isfinite(values)], bins=40, histtype="stepfilled", color=BLUE)
    axes.set(xlabel=what, ylabel=of_what)
    return _png(figure)


@one_at_a_time
def history(values: Sequence[float], label: str, limits: Sequence[float] = ()) -> bytes:
    """A number over the last partitions, oldest first; the newest is marked. limits: what it is held against, dashed.

    A value that is not finite leaves a gap: the picture of a bad night must not fail.
    """
    figure, axes = _figure(height=1.6, bottom=0.1)
    for limit in limits:
        axes.axhline(limit, color=ORANGE, linewidth=0.8, linestyle="--")
    axes.plot(values, color=GREY, marker="o", markersize=3)
    axes.plot(len(values) - 1, values[-1], marker="o", color=ORANGE)
    known = [value for value in (*values, *limits, 0.0) if np.isfinite(value)]
    low, high = min(known), max(known)
    room = 0.07 * (high - low) or 1.0
    axes.set(ylabel=label, xticks=[], ylim=(low - room * (low < 0), high + room))
    return _png(figure)


@one_at_a_time
def reliability_curve(predicted: Sequence[float], observed: Sequence[float]) -> bytes:
    """Draw the observed share of correct answers against the predicted share; on the diagonal the prediction is calibrated."""
    figure, axes = _figure(width=2.6, height=2.4)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    axes.plot(predicted, observed, color=BLUE, marker="o", markersize=3)
    axes.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(0, 1))
    return _png(figure)


def _figure(width: float = 4.2, height: float = 2.2, bottom: float = BOTTOM) -> "tuple[Figure, Axes]":
    # Here, because every process of Dagster loads this module, and few of them draw: matplotlib takes half a second.
    from matplotlib.figure import Figure

    # Fixed margins: a layout engine would draw every picture twice, and a night makes dozens.
    figure = Figure(figsize=(width, height))
    size = 1 - (LEFT + RIGHT) / width, 1 - (bottom + TOP) / height
    axes = figure.add_axes((LEFT / width, bottom / height, *size))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
