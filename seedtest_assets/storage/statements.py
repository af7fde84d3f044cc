"""Run one SQL text on either driver: publishing happens in a night's ADBC transaction and in a migration's SQLAlchemy one."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

Run = Callable[[str], Sequence[Sequence[Any]]]
"""Executes a statement without parameters and gives its rows."""


def on_cursor(cursor: Any) -> Run:
    """Run statements on an ADBC cursor, in its transaction."""

    def run(statement: str) -> Sequence[Sequence[Any]]:
        cursor.execute(statement)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows

    return run


def on_connection(connection: sa.Connection) -> Run:
    """Run statements on a SQLAlchemy connection, in its transaction."""

    def run(statement: str) -> Sequence[Sequence[Any]]:
        result = connection.execution_options(no_parameters=True).exec_driver_sql(statement)
        return result.all() if result.returns_rows else []

    return run


def literal(value: str | date | datetime | None) -> str:
    """Write a value as a SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'::timestamptz"
    if isinstance(value, date):
        return f"'{value.isoformat()}'::date"
    return "'" + value.replace("'", "''") + "'"


def identifier(*names: str) -> str:
    """Quote a name, or a schema's name and a table's."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
