"""Answer logs in files: Parquet, CSV or Excel, long (one row an answer) or wide (one row a person, 0/1/blank)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from seedtest_assets.encoded_columns import dictionary_of, nothing
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.rapid_guesses import NOTHING_COUNTED, RapidCount
from seedtest_assets.storage.answer_parts import AnswerParts
from seedtest_assets.storage.answer_values import with_quotes_together
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.usable_answers import NO_MARK, counted, split_usable

REASONS_SHOWN = 8
ENDINGS = (".parquet", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".xlsx")


@dataclass(frozen=True, kw_only=True)
class AnswerFile:
    """The answers of a file, or of all files of a glob.

    answers: rows of OBSERVATION_SCHEMA, ids dictionary-encoded.
    bad: columns row and reason, one row for each row (of a wide file: cell) that is left out of `answers`. Row 1 is the
        first below the header. The index names the place: the row, or the student and item of a cell.
    n_rows: answers in the file; as many as `answers`, `bad` and the rows of further topics, which are in `notes`, have together.
    not_answered: how often which mark stood for no answer; of a long file such a row is bad, unless a code says that it is ignored.
    notes: what to tell about the reading, a sentence each.
    students, items: ids of the file, in its order; of a wide file that of its columns. Some may have no row in `answers`.
    groups: of each student who has one, where a column of groups was asked for.
    rapid_guesses: how many were counted, and what became of them in `answers`.
    """

    answers: pa.Table
    bad: pd.DataFrame
    n_rows: int
    not_answered: Mapping[str, int]
    notes: Sequence[str]
    students: Sequence[str]
    items: Sequence[str]
    groups: Mapping[str, str] = field(default_factory=dict)
    rapid_guesses: RapidCount = NOTHING_COUNTED

    @cached_property
    def students_without_answers(self) -> Sequence[str]:
        """Ids of the file that `answers` does not have."""
        answered = set(dictionary_of(self.answers["student_id"]).unique().dictionary_decode().to_pylist())
        return [student for student in self.students if student not in answered]

    def describe_bad(self) -> str:
        """List the reasons with their counts and first rows, in one line."""
        return BadRows(self.bad).describe()

    def number_of_bad(self) -> str:
        """Write how many rows, and cells of a wide file, are bad."""
        return BadRows(self.bad).number()

    def remedy(self) -> str:
        """Say what helps against the bad rows and cells."""
        return BadRows(self.bad).remedy()

    def count_bad(self) -> Mapping[str, int]:
        """Count the rows left out, by reason."""
        return counted(self.bad["reason"])


class BadRows:
    """What to say of the rows that are left out. rows: as of an AnswerFile."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def describe(self) -> str:
        """List the reasons with their counts and first rows, in one line."""
        parts = []
        for reason, bad in self._rows.groupby("reason", sort=False):
            parts.append(f"{reason} ({_rows_and_cells(bad.index)}: {first_few(bad.index.tolist())})")
        more = len(parts) - REASONS_SHOWN
        return "; ".join(parts[:REASONS_SHOWN]) + (f"; {more} more kinds of fault" if more > 0 else "")

    def number(self) -> str:
        """Write how many rows, and cells of a wide file, are bad."""
        return _rows_and_cells(self._rows.index, "bad ")

    def remedy(self) -> str:
        """Say what helps against the bad rows and cells, and how rows count; in a wide file a column may be no item at all."""
        cells = [isinstance(place, str) for place in self._rows.index]
        counting = "" if all(cells) else ". Row 1 is the first below the header"
        return (
            f"Correct them,{' take out columns that are no items,' if any(cells) else ''} or add --skip-bad{counting}"
        )


def _rows_and_cells(places: pd.Index, adjective: str = "") -> str:
    n_cells = sum(isinstance(place, str) for place in places)
    counts = ((len(places) - n_cells, "row"), (n_cells, "cell"))
    return " and ".join(number_of(count, adjective + what) for count, what in counts if count)


def is_answer_file(name: str) -> bool:
    """Tell whether a setting names a file or a glob of files, not a table."""
    return name.lower().endswith(ENDINGS)


def read_answer_file(
    path: str | Path,
    *,
    needs_time: bool = True,
    needs_topic: bool = False,
    rules: MarkRules = MARKS_AS_THEY_ARE,
    group: str | None = None,
) -> AnswerFile:
    """Read a log, check each row, and separate the bad rows with their reasons.

    needs_time: without it, a file may have no completed_at, and the order of its rows stands in for the time.
    rules: the key of responses, and codes of omitted and not reached answers. group: name of the column with the
    student's group, which is then no item of a wide file.
    Raises InputError for a file that is not there, cannot be read, or lacks a needed column.
    """
    file = AnswerParts(path, [], needs_time=needs_time, needs_topic=needs_topic, rules=rules, group=group)
    split = split_usable(pa.concat_tables(file.answers(), promote_options="default"))
    bad = bad_rows(file, split.left_out)
    answers = of_observations(split.usable)
    assert len(answers) + split.n_further_topics + len(bad) == file.n_rows + len(file.misfits), f"{path}: rows are lost"
    usable_items = dictionary_of(answers["item_id"]).unique().to_pylist()
    return AnswerFile(
        answers=answers,
        bad=bad,
        n_rows=file.n_rows + len(file.misfits),
        not_answered=file.not_answered,
        notes=[*file.notes, *notes_of_answers(file, split.n_further_topics, usable_items)],
        students=file.students(),
        items=list(file.answered_items),
        groups=file.groups,
    )


def of_observations(answers: pa.Table) -> pa.Table:
    """Give the columns of OBSERVATION_SCHEMA, null where a file does not have them."""
    absent = {
        column.name: nothing(column.type, len(answers))
        for column in OBSERVATION_SCHEMA
        if column.name not in answers.column_names
    }
    return pa.table({name: absent[name] if name in absent else answers[name] for name in OBSERVATION_SCHEMA.names})


def bad_rows(file: AnswerParts, left_out: pa.Table) -> pd.DataFrame:
    """Lay out the bad rows of an AnswerFile in the order of the file. left_out: of all its answers, as of `split_usable`."""
    of_file = pd.DataFrame(file.misfits, columns=["row", "reason"])
    others = left_out.select(["row", "reason", "student_id", "item_id"]).to_pandas()
    others["reason"] = with_quotes_together(others["reason"].replace(NO_MARK, file.no_mark))
    cells = others["student_id"].fillna("(no student_id)") + " " + others["item_id"]
    places = [*of_file["row"], *(cells if file.wide else others["row"])]
    bad = pd.concat([of_file, others[["row", "reason"]]]).set_axis(pd.Index(places, dtype=object))
    return bad.sort_values("row", kind="stable")


def notes_of_answers(file: AnswerParts, n_further_topics: int, usable_items: Iterable[str]) -> Iterator[str]:
    """Tell what became of the answers, a sentence each."""
    if n_further_topics:
        yield f"{number_of(n_further_topics, 'row')} named a further topic of the same answer"
    if unanswered := sorted(file.items.keys() - set(usable_items)):
        yield f"{number_of(len(unanswered), 'item')} without a usable answer: {first_few(unanswered)}"
