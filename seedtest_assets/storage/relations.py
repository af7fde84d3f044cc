"""Columns of a table or view, and the tables behind a view, from PostgreSQL's catalogue."""

import sqlalchemy as sa

_COLUMNS = sa.text(
    "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
    "WHERE attrelid = to_regclass(:relation) AND attnum > 0 AND NOT attisdropped"
)
_BEHIND = sa.text(
    """
    WITH RECURSIVE behind (relation) AS (
        SELECT to_regclass(:view)::oid
        UNION
        SELECT used.refobjid
        FROM behind
        JOIN pg_rewrite AS rule ON rule.ev_class = behind.relation
        JOIN pg_depend AS used ON used.classid = 'pg_rewrite'::regclass AND used.objid = rule.oid
         AND used.refclassid = 'pg_class'::regclass
    )
    SELECT relname FROM behind JOIN pg_class ON pg_class.oid = behind.relation
    WHERE relkind IN ('r', 'p', 'f') AND relation <> to_regclass(:view)::oid
    ORDER BY relname
    """
)


def columns_of(connection: sa.Connection, relation: str) -> dict[str, str]:
    """Map column names to types, of a table or view; empty when there is none."""
    rows = connection.execute(_COLUMNS, {"relation": relation})
    return {row.attname: row.format_type for row in rows}


def tables_behind(connection: sa.Connection, view: str) -> tuple[str, ...]:
    """Name the tables that a view reads, through other views too; empty for a table."""
    return tuple(connection.execute(_BEHIND, {"view": view}).scalars())
