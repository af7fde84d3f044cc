"""Read the results of another job from the platform's tables, for comparison."""

from typing import Any

import pandas as pd
import sqlalchemy as sa

from seedtest_assets.errors import InputError
from seedtest_assets.irt.models import POLYTOMOUS_MODELS
from seedtest_assets.item_steps import steps_of
from seedtest_assets.storage.database import Database

_ITEMS = """
SELECT item_id::text AS item_id, (params ->> 'a')::float8 AS a, (params ->> 'b')::float8 AS b,
       coalesce((params ->> 'c')::float8, 0) AS c, upper(to_jsonb(published) ->> 'model') AS model, params, fitted_at
FROM mirt_item_params AS published WHERE version = :version AND params ->> 'a' IS NOT NULL AND params ->> 'b' IS NOT NULL
"""
_ABILITIES = """
SELECT user_id::text AS student_id, theta::float8 AS theta, fitted_at FROM mirt_ability WHERE version = :version
"""


def published_items(database: Database, version: str) -> pd.DataFrame:
    """Read item_id, model, a, b, c, steps, fitted_at of a published version; steps of the models of partial credit only.

    Raises InputError where b_1, b_2, ... of an item are no numbers.
    """
    items = _frame(database, _ITEMS, version, "mirt_item_params")
    return items.assign(steps=[*map(_steps, items["item_id"], items["model"], items["params"])]).drop(columns="params")


def published_abilities(database: Database, version: str) -> pd.DataFrame:
    """Read student_id, theta, fitted_at of a published version."""
    return _frame(database, _ABILITIES, version, "mirt_ability")


def _steps(item_id: str, model: str | None, params: dict[str, Any]) -> list[float | None] | None:
    try:
        return steps_of(params) if model in POLYTOMOUS_MODELS else None
    except (TypeError, ValueError):
        raise InputError(
            f"params of item {item_id} in mirt_item_params has a b_1, b_2, ... that is no number"
        ) from None


def _frame(database: Database, statement: str, version: str, table: str) -> pd.DataFrame:
    with database.transaction() as connection:
        result = connection.execute(sa.text(statement), {"version": version})
        frame = pd.DataFrame(result.all(), columns=list(result.keys()))
    if not len(frame):
        raise InputError(f"{table} has no results of version {version} to compare with")
    return frame.assign(fitted_at=pd.to_datetime(frame["fitted_at"], utc=True))
