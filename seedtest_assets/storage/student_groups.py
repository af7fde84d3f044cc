"""The group of each student, from the query that SEEDTEST_GROUP_SQL gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from seedtest_assets.errors import InputError
from seedtest_assets.storage.database import Database
from seedtest_assets.usable_answers import trimmed

SETTING = "SEEDTEST_GROUP_SQL"


@dataclass(frozen=True, kw_only=True)
class StudentGroups:
    """groups: of each student who has one; n_without_group: rows whose group is null or blank."""

    groups: Mapping[str, str]
    n_without_group: int


def read_student_groups(database: Database, query: str) -> StudentGroups:
    """Read two columns, student and group, whatever their names, in a transaction that can write nothing.

    Raises InputError for a query that fails, another number of columns, or a student in two groups.
    """
    try:
        with database.bulk_transaction() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            # On a line of its own: the query may end with a comment.
            cursor.execute(f"SELECT * FROM ({query.strip().rstrip(';')}\n) AS student_groups")
            rows = cursor.fetch_arrow_table()
    except InputError as error:
        raise InputError(f"{SETTING}: {error}") from error
    if rows.num_columns != 2:
        raise InputError(
            f"{SETTING} gives {rows.num_columns} columns ({', '.join(rows.column_names)}). Give two: the student and the group"
        )
    students, groups = (trimmed(_text(column).combine_chunks()) for column in rows.columns)
    of_student: dict[str, str] = {}
    n_without = 0
    for student, group in zip(students.to_pylist(), groups.to_pylist(), strict=True):
        if student is None or group is None:
            n_without += 1
        elif of_student.setdefault(student, group) != group:
            raise InputError(f"{SETTING}: the student {student} is in two groups, {of_student[student]} and {group}")
    return StudentGroups(groups=of_student, n_without_group=n_without)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(f"{SETTING}: a column is {column.type}, not text or a number. Cast it to text") from None
