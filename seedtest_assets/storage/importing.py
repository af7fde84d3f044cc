"""Load a log of answers into the platform's `attempt` table."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.errors import InputError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import BadRows
from seedtest_assets.storage.answer_parts import AnswerParts
from seedtest_assets.storage.checked_parts import CheckedParts
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.kept_parts import PartsOnDisk
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.storage.source_queries import SQL_TYPES, WHOLE_NUMBERS, topic_from_text


@dataclass(frozen=True)
class Imported:
    """Result of an import: rows in the file, bad rows left out and why, rows new to the table, notes about the reading.

    n_known: rows that the table had already. n_changed: those of them with another mark, score or max_score, which stay as they were.
    """

    n_rows: int
    n_bad: int
    bad: str
    n_new: int
    n_known: int
    n_changed: int
    first_day: str
    last_day: str
    notes: Sequence[str]


def import_answers(
    path: str | Path, settings: Settings, *, skip_bad: bool = False, rules: MarkRules = MARKS_AS_THEY_ARE
) -> Imported:
    """Add the answers of a log that `attempt` does not have yet: all of them, or none on a fault.

    An answer is identified by its student, item and time, so importing the same file twice changes nothing; nor does a file with
    other marks or scores of the same answers, which are counted.
    Raises InputError for bad rows without skip_bad, rules that differ for abilities, and where there is no `attempt` table to load into.
    """
    if rules.for_abilities:
        raise InputError("an import stores one mark an answer. Use wrong or ignored in place of ignored-then-wrong")
    with closing(PartsOnDisk()) as kept:
        file = AnswerParts(path, kept, needs_time=True, needs_topic=True, rules=rules)
        answers = CheckedParts(file)
    with answers:
        bad = BadRows(answers.bad)
        if len(bad) and not skip_bad:
            raise InputError(f"{path} has {bad.number()} and nothing was loaded: {bad.describe()}. {bad.remedy()}")
        if answers.first is None or answers.last is None:
            raise InputError(f"{path} has no usable answers")
        database = prepared_database(settings)
        with database.transaction() as connection:
            types = columns_of(connection, "attempt")
        if not types:
            raise InputError(f"{database.address} has no table attempt to load into. Create it, or unset DATABASE_URL")
        _check_scores(path, answers.scores, types)
        with database.bulk_transaction() as cursor:
            n_new, n_changed = _load(cursor, answers, types, embedded=settings.database_url is None)
        return Imported(
            n_rows=file.n_rows + len(file.misfits),
            n_bad=len(bad),
            bad=bad.describe(),
            n_new=n_new,
            n_known=answers.n - n_new,
            n_changed=n_changed,
            first_day=answers.first.date().isoformat(),
            last_day=answers.last.date().isoformat(),
            notes=answers.notes,
        )


def _load(cursor: Any, answers: CheckedParts, types: Mapping[str, str], *, embedded: bool) -> tuple[int, int]:
    """Add answers to `attempt`, of some types by column; count the new ones, and the known ones with another mark or score.

    embedded: whether the table is that of the embedded server, which may be truncated where it is empty.
    """
    # Of two imports at once the second waits, and then sees what the first has added.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('seedtest import'))")
    cursor.fetchall()  # an error, such as of waiting too long, comes with the rows
    if embedded:
        _truncate_if_empty(cursor)
    names = [name for name in OBSERVATION_SCHEMA.names if name in types]
    if answers.in_order and all(types[name] == SQL_TYPES[str(OBSERVATION_SCHEMA.field(name).type)] for name in names):
        schema = _schema_to_copy_into(cursor, answers)
        if schema is not None:
            cursor.adbc_ingest("attempt", _stream(answers, names), mode="append", db_schema_name=schema)
            return answers.n, 0
    cursor.adbc_ingest("incoming", _stream(answers, OBSERVATION_SCHEMA.names), mode="create", temporary=True)
    values = {name: f"i.{name}::{types[name]}" for name in names}
    if "topic_id" in types:
        values["topic_id"] = topic_from_text("i.topic_id", types["topic_id"])
    same_answer = f"""
        SELECT FROM attempt AS a
        WHERE a.student_id = i.student_id::{types["student_id"]}
          AND a.item_id = i.item_id::{types["item_id"]}
          AND a.completed_at = i.completed_at
    """
    # One statement: where the table is a view, lacks a default or has another type, all rows are refused. In the order of time,
    # so that a day's answers are near each other on the disk.
    cursor.execute(
        f"""
        INSERT INTO attempt ({", ".join(names)})
        SELECT {", ".join(values[name] for name in names)} FROM incoming AS i WHERE NOT EXISTS ({same_answer})
        {"" if answers.in_order else "ORDER BY i.completed_at, i.student_id, i.item_id"}
        """
    )
    n_new = cursor.rowcount
    if n_new == answers.n:
        return n_new, 0
    graded = [name for name in ("correct", *SCORE_SCHEMA.names) if name in types]
    changed = " OR ".join(f"i.{name} IS NOT NULL AND a.{name} IS DISTINCT FROM {values[name]}" for name in graded)
    cursor.execute(f"SELECT count(*) FROM incoming AS i WHERE EXISTS ({same_answer} AND ({changed}))")
    ((n_changed,),) = cursor.fetchall()
    return n_new, n_changed


def _truncate_if_empty(cursor: Any) -> None:
    """Truncate `attempt` where it is an empty table that no foreign key refers to, and the server's log (WAL) is minimal.

    Its rows of this transaction then need no log, which takes a quarter of the processor time and half of what is written. To the end
    of the transaction nobody else can read the table.
    """
    empty = """
        SELECT current_setting('wal_level') = 'minimal' AND EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('attempt') AND relkind IN ('r', 'p'))
            AND NOT EXISTS (SELECT FROM attempt)
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE confrelid = to_regclass('attempt'))
        """
    cursor.execute(empty)
    if cursor.fetchall() != [(True,)]:
        return
    # Asked again under the lock, for which another transaction that adds rows is waited for.
    cursor.execute("SAVEPOINT unlocked")
    cursor.execute("LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE")
    cursor.execute(empty)
    cursor.execute("TRUNCATE attempt" if cursor.fetchall() == [(True,)] else "ROLLBACK TO SAVEPOINT unlocked")


def _schema_to_copy_into(cursor: Any, answers: CheckedParts) -> str | None:
    """Give the schema of `attempt` where answers can be copied into it as they are, which takes two thirds of the time.

    It is then a table without policies on its rows, and has no answers of these times, some of which might be the same.
    """
    cursor.execute(
        f"""
        SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('attempt') AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND NOT EXISTS (
            SELECT FROM attempt WHERE completed_at BETWEEN timestamptz '{answers.first}' AND timestamptz '{answers.last}'
        )
        """
    )
    found = cursor.fetchall()
    return found[0][0] if found else None


def _stream(answers: CheckedParts, names: Sequence[str]) -> pa.RecordBatchReader:
    schema = pa.schema([OBSERVATION_SCHEMA.field(name) for name in names])
    batches = (batch for part in answers for batch in part.select(names).cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _check_scores(path: str | Path, scores: Mapping[str, float | None], types: Mapping[str, str]) -> None:
    """Refuse scores that the table `attempt`, of some types by column, has no place for. scores: of CheckedParts."""
    if absent := [name for name in scores if name not in types]:
        added = ", ".join(f"ADD {name} double precision" for name in absent)
        raise InputError(
            f"{path} has scores of partial credit, but the table attempt has no column {' or '.join(absent)}. ALTER TABLE attempt {added}"
        )
    for name, part_of_points in scores.items():
        if types[name] in WHOLE_NUMBERS and part_of_points is not None:
            raise InputError(
                f"{path} has parts of points ({name} {part_of_points:g}), but attempt.{name} is {types[name]}. "
                f"ALTER TABLE attempt ALTER {name} TYPE double precision"
            )
