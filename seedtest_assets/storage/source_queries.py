"""The SQL that reads answers from a table or view of the platform, chosen and checked by the columns that it has."""

from datetime import date

import sqlalchemy as sa

from seedtest_assets.days import day_bounds
from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import sql
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.usable_answers import usable_sql

TABLES = ("attempt", "responses", "exam_results")
"""In the order in which `auto` looks for them."""

WHOLE_NUMBERS = ("smallint", "integer", "bigint")
"""Types of columns without decimals."""
_BOOLEAN = ("boolean",)
_TIME = ("timestamp with time zone", "timestamp without time zone")
_NEEDED: dict[str, dict[str, tuple[str, ...]]] = {
    "attempt": {"student_id": (), "item_id": (), "correct": _BOOLEAN, "completed_at": _TIME},
    "responses": {"user_id": (), "item_id": (), "is_correct": _BOOLEAN, "responded_at": _TIME},
    "exam_results": {
        "user_id": (),
        "session_id": (),
        "created_at": _TIME,
        "updated_at": _TIME,
        "result_json": ("jsonb",),
    },
}
_OPTIONAL_OF_ATTEMPT = {"topic_id": (), "response_time_ms": WHOLE_NUMBERS, "hint_used": _BOOLEAN, "session_id": ()}
_SCORE = (*WHOLE_NUMBERS, "numeric", "real", "double precision")
_SCORES: dict[str, tuple[str, ...]] = {"score": _SCORE, "max_score": _SCORE}
SQL_TYPES = {
    "string": "text",
    "bool": "boolean",
    "int32": "integer",
    "double": "double precision",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}
"""Of the columns of OBSERVATION_SCHEMA, by their types, as PostgreSQL names them."""


def answers_query(
    connection: sa.Connection,
    table: str,
    columns: dict[str, str],
    *,
    omitted_is_wrong: bool = False,
    not_reached_is_wrong: bool = False,
) -> str:
    """Give the query of a source's answers, with the parameters :first and :end.

    An answer without a mark was omitted; in an exam, one after the last with a mark was not reached. Either has no mark, or
    is wrong. Raises InputError where a column is missing or has the wrong type.
    """
    _check_columns(table, columns)
    if table == "attempt":
        return _attempt_query(columns, omitted_is_wrong)
    if table == "responses" and not {"id", "topic_id"} <= set(columns_of(connection, "question")):
        raise InputError(
            "the source responses takes its topics from question (id, topic_id), which does not exist. Make a view"
        )
    choices = {
        ":ids_of_view": str(view_makes_ids(connection)).lower(),
        ":omitted_is_wrong": str(omitted_is_wrong).lower(),
        ":not_reached_is_wrong": str(not_reached_is_wrong).lower(),
    }
    if table == "responses":
        choices[":topic_of_question"] = _topic_text("q.topic_id", columns_of(connection, "question")["topic_id"])
        for name in ("max_score", "score"):
            choices[f":{name}"] = f"r.{name}::double precision" if name in columns else "NULL::double precision"
    query = sql(f"source_{table}.sql")
    for name, chosen in choices.items():
        query = query.replace(name, chosen)
    return query


def view_makes_ids(connection: sa.Connection) -> bool:
    """Tell whether a view `attempt` over `exam_results` makes student ids UUIDs.

    The platform's readers then ask for results under those, also while another source is read: a text id as the
    UUID that the view makes of it.
    """
    return columns_of(connection, "attempt").get("student_id") == "uuid" and bool(
        columns_of(connection, "exam_results")
    )


def in_order(query: str, first: date, last: date) -> str:
    """Give the query of the answers of the days first..last, in the order of their completion."""
    return f"SELECT * FROM ({between(query, first, last)}) AS answers ORDER BY completed_at"


def counted(query: str, first: date, last: date) -> str:
    """Give the query of the number of usable answers of each of the days first..last that has any."""
    usable = usable_sql(between(query, first, last))
    return f"SELECT (completed_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM ({usable}) AS usable GROUP BY 1"


def between(query: str, first: date, last: date) -> str:
    """Give the query of the answers of the days first..last, in any order."""
    # Written out, because ADBC reads a result as a stream only where it binds no parameters.
    start, end = day_bounds(first)[0], day_bounds(last)[1]
    return query.replace(":first", f"timestamptz '{start}'").replace(":end", f"timestamptz '{end}'")


def _check_columns(table: str, columns: dict[str, str]) -> None:
    expected = dict(_NEEDED[table])
    optional = {"attempt": _OPTIONAL_OF_ATTEMPT | _SCORES, "responses": _SCORES}.get(table, {})
    expected |= {name: kind for name, kind in optional.items() if name in columns}
    for name, allowed in expected.items():
        if name not in columns:
            raise InputError(f"{table} has no column {name}. It has {', '.join(columns)}")
        if allowed and columns[name] not in allowed:
            raise InputError(
                f"{table}.{name} is {columns[name]}, but {' or '.join(allowed)} is needed. Cast it in a view"
            )


def _attempt_query(columns: dict[str, str], omitted_is_wrong: bool) -> str:
    values = {name: name if name in columns else "NULL" for name in OBSERVATION_SCHEMA.names}
    if "topic_id" in columns:
        values["topic_id"] = _topic_text("topic_id", columns["topic_id"])
    if "score" in columns:  # full marks where an answer has a score and no mark
        values["correct"] = f"coalesce(correct, score >= coalesce({values['max_score']}, 1))"
    if omitted_is_wrong:
        values["correct"] = f"coalesce({values['correct']}, false)"
    selected = [f"{values[field.name]}::{SQL_TYPES[str(field.type)]} AS {field.name}" for field in OBSERVATION_SCHEMA]
    return f"SELECT {', '.join(selected)} FROM attempt WHERE completed_at >= :first AND completed_at < :end"


def _topic_text(column: str, kind: str) -> str:
    """Give the SQL of topics as text: an id, or a JSON array of ids (topic_lists.py). kind: the column's type."""
    if kind.endswith("[]"):
        return f"array_to_json({column})::text"
    if kind in ("json", "jsonb"):
        return (
            f"CASE json_typeof({column}::json) WHEN 'string' THEN {column} #>> '{{}}' WHEN 'null' THEN NULL "
            f"ELSE {column}::text END"
        )
    return f"{column}::text"


def topic_from_text(column: str, kind: str) -> str:
    """Give the SQL of topics in a column of a type, from text as `_topic_text` gives it."""
    topics = f"CASE WHEN {column} LIKE '[\"%' THEN {column}::json ELSE to_json(array_remove(ARRAY[{column}], NULL)) END"
    if kind.endswith("[]"):
        return f"ARRAY(SELECT json_array_elements_text({topics}))::{kind}"
    if kind in ("json", "jsonb"):
        return f"({topics})::{kind}"
    return f"{column}::{kind}"
