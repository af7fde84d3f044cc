"""The columns of files of answers: their names, and whether a file is long (a row an answer) or wide (a row a person)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seedtest_assets.errors import InputError, first_few

ALIASES = {
    "student_id": ("student_id", "user_id"),
    "item_id": ("item_id",),
    "topic_id": ("topic_id",),
    "correct": ("correct", "is_correct"),
    "completed_at": ("completed_at", "responded_at"),
    "response_time_ms": ("response_time_ms",),
    "hint_used": ("hint_used",),
    "session_id": ("session_id",),
    "score": ("score",),
    "max_score": ("max_score",),
}
"""Names of the columns, read in any case."""
RESPONSE_WAREHOUSE = {"student_id": "id", "item_id": "item", "correct": "resp", "completed_at": "date"}
"""Names of the Item Response Warehouse; read where a file has `id`, `item` and `resp` and no student_id or user_id."""
HEADERS = [*(frozenset({name}) for name in ALIASES["student_id"]), frozenset({"id", "item", "resp"})]
GROUP = "group_id"
"""Column of the student's group, which is no item of a wide file; only a comparison of groups reads it."""


def choose_columns(columns: Sequence[str]) -> dict[str, str]:
    """Give the column of each name of ALIASES that a file has, in any case."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    chosen = {name: next((by_name[a] for a in aliases if a in by_name), None) for name, aliases in ALIASES.items()}
    if chosen["student_id"] is None and by_name.keys() >= {"id", "item", "resp"}:
        chosen |= {name: by_name.get(other) for name, other in RESPONSE_WAREHOUSE.items()}
    return {name: column for name, column in chosen.items() if column is not None}


def is_wide(columns: Sequence[str]) -> bool:
    """Tell whether a file is wide: of the columns of a long file it has only the person's."""
    return list(choose_columns(columns)) == ["student_id"]


def item_columns(columns: Sequence[str]) -> list[str]:
    """List the columns of a wide file that are items."""
    no_items = (*ALIASES["student_id"], GROUP)
    return [name for name in columns if name.strip().lower() not in no_items]


def columns_not_read(columns: Sequence[str]) -> list[str]:
    """Tell of columns with names of the same meaning, of which one was read."""
    chosen = choose_columns(columns)
    twins = {name: [c for c in columns if c.strip().lower() in aliases] for name, aliases in ALIASES.items()}
    return [
        f"only {chosen[name]} was read of the columns {first_few(same)}"
        for name, same in twins.items()
        if len(same) > 1
    ]


def refuse_missing(path: str | Path, chosen: Mapping[str, str], needed: Sequence[str], columns: Sequence[str]) -> None:
    """Raise InputError naming the first needed column of our names that is not chosen. columns: of the file."""
    for name in needed:
        if name in chosen:
            continue
        names, hint = ALIASES[name], ""
        if name == "correct":
            names, hint = (*names, "score"), ". Points belong in a column score, the highest possible ones in max_score"
        raise InputError(f"{path} has no column {' or '.join(names)}. It has {', '.join(columns) or 'none'}{hint}")
