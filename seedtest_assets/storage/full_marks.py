"""The number that stands for correct in each item: its full mark, where that is not 1."""

from collections.abc import Iterable, Mapping

from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.storage.mark_names import Kind, is_usual_code, number

ItemMarks = Mapping[str | None, frozenset[str]]
"""The plain marks of each item, without those of no answer and codes; of all items together under None."""


def marks_of_items(answers: Iterable[Kind]) -> ItemMarks:
    """Collect the plain marks of each item."""
    of_item: dict[str | None, set[str]] = {}
    for kind in answers:
        of_item.setdefault(kind.item, set()).add(kind.plain)
    return {item: frozenset(marks) for item, marks in of_item.items()}


def stated_full_marks(of_item: ItemMarks, full_mark: str) -> dict[str | None, str]:
    """Give the full mark that the user stated for the items that have it."""
    return {item: full_mark for item, marks in of_item.items() if full_mark in marks}


def find_full_marks(of_item: ItemMarks) -> dict[str | None, str]:
    """Find the items whose marks are 0 and one other number above 1, which is then the full mark.

    A number that some item has together with 1 is none, but a part of more points or a code; the usual codes of missing
    answers are none either. An item that everybody has right may lack the 0. Raises InputError if all marks are 0 and such a code.
    """
    everywhere = frozenset().union(*of_item.values())
    with_one = frozenset().union(*(marks for marks in of_item.values() if "1" in marks))
    others = everywhere - {"0"}
    numbers = {mark for mark in others - with_one if (number(mark) or 0) > 1}
    if "0" in everywhere and others == numbers and len(numbers) == 1:
        (other,) = numbers
        if is_usual_code(other):
            raise InputError(
                f"the marks are 0 and {other}, and {other} is a usual code of missing answers. State what it is: "
                f"--omitted {other}=wrong, --omitted {other}=ignored, or --full-mark {other} if it stands for correct"
            )
        return dict.fromkeys(of_item, other)
    numbers = {mark for mark in numbers if not is_usual_code(mark)}
    known = {mark for mark in numbers if {"0", mark} in of_item.values()}
    found = {}
    for item, marks in of_item.items():
        full = marks - {"0"}
        if len(full) == 1 and full <= known:
            (found[item],) = full
    return found


def describe_full_marks(full_marks: Mapping[str | None, str], of_item: ItemMarks) -> list[str]:
    """Say which full marks were found, in a sentence, and for which items where they differ."""
    different = list(dict.fromkeys(full_marks.values()))
    if len(different) == 1 and full_marks.keys() == of_item.keys():
        return [f"the marks are 0 and {different[0]}: {different[0]} was read as correct"]
    parts = []
    for full in different:
        items = [item for item, mark in full_marks.items() if mark == full]
        parts.append(f"{full} in {number_of(len(items), 'item')} ({first_few(items)})")
    ones = [item for item, marks in of_item.items() if "1" in marks and item not in full_marks]
    if parts and ones:
        parts.append(f"1 in {number_of(len(ones), 'item')} ({first_few(ones)})")
    return [f"full marks differ between items. Read as correct: {first_few(parts)}"] if parts else []
