"""How often each item came in the last 60 days, and how long it took.

A session is what the platform calls one; where it names none, it is a student's UTC day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.days import day_bounds
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.rapid_guesses import find_rapid_guesses
from seedtest_assets.tables_on_demand import narrowed

EXPOSURE_DAYS = 60
WEEK = 7
ANSWER_COLUMNS = ("student_id", "item_id", "session_id", "completed_at", "response_time_ms")
_COUNTS = ["n_60", "n_7"]
_MICROSECONDS_OF_A_DAY = 86_400_000_000


def exposure_of_items(day: date, parts: Sequence[pa.Table]) -> pd.DataFrame:
    """Compute item_id, exposure_7_days, exposure_60_days (shares of sessions) and median_time_ms.

    parts: ANSWER_COLUMNS of the 60 days that end with `day`, no student in two of them. A session may be of students in several parts.
    """
    items, named, n_60, n_7 = [], [], 0, 0
    for part in _sessions_of_parts(day, parts):
        items.append(part.counts_of_items(np.ones(len(part.item), bool)))
        named.append(part.named_sessions())
        n_60 += part.n_sessions() - len(named[-1])
        n_7 += part.n_sessions(in_week=True) - int(named[-1].sum())
    known = pd.concat(named)
    once = known.groupby(level=0).max()
    n_60, n_7 = n_60 + len(once), n_7 + int(once.sum())
    if len(once) < len(known):
        shared = known.index[known.index.duplicated()].to_numpy()
        items.append(_counted_again(day, parts, shared))
    counts = pd.concat(items).groupby(level=0)[_COUNTS].sum()
    times = find_rapid_guesses(narrowed(parts, ("item_id", "response_time_ms")))
    medians = pd.Series(times.medians, times.item_ids.to_pylist(), dtype=float)
    shares = pd.DataFrame(
        {
            "exposure_7_days": counts["n_7"] / n_7 if n_7 else np.nan,
            "exposure_60_days": counts["n_60"] / n_60 if n_60 else np.nan,
            "median_time_ms": medians.reindex(counts.index),
        }
    )
    return shares.rename_axis("item_id").reset_index()


@dataclass(frozen=True, kw_only=True)
class _ItemSessions:
    """The sessions in which items came, each item and session once, by session: codes, int64 [n], and whether in the last 7 days.

    item_ids: of the items' codes. names: hashes of the sessions that have a name, whose codes come first.
    """

    item: np.ndarray
    session: np.ndarray
    in_week: np.ndarray
    item_ids: pa.Array
    names: np.ndarray

    def counts_of_items(self, chosen: np.ndarray) -> pd.DataFrame:
        """Count the chosen sessions of each item that has any: _COUNTS by id of the item. chosen: bool [n]."""
        n_60, n_7 = (
            np.bincount(self.item[rows], minlength=len(self.item_ids)) for rows in (chosen, chosen & self.in_week)
        )
        return pd.DataFrame({"n_60": n_60, "n_7": n_7}, self.item_ids.to_pylist())[n_60 > 0]

    def n_sessions(self, *, in_week: bool = False) -> int:
        """Count the sessions, or those in the last 7 days."""
        session = self.session[self.in_week] if in_week else self.session
        return int((session[1:] != session[:-1]).sum()) + bool(len(session))

    def named_sessions(self) -> pd.Series:
        """Tell which sessions with a name were in the last 7 days, by hash."""
        named = self.session < len(self.names)
        seen, in_week = np.zeros((2, len(self.names)), bool)
        seen[self.session[named]] = True
        in_week[self.session[named & self.in_week]] = True
        return pd.Series(in_week[seen], self.names[seen])


def _sessions_of_parts(day: date, parts: Sequence[pa.Table]) -> Iterator[_ItemSessions]:
    week = day_bounds(day - timedelta(days=WEEK - 1))[0]
    for part in parts:
        item, session = dictionary_of(part["item_id"]), dictionary_of(part["session_id"])
        microseconds = part["completed_at"].cast(pa.int64()).to_numpy()
        code = _codes_of_sessions(part, session, microseconds)
        in_week = microseconds >= pa.scalar(week, pa.timestamp("us", tz="UTC")).cast(pa.int64()).as_py()
        n_items = max(len(item.dictionary), 1)
        key = np.sort((code * n_items + item.indices.to_numpy()) * 2 + in_week)
        pair = key >> 1
        last = np.append(pair[1:] != pair[:-1], np.ones(min(len(pair), 1), bool))
        yield _ItemSessions(
            item=pair[last] % n_items,
            session=pair[last] // n_items,
            in_week=(key[last] & 1).astype(bool),
            item_ids=item.dictionary,
            names=np.array([hash(name) for name in session.dictionary.to_pylist()], np.int64),
        )


def _codes_of_sessions(part: pa.Table, session: pa.DictionaryArray, microseconds: np.ndarray) -> np.ndarray:
    """Number the sessions of answers, int64 [n]: those with a name by it, and then the days of each student."""
    student = dictionary_of(part["student_id"]).indices.to_numpy().astype(np.int64)
    of_day = microseconds // _MICROSECONDS_OF_A_DAY
    first, last = of_day.min(initial=0), of_day.max(initial=0)
    unnamed = len(session.dictionary) + student * (last - first + 1) + of_day - first
    if session.null_count == len(session):
        return unnamed
    return np.where(session.is_valid(), session.indices.fill_null(0).to_numpy(), unnamed)


def _counted_again(day: date, parts: Sequence[pa.Table], shared: np.ndarray) -> pd.DataFrame:
    """Give what the counts of items have to change for sessions that came in several parts, and were counted in each.

    shared: hashes of these.
    """
    rows = []
    for part in _sessions_of_parts(day, parts):
        here = np.flatnonzero(part.session < len(part.names))
        here = here[np.isin(part.names[part.session[here]], shared)]
        ids = part.item_ids.take(pa.array(part.item[here])).to_pandas()
        names = part.names[part.session[here]]
        rows.append(pd.DataFrame({"item_id": ids, "session": names, "in_week": part.in_week[here]}))
    in_parts = pd.concat(rows)
    once = in_parts.groupby(["item_id", "session"])["in_week"].max().reset_index()
    changes = [
        sign * of.groupby("item_id")["in_week"].agg(n_60="size", n_7="sum") for sign, of in ((1, once), (-1, in_parts))
    ]
    return pd.concat(changes)
