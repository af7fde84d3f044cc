"""The column of an answer file that says of which group a student is."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.storage.mark_names import NO_ANSWER
from seedtest_assets.usable_answers import trimmed


def group_column(path: str, name: str, columns: list[str]) -> str:
    """Find the column of groups as it is written in the file, in any case; raises InputError if there is none."""
    named = [column for column in columns if column == name] or [
        column for column in columns if column.strip().lower() == name.strip().lower()
    ]
    if not named:
        raise InputError(
            f"{path} has no column {name}. It has {first_few(columns)}. Name the column of groups by --group"
        )
    return named[0]


def groups_of_students(path: str, students: pa.ChunkedArray, groups: pa.ChunkedArray) -> Mapping[str, str]:
    """Read the group of each student, those without one left out.

    A blank, `NA` and the like are no group; a group named in some rows of a student counts for all of them. Raises
    InputError naming the students with two groups.
    """
    student, group = (trimmed(column.cast(pa.string())) for column in (students, groups))
    pairs = pa.table({"student": student, "group": group})
    nothing = pc.is_in(pc.utf8_lower(pairs["group"]), pa.array(sorted(NO_ANSWER)))
    pairs = pairs.filter(
        pc.and_(pc.is_valid(pairs["student"]), pc.and_(pc.is_valid(pairs["group"]), pc.invert(nothing)))
    )
    pairs = pairs.group_by(["student", "group"], use_threads=False).aggregate([])
    of_student: dict[str, str] = {}
    second: dict[str, str] = {}
    for name, value in zip(pairs["student"].to_pylist(), pairs["group"].to_pylist(), strict=True):
        if of_student.setdefault(name, value) != value:
            second.setdefault(name, value)
    if second:
        raise InputError(
            f"{path}: {number_of(len(second), 'student')} of more than one group: "
            f"{first_few([f'{name} ({of_student[name]} and {value})' for name, value in second.items()])}. "
            "Give each student one group"
        )
    return of_student
