"""The report's pictures over time: the scale from night to night, the answers day by day, the runs."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    days_axis,
    panels,
    styled,
    svg,
)
from seedtest_assets.tables_on_demand import narrowed

PER_DAY = ["day", "answers", "items", "students"]
SECONDS_OF_A_DAY = 86_400


def scale_over_time(data: ReportData) -> str:
    """Linking constants, what they rest on, and the reliability, night by night."""
    history = data.history
    day = pd.to_datetime(history["partition_date"])
    by_anchors = (history["linked_to"] == "anchors").to_numpy()
    with styled():
        figure, grid = panels(2, 2, 5.0, gaps=(0.75, 0.5), margins=(0.3, 0.35), sharex=True)
        for axes, column, title in (
            (grid[0, 0], "A", "slope A"),
            (grid[0, 1], "B", "intercept B"),
            (grid[1, 0], "n_anchors_used", "linking items used"),
            (grid[1, 1], "reliability", "reliability"),
        ):
            values = _of_blocks(history[column])
            color = GREEN if column == "reliability" else BLUE
            axes.plot(day, values, color=color, linewidth=1, alpha=0.6)
            axes.plot([], [], "o", color=color, markersize=4.5, label="linked to anchors")
            axes.plot(day[by_anchors], values[by_anchors], "o", color=color, markersize=4.5)
            other = ~by_anchors
            hollow = {"color": color, "markersize": 5, "markerfacecolor": "white"}
            axes.plot([], [], "o", **hollow, label="linked to the previous calibration, or not linked")
            axes.plot(day[other], values[other], "o", **hollow)
            axes.set_title(title)
            axes.margins(y=0.25)
            if column == "reliability":
                axes.set_ylim(max(0.0, np.nanmin(values) - 0.05) if np.isfinite(values).any() else 0, 1)
            if column == "n_anchors_used":
                axes.set_ylim(0, (np.nanmax(values) if np.isfinite(values).any() else 1) * 1.25 + 1)
                axes.yaxis.get_major_locator().set_params(integer=True)
        for axes in grid[1]:
            days_axis(axes, day.iloc[0], day.iloc[-1])
        grid[1, 0].legend(loc="lower left")
        return svg(figure, "Linking constants, items used to link and reliability over the last partitions")


def _of_blocks(values: pd.Series) -> np.ndarray:
    """Lay out a number of each day, or one of each block of items, as float64 [n_days, most blocks of a day]."""
    return pd.DataFrame([dict(enumerate(np.atleast_1d(value))) for value in values]).to_numpy(float)


def answers_per_day(data: ReportData) -> pd.DataFrame:
    """PER_DAY of every day of the window, zeros where nobody answered."""
    days = pd.date_range(data.first, data.last)
    first = int(days[0].timestamp()) // SECONDS_OF_A_DAY
    counted = pd.DataFrame(0, days, PER_DAY[1:])
    items_of_days: list[set[str]] = [set() for _ in days]
    for part in narrowed(data.parts, ("student_id", "item_id", "completed_at")):
        day = pc.cast(pc.cast(part["completed_at"], pa.date32()), pa.int32()).to_numpy() - first
        inside = (day >= 0) & (day < len(days))
        if not inside.all():
            day, part = day[inside], part.filter(pa.array(inside))
        counted["answers"] += np.bincount(day, minlength=len(days))
        counted["students"] += _who_came(day, part["student_id"], len(days))[1].sum(axis=1)  # in no other part
        items, came = _who_came(day, part["item_id"], len(days))
        for of_day, here in zip(items_of_days, came, strict=True):
            of_day.update(items[here])
    counted["items"] = [len(items) for items in items_of_days]
    return counted.rename_axis("day").reset_index()[PER_DAY]


def _who_came(day: np.ndarray, ids: pa.ChunkedArray, n_days: int) -> tuple[np.ndarray, np.ndarray]:
    """List the ids, object [n], and tell on which days each came, bool [n_days, n]."""
    encoded = dictionary_of(ids)
    came = np.zeros((n_days, len(encoded.dictionary)), bool)
    came[day, encoded.indices.to_numpy()] = True
    return np.asarray(encoded.dictionary, object), came


def answers_and_items(data: ReportData, per_day: pd.DataFrame) -> str:
    """Answers, items and students of every day of the window; the days that the lake lacks are shaded."""
    with styled():
        figure, (above, below) = panels(2, 1, 4.2, gaps=(0, 0.25), ratios=[1.4, 1], margins=(0.15, 0.35), sharex=True)
        weekend = per_day["day"].dt.day_of_week.to_numpy() >= 5
        above.bar(per_day["day"], per_day["answers"], width=0.85, color=np.where(weekend, "#6fb3d9", BLUE))
        above.set(ylabel="answers")
        above.yaxis.set_major_formatter("{x:,.0f}")
        known = per_day.mask(per_day["day"].isin(pd.to_datetime(data.missing)))
        below.plot(per_day["day"], known["items"], color=ORANGE, label="items")
        below.plot(per_day["day"], known["students"], color=GREEN, linestyle="--", label="students")
        below.set(ylabel="items, students", ylim=(0, None))
        below.set_ylim(0, below.get_ylim()[1] * 1.35)
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.legend(loc="upper left", ncols=2)
        half = timedelta(hours=12)
        for axes in (above, below):
            for missing in data.missing:
                moment = pd.Timestamp(missing)
                axes.axvspan(moment - half, moment + half, color=PALE, zorder=0, linewidth=0)
        days_axis(below, pd.Timestamp(data.first), pd.Timestamp(data.last))
        return svg(figure, "Answers, items and students per day")


def runs_over_time(data: ReportData) -> str:
    """How long calibrating runs took, how they ended, and what had to be tried again."""
    runs = pd.DataFrame(
        [(run.started_at, run.seconds, run.status, run.retries, run.service_timeouts) for run in data.runs],
        columns=["started_at", "seconds", "status", "retries", "timeouts"],
    )
    at = pd.to_datetime(runs["started_at"], utc=True).dt.tz_localize(None)
    order = np.arange(len(runs))
    with styled():
        figure, (above, below) = panels(2, 1, 4.2, gaps=(0, 0.25), ratios=[1.5, 1], margins=(0.15, 0.35), sharex=True)
        minutes = runs["seconds"] / 60
        above.vlines(order, 0, minutes, color=PALE, linewidth=2)
        for status, label, style in (
            ("SUCCESS", "succeeded", {"marker": "o", "color": BLUE, "markersize": 5}),
            ("FAILURE", "failed", {"marker": "X", "color": ORANGE, "markersize": 8}),
            (
                "OTHER",
                "running or cancelled",
                {"marker": "s", "color": GREY, "markersize": 5, "markerfacecolor": "white"},
            ),
        ):
            of = (runs["status"] == status) if status != "OTHER" else ~runs["status"].isin(["SUCCESS", "FAILURE"])
            if of.any():
                above.plot(order[of], minutes[of], linestyle="none", label=label, **style)
        above.set(ylabel="minutes", ylim=(0, None))
        above.set_ylim(0, above.get_ylim()[1] * 1.25)
        above.legend(loc="upper left", ncols=3)
        below.bar(order - 0.19, runs["retries"], width=0.36, color=PURPLE, label="retries")
        below.bar(order + 0.19, runs["timeouts"], width=0.36, color=INK, label="service time-outs")
        below.set(ylabel="times")
        below.set_ylim(0, max(2, below.get_ylim()[1] * 1.4))
        below.yaxis.get_major_locator().set_params(integer=True)
        below.legend(loc="upper left", ncols=2)
        step = max(1, len(runs) // 10)
        below.set_xticks(
            order[::-1][::step][::-1], [moment.strftime("%m-%d %H:%M") for moment in at[::-1][::step][::-1]]
        )
        below.set_xlim(-0.8, max(len(runs), 8) - 0.2)
        return svg(figure, "Run durations, retries and service time-outs")
