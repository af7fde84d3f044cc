"""Files of answers, some rows at a time: typed and checked, their marks read by what all rows of all files say."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from glob import glob
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.errors import InputError
from seedtest_assets.storage.answer_columns import (
    GROUP,
    choose_columns,
    columns_not_read,
    is_wide,
    item_columns,
    refuse_missing,
)
from seedtest_assets.storage.answer_groups import group_column, groups_of_students
from seedtest_assets.storage.answer_values import VALUE_COLUMNS, Reasons, ValueReader
from seedtest_assets.storage.file_rows import FileRows, open_rows
from seedtest_assets.storage.kept_parts import KeptParts
from seedtest_assets.storage.mark_rules import MarkRules
from seedtest_assets.storage.marks import MarkCounts, read_marks
from seedtest_assets.storage.observations import ID_COLUMNS, OBSERVATION_SCHEMA
from seedtest_assets.storage.scores_as_marks import MarksOfScores, parted_scores, refuse_rules_of_marks
from seedtest_assets.storage.text_tables import ROW
from seedtest_assets.storage.two_threads import in_two_threads
from seedtest_assets.topic_lists import from_lists
from seedtest_assets.usable_answers import EARLIEST, NO_MARK, encoded, filtered


class AnswerParts:
    """The answers of a file, or of all files of a glob. They are kept in parts until all have been seen, which tells what their marks mean.

    wide: whether a row of the file is a person. misfits: (number, reason) of the rows that do not fit their header.
    notes: what to tell about the reading, a sentence each. not_answered: how often which mark stood for no answer.
    no_mark: reason of answers without a mark. groups: of each student who has one, where a column of groups was asked for.
    items: ids of the file, in its order. answered_items, n_rows: ids and number of the rows that `answers` has given.
    Raises InputError for a file that is not there, cannot be read, or lacks a needed column.
    """

    def __init__(
        self,
        path: str | Path,
        kept: KeptParts,
        *,
        needs_time: bool,
        needs_topic: bool,
        rules: MarkRules,
        group: str | None = None,
    ) -> None:
        self._path, self._kept, self._group = str(path), kept, group
        self.items: dict[str, None] = {}
        self.answered_items: dict[str, None] = {}
        self.n_rows = 0
        files = {name: open_rows(name) for name in sorted(glob(self._path)) or [self._path]}
        columns = list(dict.fromkeys(column for file in files.values() for column in file.names))
        self.wide = is_wide(self._without_group(columns)) and not needs_time
        self._has = {"student_id", "item_id", "correct"} if self.wide else set(choose_columns(columns))
        notes = columns_not_read(columns)
        if self.wide:
            notes += [f"the column {name} is not read as an item" for name in columns if name.strip().lower() == GROUP]
        else:
            self._check_columns(files, columns, ["completed_at"] * needs_time + ["topic_id"] * needs_topic)
        self.no_mark = NO_MARK if "correct" in self._has or "score" not in self._has else "no score"
        self._scores = None
        if "score" in self._has:
            refuse_rules_of_marks(path, rules, marked="correct" in self._has)
            self._scores = MarksOfScores()
        self.groups = self._keep(files, rules)
        of_files = [(f" in {Path(name).name}" if len(files) > 1 else "", file) for name, file in files.items()]
        self.misfits = [(row, reason + of) for of, file in of_files for row, reason in file.misfits]
        counts = MarkCounts(rules)
        kinds = counts.count(lambda: ((self._marks_of(part), dictionary_of(part["item_id"])) for part in self._kept))
        self._meanings = read_marks(kinds, rules, by_item=counts.by_item, scored=self.wide)
        self.not_answered = self._meanings.no_answer
        self.notes = [
            *(note + of for of, file in of_files for note in file.notes),
            *notes,
            *(self._scores.notes(marked="correct" in self._has) if self._scores is not None else ()),
            *self._meanings.notes,
        ]

    def answers(self) -> Iterator[pa.Table]:
        """Give the answers as `split_usable` takes them: columns that the file has, and `row`, the number of their row.

        A part where all values can be read has no column `unreadable`.
        """
        # The order of the file tells which of two answers came first: microseconds after EARLIEST. Not the row's number, which
        # begins again in each file of a glob.
        time = int(EARLIEST.timestamp()) * 1_000_000
        self.answered_items, self.n_rows = {}, 0
        for part in self._kept:
            marks = self._meanings.of_rows(self._marks_of(part), dictionary_of(part["item_id"]))
            # A blank cell of a wide file is nothing; a long file has no row for an item that a person did not get.
            is_answer = marks.is_answer if self.wide else pc.invert(marks.ignored)
            columns = {name: part[name] for name in OBSERVATION_SCHEMA.names if name in part.column_names}
            columns["correct"] = marks.correct
            if marks.score is not None:
                columns["score"] = marks.score.cast(pa.float64())
            if "completed_at" not in columns:
                columns["completed_at"] = pa.array(np.arange(time, time + len(part))).cast(pa.timestamp("us", tz="UTC"))
                time += len(part)
            reasons = [
                of for of in (marks.unreadable, part["unreadable"]) if of is not None and of.null_count < len(of)
            ]
            if reasons:
                columns["unreadable"] = pc.coalesce(*reasons)
            rows = filtered(pa.table({"row": part["row"], **columns}), is_answer)
            self.n_rows += len(rows)
            self.answered_items |= _ids(rows["item_id"], every=len(rows) == len(part))
            yield rows

    def students(self) -> list[str]:
        """List the ids of students in all rows, in the order of the file."""
        found: dict[str, None] = {}
        for part in self._kept:
            found |= _ids(part["student_id"])
        return list(found)

    def _without_group(self, columns: Sequence[str]) -> list[str]:
        if self._group is None:
            return list(columns)
        return [name for name in columns if name.strip().lower() != self._group.strip().lower()]

    def _check_columns(self, files: Mapping[str, FileRows], columns: Sequence[str], further: Sequence[str]) -> None:
        """Raise InputError where a file lacks a column without which none of its rows can be used, or all files lack a further one."""
        for name, file in files.items():
            chosen = choose_columns(self._without_group(file.names))
            mark = [] if "score" in chosen else ["correct"]
            refuse_missing(name, chosen, ["student_id", "item_id", *mark], file.names)
        refuse_missing(self._path, choose_columns(self._without_group(columns)), further, columns)

    def _keep(self, files: Mapping[str, FileRows], rules: MarkRules) -> Mapping[str, str]:
        """Read all files into parts, and give the groups of students."""
        reader = ValueReader() if self._has.intersection(VALUE_COLUMNS) else None
        pairs: list[pa.Table] = []
        for name, file in files.items():
            grouping = [] if self._group is None else [group_column(name, self._group, list(file.names))]
            columns = [column for column in file.names if column not in grouping]
            chosen = choose_columns(columns)
            meanings = {column: our_name for our_name, column in chosen.items()}
            if self.wide:
                meanings |= dict.fromkeys(_items_of(name, columns), "correct")
            n_rows = 0
            # A group is an id of any type.
            raw_parts = file.parts({**meanings, **dict.fromkeys(grouping, "session_id")})
            for raw, part in in_two_threads(partial(self._part, chosen=chosen, reader=reader, rules=rules), raw_parts):
                if grouping:
                    pairs.append(pa.table({"student": raw[chosen["student_id"]], "group": raw[grouping[0]]}))
                if self.wide:
                    _refuse_nameless(name, file, raw)
                n_rows += len(raw)
                self.items |= _ids(part["item_id"])
                if self._scores is not None:
                    self._scores.add(part)
                self._kept.append(part)
            if self.wide and not n_rows:
                why = f", only such as: row {file.misfits[0][0]}, {file.misfits[0][1]}" if file.misfits else ""
                raise InputError(
                    f"{name} has no row that fits its header{why}. The names of all columns belong in one row"
                )
        if not pairs:
            return {}
        together = pa.concat_tables([pair.cast(_PAIR) for pair in pairs])
        return groups_of_students(self._path, together["student"], together["group"])

    def _part(
        self, raw: pa.Table, *, chosen: Mapping[str, str], reader: ValueReader | None, rules: MarkRules
    ) -> pa.Table:
        """Type the rows of a part under our names: with the columns that any of the files has.

        Ids and marks are dictionary-encoded; `unreadable` says why a value could not be read; with scores, has_score and no_score
        tell the rows with a score and what stands for none.
        """
        rows = (
            _unpivoted(raw, chosen["student_id"], self._without_group(raw.column_names))
            if self.wide
            else _under_our_names(raw, chosen)
        )
        n_rows = len(rows)
        columns: dict[str, pa.Array | pa.ChunkedArray] = {"row": rows[ROW]}
        reasons = Reasons(n_rows)
        for name in (*ID_COLUMNS, "correct"):
            if name in rows.column_names:
                columns["mark" if name == "correct" else name] = encoded(rows[name])
            elif name in self._has or name == "correct":
                columns["mark" if name == "correct" else name] = pa.nulls(n_rows, _ENCODED_TEXT)
        for name in ("student_id", "item_id"):
            broken = pc.match_substring(columns[name].dictionary, "\n")
            if pc.any(broken).as_py():
                reasons.add(broken.take(columns[name].indices), f"{name} holds a line break")
        if "score" in rows.column_names:
            score, columns["no_score"] = parted_scores(rows["score"], rules)
            columns["has_score"] = score.is_valid()
            rows = rows.set_column(rows.column_names.index("score"), "score", score)
        elif self._scores is not None:
            columns |= {"no_score": pa.nulls(n_rows, _ENCODED_TEXT), "has_score": pa.repeat(False, n_rows)}
        given = [name for name in VALUE_COLUMNS if name in rows.column_names]
        values = reader.read(rows.select(given), reasons) if reader is not None and given else {}
        for name in VALUE_COLUMNS:
            if name in self._has or (name == "max_score" and self._scores is not None):
                kind = OBSERVATION_SCHEMA.field(name).type
                columns[name] = values[name].cast(kind) if name in values else pa.nulls(n_rows, kind)
        return pa.table({**columns, "unreadable": reasons.of_rows}).combine_chunks()

    def _marks_of(self, part: pa.Table) -> pa.DictionaryArray:
        return dictionary_of(part["mark"]) if self._scores is None else self._scores.marks_of(part)


_ENCODED_TEXT = pa.dictionary(pa.int32(), pa.string())
_PAIR = pa.schema([("student", pa.string()), ("group", pa.string())])


def _ids(column: pa.ChunkedArray, *, every: bool = True) -> dict[str, None]:
    """Give each id once, in the order of the rows; every: those of the dictionary, some of which may be of other parts only."""
    ids = dictionary_of(column)
    return dict.fromkeys((ids.dictionary if every else ids.unique().dictionary_decode()).drop_null().to_pylist())


def _under_our_names(raw: pa.Table, chosen: Mapping[str, str]) -> pa.Table:
    """Name the chosen columns as OBSERVATION_SCHEMA does."""
    named = {name: raw[column] for name, column in chosen.items()}
    for name, values in named.items():
        if pa.types.is_null(values.type):  # nothing but nulls, which pandas stores without a type
            named[name] = values.cast(pa.string())
    if "topic_id" in named and pa.types.is_list(named["topic_id"].type):
        named["topic_id"] = from_lists(named["topic_id"])
    return pa.table({ROW: raw[ROW], **named})


def _items_of(path: str, columns: Sequence[str]) -> list[str]:
    """List the items of a wide file; raises InputError if there are none."""
    items = item_columns(columns)
    if not items:
        raise InputError(f"{path} has no column of an item. It has only {choose_columns(columns)['student_id']}")
    return items


def _refuse_nameless(path: str, file: FileRows, raw: pa.Table) -> None:
    """Raise InputError for a column without a name that has values; a blank one is none, as spreadsheets have them."""
    if "" in raw.column_names and not pc.all(pc.is_in(raw[""].cast(pa.string()), pa.array(["", None]))).as_py():
        position = list(file.names).index("") + 1
        raise InputError(f"{path} has a column without a name, its column {position}. Name it, or remove it")


def _unpivoted(raw: pa.Table, student: str, columns: Sequence[str]) -> pa.Table:
    """Make a row of each cell of a wide file; item names stand as they are."""
    items = [name for name in item_columns(columns) if name not in ("", ROW)]
    cells = [chunk for name in items for chunk in raw[name].cast(pa.string()).chunks]
    at = np.tile(np.arange(len(raw)), len(items))
    return pa.table(
        {
            ROW: raw[ROW].take(at),
            "student_id": dictionary_of(raw[student]).take(pa.array(at)),
            "item_id": pa.DictionaryArray.from_arrays(
                np.repeat(np.arange(len(items), dtype=np.int32), len(raw)), pa.array(items, pa.string())
            ),
            "correct": pa.chunked_array(cells, pa.string()),
        }
    )
