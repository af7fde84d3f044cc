"""Indexes of a table that is empty and gets many rows: made after the rows, from sorted ones, they take less time than row by row."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# A sort of this size is made in memory, of a larger one so much at a time. The server's own setting is for the least of machines.
_SORT_MEMORY = "256MB"
# With what removes an index and what makes it again. An index that something else needs, such as a foreign key or a view that
# groups by the key, cannot be removed, and no index is named then.
_INDEXES = """
WITH found AS (
    SELECT i.indexrelid AS index, i.indrelid AS owner, c.oid AS of_constraint, c.conname
    FROM pg_index AS i
    LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = '{table}'::regclass
)
SELECT
    CASE WHEN conname IS NULL THEN format('DROP INDEX %s', index::regclass)
        ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', owner::regclass, conname) END,
    CASE WHEN conname IS NULL THEN pg_get_indexdef(index)
        ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', owner::regclass, conname, pg_get_constraintdef(of_constraint)) END
FROM found
WHERE NOT EXISTS (SELECT FROM pg_depend, found WHERE refobjid IN (index, of_constraint) AND deptype = 'n')
ORDER BY index
"""


@contextmanager
def made_after_the_rows(cursor: Any, table: str) -> Iterator[None]:
    """Take the indexes off an empty table within a transaction, and make them again at the end of the block.

    From here to the end of the transaction nobody else can read the table. Where it is not empty, or something else depends on an index,
    nothing is done.
    """
    cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
    ((has_rows,),) = cursor.fetchall()
    if has_rows:
        yield
        return
    cursor.execute(_INDEXES.format(table=table))
    indexes = cursor.fetchall()
    for removal, _ in indexes:
        cursor.execute(removal)
    yield
    cursor.execute(f"SET LOCAL maintenance_work_mem TO '{_SORT_MEMORY}'")
    for _, making in indexes:
        cursor.execute(making)
