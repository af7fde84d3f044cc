"""The report's table of every item, fitted or left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets.calibration import screened_out
from seedtest_assets.irt.remarks import REVERSED, UNDETERMINED
from seedtest_assets.item_steps import kinds_of
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.findings import LOW_DISCRIMINATION, MISFIT, MOVED
from seedtest_assets.report.item_curves import ItemCurves, places
from seedtest_assets.topic_lists import topics_of

FEW = 30
"""Answers below which an item's parameters hardly mean more than their starting values."""
FLAGS = [
    "anchor",
    "screened out",
    "misfit",
    "key reversed?",
    "may not discriminate",
    "low discrimination",
    "moved",
    "few answers",
    "left out",
]


@dataclass(frozen=True)
class Column:
    """title: its key in the words; numeric: right-aligned and sorted by value."""

    title: str
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """cells: texts, the item and its topic first; flags: some of FLAGS."""

    cells: list[str]
    flags: list[str]


COLUMNS = [
    Column("item", False),
    Column("topic", False),
    *(
        Column(title)
        for title in ("a", "SE a", "b", "SE b", "c", "answers", "correct", "RMSD", "infit", "outfit", "change of b")
    ),
    Column("notes", False),
]


def change_since(items: pd.DataFrame, previous: pd.DataFrame) -> np.ndarray:
    """Change of b against the partition before, float64 [n_items]; NaN for an item that it did not have, or with other scores."""
    kinds = dict(zip(items["item_id"], kinds_of(items), strict=True))
    previous = previous[kinds_of(previous) == previous["item_id"].map(kinds).to_numpy(object)]
    before = previous.set_index("item_id")["b"].reindex(items["item_id"]).to_numpy(float)
    return items["b"].to_numpy(float) - before


def left_out_items(data: ReportData) -> pd.DataFrame:
    """Items with answers but no parameters: item_id, n_answers, share_correct (of all their answers)."""
    unknown = places(data.answers["item_id"], data.items["item_id"]) < 0
    answers = pd.DataFrame(
        {
            "item_id": data.answers["item_id"].to_pandas().astype("str")[unknown],
            "correct": data.answers["correct"].to_pandas().astype(float)[unknown],
        }
    )
    counted = answers.groupby("item_id")["correct"].agg(["size", "mean"]).reset_index()
    return counted.set_axis(["item_id", "n_answers", "share_correct"], axis=1)


def item_rows(data: ReportData, curves: ItemCurves, left_out: pd.DataFrame, change_b: np.ndarray) -> list[Row]:
    """A row for every item, fitted or left out, in the order of their names."""
    topics = topic_of_items(data)
    screened = screened_out(data.model_spec)
    fitted = [
        Row(
            [
                str(item.item_id),
                topics.get(item.item_id, ""),
                number(item.a),
                number(item.se_a),
                number(item.b),
                number(item.se_b),
                number(item.c) if item.c else "–",
                f"{item.n_responses:,}",
                number(curves.share_correct[place], 2),
                number(curves.misfit[place]),
                number(curves.infit[place], 2),
                number(curves.outfit[place], 2),
                number(change_b[place], signed=True),
            ],
            list(_flags(item, curves.misfit[place], change_b[place], item.item_id in screened)),
        )
        for place, item in enumerate(data.items.itertuples(index=False))
    ]
    others = [
        Row(
            [
                str(item.item_id),
                topics.get(item.item_id, ""),
                *["–"] * 5,
                f"{item.n_answers:,}",
                number(item.share_correct, 2),
                *["–"] * 4,
            ],
            ["left out"],
        )
        for item in left_out.itertuples(index=False)
    ]
    return sorted(fitted + others, key=lambda row: _natural(row.cells[0]))


def topic_of_items(data: ReportData) -> dict[Any, str]:
    """The topic of each item's newest answer."""
    table = pd.DataFrame({name: data.answers[name].to_pandas() for name in ("item_id", "topic_id")})
    newest = table.dropna().drop_duplicates("item_id", keep="last")
    topics = [", ".join(topics_of(text)) for text in newest["topic_id"].astype("str")]
    return dict(zip(newest["item_id"].astype("str"), topics, strict=True))


def _flags(item: Any, misfit: float, change_b: float, is_screened_out: bool) -> Iterator[str]:
    for flag, holds in (
        ("anchor", item.is_anchor),
        ("screened out", is_screened_out),
        ("misfit", misfit >= MISFIT),
        ("key reversed?", item.flag == REVERSED),
        ("may not discriminate", item.flag == UNDETERMINED),
        ("low discrimination", item.a < LOW_DISCRIMINATION),
        ("moved", abs(change_b) >= MOVED),
        ("few answers", item.n_responses < FEW),
    ):
        if holds:
            yield flag


def number(value: Any, digits: int = 3, *, signed: bool = False) -> str:
    """A value as a table shows it; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Item 9 before item 10."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]
