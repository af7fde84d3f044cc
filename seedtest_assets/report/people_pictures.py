"""The report's pictures of students: the distribution of abilities and their standard errors."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seedtest_assets.report.data import ReportData
from seedtest_assets.report.drawing import BLUE, GREEN, INK, ORANGE, days_axis, panels, styled, svg

MIN_STUDENTS_IN_BIN = 5


def ability_distribution(data: ReportData) -> str:
    """The estimated abilities, and the distribution of the group that the model has."""
    theta = data.abilities["theta"].to_numpy(float)
    mean, sd = _group(data)
    low, high = min(theta.min(), mean - 3 * sd), max(theta.max(), mean + 3 * sd)
    bins = np.linspace(low, high, 51)
    with styled():
        figure, (left, right) = panels(1, 2, 3.6)
        left.hist(theta, bins, color=BLUE, alpha=0.85, label="estimated abilities")
        scale = np.linspace(low, high, 121)
        density = np.exp(-0.5 * ((scale - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        left.plot(
            scale, density * len(theta) * (bins[1] - bins[0]), color=ORANGE, linestyle="--", label="group in the model"
        )
        left.set(xlabel="ability", ylabel="students")
        left.set_ylim(0, left.get_ylim()[1] * 1.18)
        left.legend(loc="upper left", ncols=2)
        _precision(right, data, mean, sd)
        return svg(figure, "Distribution of abilities, and their standard errors by ability")


def person_fit(data: ReportData) -> str:
    """Draw lz* of the day's students against N(0, 1), and the share of aberrant patterns of the last days."""
    lz_star = data.person_fit["lz_star"].dropna().to_numpy(float)
    bins = np.linspace(-5, 4, 46)
    day = pd.to_datetime(data.aberrant["partition_date"])
    with styled():
        figure, (left, right) = panels(1, 2, 3.4)
        left.hist(np.clip(lz_star, bins[0], bins[-1]), bins, color=BLUE, alpha=0.85, label="students of the day")
        density = np.exp(-0.5 * bins**2) / np.sqrt(2 * np.pi)
        left.plot(bins, density * len(lz_star) * (bins[1] - bins[0]), color=ORANGE, linestyle="--", label="N(0, 1)")
        left.axvline(-1.645, color=INK, linewidth=0.8, linestyle=":")
        left.set(xlabel="lz*", ylabel="students")
        left.legend(loc="upper left")
        right.plot(day, data.aberrant["share"].to_numpy(float), "o-", color=BLUE, markersize=4, linewidth=1)
        right.axhline(0.05, color=ORANGE, linestyle="--", label="expected where the model fits")
        right.set(ylabel="share below -1.645", ylim=(0, None))
        right.set_ylim(0, max(0.1, right.get_ylim()[1] * 1.2))
        days_axis(right, day.iloc[0], day.iloc[-1])
        right.legend(loc="upper left")
        return svg(figure, "Person fit of the day's students, and the share of aberrant patterns of answers over time")


def _precision(axes: Axes, data: ReportData, mean: float, sd: float) -> None:
    """Standard errors by ability: the middle student, and the middle 80%."""
    theta, se = data.abilities["theta"].to_numpy(float), data.abilities["se"].to_numpy(float)
    low, high = np.quantile(theta, [0.002, 0.998])
    edges = np.linspace(low, high, 25)
    place = np.digitize(theta, edges[1:-1])
    middle = (edges[:-1] + edges[1:]) / 2
    band = np.full((3, len(middle)), np.nan)
    for bin_ in range(len(middle)):
        inside = se[place == bin_]
        if len(inside) >= MIN_STUDENTS_IN_BIN:
            band[:, bin_] = np.quantile(inside, [0.1, 0.5, 0.9])
    axes.fill_between(middle, band[0], band[2], color=BLUE, alpha=0.2, linewidth=0, label="middle 80% of students")
    axes.plot(middle, band[1], color=BLUE, marker="o", markersize=3, label="median student")
    for reliability, color, line in ((0.7, ORANGE, ":"), (0.9, GREEN, "--")):
        # A student's reliability is 1 - se^2 / sd^2 of the group.
        axes.axhline(sd * np.sqrt(1 - reliability), color=color, linestyle=line, label=f"reliability {reliability:g}")
    axes.set(xlabel="ability", ylabel="standard error", ylim=(0, None))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper center", ncols=2)
    axes.tick_params(labelcolor=INK)


def _group(data: ReportData) -> tuple[float, float]:
    return float(data.model_spec.get("group_mean") or 0.0), float(data.model_spec.get("group_sd") or 1.0)
