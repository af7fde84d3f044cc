"""The report's table of every item, fitted or left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import screened_out
from seedtest_assets.irt.remarks import REVERSED, UNDETERMINED
from seedtest_assets.item_steps import kinds_of, parameters_by_position
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.findings import LOW_DISCRIMINATION, MISFIT, MOVED
from seedtest_assets.report.item_curves import ItemCurves, places
from seedtest_assets.score_categories import SCORED_COLUMNS
from seedtest_assets.tables_on_demand import narrowed
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


OF_PARTIAL_CREDIT = ("model", "steps")
"""Columns that a bank without partial credit does not need."""


def table_columns(partial_credit: bool) -> list[Column]:
    """List the table's columns. partial_credit: whether a fitted item has partial credit."""
    share = "share of points" if partial_credit else "correct"
    columns = [
        Column("item", False),
        Column("topic", False),
        Column("model", False),
        *map(
            Column, ("a", "SE a", "b", "SE b", "steps", "c", "answers", share, "RMSD", "infit", "outfit", "change of b")
        ),
        Column("notes", False),
    ]
    return [column for column in columns if partial_credit or column.title not in OF_PARTIAL_CREDIT]


def change_since(items: pd.DataFrame, previous: pd.DataFrame) -> np.ndarray:
    """Change of b against the partition before, float64 [n_items]; NaN for an item that it did not have, or with other scores."""
    kinds = dict(zip(items["item_id"], kinds_of(items), strict=True))
    previous = previous[kinds_of(previous) == previous["item_id"].map(kinds).to_numpy(object)]
    before = previous.set_index("item_id")["b"].reindex(items["item_id"]).to_numpy(float)
    return items["b"].to_numpy(float) - before


def left_out_items(data: ReportData) -> pd.DataFrame:
    """Items with answers but no parameters: item_id, n_answers, share_correct (of all their answers; with scores, of the points)."""
    of_parts = []
    for part in narrowed(data.parts, SCORED_COLUMNS):
        left_out = part.filter(pa.array(places(part["item_id"], data.items["item_id"]) < 0))
        answers = pd.DataFrame({"item_id": left_out["item_id"].to_pandas().astype("str"), "correct": _shares(left_out)})
        of_parts.append(answers.groupby("item_id")["correct"].agg(["size", "sum"]))
    counted = pd.concat(of_parts).groupby("item_id").sum()
    counted["share_correct"] = counted["sum"] / counted["size"]
    return counted.reset_index().rename(columns={"size": "n_answers"})[["item_id", "n_answers", "share_correct"]]


def _shares(answers: pa.Table) -> np.ndarray:
    """Share of its points that each answer earns, float64 [n]: 0 or 1 where it has no score."""
    correct = answers["correct"].to_numpy().astype(float)
    if not {"score", "max_score"} <= set(answers.column_names):
        return correct
    score, highest = (answers[name].to_numpy().astype(float) for name in ("score", "max_score"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((highest > 0) & ~np.isnan(score), score / highest, correct)


def item_rows(data: ReportData, curves: ItemCurves, left_out: pd.DataFrame, change_b: np.ndarray) -> list[Row]:
    """A row for every item, fitted or left out, in the order of their names; cells: those of table_columns but the notes."""
    topics = topic_of_items(data)
    screened = screened_out(data.model_spec)
    parameters = parameters_by_position(data.items)
    titles = [column.title for column in table_columns(bool(parameters.polytomous.any()))][:-1]
    rows = []
    for place, item in enumerate(data.items.itertuples(index=False)):
        scored = bool(parameters.polytomous[place])
        cells = {
            "item": str(item.item_id),
            "topic": topics.get(item.item_id, ""),
            "model": str(parameters.model[place] if scored else data.model_spec["model"]),
            "a": number(item.a),
            "SE a": number(item.se_a),
            "b": number(item.b),
            "SE b": number(item.se_b),
            "steps": _steps(parameters.steps[place]) if scored else "–",
            "c": number(item.c) if item.c else "–",
            "answers": f"{item.n_responses:,}",
            "correct": number(curves.share_correct[place], 2),
            "share of points": number(curves.share_correct[place], 2),
            "RMSD": number(curves.misfit[place]),
            "infit": number(curves.infit[place], 2),
            "outfit": number(curves.outfit[place], 2),
            "change of b": number(change_b[place], signed=True),
        }
        flags = list(_flags(item, curves.misfit[place], change_b[place], item.item_id in screened))
        rows.append(Row([cells[title] for title in titles], flags))
    for item in left_out.itertuples(index=False):
        cells = {
            "item": str(item.item_id),
            "topic": topics.get(item.item_id, ""),
            "answers": f"{item.n_answers:,}",
            "correct": number(item.share_correct, 2),
            "share of points": number(item.share_correct, 2),
        }
        rows.append(Row([cells.get(title, "–") for title in titles], ["left out"]))
    return sorted(rows, key=lambda row: _natural(row.cells[0]))


def _steps(steps: np.ndarray) -> str:
    """Write b_1, b_2, …: −∞ for a step that everybody passes, a dash for a score that nobody has."""
    last = int(np.flatnonzero(np.isfinite(steps)).max()) + 1
    return ", ".join("−∞" if np.isneginf(step) else number(step, 2) for step in steps[:last])


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
