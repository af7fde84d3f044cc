"""The key of a test: the right responses of each item."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.storage.mark_names import ALL_MARKS, Kind, most_frequent, plain
from seedtest_assets.storage.text_tables import ROW, read_text_table
from seedtest_assets.usable_answers import trimmed

Key = Mapping[str, frozenset[str]]
"""Right responses by item, plain and in upper case."""

ITEM_NAMES = ("item_id", "item")
RESPONSE_NAMES = ("key", "answer", "correct_response")
"""Names of the two columns, in any case; the first that a file has is read."""
_BETWEEN_RESPONSES = re.compile("[;|,]")


def read_key(path: Path) -> Key:
    """Read the right responses from a file; an item with several has a row for each, or a cell such as A;B.

    Raises InputError naming the rows without an item or a response.
    """
    table = read_text_table(path, [frozenset(names) for names in product(ITEM_NAMES, RESPONSE_NAMES)])
    names = [name for name in table.rows.column_names if name != ROW]
    columns = {name.lower(): table.rows[name] for name in names}
    item_name = next((name for name in ITEM_NAMES if name in columns), None)
    response_name = next((name for name in RESPONSE_NAMES if name in columns), None)
    if item_name is None or response_name is None:
        raise InputError(
            f"{path} has no column item_id and key. It has {', '.join(names)}. "
            f"Name them {' or '.join(ITEM_NAMES)}, and {' or '.join(RESPONSE_NAMES)}"
        )
    bad = [f"row {row} ({reason})" for row, reason in table.misfits]
    right: dict[str, set[str]] = {}
    cells = (trimmed(columns[item_name]), trimmed(columns[response_name]), table.rows[ROW])
    for item, cell, row in zip(*(column.to_pylist() for column in cells), strict=True):
        if item is None or cell is None:
            bad.append(f"row {row} ({item_name if item is None else response_name} is missing)")
        else:
            right.setdefault(item, set()).update(_responses(cell))
    if bad:
        raise InputError(f"{path}: {first_few(bad)}")
    return {item: frozenset(responses) for item, responses in right.items()}


def _responses(cell: str) -> set[str]:
    """Give the responses of a cell, and the cell as it stands: a response may hold a comma."""
    return {plain(text).upper() for text in (cell, *_BETWEEN_RESPONSES.split(cell)) if text.strip()}


def compare_with_key(answers: Sequence[Kind], key: Key) -> list[str]:
    """Compare the responses with the key, and mention items that only the key has.

    Raises InputError where the key lacks an item, or does not fit the responses.
    """
    items = {kind.item for kind in answers if kind.item is not None}
    missing, unused = sorted(items - key.keys()), sorted(key.keys() - items)
    if missing:
        raise InputError(
            f"the key has no row for the items {first_few(missing)}. It has rows for {first_few(list(key))}. Add the others"
        )
    given = {kind.plain.upper() for kind in answers}
    right = set().union(*key.values())
    marks = {mark.upper() for mark in ALL_MARKS}
    if given and given <= marks and not right <= marks:
        raise InputError(
            f"the marks are scored already and are no responses: {most_frequent(answers)}. Leave --key out"
        )
    if given and not given & right:
        raise InputError(
            f"no response of the file is in the key. The file has {most_frequent(answers)}, the key has "
            f"{first_few(sorted(right))}. Write both alike, or leave --key out if the file has marks"
        )
    return [f"not in the file: {number_of(len(unused), 'item')} of the key ({first_few(unused)})"] if unused else []
