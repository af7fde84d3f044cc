"""Features of items from the platform's `question` table: its topic, and keys of `meta`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.topic_lists import topics_of
from seedtest_assets.usable_answers import BLANKS

TOPIC = "topic_id"
# As text, so that it is read alike by every driver.
_QUERY = """
SELECT id::text AS item_id, {topic} AS topic,
       (SELECT jsonb_object_agg(key, value)::text FROM jsonb_each({meta}) WHERE key = ANY (:names)) AS features
FROM question ORDER BY id
"""
_META = "CASE jsonb_typeof(meta) WHEN 'object' THEN meta END"


@dataclass(frozen=True, kw_only=True)
class ItemFeatures:
    """Features of the questions: item_id, and a column a feature of numbers, texts, lists of them, or None.

    warnings: features that no question has, or that cannot be used, a line each.
    """

    items: pd.DataFrame
    warnings: tuple[str, ...] = ()


def item_features(database: Database, names: Sequence[str]) -> ItemFeatures:
    """Read features of all questions; those that no question has are left out with a warning.

    Raises InputError where there is no table `question`, or its column `meta` is no jsonb.
    """
    with database.transaction() as connection:
        columns = columns_of(connection, "question")
        if "id" not in columns:
            raise InputError(
                "SEEDTEST_ITEM_FEATURES is set, but there is no table question with a column id. Unset it, or make the table"
            )
        if columns.get("meta", "jsonb") != "jsonb":
            raise InputError(f"question.meta is {columns['meta']}, but jsonb is needed. Unset SEEDTEST_ITEM_FEATURES")
        statement = _QUERY.format(
            topic="to_jsonb(topic_id)::text" if TOPIC in columns else "NULL::text",
            meta=_META if "meta" in columns else "NULL::jsonb",
        )
        rows = connection.execute(sa.text(statement), {"names": list(names)}).all()
    known = [json.loads(row.features) if row.features else {} for row in rows]
    if TOPIC in names:
        for features, row in zip(known, rows, strict=True):
            topic = json.loads(row.topic) if row.topic else None
            if topic is not None:
                features[TOPIC] = topics_of(topic) if isinstance(topic, str) else topic
    ids = [row.item_id.strip(BLANKS) for row in rows]
    values = {name: [_value(features.get(name)) for features in known] for name in names}
    absent = [name for name, given in values.items() if all(value is None for value in given)]
    items = pd.DataFrame(
        {
            "item_id": ids,
            **{name: pd.Series(given, dtype=object) for name, given in values.items() if name not in absent},
        }
    )
    return ItemFeatures(
        items=items.drop_duplicates("item_id"),
        warnings=tuple(
            f"SEEDTEST_ITEM_FEATURES: no question has a number, text or list {name!r} in meta, so it predicts nothing"
            for name in absent
        ),
    )


def _value(value: Any) -> Any:
    """Give a value that can be used; an object, and a list of lists or objects, says nothing. A null in a list keeps its place."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list):
        return value if all(isinstance(each, str | bool | int | float | None) for each in value) else None
    return None if isinstance(value, dict) else value
