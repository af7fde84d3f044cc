"""Load a log of answers into the platform's `attempt` table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.errors import InputError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.storage.source_queries import WHOLE_NUMBERS, topic_from_text


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
    file = read_answer_file(path, needs_topic=True, rules=rules)
    if len(file.bad) and not skip_bad:
        raise InputError(
            f"{path} has {file.number_of_bad()} and nothing was loaded: {file.describe_bad()}. {file.remedy()}"
        )
    if not len(file.answers):
        raise InputError(f"{path} has no usable answers")
    database = prepared_database(settings)
    with database.transaction() as connection:
        types = columns_of(connection, "attempt")
    if not types:
        raise InputError(f"{database.address} has no table attempt to load into. Create it, or unset DATABASE_URL")
    _check_scores(path, file.answers, types)
    with database.bulk_transaction() as cursor:
        n_new, n_changed = _load(cursor, file.answers, types)
    days = file.answers["completed_at"]
    return Imported(
        n_rows=file.n_rows,
        n_bad=len(file.bad),
        bad=file.describe_bad(),
        n_new=n_new,
        n_known=len(file.answers) - n_new,
        n_changed=n_changed,
        first_day=days[0].as_py().date().isoformat(),
        last_day=days[-1].as_py().date().isoformat(),
        notes=file.notes,
    )


def _load(cursor: Any, answers: pa.Table, types: Mapping[str, str]) -> tuple[int, int]:
    """Add answers to `attempt`, of some types by column; count the new ones, and the known ones with another mark or score."""
    # Of two imports at once the second waits, and then sees what the first has added.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('seedtest import'))")
    cursor.fetchall()  # an error, such as of waiting too long, comes with the rows
    cursor.adbc_ingest("incoming", answers, mode="create", temporary=True)
    names = [name for name in OBSERVATION_SCHEMA.names if name in types]
    values = {name: f"i.{name}::{types[name]}" for name in names}
    if "topic_id" in types:
        values["topic_id"] = topic_from_text("i.topic_id", types["topic_id"])
    same_answer = f"""
        SELECT FROM attempt AS a
        WHERE a.student_id = i.student_id::{types["student_id"]}
          AND a.item_id = i.item_id::{types["item_id"]}
          AND a.completed_at = i.completed_at
    """
    # One statement: where the table is a view, lacks a default or has another type, all rows are refused.
    cursor.execute(
        f"""
        INSERT INTO attempt ({", ".join(names)})
        SELECT {", ".join(values[name] for name in names)} FROM incoming AS i WHERE NOT EXISTS ({same_answer})
        """
    )
    n_new = cursor.rowcount
    if n_new == len(answers):
        return n_new, 0
    graded = [name for name in ("correct", *SCORE_SCHEMA.names) if name in types]
    changed = " OR ".join(f"i.{name} IS NOT NULL AND a.{name} IS DISTINCT FROM {values[name]}" for name in graded)
    cursor.execute(f"SELECT count(*) FROM incoming AS i WHERE EXISTS ({same_answer} AND ({changed}))")
    ((n_changed,),) = cursor.fetchall()
    return n_new, n_changed


def _check_scores(path: str | Path, answers: pa.Table, types: Mapping[str, str]) -> None:
    """Refuse scores that the table `attempt`, of some types by column, has no place for."""
    scored = [name for name in SCORE_SCHEMA.names if answers[name].null_count < len(answers)]
    if absent := [name for name in scored if name not in types]:
        added = ", ".join(f"ADD {name} double precision" for name in absent)
        raise InputError(
            f"{path} has scores of partial credit, but the table attempt has no column {' or '.join(absent)}. ALTER TABLE attempt {added}"
        )
    for name in scored:
        parts = answers[name].filter(pc.not_equal(answers[name], pc.round(answers[name])))
        if types[name] in WHOLE_NUMBERS and len(parts):
            raise InputError(
                f"{path} has parts of points ({name} {parts[0].as_py():g}), but attempt.{name} is {types[name]}. "
                f"ALTER TABLE attempt ALTER {name} TYPE double precision"
            )
