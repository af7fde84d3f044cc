"""Answer logs in files: Parquet, CSV or Excel, long (one row an answer) or wide (one row a person, 0/1/blank)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from seedtest_assets.encoded_columns import decoded
from seedtest_assets.errors import InputError, first_few, first_line, number_of
from seedtest_assets.rapid_guesses import NOTHING_COUNTED, RapidCount
from seedtest_assets.storage.answer_groups import group_column, groups_of_students
from seedtest_assets.storage.answer_values import VALUE_COLUMNS, Reasons, read_values
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE, MarkRules
from seedtest_assets.storage.marks import read_marks
from seedtest_assets.storage.observations import ID_COLUMNS, OBSERVATION_SCHEMA
from seedtest_assets.storage.parquet_columns import readable_column
from seedtest_assets.storage.scores_as_marks import with_marks_of_scores
from seedtest_assets.storage.text_tables import ROW, read_text_table, refuse_repeated_names
from seedtest_assets.topic_lists import from_lists
from seedtest_assets.usable_answers import EARLIEST, NO_MARK, counted, encoded, filtered, split_usable, trimmed

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

    @property
    def students_without_answers(self) -> Sequence[str]:
        """Ids of the file that `answers` does not have."""
        answered = set(self.answers["student_id"].unique().to_pylist())
        return [student for student in self.students if student not in answered]

    def describe_bad(self) -> str:
        """List the reasons with their counts and first rows, in one line."""
        parts = []
        for reason, bad in self.bad.groupby("reason", sort=False):
            parts.append(f"{reason} ({_rows_and_cells(bad.index)}: {first_few(bad.index.tolist())})")
        more = len(parts) - REASONS_SHOWN
        return "; ".join(parts[:REASONS_SHOWN]) + (f"; {more} more kinds of fault" if more > 0 else "")

    def number_of_bad(self) -> str:
        """Write how many rows, and cells of a wide file, are bad."""
        return _rows_and_cells(self.bad.index, "bad ")

    def remedy(self) -> str:
        """Say what helps against the bad rows and cells, and how rows count; in a wide file a column may be no item at all."""
        cells = [isinstance(place, str) for place in self.bad.index]
        counting = "" if all(cells) else ". Row 1 is the first below the header"
        return (
            f"Correct them,{' take out columns that are no items,' if any(cells) else ''} or add --skip-bad{counting}"
        )

    def count_bad(self) -> Mapping[str, int]:
        """Count the rows left out, by reason."""
        return counted(self.bad["reason"])


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
    file = _read_rows(str(path), group)
    wide = _is_wide(file.rows.column_names) and not needs_time
    columns = [name for name in file.rows.column_names if name != ROW]
    notes = [*file.notes, *_columns_not_read(columns)]
    if wide:
        notes += [f"the column {name} is not read as an item" for name in columns if name.strip().lower() == GROUP]
        file = _unpivoted(path, file)
        columns = [name for name in file.rows.column_names if name != ROW]
    chosen = _choose_columns(columns)
    mark = [] if chosen["score"] else ["correct"]
    needed = ["student_id", "item_id", *mark, *["completed_at"] * needs_time, *["topic_id"] * needs_topic]
    _refuse_missing(path, [name for name in needed if chosen[name] is None], columns)
    rows = pa.table({ROW: file.rows[ROW]} | _under_our_names(file.rows, chosen))
    no_mark = NO_MARK if chosen["correct"] or chosen["score"] is None else "no score"
    if chosen["score"] is not None:
        rows, of_scores = with_marks_of_scores(path, rows, rules)
        chosen, notes = chosen | {"correct": chosen["correct"] or "score"}, [*notes, *of_scores]
    marks = read_marks(rows["correct"], rows["item_id"], rules, scored=wide)
    rows = rows.set_column(rows.column_names.index("correct"), "correct", marks.text)
    if marks.score is not None:
        rows = rows.append_column("score", marks.score)
        chosen = chosen | {"score": "score"}
    file_items = rows["item_id"]
    # A blank cell of a wide file is nothing; a long file has no row for an item that a person did not get.
    is_answer = pc.invert(marks.ignored) if not wide else pc.is_valid(marks.text)
    rows = filtered(rows, is_answer)
    split = split_usable(_typed(rows, chosen))
    bad = _bad_rows(file.misfits, split.left_out, wide=wide)
    bad["reason"] = bad["reason"].replace(NO_MARK, no_mark)
    answers = split.usable.select(OBSERVATION_SCHEMA.names)
    n_rows = len(rows) + len(file.misfits)
    assert len(answers) + split.n_further_topics + len(bad) == n_rows, f"{path}: rows are lost"
    if split.n_further_topics:
        notes.append(f"{number_of(split.n_further_topics, 'row')} named a further topic of the same answer")
    if unanswered := sorted(set(_in_order(file_items)).difference(answers["item_id"].unique().to_pylist())):
        notes.append(f"{number_of(len(unanswered), 'item')} without a usable answer: {first_few(unanswered)}")
    return AnswerFile(
        answers=answers,
        bad=bad,
        n_rows=n_rows,
        not_answered=marks.no_answer,
        notes=[*notes, *marks.notes],
        students=_in_order(file.students),
        items=_in_order(rows["item_id"]),
        groups=file.groups,
    )


def _refuse_missing(path: str | Path, missing: Sequence[str], columns: Sequence[str]) -> None:
    """Raise InputError naming the first missing column of our names. columns: of the file."""
    for name in missing:
        names, hint = ALIASES[name], ""
        if name == "correct":
            names, hint = (*names, "score"), ". Points belong in a column score, the highest possible ones in max_score"
        raise InputError(f"{path} has no column {' or '.join(names)}. It has {', '.join(columns) or 'none'}{hint}")


def _bad_rows(misfits: Sequence[tuple[int, str]], left_out: pa.Table, *, wide: bool) -> pd.DataFrame:
    """Lay out the bad rows of an AnswerFile in the order of the file."""
    of_file = pd.DataFrame(misfits, columns=["row", "reason"])
    others = left_out.select(["row", "reason", "student_id", "item_id"]).to_pandas()
    cells = others["student_id"].fillna("(no student_id)") + " " + others["item_id"]
    places = [*of_file["row"], *(cells if wide else others["row"])]
    bad = pd.concat([of_file, others[["row", "reason"]]]).set_axis(pd.Index(places, dtype=object))
    return bad.sort_values("row", kind="stable")


@dataclass(frozen=True, kw_only=True)
class _FileRows:
    """rows: as they stand in the file, with ROW. students: ids of all rows. misfits, notes: as of a TextTable.

    groups: as of an AnswerFile; their column is not in `rows`.
    """

    rows: pa.Table
    students: pa.ChunkedArray
    misfits: Sequence[tuple[int, str]]
    notes: Sequence[str]
    groups: Mapping[str, str]


def _read_rows(path: str, group: str | None) -> _FileRows:
    paths = sorted(glob(path)) or [path]
    tables, misfits, notes = [], [], []
    for name in paths:
        if name.lower().endswith(".parquet"):
            rows = _parquet_rows(name, group)
        else:
            text = read_text_table(Path(name), HEADERS)
            rows, of_file = text.rows, f" in {Path(name).name}" if len(paths) > 1 else ""
            misfits += [(row, reason + of_file) for row, reason in text.misfits]
            notes += [note + of_file for note in text.notes]
        tables.append(rows)
    if len({str(table.schema) for table in tables}) > 1:  # such as ids that only a Parquet file gives by code
        tables = [decoded(table) for table in tables]
    try:
        rows = _without_null_type(pa.concat_tables(tables, promote_options="permissive"))
    except pa.ArrowException as error:
        raise InputError(f"the files of {path} do not fit together: {first_line(error)}") from None
    student = _choose_columns(rows.column_names)["student_id"]
    students = rows[student] if student else pa.chunked_array([[]], pa.string())
    groups: Mapping[str, str] = {}
    if group is not None and student:
        column = group_column(path, group, [name for name in rows.column_names if name not in (ROW, student)])
        groups = groups_of_students(path, students, rows[column])
        rows = rows.drop_columns(column)
    return _FileRows(rows=rows, students=students, misfits=misfits, notes=notes, groups=groups)


def _parquet_rows(path: str, group: str | None) -> pa.Table:
    try:
        schema = pa.parquet.read_schema(path)
        refuse_repeated_names(Path(path), schema.names)
        ids = [name for name in map(_choose_columns(schema.names).get, ID_COLUMNS) if name]
        texts = [name for name in ids if pa.types.is_string(schema.field(name).type)]
        table = pa.parquet.read_table(path, read_dictionary=texts)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    grouping = [] if group is None else [group_column(path, group, table.column_names)]
    columns = [column for column in table.column_names if column not in grouping]
    chosen = {column: name for name, column in _choose_columns(columns).items() if column}
    if _is_wide(columns):
        chosen = {column: chosen.get(column, "correct") for column in columns}
    chosen |= dict.fromkeys(grouping, "session_id")  # an id of any type
    for place, column in enumerate(table.column_names):
        # A column that is not read keeps its name for messages; its type may be another one in another file.
        values = (
            readable_column(path, column, table[column], chosen[column]) if column in chosen else pa.nulls(len(table))
        )
        table = table.set_column(place, column, values)
    return table.append_column(ROW, pa.array(np.arange(1, len(table) + 1)))


def _without_null_type(table: pa.Table) -> pa.Table:
    """Write columns of nothing but nulls, which pandas stores without a type, as text."""
    for place, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        if pa.types.is_null(kind):
            table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _choose_columns(columns: Sequence[str]) -> dict[str, str | None]:
    """Find the column of each name of ALIASES, in any case."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    chosen = {name: next((by_name[a] for a in aliases if a in by_name), None) for name, aliases in ALIASES.items()}
    if chosen["student_id"] is None and by_name.keys() >= {"id", "item", "resp"}:
        chosen |= {name: by_name.get(other) for name, other in RESPONSE_WAREHOUSE.items()}
    return chosen


def _columns_not_read(columns: Sequence[str]) -> list[str]:
    """Tell of columns with names of the same meaning, of which one was read."""
    chosen = _choose_columns(columns)
    twins = {name: [c for c in columns if c.strip().lower() in aliases] for name, aliases in ALIASES.items()}
    return [
        f"only {chosen[name]} was read of the columns {first_few(same)}"
        for name, same in twins.items()
        if len(same) > 1
    ]


def _is_wide(columns: Sequence[str]) -> bool:
    """Tell whether a table is wide: of the columns of a long file it has only the person's."""
    return [name for name, column in _choose_columns(columns).items() if column] == ["student_id"]


def _unpivoted(path: str | Path, file: _FileRows) -> _FileRows:
    """Make a row of each cell of a wide file; item names stand as they are."""
    student = _choose_columns(file.rows.column_names)["student_id"]
    no_items = (*ALIASES["student_id"], GROUP)
    items = [name for name in file.rows.column_names if name != ROW and name.strip().lower() not in no_items]
    if "" in items and pc.all(pc.is_in(file.rows[""].cast(pa.string()), pa.array(["", None]))).as_py():
        items.remove("")  # a blank column, as spreadsheets have them
    if "" in items:
        position = file.rows.column_names.index("") + 1
        raise InputError(f"{path} has a column without a name, its column {position}. Name it, or remove it")
    if not items:
        raise InputError(f"{path} has no column of an item. It has only {student}")
    n_rows = len(file.rows)
    if not n_rows:
        why = f", only such as: row {file.misfits[0][0]}, {file.misfits[0][1]}" if file.misfits else ""
        raise InputError(f"{path} has no row that fits its header{why}. The names of all columns belong in one row")
    marks = pa.chunked_array([chunk for name in items for chunk in file.rows[name].cast(pa.string()).chunks])
    codes = pa.array(np.repeat(np.arange(len(items), dtype=np.int32), n_rows))
    at = np.tile(np.arange(n_rows), len(items))
    rows = pa.table(
        {
            ROW: file.rows[ROW].take(at),
            "user_id": file.rows[student].take(at),
            "item_id": pa.DictionaryArray.from_arrays(codes, pa.array(items)),
            "is_correct": marks,
        }
    )
    return replace(file, rows=rows)


def _under_our_names(rows: pa.Table, chosen: Mapping[str, str | None]) -> dict[str, pa.ChunkedArray]:
    """Name the chosen columns as OBSERVATION_SCHEMA does."""
    named = {name: rows[column] for name, column in chosen.items() if column}
    if "topic_id" in named and pa.types.is_list(named["topic_id"].type):
        named["topic_id"] = from_lists(named["topic_id"])
    return named


def _in_order(ids: pa.ChunkedArray) -> list[str]:
    """List each id once, in the order of the file."""
    return trimmed(ids.unique().cast(pa.string())).unique().drop_null().to_pylist()


def _typed(rows: pa.Table, chosen: Mapping[str, str | None]) -> pa.Table:
    """Give the columns of OBSERVATION_SCHEMA, ids dictionary-encoded, the row's number, and in `unreadable` why a value could not be read.

    rows: text under our names, `correct` as of Marks. chosen: names of the columns, null where the file has none.
    """
    ids = {name: encoded(rows[name]) for name in ID_COLUMNS if chosen[name]}
    correct, unreadable = _correct(rows["correct"])
    reasons = Reasons(unreadable)
    for name in ("student_id", "item_id"):
        broken = pc.match_substring(ids[name].dictionary, "\n")
        if pc.any(broken).as_py():
            reasons.add(f"{name} holds a line break", broken.take(ids[name].indices))
    values = read_values(rows.select([name for name in VALUE_COLUMNS if chosen[name]]), reasons)
    if not chosen["completed_at"]:
        # The order of the file tells which of two answers came first: microseconds after EARLIEST. Not the row's number, which
        # begins again in each file of a glob.
        first = int(EARLIEST.timestamp()) * 1_000_000
        values["completed_at"] = pa.array(np.arange(first, first + len(rows))).cast(pa.timestamp("us", tz="UTC"))
    known = {"correct": correct, **ids, **values}
    columns = {
        field.name: known[field.name] if field.name in known else pa.nulls(len(rows), field.type)
        for field in OBSERVATION_SCHEMA
    }
    return pa.table({"row": rows[ROW], **columns, "unreadable": reasons.of_rows})


def _correct(marks: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Part the texts of Marks into marks and the reasons of those that cannot be read, null elsewhere."""
    read = pc.is_in(marks, pa.array(["true", "false"]))
    correct = pc.if_else(read, pc.equal(marks, "true"), pa.scalar(None, pa.bool_()))
    return correct, pc.if_else(read, pa.scalar(None, pa.string()), marks)
