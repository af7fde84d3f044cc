"""Read the results of another job from the platform's tables, for comparison."""

import pandas as pd
import sqlalchemy as sa

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import Database

_ITEMS = """
SELECT item_id::text AS item_id, (params ->> 'a')::float8 AS a, (params ->> 'b')::float8 AS b,
       coalesce((params ->> 'c')::float8, 0) AS c, fitted_at
FROM mirt_item_params WHERE version = :version AND params ->> 'a' IS NOT NULL AND params ->> 'b' IS NOT NULL
"""
_ABILITIES = """
SELECT user_id::text AS student_id, theta::float8 AS theta, fitted_at FROM mirt_ability WHERE version = :version
"""


def published_items(database: Database, version: str) -> pd.DataFrame:
    """Read item_id, a, b, c, fitted_at of a published version."""
    return _frame(database, _ITEMS, version, "mirt_item_params")


def published_abilities(database: Database, version: str) -> pd.DataFrame:
    """Read student_id, theta, fitted_at of a published version."""
    return _frame(database, _ABILITIES, version, "mirt_ability")


def _frame(database: Database, statement: str, version: str, table: str) -> pd.DataFrame:
    with database.transaction() as connection:
        result = connection.execute(sa.text(statement), {"version": version})
        frame = pd.DataFrame(result.all(), columns=list(result.keys()))
    if not len(frame):
        raise InputError(f"{table} has no results of version {version} to compare with")
    return frame.assign(fitted_at=pd.to_datetime(frame["fitted_at"], utc=True))
