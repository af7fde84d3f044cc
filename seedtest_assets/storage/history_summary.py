"""What history has, in a few rows: read without pandas and Arrow, which take longer to load than this takes."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from seedtest_assets.storage.database import Database
from seedtest_assets.storage.published_tables import PUBLISHED


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """The newest day of a published table's history, None where it has none, and that day's rows."""

    name: str
    newest: date | None
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A row of fit_history."""

    day: date
    run_id: str
    fitted_at: datetime
    model_spec: dict[str, Any]
    metrics: dict[str, Any]


def history_summary(database: Database) -> list[TableSummary]:
    """Summarise the history of every published table."""
    summary = []
    for published in PUBLISHED.values():
        table = published.history
        ((newest, count),) = _rows(
            database,
            f"SELECT newest, (SELECT count(*) FROM {table} WHERE partition_date = newest) "
            f"FROM (SELECT max(partition_date) AS newest FROM {table}) AS days",
        )
        summary.append(TableSummary(name=published.name, newest=newest, n_rows=count))
    return summary


def newest_fit(database: Database) -> Fit | None:
    """Read the calibration that was made last."""
    rows = _rows(
        database,
        "SELECT partition_date, run_id, fitted_at, model_spec, metrics FROM fit_history ORDER BY fitted_at DESC LIMIT 1",
    )
    for day, run_id, fitted_at, model_spec, metrics in rows:
        return Fit(day=day, run_id=run_id, fitted_at=fitted_at, model_spec=model_spec, metrics=metrics)
    return None


def days_fitted(database: Database, first: date) -> dict[date, datetime]:
    """Give when each day from `first` on was calibrated."""
    statement = "SELECT partition_date, fitted_at FROM fit_history WHERE partition_date >= :first"
    return {row[0]: row[1] for row in _rows(database, statement, first=first)}


def _rows(database: Database, statement: str, **parameters: Any) -> list[sa.Row[Any]]:
    with database.transaction() as connection:
        return list(connection.execute(sa.text(statement), parameters).all())
