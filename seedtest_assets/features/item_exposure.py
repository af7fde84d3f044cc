"""How often each item came in the last 60 days, and how long it took."""

from collections.abc import Sequence
from datetime import date, timedelta
from importlib.resources import files

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.days import day_bounds
from seedtest_assets.medians import grouped_medians
from seedtest_assets.rapid_guesses import TimedAnswers
from seedtest_assets.tables_on_demand import narrowed

EXPOSURE_DAYS = 60
WEEK = 7
ANSWER_COLUMNS = ("student_id", "item_id", "session_id", "completed_at", "response_time_ms")
_COUNTS = ["n_60", "n_7"]


def exposure_of_items(day: date, parts: Sequence[pa.Table]) -> pd.DataFrame:
    """Compute item_id, exposure_7_days, exposure_60_days (shares of sessions) and median_time_ms.

    parts: ANSWER_COLUMNS of the 60 days that end with `day`, no student in two of them. A session may be of students in several parts.
    """
    week = day_bounds(day - timedelta(days=WEEK - 1))[0]
    statement = files("seedtest_assets.features").joinpath("item_exposure.sql").read_text(encoding="utf-8")
    items, sessions = [], []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for part in parts:
            _use(connection, statement, part, week)
            items.append(connection.sql(_OF_ITEMS).df())
            sessions.append(connection.sql(_OF_SESSIONS).df())
        known = pd.concat(sessions).groupby("session")["in_week"].agg(["size", "max"])
        shared = known.index[known["size"] > 1]
        if len(shared):
            items.append(_counted_again(connection, statement, parts, week, shared))
    counts = pd.concat(items).groupby("item_id")[_COUNTS].sum()
    n_60, n_7 = len(known), int(known["max"].sum())
    shares = pd.DataFrame(
        {
            "exposure_7_days": counts["n_7"] / n_7 if n_7 else np.nan,
            "exposure_60_days": counts["n_60"] / n_60 if n_60 else np.nan,
            "median_time_ms": _median_times(parts).reindex(counts.index),
        }
    )
    return shares.reset_index()


_OF_ITEMS = (
    "SELECT item_id, count(*) AS n_60, count(*) FILTER (WHERE in_week) AS n_7 FROM item_session GROUP BY item_id"
)
_OF_SESSIONS = "SELECT session, bool_or(in_week) AS in_week FROM item_session GROUP BY session"
_OF_SHARED = "SELECT item_id, session, in_week FROM item_session SEMI JOIN shared USING (session)"


def _use(connection: duckdb.DuckDBPyConnection, statement: str, part: pa.Table, week: object) -> None:
    connection.register("answers", part)
    connection.execute(statement, {"week": week})
    connection.unregister("answers")


def _counted_again(
    connection: duckdb.DuckDBPyConnection, statement: str, parts: Sequence[pa.Table], week: object, shared: pd.Index
) -> pd.DataFrame:
    """Give what the counts of items have to change for sessions that came in several parts, and were counted in each."""
    connection.register("shared", pd.DataFrame({"session": shared}))
    rows = []
    for part in parts:
        _use(connection, statement, part, week)
        rows.append(connection.sql(_OF_SHARED).df())
    in_parts = pd.concat(rows)
    once = in_parts.groupby(["item_id", "session"])["in_week"].max().reset_index()
    changes = [
        sign * of.groupby("item_id")["in_week"].agg(n_60="size", n_7="sum") for sign, of in ((1, once), (-1, in_parts))
    ]
    return pd.concat(changes).reset_index()


def _median_times(parts: Sequence[pa.Table]) -> pd.Series:
    answers = TimedAnswers(narrowed(parts, ("item_id", "response_time_ms")))
    medians, _ = grouped_medians(answers)
    return pd.Series(medians, answers.item_ids.to_pylist()[: len(medians)], dtype=float)
