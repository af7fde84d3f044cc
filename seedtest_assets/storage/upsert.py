"""Upserts from history into the published tables: SQL for the columns and types that are there."""

from dataclasses import dataclass
from datetime import date

from seedtest_assets.storage.published_tables import FoundTable, PublishedTable
from seedtest_assets.storage.statements import identifier, literal


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which rows of history are published.

    day: the rows of this day. after, until: also, of what changed on a day after the one and until the other, the newest
    row that is not newer than `day`; so that what readers see is as it was, or would have been, after that day's night.
    """

    day: date
    after: date | None = None
    until: date | None = None


def upsert(target: FoundTable, rows: Rows, version: str) -> str:
    """Give SQL that writes rows of history into a published table, in the order of its key: two writers cannot deadlock."""
    table = target.table
    values = [_value(target, name, version) for name in target.written]
    names = [identifier(name) for name in target.written]
    updates = [f"{name} = excluded.{name}" for name in names[len(table.key) :]]
    return f"""
        INSERT INTO {target.qualified} ({", ".join(names)})
        SELECT {", ".join(values)}
        FROM ({rows_of_history(table, rows)}) AS history
        ORDER BY {", ".join(str(position) for position in range(1, len(table.key) + 1))}
        ON CONFLICT ({", ".join(names[: len(table.key)])}) DO UPDATE SET {", ".join(updates)}"""


def rows_of_history(table: PublishedTable, rows: Rows) -> str:
    """Give SQL that selects the rows of a history table that are published."""
    history, day = table.history, literal(rows.day)
    of_the_day = f"SELECT * FROM {history} WHERE partition_date = {day}"
    if rows.after is None or rows.until is None:
        return of_the_day
    keys = ", ".join(table.history_key)
    same = " AND ".join(f"{history}.{key} = changed.{key}" for key in table.history_key)
    # An index look-up for each key that the day lacks: sorting all of history would grow with its days.
    return f"""
        {of_the_day}
        UNION ALL
        SELECT newest.* FROM (
            SELECT {keys} FROM {history}
            WHERE partition_date > {literal(rows.after)} AND partition_date <= {literal(rows.until)}
            EXCEPT
            SELECT {keys} FROM {history} WHERE partition_date = {day}
        ) AS changed
        CROSS JOIN LATERAL (
            SELECT * FROM {history} WHERE {same} AND partition_date <= {day} ORDER BY partition_date DESC LIMIT 1
        ) AS newest"""


def _value(target: FoundTable, name: str, version: str) -> str:
    """Give an expression for a column, in the type that the column has; text is left to PostgreSQL, which refuses what is too long."""
    expression = target.table.columns[name].format(version=literal(version))
    kind = target.columns[name]
    return expression if kind.startswith(("text", "character")) else f"CAST({expression} AS {kind})"
