"""Read the newest abilities in each feature window of the students active on a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from seedtest_assets.days import feature_windows
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history_tables import staged
from seedtest_assets.storage.statements import literal

TOPIC_THETA_SCHEMA = pa.schema(
    [
        ("partition_date", pa.date32()),
        ("user_id", pa.string()),
        ("topic_id", pa.string()),
        ("theta", pa.float64()),
        ("se", pa.float64()),
    ]
)
OVERALL_THETA_SCHEMA = TOPIC_THETA_SCHEMA.remove(TOPIC_THETA_SCHEMA.get_field_index("topic_id"))

_OF_DAY = """
SELECT partition_date, {columns}, theta, se FROM {table} WHERE partition_date = {day}
"""
_ANY = "SELECT EXISTS (SELECT FROM {table} WHERE partition_date >= {first} AND partition_date < {end})"
# One index look-up for each of them: reading all days and sorting them would grow with the whole platform.
_NEWEST = """
SELECT newest.*
FROM {wanted} AS wanted
CROSS JOIN LATERAL (
    SELECT partition_date, {columns}, theta, se
    FROM {table} AS history
    WHERE {same} AND partition_date >= {first} AND partition_date < {end}
    ORDER BY partition_date DESC
    LIMIT 1
) AS newest
"""


@dataclass(frozen=True, kw_only=True)
class _Abilities:
    """Abilities of a history table. columns: those of its key but the day, as {name in `schema`: name in the table}."""

    table: str
    schema: pa.Schema
    columns: Mapping[str, str]

    def read(self, cursor: Any, statement: str, **values: str) -> pa.Table:
        """Read rows of `schema` by a statement."""
        names = {"columns": ", ".join(self.columns.values()), "table": self.table}
        names["same"] = " AND ".join(f"history.{column} = wanted.{name}" for name, column in self.columns.items())
        # Days are written out, because ADBC reads a result as a stream only where it binds no parameters.
        cursor.execute(statement.format(**names, **values))
        return cursor.fetch_arrow_table().rename_columns(self.schema.names).cast(self.schema)

    def has_any(self, cursor: Any, first: str, end: str) -> bool:
        """Tell whether there are abilities of some days at all."""
        cursor.execute(_ANY.format(table=self.table, first=first, end=end))
        return bool(cursor.fetchone()[0])


_TOPIC = _Abilities(
    table="topic_theta_history",
    schema=TOPIC_THETA_SCHEMA,
    columns={"user_id": "student_id", "topic_id": "topic_id"},
)
_OVERALL = _Abilities(table="ability_history", schema=OVERALL_THETA_SCHEMA, columns={"user_id": "student_id"})


def newest_abilities(database: Database, day: date, active: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Read the newest abilities of both windows of a day's features: TOPIC_THETA_SCHEMA and OVERALL_THETA_SCHEMA.

    active: user_id, topic_id of the pairs wanted; pairs without an ability have no row.
    """
    with database.bulk_transaction() as cursor:
        return _newest(cursor, _TOPIC, day, active), _newest(cursor, _OVERALL, day, active)


def _newest(cursor: Any, abilities: _Abilities, day: date, active: pa.Table) -> pa.Table:
    """Read what there is of the day itself at once, which nearly all of the active have, and look up the rest."""
    key = list(abilities.columns)
    keys = pa.schema([abilities.schema.field(name) for name in key])
    wanted = active.select(key).cast(keys).group_by(key).aggregate([])
    of_day = abilities.read(cursor, _OF_DAY, day=literal(day))
    found = [of_day.join(wanted, key, join_type="left semi")]
    others = wanted.join(of_day.select(key), key, join_type="left anti")
    previous, recent = feature_windows(day)
    for rows, first, end in ((wanted, previous, recent), (others, recent, day)):
        of_window = {"first": literal(first), "end": literal(end)}
        if len(rows) and abilities.has_any(cursor, **of_window):
            with staged(cursor, rows) as staged_rows:
                found.append(abilities.read(cursor, _NEWEST, wanted=staged_rows, **of_window))
    return pa.concat_tables(found)
